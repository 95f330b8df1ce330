"""Ids that are said to be new, and are not: nothing is overwritten, mixed or lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AssetConflictError,
    AudioStorageManager,
    BulkItem,
    StorageResult,
    UploadOutcome,
)
from tests.assets import BUCKET, OGG, OTHER_JPG, mp3_bytes, opened
from tests.faults.reader import Truth, check
from tests.faults.rig import (
    AUDIO,
    COVER,
    ID,
    QUICK,
    Files,
    assert_whole,
    in_sessions,
    make_files,
    managing,
    reader_of,
)
from tests.gcs_server import Request, StrictServer, faults

pytestmark = pytest.mark.row("new ids")
WAYS = pytest.mark.parametrize("way", ["one request", "session"])
STORES = pytest.mark.parametrize("store", ["gcs", "local"])
CLEANUP = pytest.mark.parametrize("cleanup", [False, True], ids=["kept", "cleaned up"])


@contextmanager
def manager_of(store: str, folder: Path) -> Iterator[AudioStorageManager]:
    with opened(store, folder) as one:
        yield AudioStorageManager(store=one, retry_config=QUICK)


def upload(manager: AudioStorageManager, files: Files, **options: Any) -> StorageResult:
    return manager.upload_audio_with_thumbnail(
        files.audio, files.cover, audio_id=ID, id_is_new=True, **options
    )


def stored(manager: AudioStorageManager) -> dict[str, int]:
    return {blob.name: blob.generation for blob in manager.store.list("audio/")}


@WAYS
@CLEANUP
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("nth", range(3))
def test_responses_may_be_lost(
    server: StrictServer,
    files: Files,
    way: str,
    nth: int,
    times: int,
    cleanup: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "session":
        in_sessions(monkeypatch)
    server.fault(faults.any_request, faults.lose_response(), after=nth, times=times)

    with managing(server) as manager:
        result = upload(manager, files, cleanup=cleanup)

    assert_whole(server, files, result)
    assert files.audio.exists() == files.cover.exists() == (not cleanup)


@STORES
@CLEANUP
def test_an_asset_with_the_same_content_is_returned(
    store: str, cleanup: bool, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        first = upload(manager, files)
        again = upload(manager, files, cleanup=cleanup, metadata={"mood": "calm"})

        assert (again.audio, again.thumbnail) == (first.audio, first.thumbnail)
        assert not again.created
        assert "different metadata" in again.warnings[0]
        assert files.audio.exists() == files.cover.exists() == (not cleanup)


def other_audio(files: Files) -> None:
    files.audio.write_bytes(mp3_bytes(50_000))


def other_cover(files: Files) -> None:
    files.cover.write_bytes(OTHER_JPG.read_bytes())


@STORES
@pytest.mark.parametrize("change", [other_audio, other_cover])
def test_an_asset_with_other_content_is_a_conflict_and_untouched(
    store: str, change: Callable[[Files], None], files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        upload(manager, files)
        before = stored(manager)
        change(files)

        with pytest.raises(AssetConflictError):
            upload(manager, files, cleanup=True)

        assert stored(manager) == before
        assert files.audio.exists()
        assert files.cover.exists()


@STORES
def test_before_files_are_deleted_audio_of_another_format_is_noticed(
    store: str, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        first = manager.upload_audio_file(OGG, audio_id=ID, artwork="none")

        with pytest.raises(AssetConflictError):
            manager.upload_audio_file(files.audio, audio_id=ID, id_is_new=True, cleanup=True)

        assert list(stored(manager)) == [first.audio.name if first.audio else ""]
        assert files.audio.exists()


@STORES
def test_what_is_not_noticed_loses_nothing_and_is_found_by_a_check(
    store: str, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        first = manager.upload_audio_file(OGG, audio_id=ID, artwork="none")
        manager.upload_audio_file(files.audio, audio_id=ID, id_is_new=True)

        assert manager.get(ID).audio == first.audio
        assert files.audio.exists()
        assert "second-audio" in {each.kind for each in manager.audit.check(grace=timedelta())}


@STORES
def test_what_an_earlier_attempt_has_begun_is_completed(
    store: str, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        upload(manager, files)
        manager.store.delete(manager.store.stat(AUDIO))
        cover = stored(manager)

        result = upload(manager, files, cleanup=True)

        assert result.created
        assert stored(manager) == {AUDIO: result.audio and result.audio.generation, **cover}
        assert not files.audio.exists()


@STORES
def test_a_cover_of_other_bytes_of_an_earlier_attempt_is_a_conflict_and_untouched(
    store: str, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        upload(manager, files)
        manager.store.delete(manager.store.stat(AUDIO))
        before = stored(manager)
        other_cover(files)

        with pytest.raises(AssetConflictError):
            upload(manager, files, cleanup=True)

        assert stored(manager) == before
        assert files.audio.exists()


@STORES
def test_the_id_of_a_deleted_asset_can_be_used_again(
    store: str, files: Files, tmp_path: Path
) -> None:
    with manager_of(store, tmp_path) as manager:
        upload(manager, files)
        manager.delete(ID)
        other_audio(files)
        new = files.audio.read_bytes()

        result = upload(manager, files, cleanup=True)

        assert result.created
        assert manager.get(ID).audio == result.audio
        assert manager.open(ID).read() == new


def test_noncurrent_versions_are_no_conflict_and_stay(
    server: StrictServer, files: Files, tmp_path: Path
) -> None:
    server.configure(BUCKET, versioning={"enabled": True})
    with managing(server) as manager:
        upload(manager, files)
        for name in (AUDIO, COVER):
            server.remove(BUCKET, name)  # as another program does
        kept = [len(server.noncurrent(BUCKET, name)) for name in (AUDIO, COVER)]
        another = make_files(tmp_path / "another")

        result = upload(manager, another)

        assert result.created
        assert [len(server.noncurrent(BUCKET, name)) for name in (AUDIO, COVER)] == kept
        truth = Truth(another.audio_bytes, (another.cover_bytes,), must_be_there=True)
        check(reader_of(server).things(), {ID: truth}, {})


def test_a_held_asset_is_a_conflict_and_untouched(
    server: StrictServer, files: Files, tmp_path: Path
) -> None:
    with managing(server) as manager:
        upload(manager, files)
        manager.hold(ID)
        before = stored(manager)

        with pytest.raises(AssetConflictError):
            upload(manager, make_files(tmp_path / "another"), cleanup=True)

        assert stored(manager) == before
        assert not upload(manager, files, cleanup=True).created


# -- found to be new by a bulk run -------------------------------------------------------------


def run(manager: AudioStorageManager, files: Files, **options: Any) -> UploadOutcome:
    items = [BulkItem(files.audio, files.cover, ID)]
    (outcome,) = manager.bulk.upload(items, check="none", artwork="none", **options)
    return outcome


@pytest.mark.parametrize("found", ["same", "other", "other format", "waiting artwork", "a cover"])
def test_an_id_that_a_bucket_has_is_looked_up(
    server: StrictServer, files: Files, tmp_path: Path, found: str
) -> None:
    with managing(server) as manager:
        match found:
            case "same" | "a cover":
                manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
            case "other":
                manager.upload_audio_file(make_files(tmp_path / "other").audio, audio_id=ID)
            case "other format":
                manager.upload_audio_file(OGG, audio_id=ID, artwork="none")
            case _:
                manager.upload_thumbnail_file(files.cover, ID)
        if found == "a cover":
            server.remove(BUCKET, AUDIO)
        before = stored(manager)

        thumbnail = None if found == "waiting artwork" else files.cover
        (outcome,) = manager.bulk.upload([BulkItem(files.audio, thumbnail, ID)], artwork="none")

        if found.startswith("other"):
            assert isinstance(outcome.error, AssetConflictError)
            assert stored(manager) == before
            return
        assert outcome.result is not None
        assert outcome.result.created == (found != "same")
        truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
        check(reader_of(server).things(), {ID: truth}, files.originals)
        assert stored(manager)[COVER] == before[COVER]


@pytest.mark.parametrize(
    ("does", "cleanup"),
    [("same", False), ("same", True), ("other", False), ("other", True), ("other format", True)],
)
def test_another_writer_may_come_between_the_look_and_the_upload(
    server: StrictServer, files: Files, tmp_path: Path, does: str, cleanup: bool
) -> None:
    another = make_files(tmp_path / "another")
    if does == "same":
        another.audio.write_bytes(files.audio_bytes)
    if does == "other format":
        another = replace(another, audio=OGG)

    def write_first(request: Request) -> None:
        if request.operation == "upload":
            server.on_request = None
            with managing(server) as rival:
                rival.upload_audio_with_thumbnail(another.audio, another.cover, audio_id=ID)

    server.on_request = write_first
    with managing(server) as manager:
        outcome = run(manager, files, cleanup=cleanup)

        first = another.audio.read_bytes()
        truth = Truth(first, (another.cover_bytes,), must_be_there=True)
        things = reader_of(server).things()
        assert len(things) == 2
        check(things, {ID: truth}, files.originals if does != "same" else {})
        assert isinstance(outcome.error, AssetConflictError) == (does != "same")
        assert files.audio.exists() == (not cleanup or does != "same")
