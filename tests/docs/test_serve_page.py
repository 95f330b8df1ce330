"""The commands in docs/serve.md that need a running service, or are one, run as written."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import pytest

from tests.assets import JPG, MP3, SOFT_DELETE, make_silence
from tests.docs.blocks import DOCS, blocks
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

BLOCKS: Final = blocks(DOCS / "serve.md")
LARGE: Final = 52_428_844
"""The size of the file on the page."""


def marked(kind: str) -> list[str]:
    found = [block.code for block in BLOCKS if block.mark == f"tested: {kind}"]
    assert found
    return found


def commands(kind: str) -> list[str]:
    joined = "\n".join(marked(kind)).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what the page names, in front of a bucket."""
    (tmp_path / "song.mp3").write_bytes(MP3.read_bytes())
    (tmp_path / "cover.jpg").write_bytes(JPG.read_bytes())
    (tmp_path / "tokens.txt").write_text(f"{'0' * 64}  read  studio\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with StrictServer("my-bucket", bucket_settings=SOFT_DELETE) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield tmp_path


@contextmanager
def started(command: str) -> Iterator[str]:
    """Run a command that serves, on a free port of this machine; yield the URL that it prints."""
    local = re.sub(r"--host \S+", "--host 127.0.0.1", re.sub(r"--port \S+", "", command))
    with subprocess.Popen(
        ["sh", "-ec", f"exec {local.partition('#')[0]} --port 0 --json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            _drained(process.stderr)
            assert process.wait(PATIENCE_S) == 0


def _drained(stream: IO[str] | None) -> None:
    assert stream is not None
    stream.read()


@pytest.mark.slow
@pytest.mark.parametrize("command", commands("serves"))
def test_what_serves_prints_its_url_and_ends_with_a_signal(folder: Path, command: str) -> None:
    del folder
    with started(command) as url:
        assert urlsplit(url).hostname == "127.0.0.1"


@pytest.mark.slow
def test_the_requests_are_answered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_silence(folder / "song.wav", LARGE)
    assert (folder / "song.wav").stat().st_size == LARGE
    with started("audiostore serve --bucket gs://my-bucket") as url:
        place = urlsplit(url)
        monkeypatch.setenv("URL", f"http://{place.netloc}")
        monkeypatch.setenv("TOKEN", place.query.removeprefix("token="))
        stored, with_cover, found = (json.loads(answered(each)) for each in commands("requests"))
        assert stored["custom"] == with_cover["custom"] == {"mood": "calm"}
        assert with_cover["has_thumbnail"]
        assert found["items"] == []

        announce, send, complete = commands("steps")
        upload = json.loads(answered(announce))
        monkeypatch.setenv("SESSION_URL", upload["session_url"])
        answered(send)
        asset = json.loads(answered(complete.replace("3f2b…", upload["upload_id"])))
        assert (asset["audio_id"], asset["size_bytes"]) == (upload["upload_id"], LARGE)


def answered(command: str) -> str:
    """Return what a request prints; it fails if the service refuses it."""
    done = subprocess.run(
        ["sh", "-euc", command.replace("curl ", "curl --fail-with-body --silent ")],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
