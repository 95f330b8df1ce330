"""The page on many machines: its commands and its Python run as written."""

import re
import shlex
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem
from audiostore.cli import main
from audiostore.cli.commands.fleet import _place
from tests.assets import MP3

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fleet.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = (tmp_path / "store").as_uri()
    monkeypatch.setenv("GCS_BUCKET_NAME", url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mp3").write_bytes(MP3.read_bytes())
    (tmp_path / "songs.csv").write_text("audio\nsong.mp3\n")
    return url


@pytest.mark.slow
def test_the_commands_run(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in blocks("sh")[0].splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    assert (tmp_path / "map.parquet").stat().st_size


@pytest.mark.slow
def test_the_python_runs(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    items = [BulkItem(tmp_path / "song.mp3")]
    exec(code.replace('"my-bucket"', repr(store)), {"items": items})
    with AudioStorageManager(store) as manager:
        (asset,) = manager.list()
    assert asset.audio_id in capsys.readouterr().out


def test_the_table_names_the_variables_that_are_read() -> None:
    source = Path(_place.__file__).read_text("utf-8")
    for name in re.findall(r"`([A-Z_]+_(?:INDEX|COUNT|ID))`", PAGE):
        assert f'"{name}"' in source, name
