"""A store to serve: many small tracks to list and search, some large ones to hear."""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from audiostore import AudioStorageManager, BulkItem
from benchmarks.contest.inputs import make_tracks
from benchmarks.serving.servers import Running

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Track:
    """A large track of the store."""

    audio_id: str
    name: str
    """Of the object, and of its file below the directory of the store."""
    size_bytes: int


def fill(store: Path, inputs: Path, *, small: int, large: int) -> list[Track]:
    """Store small tracks of 5 kB and large ones of 5 MB; return these."""
    few, many = inputs / "large", inputs / "small"
    make_tracks(many, small, audio_bytes=5_000)
    make_tracks(few, large, audio_bytes=5_000_000)
    with AudioStorageManager(str(store)) as manager:
        for root in (many, few):
            found = manager.bulk.upload(BulkItem(path) for path in root.glob("audio/*/audio.*"))
            for outcome in found:
                if outcome.error is not None:
                    raise outcome.error
        blobs = [asset.audio for asset in manager.list()]
    return [
        Track(Path(blob.name).parent.name, blob.name, blob.size_bytes)
        for blob in blobs
        if blob is not None and blob.size_bytes > 1_000_000
    ]


def await_index(service: Running, assets: int) -> bytes:
    """Wait until all assets are found; return the first page of the list."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/v1/assets", headers=service.credentials
    )
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        with urllib.request.build_opener().open(request, timeout=60) as response:
            page: bytes = response.read()
        if json.loads(page)["total"] == assets:
            return page
        time.sleep(0.2)
    raise RuntimeError(f"the index of {assets} assets is not complete after {_PATIENCE_S:g} s")
