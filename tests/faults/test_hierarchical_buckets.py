"""Row hierarchical: buckets whose folders are resources, which stay when their objects are gone.

cloud.google.com/storage/docs/folders-overview.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, LocalStore
from audiostore.asset.copy import copy_asset
from audiostore.audit.checking import Checker
from audiostore.errors import AssetNotFoundError, BlobNotFoundError, IntegrityError
from tests.assets import BUCKET, JPG, OTHER_JPG
from tests.faults.managing import attach, upload
from tests.faults.rig import ID, ONCE, OTHER_ID, QUICK, gcs
from tests.gcs_server import AS_NEW, StrictServer, faults

pytestmark = pytest.mark.row("hierarchical")

HIERARCHICAL = {**AS_NEW, "hierarchicalNamespace": {"enabled": True}}
FOLDER, OTHER_FOLDER = f"audio/{ID}/", f"audio/{OTHER_ID}/"
Manage = Callable[..., AudioStorageManager]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    with StrictServer(BUCKET, directory=tmp_path, bucket_settings=HIERARCHICAL) as running:
        yield running


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=gcs(server), retry_config=ONCE) as manager:
        upload(manager, ID)
        yield manager


def operations(server: StrictServer, *names: str) -> list[str]:
    return [r.operation for r in server.requests if r.operation in names]


def test_the_folder_of_an_asset_is_deleted_with_it_and_comes_back_with_it(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    upload(manager, OTHER_ID)
    assert server.folders(BUCKET) == ["audio/", OTHER_FOLDER, FOLDER]

    manager.delete(ID)
    assert server.folders(BUCKET) == ["audio/", OTHER_FOLDER]

    assert not manager.restore(ID).warnings
    assert server.folders(BUCKET) == ["audio/", OTHER_FOLDER, FOLDER]

    manager.delete(ID, permanent=True)
    assert server.folders(BUCKET) == ["audio/", OTHER_FOLDER]


def test_what_is_superseded_leaves_no_folder(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    upload(manager, OTHER_ID, supersedes=ID, trash_superseded=True)
    assert server.folders(BUCKET) == ["audio/", OTHER_FOLDER]


def test_an_upload_that_fails_leaves_no_folder(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.state.validate_checksums = False
    server.fault(faults.operation("upload"), faults.flip_request(10_000))
    with pytest.raises(IntegrityError):
        upload(manager, OTHER_ID, cover=None)
    assert server.folders(BUCKET) == ["audio/", FOLDER]


def test_a_folder_with_something_else_in_it_stays(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.put(BUCKET, f"{FOLDER}notes/mine.txt", b"mine")
    audio = manager.get(ID).audio
    assert audio is not None
    manager.store.delete(audio)
    assert server.folders(BUCKET) == ["audio/", FOLDER, f"{FOLDER}notes/"]


def test_folders_that_all_assets_share_stay(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    manager.delete(ID)
    before = len(server.requests)
    for name in ("audio/stray", "stray"):
        server.put(BUCKET, name, b"stray")
        manager.store.delete(manager.store.stat(name))
    assert server.folders(BUCKET) == ["audio/"]
    assert "folder_delete" not in [r.operation for r in server.requests[before:]]
    assert list(manager.store.foreign_files("audio/")) == []


@pytest.mark.parametrize("answer", [faults.respond(503), faults.lose_response()])
def test_a_deletion_that_ended_before_its_folder_is_finished_by_the_next_run(
    server: StrictServer, manager: AudioStorageManager, answer: faults.Fault
) -> None:
    server.fault(faults.operation("folder_delete"), answer, after=1, times=None)
    with pytest.raises(Exception, match="audio"):
        manager.delete(ID)
    server.clear_faults()
    assert server.objects(BUCKET) == []

    with pytest.raises(AssetNotFoundError):
        manager.delete(ID)

    assert server.folders(BUCKET) == ["audio/"]


def test_a_folder_that_could_not_be_deleted_at_first_is_deleted_by_a_retry(
    server: StrictServer,
) -> None:
    server.fault(faults.operation("folder_delete"), faults.respond(503), times=3)
    server.fault(faults.operation("layout"), faults.respond(503))
    with AudioStorageManager(store=gcs(server), retry_config=QUICK) as manager:
        upload(manager, ID)
        manager.delete(ID)
    assert server.folders(BUCKET) == ["audio/"]


def test_check_finds_empty_folders_and_removes_them(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    for folder in (f"{OTHER_FOLDER}deep/er/", "audio/zzz/", "audio/00/"):
        server.state.bucket(BUCKET).make_folders(folder, server.state.clock.now().isoformat())
    later = datetime.now(UTC) + timedelta(days=2)

    def problems(now: datetime) -> list[str]:
        found = list(Checker(manager, now=lambda: now, sleep=lambda _: None).run())
        assert {problem.kind for problem in found} <= {"foreign-file"}
        for problem in found:
            assert manager.audit.repair(problem, now=later) == "done"
        return [problem.name for problem in found]

    assert problems(datetime.now(UTC)) == []  # they may be of uploads under way
    assert problems(later) == [
        "audio/00",
        f"{OTHER_FOLDER}deep/er",
        f"{OTHER_FOLDER}deep",
        OTHER_FOLDER.rstrip("/"),
        "audio/zzz",
    ]
    assert problems(later) == []
    assert server.folders(BUCKET) == ["audio/", FOLDER]
    assert not manager.get(ID).warnings


def test_a_folder_that_was_filled_since_is_not_removed(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.state.bucket(BUCKET).make_folders(OTHER_FOLDER, server.state.clock.now().isoformat())
    (found,) = manager.store.foreign_files("audio/")
    upload(manager, OTHER_ID)
    with pytest.raises(BlobNotFoundError, match="no longer an empty folder"):
        manager.store.remove_foreign_file(found)
    assert not manager.get(OTHER_ID).warnings


def test_what_a_killed_copy_left_leaves_no_folder(
    server: StrictServer, manager: AudioStorageManager, tmp_path: Path
) -> None:
    with closing(LocalStore(tmp_path / "source")) as source:
        theirs = AudioStorageManager(store=source)
        upload(theirs, OTHER_ID)
        server.fault(faults.operation("upload") & faults.named("audio."), faults.respond(503))
        with pytest.raises(Exception, match="503"):
            copy_asset(source, manager.store, theirs.get(OTHER_ID))
    later = datetime.now(UTC) + timedelta(days=2)
    (problem,) = Checker(manager, now=lambda: later, sleep=lambda _: None).run()
    assert manager.audit.repair(problem, now=later) == "done"
    assert server.folders(BUCKET) == ["audio/", FOLDER]


def test_without_the_permission_the_object_is_deleted_and_the_log_says_what_is_missing(
    server: StrictServer, manager: AudioStorageManager, caplog: pytest.LogCaptureFixture
) -> None:
    server.denied.add("storage.folders.delete")
    with caplog.at_level(logging.WARNING):
        manager.delete(ID)
    assert server.objects(BUCKET) == []
    assert "storage.folders.delete is missing" in caplog.text


def test_the_layout_is_asked_for_once_and_only_to_delete(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    attach(manager, JPG)
    manager.set_class(ID, "NEARLINE")
    manager.get(ID)
    assert operations(server, "layout", "folder_delete", "folder_list") == []


def test_a_flat_bucket_is_asked_once_by_however_many_deletions(tmp_path: Path) -> None:
    with StrictServer(BUCKET, directory=tmp_path, bucket_settings=AS_NEW) as server:
        with AudioStorageManager(store=gcs(server), retry_config=ONCE) as manager:
            ids = [f"{number:08d}{ID[8:]}" for number in range(12)]
            for audio_id in ids:
                upload(manager, audio_id, cover=None)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(manager.delete, ids))
            assert list(manager.audit.check()) == []
        found = operations(server, "layout", "folder_delete", "folder_list", "folder_get")
        assert found == ["layout"]


@pytest.mark.parametrize("status", [403, 404, 501])
def test_where_the_layout_is_not_told_the_bucket_counts_as_flat(
    server: StrictServer, manager: AudioStorageManager, status: int
) -> None:
    server.fault(faults.operation("layout"), faults.respond(status), times=None)
    manager.delete(ID)
    assert server.objects(BUCKET) == []
    assert operations(server, "layout", "folder_delete") == ["layout"]


def test_replaced_artwork_leaves_the_folder_alone(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    attach(manager, OTHER_JPG)
    assert not manager.get(ID).warnings
    assert server.folders(BUCKET) == ["audio/", FOLDER]
