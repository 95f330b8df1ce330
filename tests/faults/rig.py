"""Files to store, managers to store them with, and what must be true afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    DEADLINE_CONFIG,
    AudioStorageManager,
    Event,
    RetryConfig,
    StorageResult,
)
from audiostore.stores.gcs import throttle, upload
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.retrying import RetryingStore
from tests.assets import BUCKET, JPG, OTHER_JPG, PNG, mp3_bytes
from tests.faults.reader import BucketReader, Truth, agree, check
from tests.gcs_server import StrictServer
from tests.timing import SimulatedTime, wait_until

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
OTHER_ID = "00000000-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
QUICK = DEADLINE_CONFIG
"""What the command line and calls on many assets use; the time to wait is simulated."""
ONCE = RetryConfig(1)
CHUNK = 256 << 10
AUDIO = f"audio/{ID}/audio.mp3"
COVER = f"audio/{ID}/thumbnail.jpg"


def simulate_waits(patch: pytest.MonkeyPatch, *, throttled: bool = False) -> SimulatedTime:
    """Let no retry really wait, nor the pauses of an overloaded host unless `throttled`."""
    simulated = SimulatedTime()
    defaults = RetryingStore.__init__.__kwdefaults__ or {}
    patch.setitem(defaults, "sleep", simulated.sleep)
    patch.setitem(defaults, "clock", simulated.clock)
    if not throttled:
        patch.setattr(throttle, "LONGEST_PAUSE_S", 0.005)
    return simulated


@dataclass(frozen=True)
class Files:
    """A pair of local files, and what they held at first."""

    audio: Path
    cover: Path
    audio_bytes: bytes = field(repr=False)
    cover_bytes: bytes = field(repr=False)

    @property
    def originals(self) -> dict[Path, bytes]:
        """What each path held."""
        return {self.audio: self.audio_bytes, self.cover: self.cover_bytes}

    @property
    def truth(self) -> dict[str, Truth]:
        """What may be visible under ID."""
        return {ID: Truth(self.audio_bytes, (self.cover_bytes,))}

    def restore(self) -> None:
        """Put the files back."""
        for path, data in self.originals.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def both_kept(self) -> bool:
        """Say whether the files are as they were."""
        return all(p.exists() and p.read_bytes() == data for p, data in self.originals.items())


def make_files(folder: Path, *, audio_bytes: int = 700_001, audio: bytes | None = None) -> Files:
    """Make a song of a few chunks and a cover."""
    files = Files(
        folder / "song.mp3",
        folder / "cover.jpg",
        audio if audio is not None else mp3_bytes(audio_bytes),
        JPG.read_bytes(),
    )
    files.restore()
    return files


OTHER_COVERS = {"jpg": OTHER_JPG, "png": PNG}


def gcs(server: StrictServer | str, *, stall_timeout_s: float = 60, **options: Any) -> GcsStore:
    """Return a store on the server.

    A test that stalls a transfer passes a `stall_timeout_s` shorter than the stall. In all others
    it is long: on a busy machine a transfer may make no progress for a second.
    """
    url = server if isinstance(server, str) else server.url
    options = {
        "chunk_bytes": CHUNK,
        "connections": ConnectionOptions(stall_timeout_s=stall_timeout_s),
        **options,
    }
    return GcsStore(BUCKET, emulator=url, **options)


@contextmanager
def managing(
    server: StrictServer | str,
    *,
    retry: RetryConfig = QUICK,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Iterator[AudioStorageManager]:
    """Open a manager on the server."""
    store = gcs(server, **options)
    with AudioStorageManager(store=store, retry_config=retry, on_event=on_event) as manager:
        yield manager


def in_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what is larger than 64 KiB through resumable sessions."""
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 64 << 10)


def settled(server: StrictServer) -> None:
    """Wait until no request is under way: a killed client's last one may still be handled."""
    wait_until(lambda: all(r.done for r in server.requests), "the server is still busy")


def reader_of(server: StrictServer, **headers: str) -> BucketReader:
    """Return the independent reader of the server's bucket."""
    return BucketReader(server.host, BUCKET, headers)


def assert_whole(server: StrictServer, files: Files, result: StorageResult | None = None) -> None:
    """See that the asset is there, complete, right, and stored exactly once."""
    settled(server)
    server.clear_faults()
    things = reader_of(server).things()
    truth = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)}
    assets = check(things, truth, {})
    assert sorted(things) == [AUDIO, COVER]
    assert [len(server.generations(BUCKET, name)) for name in (AUDIO, COVER)] == [1, 1]
    if result is not None:
        assert result.audio is not None
        assert result.thumbnail is not None
        assert result.audio.generation == things[AUDIO].generation
        assert result.thumbnail.generation == things[COVER].generation
    with managing(server) as manager:
        agree(manager, assets)


def assert_nothing(server: StrictServer, files: Files) -> None:
    """See that nothing is visible and the local files are as they were."""
    settled(server)
    server.clear_faults()
    assert check(reader_of(server).things(), {}, files.originals) == {}
    assert files.both_kept()


def uploads(server: StrictServer) -> list[str]:
    """Return the operations that carried or started uploads."""
    kinds = ("upload", "session_start", "session_chunk", "session_status")
    return [r.operation for r in server.requests if r.operation in kinds]
