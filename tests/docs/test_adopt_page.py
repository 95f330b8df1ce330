"""The page on adopting: its commands and its Python run as written; its layouts are valid."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from audiostore import CleanStatus, RefusalReason
from audiostore.adopt import KeyCovers, KeyLayout
from audiostore.cli import main
from tests.assets import JPG, MP3
from tests.gcs_server import StrictServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adopt.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StrictServer]:
    with StrictServer("my-bucket", "old") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", "my-bucket")
        monkeypatch.chdir(tmp_path)
        server.put("old", "music/A/B/1 C.mp3", MP3.read_bytes())
        server.put("old", "music/A/B/cover.jpg", JPG.read_bytes())
        server.put("old", "music/readme.txt", b"x")
        yield server


@pytest.mark.slow
def test_the_commands_run(server: StrictServer, capsys: pytest.CaptureFixture[str]) -> None:
    for line in blocks("sh")[0].splitlines():
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert [each.name for each in server.objects("old")] == ["music/readme.txt"]
    out = capsys.readouterr().out
    assert "a1  1 asset, 1 with a cover" in out
    assert "not-audio  1 object left out:\n  music/readme.txt  has an unsupported type" in out
    assert "USD for operations (10 of class A, at least 5 of class B)" in out


@pytest.mark.slow
def test_the_python_runs(server: StrictServer, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(code, {})
    out = capsys.readouterr().out
    assert "gs://old/music/A/B/1 C.mp3 deleted" in out
    assert len(server.objects("old")) == 3


def test_layouts_covers_and_words_are_those_of_the_code() -> None:
    for layout in re.findall(r"--layout '([^']+)'", PAGE):
        fields = KeyLayout(layout).fields
        for cover in re.findall(rf"{re.escape(layout)}'(?: --cover '?([^'`|]+)'?)", PAGE):
            KeyCovers(cover.split(" --cover "), fields)
    for word in (*get_args(RefusalReason), *get_args(CleanStatus)):
        assert f"`{word}`" in PAGE, word


def test_what_makes_no_sense_is_a_usage_error(
    server: StrictServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in (
        "adopt",
        "adopt gs://old --run a1",
        "adopt gs://old --layout {title}",
        "adopt gs://old --layout {title --run a1",
        "adopt gs://old --layout {title} --cover {nobody}.jpg --run a1",
        "adopt gs://old --layout {title} --run A1",
        "adopt gs://old --layout {title} --run a1 --clean a1",
        "adopt old --layout x/{title} --run a1",
        "adopt gs://old --layout x/{title} --run a1",
        "adopt --clean a1",
    ):
        code = main(shlex.split(line))
        out, err = capsys.readouterr()
        assert ("music/readme.txt" in out) == ("x/{title}" in line), line
        assert code == (3 if line.endswith("--clean a1") and "gs:" not in line else 2), (line, err)
        assert "bug" not in err
