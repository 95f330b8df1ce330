"""Errors that every asset would meet end a bulk run, once; those of one asset do not."""

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from audiostore import (
    AudioStorageManager,
    BulkItem,
    Journal,
    LocalStore,
    MemoryStore,
    UploadOutcome,
)
from audiostore.errors import affects_all
from audiostore.sources import Source
from audiostore.stores import BlobSpec, ObjectStore
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.local.workspace import Workspace
from audiostore.values import BlobInfo
from tests.assets import mp3_bytes
from tests.gcs_server import AS_NEW, StrictServer, faults

_COUNT = 30
_KMS = {"error": {"message": "Permission denied on Cloud KMS key.", "errors": []}}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket") as server:
        yield server


@pytest.fixture
def songs(tmp_path: Path) -> list[BulkItem]:
    (tmp_path / "songs").mkdir()
    paths = [tmp_path / "songs" / f"{number:02}.mp3" for number in range(_COUNT)]
    for number, path in enumerate(paths):
        path.write_bytes(mp3_bytes(2000 + number))
    return [BulkItem(path) for path in paths]


def _bucket(server: StrictServer, name: str = "bucket", token: str | None = None) -> ObjectStore:
    credentials = None if token is None else Credentials(token)
    return GcsStore(name, emulator=server.url, credentials=credentials)


Broken = tuple[ObjectStore, Callable[[], None]]
"""A store, and what repairs it."""


def _nothing() -> None:
    """Repair nothing: the test opens another store."""


def _missing(server: StrictServer) -> Broken:
    return _bucket(server, "nowhere"), _nothing


def _expired(server: StrictServer) -> Broken:
    server.tokens = {"valid"}

    def accept_all() -> None:
        server.tokens = None

    return _bucket(server, token="expired"), accept_all


def _denied(server: StrictServer) -> Broken:
    server.denied.add("storage.objects.create")
    return _bucket(server), server.denied.clear


def _without_key(server: StrictServer) -> Broken:
    server.fault(faults.any_upload, faults.respond(403, body=_KMS), times=None)
    return _bucket(server), server.clear_faults


def _without_payer(server: StrictServer) -> Broken:
    server.configure("bucket", **AS_NEW, billing={"requesterPays": True})
    return _bucket(server), lambda: server.configure("bucket", billing={"requesterPays": False})


@pytest.mark.parametrize("broken", [_missing, _expired, _denied, _without_key, _without_payer])
def test_what_every_upload_to_a_bucket_would_meet_is_raised_once(
    server: StrictServer, songs: list[BulkItem], tmp_path: Path, broken: Callable[..., Broken]
) -> None:
    store, repair = broken(server)
    with Journal(tmp_path / "journal") as journal:
        with AudioStorageManager(store=store) as manager:
            outcomes, error = _run(manager, songs, journal)
            assert outcomes == []
            assert error is not None
            assert affects_all(error)
            assert len(server.requests) <= 8  # two at once, and some ask again to be sure
        repair()
        with AudioStorageManager(store=_bucket(server)) as manager:
            done, error = _run(manager, songs, journal)
            assert (len(done), error) == (_COUNT, None)
            assert len(list(manager.list())) == _COUNT


def _run(
    manager: AudioStorageManager, items: list[BulkItem], journal: Journal | None = None
) -> tuple[list[UploadOutcome], Exception | None]:
    """Upload; return the outcomes, and what was raised after them."""
    outcomes: list[UploadOutcome] = []
    try:
        for outcome in manager.bulk.upload(items, journal=journal, check="none", concurrency=2):
            outcomes.append(outcome)  # noqa: PERF402  (they count even if it raises)
    except Exception as error:  # noqa: BLE001  (the test looks at it)
        return outcomes, error
    return outcomes, None


class _FullAfter(MemoryStore):
    """A disk with space for some objects."""

    left = 10

    def put(self, spec: BlobSpec, source: Source, **options: Any) -> BlobInfo:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device", "/disk")
        return super().put(spec, source, **options)


def test_what_was_stored_before_the_disk_was_full_is_reported_and_the_rest_is_free(
    songs: list[BulkItem], tmp_path: Path
) -> None:
    store = _FullAfter()
    with (
        AudioStorageManager(store=store) as manager,
        Journal(tmp_path / "journal") as journal,
    ):
        outcomes, error = _run(manager, songs, journal)
        assert isinstance(error, OSError)
        assert error.errno == errno.ENOSPC
        assert [outcome.error for outcome in outcomes] == [None] * 10
        (run,) = journal.runs()
        assert (run.stored, run.is_complete) == (10, False)
        assert run.failed <= 2  # those in progress
        store.left = _COUNT
        outcomes, error = _run(manager, songs, journal)
        assert error is None
        assert sum(outcome.done_before for outcome in outcomes) == 10
        assert len(list(manager.list())) == _COUNT


def test_a_directory_store_that_may_not_be_written_ends_the_run(
    songs: list[BulkItem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Workspace) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "data")

    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        monkeypatch.setattr(Workspace, "temporary", denied)  # root may write everywhere
        outcomes, error = _run(manager, songs)
    assert outcomes == []
    assert isinstance(error, PermissionError)


def test_a_file_that_may_not_be_read_fails_alone(
    songs: list[BulkItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.ingest.prepare.open_regular", _guarded(songs[3].audio))
    with AudioStorageManager(store=MemoryStore()) as manager:
        outcomes, error = _run(manager, songs)
    assert error is None
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.item for outcome in failed] == [songs[3]]


def _guarded(denied: Path) -> Callable[..., AbstractContextManager[int]]:
    from audiostore.localfiles import open_regular  # noqa: PLC0415  (before it is replaced)

    def opened(path: Path, **options: object) -> AbstractContextManager[int]:
        if path == denied:  # tests may run as root, who can read every file
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_regular(path, **options)  # type: ignore[arg-type]

    return opened


def test_downloads_end_if_nothing_may_be_read_but_not_for_one_object(
    server: StrictServer, songs: list[BulkItem], tmp_path: Path
) -> None:
    with AudioStorageManager(store=_bucket(server)) as manager:
        assert _run(manager, songs)[1] is None
        assets = list(manager.list())
        one = assets[4].audio_id
        refuse_one = faults.operation("download") & faults.named(one)
        rule = server.fault(refuse_one, faults.respond(403, body={"error": {"message": "no"}}))
        outcomes = list(manager.bulk.download(assets, tmp_path / "to", concurrency=2))
        assert rule.fired == 1
        assert [each.audio_id for each in outcomes if each.error is not None] == [one]

        server.denied.add("storage.objects.get")
        with pytest.raises(Exception, match=r"objects\.get") as raised:
            list(manager.bulk.download(assets, tmp_path / "again", concurrency=2))
        assert affects_all(raised.value)


def test_copies_end_if_the_target_may_not_be_written(
    server: StrictServer, songs: list[BulkItem]
) -> None:
    with (
        AudioStorageManager(store=MemoryStore()) as source,
        AudioStorageManager(store=_bucket(server)) as target,
    ):
        assert _run(source, songs)[1] is None
        server.denied.add("storage.objects.create")
        with pytest.raises(Exception, match=r"objects\.create") as raised:
            list(source.bulk.copy(target, concurrency=2))
    assert affects_all(raised.value)
