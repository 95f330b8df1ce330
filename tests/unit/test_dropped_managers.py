"""A manager that is dropped without `close` leaves no thread and no descriptor open."""

import gc
import threading
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, GcsStore, LocalStore, MemoryStore, ObjectStore
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from tests.assets import BUCKET, STORES, make_silence
from tests.gcs_server import StrictServer
from tests.timing import wait_until


class _Threads:
    """The library's threads that were started since; those of other tests may still be there."""

    def __init__(self) -> None:
        self._known = set(threading.enumerate())

    def __call__(self) -> list[str]:
        """Return their names."""
        new = (t.name for t in threading.enumerate() if t not in self._known)
        # The sandbox is the process's own, and the threads of the strict server are not ours.
        return [name for name in new if name.startswith("audiostore-") and "sandbox" not in name]

    def require_none(self) -> None:
        """Wait until none is left."""
        wait_until(lambda: not self(), "threads are left")


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _store(where: str, path: Path, server: StrictServer) -> ObjectStore:
    if where == "memory":
        return MemoryStore()
    return LocalStore(path) if where == "local" else GcsStore(BUCKET, emulator=server.url)


def _use_and_drop(store: ObjectStore, audio: Path) -> None:
    manager = AudioStorageManager(store=store)
    stored = manager.upload_audio_file(audio)
    assert stored.audio_id in {each.audio_id for each in manager.catalog.find()}
    assert next(iter(manager.list()))  # and no further
    assert manager.open(stored.audio_id).read(10)  # of many bytes, and never closed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("where", STORES)
def test_a_dropped_manager_leaves_no_thread_and_no_descriptor(where: str, tmp_path: Path) -> None:
    audio = tmp_path / "a.wav"
    make_silence(audio, 5_000_000)
    threads = _Threads()
    with StrictServer(BUCKET) as server:
        _use_and_drop(_store(where, tmp_path / "first", server), audio)  # opens what stays open
        gc.collect()
        threads.require_none()
        before = _descriptors()
        for number in range(3):
            _use_and_drop(_store(where, tmp_path / str(number), server), audio)
        gc.collect()
        threads.require_none()
        wait_until(lambda: _descriptors() <= before, "descriptors are left")


def test_a_store_whose_thread_failed_starts_another_and_leaves_nothing(tmp_path: Path) -> None:
    threads = _Threads()
    with StrictServer(BUCKET, directory=tmp_path) as server:
        store = GcsStore(BUCKET, emulator=server.url)
        store.put(BlobSpec("a", "b/c"), BytesSource(b"abc"))
        failing = threading.Event()

        def fail(_: object) -> None:
            failing.set()
            raise ZeroDivisionError

        store._client.transport.post(fail)
        assert failing.wait(60)
        threads.require_none()
        assert store.put(BlobSpec("d", "b/c"), BytesSource(b"abc")).size_bytes == 3
        store.close()
        assert not threads()
        with pytest.raises(RuntimeError, match="closed"):
            store.stat("a")
