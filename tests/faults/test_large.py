"""Row 29: two gibibytes, in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assets import BUCKET, make_silence
from tests.faults.child import ROOT
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

GIB = 1 << 30

_UPLOAD = """
import hashlib, json, re, sys
from pathlib import Path
from audiostore import AudioStorageManager, LocalStore, Progress, Retried, RetryConfig
from audiostore.stores.gcs.store import GcsStore

class NoMd5:
    def __init__(self, **_): pass
    def update(self, _): pass
    def digest(self): return bytes(16)

hashlib.md5 = NoMd5  # a third of the time, and not needed to see what is kept in memory
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
# Not ru_maxrss: that begins with the memory of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({
    "peak_kib": int(peak[1]),
    "size": result.audio.size_bytes, "crc32c": result.audio.crc32c,
    "last": last, "backwards": backwards, "events": events, "retries": retries,
}))
"""


class NoMd5:
    """Stands in for MD5: the server needs it for none of what is tested here."""

    def __init__(self, **_: object) -> None:
        pass

    def update(self, data: bytes) -> None:
        pass

    def digest(self) -> bytes:
        return bytes(16)


@pytest.mark.row(29)
@pytest.mark.parametrize("kind", ["bucket", "directory"])
def test_two_gibibytes_take_little_memory_and_progress_never_turns_back(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 3 * GIB:
        pytest.skip("too little space on the disk")
    path = tmp_path / "long.wav"
    make_silence(path, 2 * GIB)
    try:
        if kind == "bucket":
            monkeypatch.setattr("tests.gcs_server.blobs.hashlib.md5", NoMd5)
            with StrictServer(BUCKET, discard=True) as server:
                facts = uploaded(kind, server.url, path)
        else:
            facts = uploaded(kind, str(tmp_path / "store"), path)
    finally:
        for left in tmp_path.rglob("*.wav"):
            left.unlink()

    assert facts["size"] == 2 * GIB
    assert facts["last"] == 2 * GIB
    assert facts["backwards"] == 0
    assert facts["retries"] == 0
    assert facts["events"] > 60
    assert facts["peak_kib"] < 100 << 10, f"peak {facts['peak_kib'] >> 10} MiB"


def uploaded(kind: str, where: str, path: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", _UPLOAD, kind, where, str(path)],
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
        env={**os.environ, "NO_GCE_CHECK": "true"},
    )
    facts: dict[str, int] = json.loads(done.stdout)
    return facts
