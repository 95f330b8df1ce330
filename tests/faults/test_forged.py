"""Another file with the size and crc32c of what is stored: cleanup must not delete it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from audiostore import (
    AudioStorageManager,
    AudioStoreError,
    BulkItem,
    CleanupFailed,
    Event,
    MemoryStore,
    RetryConfig,
    StorageResult,
)
from tests.assets import JPG, mp3_bytes, opened
from tests.faults.rig import ID, ONCE, in_sessions, managing
from tests.gcs_server import StrictServer, faults

pytestmark = pytest.mark.row("forged")
STORES = pytest.mark.parametrize("kind", ["memory", "local", "gcs"])
SONG = mp3_bytes(400_000)
COVER = JPG.read_bytes() + bytes(8)  # what follows a JPEG's end is padding


def forged(data: bytes, at: int) -> bytes:
    """Return other bytes with the same size and crc32c: they differ in the 8 bytes at `at`.

    A CRC is linear: which of the last 4 bytes' bits to flip is a system of 32 equations.
    """
    wanted = google_crc32c.value(data)

    def patched(patch: int) -> bytes:
        return data[:at] + b"evil" + patch.to_bytes(4, "big") + data[at + 8 :]

    def crc(patch: int) -> int:
        return int(google_crc32c.value(patched(patch)))

    rows = [(crc(1 << bit) ^ crc(0), 1 << bit) for bit in range(32)]
    patch, rest = 0, crc(0) ^ wanted
    for bit in range(32):
        pivot = next(row for row in rows if row[0] >> bit & 1)
        rows.remove(pivot)
        rows = [(r[0] ^ pivot[0], r[1] ^ pivot[1]) if r[0] >> bit & 1 else r for r in rows]
        if rest >> bit & 1:
            rest, patch = rest ^ pivot[0], patch ^ pivot[1]
    found = patched(patch)
    assert google_crc32c.value(found) == wanted
    assert found != data
    return found


FORGED_SONG, FORGED_COVER = forged(SONG, 1000), forged(COVER, len(COVER) - 8)


class Rig:
    """A manager, and local files to store with it."""

    def __init__(self, manager: AudioStorageManager, folder: Path) -> None:
        self.manager = manager
        self.audio, self.cover = folder / "song.mp3", folder / "cover.jpg"

    def put(self, song: bytes = SONG, cover: bytes | None = COVER, **options: Any) -> StorageResult:
        self.audio.write_bytes(song)
        if cover is not None:
            self.cover.write_bytes(cover)
        given = {"check": "none", "audio_id": ID, "cleanup": True, **options}
        return self.manager.upload_audio_with_thumbnail(self.audio, self.cover, **given)

    def attach(self, cover: bytes) -> StorageResult:
        self.cover.write_bytes(cover)
        return self.manager.upload_thumbnail_file(self.cover, ID, cleanup=True)

    def files(self) -> list[bytes]:
        return [p.read_bytes() for p in (self.audio, self.cover) if p.exists()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def again(rig: Rig) -> StorageResult:
    """Store them under the same id."""
    rig.put()
    return rig.put(FORGED_SONG, FORGED_COVER)


def killed_during_cleanup(rig: Rig) -> StorageResult:
    """Store the song again, when its cover is gone already."""
    rig.put()
    return rig.put(FORGED_SONG, None)


def artwork_again(rig: Rig) -> StorageResult:
    """Attach the same artwork."""
    rig.put()
    return rig.attach(FORGED_COVER)


def artwork_ahead_again(rig: Rig) -> StorageResult:
    """Store the artwork twice, ahead of the audio."""
    rig.attach(COVER)
    return rig.attach(FORGED_COVER)


def many(rig: Rig) -> StorageResult:
    """Store them among many."""
    rig.put()
    rig.audio.write_bytes(FORGED_SONG)
    rig.cover.write_bytes(FORGED_COVER)
    items = [BulkItem(rig.audio, rig.cover, ID)]
    (outcome,) = rig.manager.bulk.upload(items, check="none", cleanup=True)
    assert outcome.result is not None
    return outcome.result


WAYS: dict[Callable[[Rig], StorageResult], list[bytes]] = {
    again: [FORGED_SONG, FORGED_COVER],
    killed_during_cleanup: [FORGED_SONG],
    artwork_again: [FORGED_COVER],
    artwork_ahead_again: [FORGED_COVER],
    many: [FORGED_SONG, FORGED_COVER],
}


@STORES
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_file_that_is_not_stored_is_kept(
    tmp_path: Path, folder: Path, kind: str, way: Callable[[Rig], StorageResult]
) -> None:
    events: list[Event] = []
    with (
        opened(kind, tmp_path) as store,
        AudioStorageManager(store=store, retry_config=ONCE, on_event=events.append) as manager,
    ):
        rig = Rig(manager, folder)
        result = way(rig)
        assert not result.created
        assert rig.files() == WAYS[way]
        assert [w.partition(": ")[2] for w in result.warnings] == [
            "the stored object has other bytes, even if its crc32c is the same"
        ] * len(WAYS[way])
        assert sum(isinstance(e, CleanupFailed) for e in events) == len(WAYS[way])


@STORES
def test_the_same_file_is_deleted_once_it_is_compared(
    tmp_path: Path, folder: Path, kind: str
) -> None:
    with (
        opened(kind, tmp_path) as store,
        AudioStorageManager(store=store, retry_config=ONCE) as manager,
    ):
        rig = Rig(manager, folder)
        rig.put(cleanup=False)
        result = rig.put()
        assert (result.created, result.warnings, rig.files()) == (False, (), [])


def test_a_damaged_object_is_no_reason_to_delete_its_original(tmp_path: Path, folder: Path) -> None:
    with opened("local", tmp_path) as store, AudioStorageManager(store=store) as manager:
        rig = Rig(manager, folder)
        stored = rig.put(cleanup=False).audio
        assert stored is not None
        path = tmp_path / "store" / stored.name
        times = path.stat()
        with path.open("r+b") as file:
            file.write(b"rotten")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        result = rig.put()
        assert len(result.warnings) == 1
        assert rig.files() == [SONG]


def test_artwork_that_a_killed_upload_left_is_compared(folder: Path) -> None:
    """What this call has sent, the audio, says nothing about it."""
    store = MemoryStore()
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        rig = Rig(manager, folder)
        rig.put()
        store.delete(store.stat(f"audio/{ID}/audio.mp3"))
        result = rig.put(SONG, FORGED_COVER)
        assert result.created
        assert len(result.warnings) == 1
        assert rig.files() == [FORGED_COVER]


def test_another_writers_object_is_compared(server: StrictServer, folder: Path) -> None:
    """Between the look at the id and the write, another writer stores a file of the same crc32c."""
    others = folder / "others"
    others.mkdir()

    def hook(request: object) -> None:
        if getattr(request, "operation", "") == "upload":
            server.on_request = None
            with managing(server) as other:
                Rig(other, others).put()

    with managing(server) as manager:
        rig = Rig(manager, folder)
        server.on_request = hook
        result = rig.put(FORGED_SONG, FORGED_COVER)
    assert not result.created
    assert rig.files() == [FORGED_SONG, FORGED_COVER]


def test_a_response_that_was_lost_is_no_reason_to_keep_the_file(
    server: StrictServer, folder: Path
) -> None:
    server.fault(faults.simple_upload, faults.lose_response(), times=2)
    with managing(server) as manager:
        rig = Rig(manager, folder)
        result = rig.put()
    assert result.warnings == ()
    assert rig.files() == []


def test_a_session_that_holds_another_files_bytes_is_compared(
    server: StrictServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    rule = server.fault(faults.session_chunk, faults.respond(503), after=1, times=None)
    with managing(server, retry=RetryConfig(1)) as manager:
        rig = Rig(manager, folder)
        with pytest.raises(AudioStoreError, match="503"):
            rig.put()
        rule.cancel()
        result = rig.put(FORGED_SONG)
        assert result.created
        stored = manager.download(ID, folder / "stored").read_bytes()
    assert stored == SONG  # the server kept the first piece of the other file
    assert rig.files() == [FORGED_SONG]
    assert len(result.warnings) == 1
