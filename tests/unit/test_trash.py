"""Deleted, and back again, on every store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    FilenameGenerator,
    RetryConfig,
)
from audiostore.errors import UnsupportedByStoreError
from tests.assets import JPG, MP3, OGG, OTHER_JPG, STORES, Store, opened

ONCE = RetryConfig(max_attempts=1)
WEEK_S = 7 * 24 * 3600


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        store.change_settings(store.settings(), soft_delete_s=WEEK_S)
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    return AudioStorageManager(store=store, retry_config=ONCE)


def stored(manager: AudioStorageManager) -> str:
    return manager.upload_audio_with_thumbnail(MP3, JPG).audio_id


def test_a_deleted_asset_is_in_the_trash_and_is_restored_complete(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    audio_id = stored(manager)
    before = manager.get(audio_id)
    assert list(manager.trash.list()) == []
    manager.delete(audio_id)
    assert list(manager.list()) == []
    (trashed,) = manager.trash.list()
    assert trashed.audio_id == audio_id
    assert trashed.audio.blob.crc32c == before.metadata["crc32c"]
    assert trashed.thumbnail is not None
    assert (trashed.gone_at - trashed.deleted_at).days in (6, 7)

    after = manager.restore(audio_id)
    assert after.audio is not None
    assert after.thumbnail is not None
    assert before.audio is not None
    assert after.audio.metadata["thumbnail_generation"] == str(after.thumbnail.generation)
    assert not after.warnings
    assert manager.get(audio_id) == after
    unreferenced = {k: v for k, v in after.audio.metadata.items() if "generation" not in k}
    assert unreferenced == {k: v for k, v in before.audio.metadata.items() if "generation" not in k}
    assert manager.download(audio_id, tmp_path / "a").read_bytes() == MP3.read_bytes()
    assert list(manager.trash.list()) == []
    assert manager.restore(audio_id) == after  # again: nothing to do


def test_it_can_be_deleted_and_restored_again_and_again(manager: AudioStorageManager) -> None:
    audio_id = stored(manager)
    for _ in range(3):
        manager.delete(audio_id)
        assert [t.audio_id for t in manager.trash.list()] == [audio_id]
        assert not manager.restore(audio_id).warnings


def test_the_most_recent_artwork_is_restored(manager: AudioStorageManager) -> None:
    audio_id = stored(manager)
    manager.upload_thumbnail_file(OTHER_JPG, audio_id)
    manager.delete(audio_id)
    cover = manager.restore(audio_id).thumbnail
    assert cover is not None
    assert cover.size_bytes == OTHER_JPG.stat().st_size


@pytest.mark.parametrize("steps", [1, 2])
def test_a_restoration_that_was_killed_is_finished_by_doing_it_again(
    manager: AudioStorageManager, store: Store, steps: int
) -> None:
    audio_id = stored(manager)
    manager.delete(audio_id)
    trashed = manager.trash.get(audio_id)
    assert trashed.thumbnail is not None
    for part in (trashed.thumbnail, trashed.audio)[:steps]:
        store.restore(part)
    if steps == 2:  # readers see it whole already
        assert manager.get(audio_id).thumbnail is not None
    after = manager.restore(audio_id)
    assert after.thumbnail is not None
    assert after.audio is not None
    assert after.audio.metadata["thumbnail_generation"] == str(after.thumbnail.generation)
    assert len(list(store.list(f"audio/{audio_id}/"))) == 2


def test_an_id_that_is_used_again_is_not_overwritten(manager: AudioStorageManager) -> None:
    audio_id = stored(manager)
    manager.delete(audio_id)
    manager.upload_audio_file(OGG, audio_id=audio_id, artwork="none")
    present = manager.get(audio_id)
    assert list(manager.trash.list()) == []
    assert manager.restore(audio_id) == present


def test_restore_does_not_overwrite_an_incomplete_asset(
    manager: AudioStorageManager,
) -> None:
    audio_id = stored(manager)
    manager.delete(audio_id)
    manager.upload_thumbnail_file(OTHER_JPG, audio_id)
    with pytest.raises(AssetConflictError, match="other content since"):
        manager.restore(audio_id)
    with pytest.raises(AssetNotFoundError):
        manager.get(audio_id)


def test_purging_deletes_permanently_or_says_why_not(
    manager: AudioStorageManager, store: Store
) -> None:
    audio_id = stored(manager)
    manager.delete(audio_id)
    try:
        assert manager.trash.purge(audio_id) == 2
    except UnsupportedByStoreError as error:
        assert store.url.startswith("gs://")
        assert "until" in str(error)  # noqa: PT017
        assert len(list(manager.trash.list())) == 1
    else:
        assert list(manager.trash.list()) == []
        with pytest.raises(AssetNotFoundError):
            manager.restore(audio_id)
        with pytest.raises(AssetNotFoundError):
            manager.trash.purge(audio_id)


def test_permanent_deletion_leaves_nothing_that_the_store_need_not_keep(
    manager: AudioStorageManager, store: Store
) -> None:
    audio_id = stored(manager)
    manager.delete(audio_id, permanent=True)
    assert len(list(store.list_deleted("audio/"))) == (2 if store.url.startswith("gs://") else 0)
    assert list(manager.list()) == []


def test_a_store_without_soft_delete_restores_nothing(
    manager: AudioStorageManager, store: Store
) -> None:
    store.change_settings(store.settings(), soft_delete_s=0)
    audio_id = stored(manager)
    manager.delete(audio_id)
    assert list(manager.trash.list()) == []
    with pytest.raises(AssetNotFoundError, match="keeps no deleted objects"):
        manager.restore(audio_id)


def test_what_was_never_there_is_not_found(manager: AudioStorageManager) -> None:
    with pytest.raises(AssetNotFoundError):
        manager.restore(FilenameGenerator.generate_audio_id())


def test_foreign_objects_in_the_trash_are_not_assets(
    manager: AudioStorageManager, store: Store
) -> None:
    audio_id = stored(manager)
    cover = manager.get(audio_id).thumbnail
    assert cover is not None
    foreign = store.copy(cover, "audio/readme.txt")
    store.delete(replace(foreign))
    assert list(manager.trash.list()) == []


def test_an_expired_asset_is_restored_with_a_warning(
    manager: AudioStorageManager, store: Store
) -> None:
    audio_id = stored(manager)
    audio = manager.get(audio_id).audio
    assert audio is not None
    store.update(audio, {}, custom_time=datetime(2001, 1, 1, tzinfo=UTC))
    manager.delete(audio_id)
    (warning,) = manager.restore(audio_id).warnings
    assert "2001-01-01" in warning
