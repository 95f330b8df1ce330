"""What an asset costs: the requests of each way to store it, counted by the strict server."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from audiostore import AssetConflictError, AudioStorageManager, BulkItem, Journal, UploadOutcome
from audiostore.bulk.journal import ItemSnapshot, begin_run
from tests.assets import BUCKET, JPG, OGG, mp3_bytes, opened
from tests.faults.rig import ID, OTHER_ID, QUICK, gcs
from tests.gcs_server import StrictServer

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


@pytest.mark.parametrize("store", ["gcs", "local"])
def test_of_items_with_one_new_id_one_is_stored_at_a_time(store: str, tmp_path: Path) -> None:
    songs = [tmp_path / "a.mp3", tmp_path / "b.ogg", tmp_path / "c.mp3"]
    for song, data in zip(songs, (mp3_bytes(1700), OGG.read_bytes(), mp3_bytes(1800)), strict=True):
        song.write_bytes(data)
    with opened(store, tmp_path) as one:
        manager = AudioStorageManager(store=one, retry_config=QUICK)
        outcomes = list(
            manager.bulk.upload(
                [BulkItem(song, audio_id=ID) for song in songs],
                id_is_new=True,
                artwork="none",
                check="none",
            )
        )
        assert [type(each.error) for each in outcomes] == [type(None), *[AssetConflictError] * 2]
        assert len(list(one.list("audio/"))) == 1
