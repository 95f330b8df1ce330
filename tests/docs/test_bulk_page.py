"""The examples of docs/bulk.md, run as they are written, on a directory and on a bucket."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore.cli import main
from tests.assets import JPG, MP3, OGG, SOFT_DELETE
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

PAGE = Path(__file__).parents[2] / "docs" / "bulk.md"
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [code for name, code in BLOCK.findall(PAGE.read_text("utf-8")) if name == language]


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    album = tmp_path / "Music" / "Album"
    album.mkdir(parents=True)
    for original, name in ((MP3, "song.mp3"), (OGG, "other.ogg"), (JPG, "cover.jpg")):
        shutil.copy(original, album / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with StrictServer("my-bucket", bucket_settings=SOFT_DELETE) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_the_shell_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    url = (tmp_path / "store").as_uri() if kind == "directory" else "gs://my-bucket"
    monkeypatch.setenv("GCS_BUCKET_NAME", url)
    assert len(blocks("shell")) >= 5
    done = run("sh", "-euc", "\n".join(blocks("shell")))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if ": done: " in line]
    for line, words in zip(
        said,
        (
            "2 stored (",
            "2 already stored",
            "2 stored (",
            "2 skipped, already in the store",
            "2 stored (",
            "downloaded (",  # the same file at the same place may be there already
            "6 already there",
            "downloaded (",
            "downloaded (",
        ),
        strict=True,
    ):
        assert ": done: " in line
        assert words in line
    assert [path.name for path in (tmp_path / "inbox").rglob("*.*")] == ["cover.jpg"]
    for folder in ("fetched", "by-tags"):
        files = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        # Six assets; two of `Music` and of `inbox` were stored from the same place.
        assert sum(path.suffix in (".mp3", ".ogg") for path in files) == 4
    assert (tmp_path / "fetched" / "Album" / "song.mp3").read_bytes() == MP3.read_bytes()


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    done = run(sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    (path,) = done.stdout.splitlines()
    assert Path(path).read_bytes() == MP3.read_bytes()
    assert Path(path).is_relative_to(tmp_path / "from-python")


def test_options_on_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    option = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    for command in ("put", "get"):
        assert main([command, "--help"]) == 0
    named = set(option.findall(PAGE.read_text("utf-8")))
    assert len(named) > 12
    assert named <= set(option.findall(capsys.readouterr().out))
