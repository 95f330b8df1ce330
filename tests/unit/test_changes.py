"""What may change of a stored asset, on every store."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    FilenameGenerator,
    InvalidMetadataError,
    MemoryStore,
    RetryConfig,
)
from audiostore.errors import HeldError
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, OTHER_JPG, PNG, STORES, Store, opened

ONCE = RetryConfig(max_attempts=1)
LATER = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    return AudioStorageManager(store=store, retry_config=ONCE)


@pytest.fixture
def audio_id(manager: AudioStorageManager) -> str:
    return manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"mood": "calm"}).audio_id


def test_metadata_is_merged_and_the_bytes_stay(manager: AudioStorageManager, audio_id: str) -> None:
    before = manager.get(audio_id)
    after = manager.update_metadata(audio_id, {"mood": None, "title": "New", "note": "ü"})
    assert before.audio is not None
    assert after.audio is not None
    assert after.audio.generation == before.audio.generation
    assert after.audio.metageneration == before.audio.metageneration + 1
    assert "mood" not in after.audio.metadata
    assert (after.audio.metadata["title"], after.audio.metadata["note"]) == ("New", "ü")
    assert after.audio.metadata["codec"] == before.audio.metadata["codec"]
    assert manager.get(audio_id) == after


def test_metadata_is_replaced_but_for_our_own(manager: AudioStorageManager, audio_id: str) -> None:
    before = manager.get(audio_id).audio
    assert before is not None
    after = manager.update_metadata(audio_id, {"only": "this"}, replace=True)
    assert after.audio is not None
    assert after.audio.metadata["only"] == "this"
    assert "mood" not in after.audio.metadata
    assert after.tags == manager.get(audio_id).tags != {}
    assert after.audio.metadata["thumbnail_name"] == before.metadata["thumbnail_name"]
    assert manager.get(audio_id).thumbnail is not None


@pytest.mark.parametrize("changes", [{"crc32c": "x"}, {"audio_id": None}, {"big": "x" * 9000}])
def test_bad_metadata_changes_nothing(
    manager: AudioStorageManager, audio_id: str, changes: dict[str, str | None]
) -> None:
    before = manager.get(audio_id)
    with pytest.raises(InvalidMetadataError):
        manager.update_metadata(audio_id, changes)
    assert manager.get(audio_id) == before


def test_a_change_meanwhile_is_refused_where_that_was_asked(
    manager: AudioStorageManager, audio_id: str
) -> None:
    seen = manager.get(audio_id)
    changed = manager.update_metadata(audio_id, {"a": "1"}, if_unchanged=seen)
    refused: tuple[Callable[[], object], ...] = (
        lambda: manager.update_metadata(audio_id, {"a": "2"}, if_unchanged=seen),
        lambda: manager.upload_thumbnail_file(JPG, audio_id, if_unchanged=seen),
        lambda: manager.delete(audio_id, if_unchanged=seen),
    )
    for change in refused:
        with pytest.raises(AssetConflictError, match="changed meanwhile"):
            change()
    assert manager.get(audio_id) == changed
    manager.delete(audio_id, if_unchanged=changed)
    assert not manager.exists(audio_id)


def test_an_asset_of_another_generation_is_another_version(
    manager: AudioStorageManager, audio_id: str
) -> None:
    seen = manager.get(audio_id)
    moved = manager.set_class(audio_id, "NEARLINE")
    assert seen.audio is not None
    assert moved.audio is not None
    assert moved.audio.metageneration == seen.audio.metageneration
    for change in (
        lambda: manager.update_metadata(audio_id, {"a": "2"}, if_unchanged=seen),
        lambda: manager.delete(audio_id, if_unchanged=seen),
    ):
        with pytest.raises(AssetConflictError):
            change()
    assert manager.get(audio_id) == moved


def test_a_held_asset_is_neither_deleted_nor_given_other_artwork(
    manager: AudioStorageManager, audio_id: str
) -> None:
    held = manager.hold(audio_id)
    assert held.audio is not None
    assert held.audio.temporary_hold
    for artwork in (OTHER_JPG, PNG):
        with pytest.raises(HeldError):
            manager.upload_thumbnail_file(artwork, audio_id)
    with pytest.raises(HeldError):
        manager.delete(audio_id)
    with pytest.raises(HeldError):
        manager.set_class(audio_id, "COLDLINE")
    assert manager.get(audio_id) == held
    manager.release(audio_id)
    manager.upload_thumbnail_file(PNG, audio_id)
    manager.delete(audio_id)
    with pytest.raises(AssetNotFoundError):
        manager.get(audio_id)


def test_holding_and_releasing_twice_is_harmless(
    manager: AudioStorageManager, audio_id: str
) -> None:
    assert manager.hold(audio_id) == manager.hold(audio_id)
    assert manager.release(audio_id) == manager.release(audio_id)


def test_expiry_moves_later_but_never_earlier(manager: AudioStorageManager, audio_id: str) -> None:
    manager.expire(audio_id, LATER)
    after = manager.expire(audio_id, LATER + timedelta(days=1))
    assert after.audio is not None
    assert after.thumbnail is not None
    assert after.audio.custom_time == after.thumbnail.custom_time == LATER + timedelta(days=1)
    with pytest.raises(ValueError, match="never earlier"):
        manager.expire(audio_id, LATER)
    with pytest.raises(ValueError, match="time zone"):
        manager.expire(audio_id, LATER.replace(tzinfo=None))
    with pytest.raises(ValueError, match=r"before asset .* was stored"):
        manager.expire(audio_id, datetime(2001, 1, 1, tzinfo=UTC))
    assert manager.get(audio_id) == after


def test_a_colder_class_keeps_the_asset_whole(
    manager: AudioStorageManager, audio_id: str, tmp_path: Path
) -> None:
    before = manager.get(audio_id)
    after = manager.set_class(audio_id, "COLDLINE")
    assert before.audio is not None
    assert after.audio is not None
    assert after.audio.storage_class == "COLDLINE"
    assert after.audio.metadata == before.audio.metadata
    assert after.audio.content_disposition == before.audio.content_disposition
    assert after.audio.cache_control == before.audio.cache_control
    assert after.thumbnail == before.thumbnail
    assert manager.get(audio_id) == after
    assert manager.set_class(audio_id, "COLDLINE") == after
    assert manager.download(audio_id, tmp_path / "x").read_bytes() == MP3.read_bytes()


def test_artwork_is_replaced_after_a_change_of_class(
    manager: AudioStorageManager, audio_id: str
) -> None:
    manager.set_class(audio_id, "ARCHIVE")
    manager.upload_thumbnail_file(OTHER_JPG, audio_id)
    after = manager.get(audio_id)
    assert after.thumbnail is not None
    assert after.thumbnail.size_bytes == OTHER_JPG.stat().st_size
    assert not after.warnings


def test_a_class_that_is_none_is_refused(manager: AudioStorageManager, audio_id: str) -> None:
    with pytest.raises(ValueError, match="NEARLINE"):
        manager.set_class(audio_id, "COLD")  # type: ignore[arg-type]


def test_a_corrected_track_names_what_it_supersedes(
    manager: AudioStorageManager, audio_id: str
) -> None:
    new = manager.upload_audio_with_thumbnail(OGG, supersedes=audio_id)
    assert new.supersedes == audio_id
    old = manager.get(audio_id)
    assert old.superseded_by == new.audio_id
    with pytest.raises(AssetConflictError, match="supersedes it already"):
        manager.upload_audio_with_thumbnail(PNG.with_name("small-rain.aac"), supersedes=audio_id)
    assert len(list(manager.list())) == 2


def test_what_is_superseded_must_be_there_before_anything_is_sent(
    manager: AudioStorageManager,
) -> None:
    with pytest.raises(AssetNotFoundError):
        manager.upload_audio_file(MP3, supersedes=FilenameGenerator.generate_audio_id())
    assert list(manager.list()) == []


def test_the_superseded_asset_is_deleted_if_that_was_asked_even_in_a_second_try(
    manager: AudioStorageManager, audio_id: str
) -> None:
    given = FilenameGenerator.generate_audio_id()
    for _ in range(2):
        result = manager.upload_audio_file(
            OGG, audio_id=given, supersedes=audio_id, trash_superseded=True
        )
        assert result.audio_id == given
        assert [asset.audio_id for asset in manager.list()] == [given]


def test_what_the_superseded_asset_had_superseded_names_the_newest(
    manager: AudioStorageManager, audio_id: str
) -> None:
    second = manager.upload_audio_file(OGG, supersedes=audio_id).audio_id
    third = manager.upload_audio_file(
        PNG.with_name("small-rain.aac"), supersedes=second, trash_superseded=True
    ).audio_id
    assert sorted(asset.audio_id for asset in manager.list()) == sorted([audio_id, third])
    assert manager.get(audio_id).superseded_by == third


class Busy(MemoryStore):
    """A store in which another writer is always faster."""

    def _change_first(self, name: str) -> None:
        present = self.stat(name)
        super().update(present, {"n": str(present.metageneration)})

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None], **rest: Any) -> BlobInfo:
        self._change_first(blob.name)
        return super().update(blob, metadata, **rest)

    def copy(self, source: BlobInfo, target: str, **rest: Any) -> BlobInfo:
        super().copy(source, source.name, if_generation_match=source.generation)
        return super().copy(source, target, **rest)


@pytest.mark.parametrize(
    "change",
    [
        lambda manager, audio_id: manager.update_metadata(audio_id, {"a": "b"}),
        lambda manager, audio_id: manager.hold(audio_id),
        lambda manager, audio_id: manager.expire(audio_id, LATER),
        lambda manager, audio_id: manager.set_class(audio_id, "COLDLINE"),
    ],
    ids=["update_metadata", "hold", "expire", "set_class"],
)
def test_a_change_that_others_keep_beating_ends_in_an_error(
    change: Callable[[AudioStorageManager, str], object],
) -> None:
    with AudioStorageManager(store=Busy(), retry_config=ONCE) as manager:
        audio_id = manager.upload_audio_file(MP3).audio_id
        with pytest.raises(AssetConflictError, match="being changed by other writers") as caught:
            change(manager, audio_id)
        assert caught.value.audio_id == audio_id
        after = manager.get(audio_id).audio
        assert after is not None
        assert not after.temporary_hold
        assert after.storage_class == "STANDARD"
        assert "a" not in after.metadata
