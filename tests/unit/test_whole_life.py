"""One asset through its whole life, on every store; after each step, a check finds nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from audiostore import AssetNotFoundError, AudioStorageManager, RetryConfig
from audiostore.audit.checking import Checker
from audiostore.catalog.catalog import Catalog
from audiostore.catalog.query import Query
from audiostore.errors import HeldError, UnsupportedByStoreError
from audiostore.lifecycle.planning import apply_plan, make_plan
from audiostore.lifecycle.policy import Policy
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.local import LocalStore
from audiostore.stores.memory import MemoryStore
from tests.assets import BUCKET, JPG, MP3, OGG, OTHER_JPG, SOFT_DELETE, STORES, Store
from tests.gcs_server import StrictServer

YEARS = timedelta(days=3 * 365)


@contextmanager
def place(kind: str, directory: Path) -> Iterator[tuple[Store, Callable[[], None]]]:
    """Yield a store, and what lets three years pass with its rules carried out."""
    if kind == "gcs":
        with StrictServer(BUCKET, bucket_settings=SOFT_DELETE) as server:
            store = GcsStore(BUCKET, emulator=server.url)

            def pass_years() -> None:
                server.advance(YEARS.total_seconds())
                server.run_lifecycle(BUCKET)

            yield store, pass_years
            store.close()
        return
    local: Store = MemoryStore() if kind == "memory" else LocalStore(directory)

    def run_years() -> None:
        manager = AudioStorageManager(store=local)
        list(manager.lifecycle.run(now=datetime.now(UTC) + YEARS))

    yield local, run_years


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("deep", [False, True], ids=["check", "deep check"])
def test_the_whole_life_of_an_asset(kind: str, deep: bool, tmp_path: Path) -> None:
    with place(kind, tmp_path / "store") as (store, pass_years):
        manager = AudioStorageManager(store=store, retry_config=RetryConfig(max_attempts=1))
        catalog = Catalog(manager)

        def all_is_well() -> None:
            checker = Checker(manager, deep=deep, grace=timedelta(0), sleep=lambda _: None)
            assert list(checker.run()) == []

        def found(query: Query) -> list[str]:
            return [asset.audio_id for asset in catalog.find(query)]

        # Stored, and found.
        audio_id = manager.upload_audio_with_thumbnail(MP3, JPG).audio_id
        all_is_well()
        assert found(Query(containing={"title": "morning"}, has_thumbnail=True)) == [audio_id]
        assert found(Query(formats=frozenset({"flac"}))) == []

        # Played by range: a demuxer seeks about in it.
        with manager.open(audio_id) as file, av.open(file, "r", "mp3") as container:
            container.seek(int(container.duration * 0.5) if container.duration else 0)
            frame = next(container.decode(audio=0))
            assert frame.samples > 0
        all_is_well()

        # Annotated, and given a new cover.
        manager.update_metadata(audio_id, {"mood": "calm", "title": "Morning"})
        all_is_well()
        assert found(Query(equal={"mood": "calm"})) == [audio_id]
        manager.upload_thumbnail_file(OTHER_JPG, audio_id)
        all_is_well()
        cover = manager.get(audio_id).thumbnail
        assert cover is not None
        assert cover.size_bytes == OTHER_JPG.stat().st_size

        # Superseded.
        new_id = manager.upload_audio_file(OGG, supersedes=audio_id).audio_id
        all_is_well()
        assert found(Query(superseded=True)) == [audio_id]
        assert found(Query(superseded=False)) == [new_id]

        # Moved to a colder class.
        manager.set_class(audio_id, "COLDLINE")
        all_is_well()
        assert found(Query(storage_classes=frozenset({"COLDLINE"}))) == [audio_id]

        # Held, and released.
        manager.hold(audio_id)
        all_is_well()
        with pytest.raises(HeldError):
            manager.delete(audio_id)
        assert found(Query(held=True)) == [audio_id]
        manager.release(audio_id)
        all_is_well()

        # Trashed, and restored.
        manager.delete(audio_id)
        all_is_well()
        assert [t.audio_id for t in manager.trash.list()] == [audio_id]
        restored = manager.restore(audio_id)
        all_is_well()
        assert restored.custom["mood"] == "calm"
        assert manager.download(audio_id, tmp_path / "copy").read_bytes() == MP3.read_bytes()

        # Expired: the store itself deletes it when its time has come.
        apply_plan(make_plan(Policy(expire_on_custom_time=True), manager.admin), manager.admin)
        manager.expire(audio_id, datetime.now(UTC) + timedelta(days=400))
        all_is_well()
        pass_years()
        all_is_well()
        with pytest.raises(AssetNotFoundError):
            manager.get(audio_id)
        assert found(Query()) == [new_id]

        # Purged: nothing of it is left, as far as the store says.
        with suppress(UnsupportedByStoreError):
            manager.trash.purge(audio_id)
            assert list(manager.trash.list()) == []
        all_is_well()
