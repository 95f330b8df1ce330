"""The examples of the README and of the two pages that it leads to, run as they are written."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore.testing import tone
from benchmarks import summary
from tests.assets import JPG, MP3, PNG, SOFT_DELETE
from tests.docs import session
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def program(page: str, language: str) -> str:
    """Return all tested blocks of a page in one language, as one program."""
    found = [code for name, code in BLOCK.findall((ROOT / page).read_text()) if name == language]
    assert found
    return "\n".join(found)


def run_python(code: str) -> list[str]:
    """Run a program; return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def run_shell(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the command of this environment on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euxc", code],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    for original, name in (
        (MP3, "song.mp3"),
        (MP3, "take-two.mp3"),
        (JPG, "cover.jpg"),
        (PNG, "other.png"),
    ):
        shutil.copy(original, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with StrictServer("my-bucket", bucket_settings=SOFT_DELETE) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.mark.slow
def test_the_python_of_the_readme_runs(server: StrictServer, tmp_path: Path) -> None:
    stored, listed = run_python(program("README.md", "python"))

    audio_id = stored.split()[0]
    assert stored == f"{audio_id} Morning, in C 10.431"
    assert listed == f"{audio_id} Morning, in C"
    assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
    assert len(server.objects("my-bucket")) == 2
    assert len(run_python(program("README.md", "python"))) == 3  # again, under a new id, as it says
    assert len(server.objects("my-bucket")) == 4


@pytest.mark.slow
def test_the_examples_of_the_library_run(server: StrictServer, tmp_path: Path) -> None:
    lines = run_python(program("docs/library.md", "python"))

    first, listed, found, streamed, stored = lines
    audio_id, uri = first.split()
    assert uri == f"gs://my-bucket/audio/{audio_id}/audio.mp3"
    assert listed == f"{audio_id} Morning, in C 10.431 {MP3.stat().st_size}"
    assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
    assert stored.endswith(" None")
    assert streamed.split()[1] == str(len(tone(title="Concert pitch")))
    expected = {found, streamed.split()[0], stored.split()[0]}
    assert {o.name.split("/")[1] for o in server.objects("my-bucket")} == expected
    assert stored in run_python(program("docs/library.md", "python"))  # by its journal


@pytest.fixture(params=[None, "my-bucket"])
def bucket(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str | None:
    """What GCS_BUCKET_NAME says."""
    name: str | None = request.param
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if name:
        monkeypatch.setenv("GCS_BUCKET_NAME", name)
    else:
        monkeypatch.delenv("GCS_BUCKET_NAME", raising=False)
    return name


@pytest.mark.slow
def test_the_quickstart_runs(server: StrictServer, tmp_path: Path, bucket: str | None) -> None:
    album = tmp_path / "album"
    album.mkdir()
    shutil.copy(MP3, album)
    shutil.copy(JPG, album)

    done = run_shell(program("README.md", "shell"))

    assert "Morning, in C" in done.stdout
    assert (tmp_path / "back" / MP3.name).read_bytes() == MP3.read_bytes()
    assert ("data" in done.stderr) == (bucket is None)
    assert len(server.objects("my-bucket")) == (0 if bucket is None else 2)


@pytest.mark.slow
def test_the_examples_of_the_command_line_run(
    server: StrictServer, tmp_path: Path, bucket: str | None
) -> None:
    done = run_shell(program("docs/command-line.md", "shell"))

    assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
    assert ("data" in done.stderr) == (bucket is None)
    assert len(server.objects("my-bucket")) == (0 if bucket is None else 4)


def test_the_comparison_is_that_of_the_runs() -> None:
    assert summary.shown() == summary.table()


@pytest.mark.slow
def test_the_picture_of_the_terminal_shows_what_the_commands_print(tmp_path: Path) -> None:
    """Ids are random, times differ, and assets are stored and listed in any order."""
    drawn = [re.sub("<[^>]+>", "", line) for line in session.PICTURE.read_text().splitlines()]
    recorded = session.draw(session.record(tmp_path)).splitlines()

    def lasting(lines: list[str]) -> list[str]:
        return sorted(re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|[\d.]+ s|[\d.]+ .iB/s", "", x) for x in lines)

    assert lasting(drawn) == lasting([re.sub("<[^>]+>", "", line) for line in recorded])
