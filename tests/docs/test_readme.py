"""The README's examples, run as they are written."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore.testing import tone
from tests.assets import JPG, MP3, PNG, SOFT_DELETE
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    found = [
        code for name, code in BLOCK.findall((ROOT / "README.md").read_text()) if name == language
    ]
    assert found
    return found


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
def test_the_python_examples_run(server: StrictServer, tmp_path: Path) -> None:
    program = "\n".join(blocks("python"))

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    first, listed, found, streamed, stored = done.stdout.splitlines()
    audio_id, uri = first.split()
    assert uri == f"gs://my-bucket/audio/{audio_id}/audio.mp3"
    assert listed == f"{audio_id} Morning, in C 10.431 {MP3.stat().st_size}"
    assert not (tmp_path / "song.mp3").exists()
    assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
    assert stored.endswith(" None")
    assert streamed.split()[1] == str(len(tone(title="Concert pitch")))
    expected = {found, streamed.split()[0], stored.split()[0]}
    assert {o.name.split("/")[1] for o in server.objects("my-bucket")} == expected


@pytest.mark.slow
@pytest.mark.parametrize("bucket", [None, "my-bucket"])
def test_the_shell_examples_run(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str | None
) -> None:
    program = "\n".join(blocks("shell"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if bucket:
        monkeypatch.setenv("GCS_BUCKET_NAME", bucket)
    else:
        monkeypatch.delenv("GCS_BUCKET_NAME", raising=False)

    done = subprocess.run(
        ["sh", "-euxc", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
    assert ("data" in done.stderr) == (bucket is None)
    assert len(server.objects("my-bucket")) == (0 if bucket is None else 4)
