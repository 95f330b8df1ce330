"""Rows 24, 26, 27, 28: names that are taken, files that stay, writers that meet."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AssetConflictError,
    AudioStorageManager,
    BlobInfo,
    CleanupFailed,
    Event,
    LocalStore,
    MemoryStore,
    ObjectStore,
    StorageResult,
)
from audiostore.sources import Source
from audiostore.stores.protocol import BlobSpec, TransferListener
from tests.assets import BUCKET, OGG, OTHER_JPG, PNG, mp3_bytes, opened
from tests.faults.child import Nursery
from tests.faults.kills import BucketPlace, DirectoryPlace, Place
from tests.faults.reader import Truth, agree, check
from tests.faults.rig import (
    AUDIO,
    COVER,
    ID,
    ONCE,
    QUICK,
    Files,
    assert_whole,
    gcs,
    in_sessions,
    make_files,
    managing,
    reader_of,
    uploads,
)
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

WAYS = pytest.mark.parametrize("way", ["one request", "session"])
STORES = pytest.mark.parametrize("store", ["bucket", "directory"])
NEW = pytest.mark.parametrize("is_new", [False, True], ids=["given", "new"])
"""Whether the callers say that the id is new."""


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "session":
        in_sessions(monkeypatch)


# -- 24 ----------------------------------------------------------------------------------------


@pytest.mark.row(24)
@WAYS
@pytest.mark.parametrize("name", [AUDIO, COVER])
@pytest.mark.parametrize("content", ["foreign", "same bytes, foreign metadata"])
def test_an_object_in_the_way_is_a_conflict_and_untouched(
    server: StrictServer, files: Files, name: str, content: str, way: str
) -> None:
    same = files.audio_bytes if name == AUDIO else files.cover_bytes
    data = b"another's" if content == "foreign" else same
    planted = server.put(BUCKET, name, data)

    with managing(server) as manager, pytest.raises(AssetConflictError) as raised:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert str(planted.generation) in str(raised.value)
    assert server.generations(BUCKET, name) == [planted.generation]
    assert server.read(BUCKET, name) == data
    assert files.both_kept()


@pytest.mark.row(24)
@WAYS
@pytest.mark.parametrize("other", ["audio", "artwork"])
def test_an_asset_in_the_way_is_a_conflict_and_untouched(
    server: StrictServer, files: Files, tmp_path: Path, way: str, other: str
) -> None:
    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    another = make_files(tmp_path / "another")
    if other == "artwork":
        another.audio.write_bytes(files.audio_bytes)
        another.cover.write_bytes(OTHER_JPG.read_bytes())

    with managing(server) as manager, pytest.raises(AssetConflictError):
        manager.upload_audio_with_thumbnail(another.audio, another.cover, audio_id=ID, cleanup=True)

    assert another.audio.exists()
    assert another.cover.exists()
    assert_whole(server, files)


# -- 26 ----------------------------------------------------------------------------------------


@pytest.mark.row(26)
@STORES
@pytest.mark.parametrize("operation", ["rename", "unlink"])
def test_a_refused_unlink_is_a_warning(
    store: str,
    operation: str,
    files: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Event] = []
    real = getattr(os, operation)

    def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
        name = Path(path).name  # in a folder that is open
        if name in (files.audio.name, files.cover.name) or name.endswith("-cleanup"):
            raise PermissionError(1, "Operation not permitted", str(path))
        return real(path, *args, **kwargs)

    with opened("local" if store == "directory" else "gcs", tmp_path) as opened_store:
        manager = AudioStorageManager(store=opened_store, retry_config=ONCE, on_event=seen.append)
        with monkeypatch.context() as patched:
            patched.setattr(os, operation, refuse)
            result = manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            )
        assert manager.get(ID).audio == result.audio

    assert result.created
    assert len(result.warnings) == 2
    assert all("not permitted" in warning for warning in result.warnings)
    assert len([e for e in seen if isinstance(e, CleanupFailed)]) == 2
    kept = {path.read_bytes() for path in files.audio.parent.iterdir()}
    assert kept == {files.audio_bytes, files.cover_bytes}


@pytest.mark.row(26)
def test_a_file_that_nothing_can_unlink_is_a_warning(files: Files) -> None:
    import subprocess  # noqa: PLC0415

    immutable = subprocess.run(["chattr", "+i", files.audio], capture_output=True, check=False)
    if immutable.returncode != 0:
        pytest.skip("no immutable files on this file system, or not for this user")
    try:
        with AudioStorageManager(store=MemoryStore(), retry_config=ONCE) as manager:
            result = manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            )
    finally:
        subprocess.run(["chattr", "-i", files.audio], check=True)

    assert len(result.warnings) == 1
    assert files.audio.read_bytes() == files.audio_bytes
    assert [p.name for p in files.audio.parent.iterdir()] == ["song.mp3"]


# -- 27 ----------------------------------------------------------------------------------------


def race(calls: list[Callable[[], StorageResult]]) -> list[StorageResult | Exception]:
    """Do all calls at once."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], StorageResult]) -> StorageResult | Exception:
        start.wait(PATIENCE_S)
        try:
            return call()
        except Exception as error:  # noqa: BLE001
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.row(27, "new ids")
@NEW
@WAYS
@pytest.mark.parametrize("writers", [2, 5])
def test_writers_of_equal_bytes_all_succeed_and_one_creates(
    server: StrictServer, files: Files, tmp_path: Path, writers: int, way: str, is_new: bool
) -> None:
    copies = [make_files(tmp_path / str(n), audio=files.audio_bytes) for n in range(writers)]
    with ExitStack() as stack:
        managers = [stack.enter_context(managing(server)) for _ in copies]
        results = race(
            [
                lambda m=m, c=c: m.upload_audio_with_thumbnail(  # type: ignore[misc]
                    c.audio, c.cover, audio_id=ID, id_is_new=is_new, cleanup=True
                )
                for m, c in zip(managers, copies, strict=True)
            ]
        )

    stored = [r for r in results if isinstance(r, StorageResult)]
    assert len(stored) == writers, results
    assert sum(result.created for result in stored) == 1
    assert_whole(server, files)
    assert not any(c.audio.exists() or c.cover.exists() for c in copies)


@pytest.mark.row(27, "new ids")
@NEW
@WAYS
@pytest.mark.parametrize("rounds", range(3))
def test_of_writers_of_different_bytes_one_wins_and_nothing_is_mixed(
    server: StrictServer, tmp_path: Path, rounds: int, way: str, is_new: bool
) -> None:
    rivals = [make_files(tmp_path / str(n), audio_bytes=300_000 + n) for n in range(3)]
    for n, rival in enumerate(rivals):
        (rival.cover).write_bytes(OTHER_JPG.read_bytes() + bytes(n))
    covers = [rival.cover.read_bytes() for rival in rivals]
    with ExitStack() as stack:
        managers = [stack.enter_context(managing(server)) for _ in rivals]
        results = race(
            [
                lambda m=m, r=r: m.upload_audio_with_thumbnail(  # type: ignore[misc]
                    r.audio, r.cover, audio_id=ID, id_is_new=is_new, cleanup=True
                )
                for m, r in zip(managers, rivals, strict=True)
            ]
        )

    winners = [n for n, r in enumerate(results) if isinstance(r, StorageResult)]
    assert len(winners) <= 1, results
    losers = [r for r in results if not isinstance(r, StorageResult)]
    assert all(isinstance(r, AssetConflictError) for r in losers), results
    truths = {}
    for n in winners:
        truths[ID] = Truth(rivals[n].audio_bytes, (covers[n],), must_be_there=True)
    local = {
        path: data
        for n, rival in enumerate(rivals)
        for path, data in ((rival.audio, rival.audio_bytes), (rival.cover, covers[n]))
    }
    check(reader_of(server).things(), truths, local)
    for n, rival in enumerate(rivals):
        assert rival.audio.exists() == (n not in winners)
    assert winners, "somebody must win"


@pytest.mark.row(27, "new ids")
@NEW
@STORES
@pytest.mark.parametrize("rounds", range(4))
def test_of_writers_of_audio_of_two_kinds_at_most_one_is_seen(
    store: str, tmp_path: Path, rounds: int, is_new: bool
) -> None:
    rivals = [make_files(tmp_path / "mp3"), make_files(tmp_path / "ogg")]
    ogg = rivals[1].audio.with_suffix(".ogg")
    ogg.write_bytes(OGG.read_bytes())
    with opened("local" if store == "directory" else "gcs", tmp_path) as opened_store:
        manager = AudioStorageManager(store=opened_store, retry_config=QUICK)
        results = race(
            [
                lambda p=p: manager.upload_audio_with_thumbnail(  # type: ignore[misc]
                    p, audio_id=ID, id_is_new=is_new, cleanup=True
                )
                for p in (rivals[0].audio, ogg)
            ]
        )
        found = [result.audio for result in manager.list()]
        blobs = [blob.name for blob in opened_store.list("audio/")]

    winners = [r for r in results if isinstance(r, StorageResult)]
    assert len(winners) == 1, results
    assert found == [winners[0].audio]
    assert len(blobs) == 1
    assert [rivals[0].audio.exists(), ogg.exists()].count(False) == 1


@pytest.mark.row(27, "new ids")
@NEW
@STORES
@pytest.mark.parametrize("equal", [True, False], ids=["equal", "different"])
def test_two_processes_with_one_id(
    nursery: Nursery,
    tmp_path: Path,
    store: str,
    equal: bool,
    is_new: bool,
) -> None:
    with ExitStack() as stack:
        place: Place
        if store == "directory":
            place = DirectoryPlace(tmp_path / "store")
        else:
            place = BucketPlace(stack.enter_context(StrictServer(BUCKET)))
        first = make_files(tmp_path / "first", audio_bytes=400_000)
        data = first.audio_bytes if equal else mp3_bytes(400_000)
        second = make_files(tmp_path / "second", audio=data)
        other = stack.enter_context(Nursery(tmp_path))
        answers = race_processes(
            [
                (nursery, {**call_of(place, first), "id_is_new": is_new}),
                (other, {**call_of(place, second), "id_is_new": is_new}),
            ]
        )

        successes = [a for a in answers if "error" not in a]
        assert len(successes) == (2 if equal else 1), answers
        for answer in answers:
            assert answer.get("error", "AssetConflictError").startswith("AssetConflictError")
        winner = second if answers[0].get("error") else first
        truth = Truth(winner.audio_bytes, (winner.cover_bytes,), must_be_there=True)
        things = place.reader.things()
        assets = check(things, {ID: truth}, {**first.originals, **second.originals})
        assert sorted(things) == [AUDIO, COVER]
        assert sum(a["value"]["created"] for a in successes) == 1
        with place.manager() as manager:
            agree(manager, assets)


def call_of(place: Place, files: Files) -> dict[str, object]:
    return {
        "do": "upload",
        **place.where,
        "audio": str(files.audio),
        "cover": str(files.cover),
        "id": ID,
        "stopped": True,
    }


def race_processes(calls: list[tuple[Nursery, Mapping[str, object]]]) -> list[dict[str, Any]]:
    children = [nursery.start(call) for nursery, call in calls]
    for child in children:
        child.go_on()
    return [child.wait() for child in children]


class Interrupted(MemoryStore):
    """Lets another writer act just before the nth update."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] | None = None

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        act, self.act = self.act, None
        if act:
            act()
        return super().update(
            blob,
            metadata,
            content_type=content_type,
            temporary_hold=temporary_hold,
            custom_time=custom_time,
        )


@pytest.mark.row(27)
def test_two_writers_of_artwork_leave_one_of_the_two(files: Files) -> None:
    store = Interrupted()
    webp = files.cover.with_suffix(".webp")
    webp.write_bytes((PNG.parent / "a-brisk-walk.webp").read_bytes())
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        store.act = lambda: manager.upload_thumbnail_file(webp, ID)
        with suppress(AssetConflictError):
            manager.upload_thumbnail_file(PNG, ID)

        found = manager.get(ID)

    assert not found.warnings
    assert found.thumbnail is not None


@pytest.mark.row(27)
@STORES
def test_a_reader_sees_artwork_at_every_moment_of_its_replacement(
    store: str, files: Files, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        opened_store: ObjectStore
        if store == "directory":
            opened_store = LocalStore(tmp_path / "store")
        else:
            opened_store = gcs(stack.enter_context(StrictServer(BUCKET)))
        manager = stack.enter_context(AudioStorageManager(store=opened_store, retry_config=QUICK))
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        ended = threading.Event()
        wrong: list[object] = []

        def watch() -> None:
            while not ended.is_set():
                found = manager.get(ID)
                if found.thumbnail is None or found.warnings:
                    wrong.append(found)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for turn in range(12):
                manager.upload_thumbnail_file((OTHER_JPG, PNG, files.cover)[turn % 3], ID)
        finally:
            ended.set()
            watcher.join()

    assert not wrong


# -- 28 ----------------------------------------------------------------------------------------


@pytest.mark.row(28)
@WAYS
def test_a_re_run_after_success_uploads_nothing(
    server: StrictServer, files: Files, way: str
) -> None:
    with managing(server) as manager:
        first = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    before = uploads(server)

    with managing(server) as manager:
        again = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert uploads(server) == before
    assert not again.created
    assert again.audio == first.audio
    assert not files.audio.exists()
    assert_whole(server, files, again)


@pytest.mark.row(28)
def test_the_same_artwork_attached_again_uploads_nothing(
    server: StrictServer, files: Files
) -> None:
    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        before = uploads(server)

        again = manager.upload_thumbnail_file(files.cover, ID, cleanup=True)

    assert uploads(server) == before
    assert not again.created
    assert not files.cover.exists()


class Meddled(MemoryStore):
    """Lets somebody else act just before an audio object is written."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] | None = None

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
        **more: Any,
    ) -> BlobInfo:
        if "/audio." in spec.name:
            act, self.act = self.act, None
            if act:
                act()
        return super().put(
            spec, source, if_generation_match=if_generation_match, on_transfer=on_transfer, **more
        )


@pytest.mark.row(27, 30)
def test_artwork_deleted_before_its_audio_is_committed_is_not_missed_silently(
    files: Files,
) -> None:
    store = Meddled()
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        store.act = lambda: manager.delete(ID)
        stored = True
        try:
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
        except AssetConflictError:
            stored = False
        if stored:
            found = manager.get(ID)
            assert found.thumbnail is not None
            assert not found.warnings
        else:
            assert files.both_kept()


@pytest.mark.row(27)
def test_artwork_whose_audio_met_another_is_withdrawn(files: Files, tmp_path: Path) -> None:
    store = Meddled()
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        other = make_files(tmp_path / "other", audio_bytes=300_001)
        store.act = lambda: manager.upload_audio_file(other.audio, audio_id=ID)
        with pytest.raises(AssetConflictError):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
        assert files.both_kept()
        assert [blob.name for blob in store.list("")] == [AUDIO]
        assert manager.open(ID).read() == other.audio_bytes


class SlowListing(MemoryStore):
    """Lets somebody else act between two objects of a listing."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] | None = None

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        for blob in super().list(prefix, start_after=start_after):
            yield blob
            act, self.act = self.act, None
            if act:
                act()


@pytest.mark.row(27)
def test_a_listing_shows_artwork_that_is_replaced_meanwhile(files: Files) -> None:
    store = SlowListing()
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        store.act = lambda: manager.upload_thumbnail_file(PNG, ID)

        (found,) = manager.list()

    assert found.thumbnail is not None
    assert not found.warnings
