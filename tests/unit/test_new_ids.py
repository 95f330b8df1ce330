"""What an asset costs: the requests of each way to store it, counted by the strict server."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import pytest

from audiostore import AudioStorageManager, BulkItem, Journal, LocalStore, UploadOutcome
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.executors import InputReader
from audiostore.bulk.journal import ItemSnapshot, UnjournaledRun, begin_run
from audiostore.bulk.newids import NewIds
from audiostore.bulk.storeview import StoreView
from audiostore.bulk.uploads import _DecidedItems
from audiostore.stores.gcs import objects
from tests.assets import BUCKET, JPG, OGG, mp3_bytes
from tests.faults.rig import ID, OTHER_ID, QUICK, gcs
from tests.gcs_server import StrictServer
from tests.timing import wait_until

COVER = pytest.mark.parametrize("has_cover", [True, False], ids=["cover", "no cover"])


MakeItems: TypeAlias = Callable[..., list[BulkItem]]


@dataclass
class Counted:
    """A manager on a strict server."""

    server: StrictServer
    manager: AudioStorageManager

    @contextmanager
    def costs(self, **expected: int) -> Iterator[None]:
        """Expect so many requests of each kind in the block."""
        before = len(self.server.requests)
        yield
        assert Counter(r.operation for r in self.server.requests[before:]) == expected

    def upload(self, items: list[BulkItem], **options: Any) -> list[UploadOutcome]:
        outcomes = list(self.manager.bulk.upload(items, check="none", **options))
        assert not [each.error for each in outcomes if each.error]
        return outcomes


@pytest.fixture
def counted() -> Iterator[Counted]:
    with (
        StrictServer(BUCKET) as server,
        AudioStorageManager(store=gcs(server), retry_config=QUICK) as manager,
    ):
        yield Counted(server, manager)


@pytest.fixture
def items(tmp_path: Path) -> MakeItems:
    def make(count: int, *, has_cover: bool, ids: bool) -> list[BulkItem]:
        made = []
        for n in range(count):
            song, cover = tmp_path / f"{n}.mp3", tmp_path / f"{n}.jpg"
            song.write_bytes(mp3_bytes(1700 + n))
            cover.write_bytes(JPG.read_bytes())
            made.append(BulkItem(song, cover if has_cover else None, str(uuid4()) if ids else None))
        return made

    return make


@COVER
def test_one_upload(counted: Counted, has_cover: bool) -> None:
    files = (OGG, JPG if has_cover else None)
    objects = 1 + has_cover

    def upload(audio_id: str | None, **options: Any) -> bool:
        return counted.manager.upload_audio_with_thumbnail(
            *files, audio_id=audio_id, check="none", artwork="none", **options
        ).created

    with counted.costs(upload=objects):
        assert upload(None)
    with counted.costs(upload=objects, list=2):
        assert upload(ID)
    with counted.costs(list=1):
        assert not upload(ID)
    with counted.costs(upload=objects):
        assert upload(OTHER_ID, id_is_new=True)
    with counted.costs(upload=objects, stat=objects, list=1):
        assert not upload(OTHER_ID, id_is_new=True)


def test_before_files_are_deleted_a_new_id_is_looked_up_once(
    counted: Counted, items: MakeItems
) -> None:
    (first, second) = items(2, has_cover=True, ids=True)
    with counted.costs(upload=2, list=1):
        counted.upload([first], id_is_new=True, cleanup=True)
    with counted.costs(upload=2):
        counted.upload([replace(second, audio_id=None)], cleanup=True)


@COVER
@pytest.mark.parametrize("has_journal", [True, False], ids=["journal", "no journal"])
def test_many_uploads_under_new_ids(
    counted: Counted, items: MakeItems, tmp_path: Path, has_cover: bool, has_journal: bool
) -> None:
    given = items(8, has_cover=has_cover, ids=True)
    options = {"id_is_new": True, "journal": tmp_path / "journal" if has_journal else None}
    with counted.costs(upload=8 * (1 + has_cover)):
        counted.upload(given, **options)
    if has_journal:
        with counted.costs(list=8):
            counted.upload(given, **options)


def test_an_id_of_an_earlier_attempt_is_not_new(
    counted: Counted, items: MakeItems, tmp_path: Path
) -> None:
    (item,) = items(1, has_cover=True, ids=True)
    journal = tmp_path / "journal"
    with Journal(journal) as opened, closing(begin_run(opened, counted.manager.url)) as run:
        run.claim([ItemSnapshot.of(item)])  # and is killed
    with counted.costs(upload=2, list=5):  # the store, its trash; and as for any given id
        counted.upload([item], id_is_new=True, journal=journal)


@COVER
@pytest.mark.parametrize("has_journal", [True, False], ids=["journal", "no journal"])
def test_many_uploads_under_given_ids(
    counted: Counted, items: MakeItems, tmp_path: Path, has_cover: bool, has_journal: bool
) -> None:
    given = items(8, has_cover=has_cover, ids=True)
    journal = tmp_path / "journal" if has_journal else None
    each = 1 + has_cover
    with counted.costs(upload=8 * each, list=1):
        counted.upload(given, journal=journal)
    with counted.costs(list=8 if has_journal else 2 + 8):
        counted.upload(given, journal=journal)
    others = [replace(item, audio_id=str(uuid4())) for item in given]
    with counted.costs(upload=8 * each, list=2):
        counted.upload(others, journal=journal)
    gone = [replace(item, audio_id=str(uuid4())) for item in given]
    with counted.costs(upload=8 * each, list=2 + 8):
        counted.upload(gone, journal=journal, cleanup=True)


def test_a_directory_is_not_listed_for_given_ids(items: MakeItems, tmp_path: Path) -> None:
    manager = AudioStorageManager(store=LocalStore(tmp_path / "store"))
    (item,) = items(1, has_cover=True, ids=True)
    with NewIds(manager.store, all_are_new=False) as new_ids:
        assert not new_ids.take(ID)
    assert all(each.result for each in manager.bulk.upload([item], check="none"))


def test_a_large_bucket_is_read_on_while_many_ids_are_asked_for(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PAGE_OBJECTS", 5)
    there = sorted(str(UUID(int=n << 120 | 7, version=4)) for n in range(32))
    for audio_id in there:
        counted.server.put(BUCKET, f"audio/{audio_id}/audio.mp3", b"x")

    def pages() -> int:
        return sum(r.operation == "list" for r in counted.server.requests)

    with NewIds(counted.manager.store, all_are_new=False) as new_ids:
        assert new_ids.take(str(UUID(int=1)))  # sorts before all that the first two pages have
        assert not new_ids.take(str(UUID(int=31 << 120)))
        assert pages() <= 3
        for n in range(60):
            new_ids.take(str(UUID(int=n + 2)))
        wait_until(lambda: new_ids._after == "\U0010ffff")
        assert not any(map(new_ids.take, there))
        assert new_ids.take(str(UUID(int=31 << 120 | 1)))
        assert not new_ids.take(str(UUID(int=31 << 120 | 1)))  # it was just taken
    assert pages() <= 10


def test_names_are_those_of_the_prefix(counted: Counted) -> None:
    for name in ("x/audio/1/a", "x/audio/2/b", "x/audio2/c", "audio/3/d"):
        counted.server.put(BUCKET, name, b"x")
    store = gcs(counted.server, prefix="x")
    assert store.names_after("audio/", "") == ("audio/1/a", "audio/2/b")
    assert store.names_after("audio/", "audio/1/a") == ("audio/2/b",)
    assert store.names_after("audio/", "audio/2/b") == ()


def test_where_names_cannot_be_listed_ids_are_looked_up(
    counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    counted.server.denied.add("storage.objects.list")
    with NewIds(counted.manager.store, all_are_new=False) as new_ids:
        assert not new_ids.take(ID)
        assert not new_ids.take(OTHER_ID)
    assert len(caplog.records) == 1
    with NewIds(counted.manager.store, all_are_new=True) as new_ids:
        assert new_ids.take(ID)
        assert not new_ids.take(ID)


def test_of_items_with_one_id_one_is_stored_at_a_time(counted: Counted, items: MakeItems) -> None:
    manager = counted.manager
    given = [replace(item, audio_id=ID) for item in items(3, has_cover=False, ids=True)]
    run = UnjournaledRun()
    with NewIds(manager.store, all_are_new=True) as new_ids:
        decider = Decider(run, StoreView(manager), DecisionOptions(), new_ids)
        source = _DecidedItems(InputReader(given), run, decider, frozenset())
        taken = [source.take(5) for _ in range(2)]
        assert [(len(each.tasks), each.busy) for each in taken if each] == [(1, 2), (0, 2)]
        for batch in taken:
            for task in batch.tasks if batch else ():
                assert task.payload.decision.claim.is_new
                source.record([task.payload.failed(ValueError())])
        batch = source.take(5)
        assert batch is not None
        assert [each.payload.decision.claim.is_new for each in batch.tasks] == [False]
        assert not source.is_complete
