import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiostore.cli import main
from tests.assets import SOFT_DELETE
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

EXAMPLES = Path(__file__).parents[2] / "examples"
MP3 = EXAMPLES / "morning-in-c.mp3"
COVER = EXAMPLES / "morning-in-c.jpg"
FLAC = EXAMPLES / "Lied für Ümläute.flac"
COMMAND = [sys.executable, "-m", "audiostore"]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Call = Callable[..., tuple[int, str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what runs the command as a process."""
    for item in items:
        if "run" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and an empty working directory; no configuration."""
    for name in (
        "AUDIOSTORE_CONFIG",
        "AUDIOSTORE_STORE",
        "GCS_BILLING_PROJECT",
        "GCS_BUCKET_NAME",
        "NO_COLOR",
        "STORAGE_EMULATOR_HOST",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    (tmp_path / "cwd").mkdir()
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(tmp_path / "cwd")
    return folder


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty directory store, configured in the environment."""
    (tmp_path / "store").mkdir()
    url = (tmp_path / "store").as_uri()
    monkeypatch.setenv("GCS_BUCKET_NAME", url)
    return url


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    """A bucket on the strict server, configured in the environment."""
    with StrictServer("bucket", bucket_settings=SOFT_DELETE) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", "bucket")
        yield running


@pytest.fixture
def run() -> Run:
    """Run the real command; its input is not a terminal."""

    def call(*args: str | Path, env: dict[str, str] | None = None) -> object:
        return subprocess.run(
            [*COMMAND, *map(str, args)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, **(env or {})},
        )

    return call  # type: ignore[return-value]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `main` in this process: exit code, stdout, stderr."""

    def call_main(*args: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", Path(os.devnull).open())  # noqa: SIM115
        try:
            code = main([str(arg) for arg in args])
        finally:
            sys.stdin.close()
        return (code, *capsys.readouterr())

    return call_main
