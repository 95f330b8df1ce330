"""Chromium without a window: opens a page and is ended when that has said what it found.

The page reports by itself, to the server that it came from: that takes no driver and no library.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    # It reaches this machine and nothing else.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
_END_TIMEOUT_S = 10.0


def find_chromium() -> str | None:
    """Return the path of the browser; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def opened(program: str, url: str) -> Iterator[Path]:
    """Show a page while the block lasts; yield the file that the browser writes its notes to."""
    with tempfile.TemporaryDirectory(
        prefix="audiostore-browser-", ignore_cleanup_errors=True
    ) as folder:
        notes = Path(folder) / "notes"
        with notes.open("wb") as out:
            process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={folder}/profile", url],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "HOME": folder},
            )
        try:
            yield notes
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: its helpers and nobody else
    process.wait()
