"""Row 29: two gibibytes, in little memory."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.assets import BUCKET, make_silence
from tests.faults.child import ROOT

GIB = 1 << 30

_UPLOAD = """
import json, re, sys
from pathlib import Path
from audiostore import AudioStorageManager, LocalStore, Progress, Retried, RetryConfig
from audiostore.stores.gcs.store import GcsStore

kind, where, path = sys.argv[1:]
last, backwards, events, retries = 0, 0, 0, 0

def listen(event):
    global last, backwards, events, retries
    if isinstance(event, Retried):
        last, retries = 0, retries + 1
    elif isinstance(event, Progress):
        events += 1
        backwards += event.done_bytes < last
        last = event.done_bytes

store = LocalStore(Path(where)) if kind == "directory" else GcsStore("bucket", emulator=where)
with AudioStorageManager(
    store=store, on_event=listen, retry_config=RetryConfig(3, 0.01, 0.02)
) as manager:
    result = manager.upload_audio_file(path)
# Not ru_maxrss: that begins with the memory of whoever started this process.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({
    "peak_kib": int(peak[1]),
    "size": result.audio.size_bytes, "crc32c": result.audio.crc32c,
    "last": last, "backwards": backwards, "events": events, "retries": retries,
}))
"""


@contextmanager
def discarding_server(folder: Path) -> Iterator[str]:
    """Run a server that keeps nothing but sizes and checksums, in a process of its own."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "tests.gcs_server", "--discard", "--bucket", BUCKET]
    process = subprocess.Popen(
        [*command, "--port-file", str(port_file), "--seconds", "120"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 15
        while not port_file.exists():
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@pytest.mark.row(29)
@pytest.mark.parametrize("kind", ["bucket", "directory"])
def test_two_gibibytes_take_little_memory_and_progress_never_turns_back(
    tmp_path: Path, kind: str
) -> None:
    if os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 3 * GIB:
        pytest.skip("too little space on the disk")
    path = tmp_path / "long.wav"
    make_silence(path, 2 * GIB)
    try:
        if kind == "bucket":
            with discarding_server(tmp_path) as url:
                told = uploaded(kind, url, path)
        else:
            told = uploaded(kind, str(tmp_path / "store"), path)
    finally:
        for left in tmp_path.rglob("*.wav"):
            left.unlink()

    assert told["size"] == 2 * GIB
    assert told["last"] == 2 * GIB
    assert told["backwards"] == 0
    assert told["retries"] == 0
    assert told["events"] > 60
    assert told["peak_kib"] < 100 << 10, f"peak {told['peak_kib'] >> 10} MiB"


def uploaded(kind: str, where: str, path: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", _UPLOAD, kind, where, str(path)],
        cwd=ROOT,
        capture_output=True,
        timeout=90,
        check=True,
        env={**os.environ, "NO_GCE_CHECK": "true"},
    )
    told: dict[str, int] = json.loads(done.stdout)
    return told
