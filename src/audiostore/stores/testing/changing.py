"""What every store promises of changing, copying and deleting."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
    SourceChangedError,
)
from audiostore.sources import BytesSource
from audiostore.stores.capabilities import SupportsSoftDelete
from audiostore.stores.protocol import BlobSpec, ObjectStore
from audiostore.stores.stored import StoredSource
from audiostore.stores.testing.samples import (
    DATA,
    NAME,
    NOON,
    ODD_METADATA,
    names,
    put,
    read,
    trash,
)
from audiostore.values import BlobInfo


def taking(store: ObjectStore, blob: BlobInfo) -> Iterator[Callable[[], object]]:
    """Yield everything that would take an object's name from it."""
    other = put(store, "other", b"other")
    over = blob.generation
    yield lambda: store.delete(blob)
    yield lambda: put(store, data=b"over", over=over)
    yield lambda: store.copy(other, NAME, if_generation_match=over)
    yield lambda: store.copy(blob, NAME, if_generation_match=over, storage_class="ARCHIVE")
    if isinstance(store, SupportsSoftDelete):
        trashed = store
        (earlier,) = trashed.list_deleted(blob.name)
        yield lambda: trashed.restore(earlier, if_generation_match=over)


def held(store: ObjectStore) -> BlobInfo:
    """Return a held object that has replaced an earlier generation."""
    first = put(store, data=b"first")
    return store.update(put(store, over=first.generation), {}, temporary_hold=True)


class ChangingTests:
    """`ObjectStore.update`, `copy`, `delete`, and holds."""

    def test_update_merges_and_removes_keys_and_leaves_the_bytes(self, store: ObjectStore) -> None:
        blob = put(store, metadata={"keep": "1", "change": "2", "drop": "3"})
        updated = store.update(blob, {"change": "two", "drop": None, "add": "4", "absent": None})
        assert dict(updated.metadata) == {"keep": "1", "change": "two", "add": "4"}
        assert updated == replace(
            blob, metageneration=blob.metageneration + 1, metadata=updated.metadata
        )
        assert store.stat(NAME) == updated
        assert list(store.list("")) == [updated]
        assert read(store, updated) == DATA
        again = store.update(updated, {"keep": None, "change": None, "add": None})
        assert dict(again.metadata) == {}
        assert again.metageneration == 3

    def test_update_refuses_an_outdated_description(self, store: ObjectStore) -> None:
        blob = put(store)
        updated = store.update(blob, {"colour": "blue"})
        with pytest.raises(PreconditionFailedError):
            store.update(blob, {"colour": "red"})
        assert store.stat(NAME) == updated

    def test_update_refuses_another_generation(self, store: ObjectStore) -> None:
        first = put(store)
        second = put(store, data=b"second", over=first.generation)
        assert (first.metageneration, second.metageneration) == (1, 1)
        with pytest.raises(PreconditionFailedError):
            store.update(first, {"colour": "red"})
        assert store.stat(NAME) == second

    def test_update_changes_the_content_type_alone(self, store: ObjectStore) -> None:
        blob = put(store, metadata={"colour": "blue"})
        updated = store.update(blob, {}, content_type="audio/ogg")
        assert updated == replace(blob, content_type="audio/ogg", metageneration=2)
        assert store.stat(NAME) == updated
        assert list(store.list("")) == [updated]
        assert read(store, updated) == DATA

    def test_update_changes_all_in_one_step(self, store: ObjectStore) -> None:
        blob = put(store, metadata={"colour": "blue", "old": "yes"})
        updated = store.update(
            blob,
            {"colour": "red", "old": None},
            content_type="audio/ogg",
            temporary_hold=True,
            custom_time=NOON,
        )
        assert updated == replace(
            blob,
            metageneration=2,
            metadata={"colour": "red"},
            content_type="audio/ogg",
            temporary_hold=True,
            custom_time=NOON,
        )
        assert store.stat(NAME) == updated

    def test_update_leaves_what_is_not_named(self, store: ObjectStore) -> None:
        blob = store.update(
            put(store, metadata={"colour": "blue"}), {}, temporary_hold=True, custom_time=NOON
        )
        updated = store.update(blob, {"more": "yes"})
        assert updated == replace(
            blob, metageneration=3, metadata={"colour": "blue", "more": "yes"}
        )
        assert store.stat(NAME) == updated

    def test_update_of_nothing_still_counts(self, store: ObjectStore) -> None:
        blob = put(store)
        assert store.update(blob, {}).metageneration == blob.metageneration + 1

    def test_update_refuses_what_was_updated_meanwhile(self, store: ObjectStore) -> None:
        blob = put(store)
        held = store.update(blob, {}, temporary_hold=True)
        with pytest.raises(PreconditionFailedError):
            store.update(blob, {}, content_type="x/y")
        with pytest.raises(PreconditionFailedError):
            store.update(blob, {}, custom_time=NOON)
        assert store.stat(NAME) == held

    def test_custom_time_comes_with_put(self, store: ObjectStore) -> None:
        blob = put(store, custom_time=NOON)
        assert blob.custom_time == NOON
        assert store.stat(NAME) == blob
        assert put(store, "other").custom_time is None

    def test_custom_time_moves_later(self, store: ObjectStore) -> None:
        blob = put(store, custom_time=NOON)
        for hours in (0, 1, 24 * 365):
            blob = store.update(blob, {}, custom_time=NOON + timedelta(hours=hours))
            assert blob.custom_time == NOON + timedelta(hours=hours)
            assert store.stat(NAME) == blob

    @pytest.mark.parametrize("earlier", [timedelta(seconds=1), timedelta(days=4000)])
    def test_custom_time_never_moves_earlier(self, store: ObjectStore, earlier: timedelta) -> None:
        blob = put(store, custom_time=NOON)
        with pytest.raises(ValueError, match="later"):
            store.update(blob, {"lost": "yes"}, custom_time=NOON - earlier)
        assert store.stat(NAME) == blob

    def test_custom_time_is_a_moment_whatever_its_zone(self, store: ObjectStore) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        blob = store.update(put(store), {}, custom_time=NOON.astimezone(east))
        assert store.stat(NAME).custom_time == NOON
        with pytest.raises(ValueError, match="later"):
            store.update(blob, {}, custom_time=datetime(2030, 6, 1, 12, tzinfo=east))

    def test_headers_to_serve_with_are_kept_and_copied(self, store: ObjectStore) -> None:
        spec = BlobSpec(
            NAME,
            "audio/mpeg",
            cache_control="private, max-age=60",
            content_disposition="inline; filename=\"a.mp3\"; filename*=UTF-8''%C3%A4.mp3",
        )
        blob = store.put(spec, BytesSource(DATA))
        copied = store.copy(blob, f"{NAME}.copy")
        for found in (blob, store.stat(NAME), copied, *store.list("")):
            assert found.cache_control == spec.cache_control
            assert found.content_disposition == spec.content_disposition
        plain = store.put(BlobSpec("plain", "a/b"), BytesSource(DATA))
        assert plain.cache_control is None

    def test_copy_keeps_content_type_and_metadata(self, store: ObjectStore) -> None:
        blob = put(store, metadata=ODD_METADATA)
        copied = store.copy(blob, "trash/copy.mp3")
        assert copied.name == "trash/copy.mp3"
        assert copied.content_type == blob.content_type
        assert dict(copied.metadata) == ODD_METADATA
        assert (copied.size_bytes, copied.crc32c, copied.md5_hash) == (
            blob.size_bytes,
            blob.crc32c,
            blob.md5_hash,
        )
        assert copied.metageneration == 1
        assert store.stat("trash/copy.mp3") == copied
        assert store.stat(NAME) == blob
        assert read(store, copied) == DATA

    def test_copy_takes_the_metadata_that_the_object_has_now(self, store: ObjectStore) -> None:
        blob = put(store, metadata={"colour": "red"})
        store.update(blob, {"colour": "blue", "new": "key"})
        assert dict(store.copy(blob, "copy").metadata) == {"colour": "blue", "new": "key"}

    def test_copy_refuses_to_overwrite(self, store: ObjectStore) -> None:
        blob, other = put(store), put(store, "other", b"other")
        with pytest.raises(PreconditionFailedError):
            store.copy(blob, "other")
        with pytest.raises(PreconditionFailedError):
            store.copy(blob, "other", if_generation_match=blob.generation)
        with pytest.raises(PreconditionFailedError):
            store.copy(blob, "missing", if_generation_match=17)
        assert store.stat("other") == other
        assert names(store) == sorted([NAME, "other"])

    def test_copy_replaces_the_generation_that_is_named(self, store: ObjectStore) -> None:
        blob, other = (
            put(store, metadata={"colour": "blue"}),
            put(store, "other", b"other", metadata={"colour": "red"}),
        )
        copied = store.copy(blob, "other", if_generation_match=other.generation)
        assert copied.generation > other.generation
        assert read(store, copied) == DATA
        assert dict(store.stat("other").metadata) == {"colour": "blue"}

    def test_copy_of_an_outdated_generation_is_refused(self, store: ObjectStore) -> None:
        first = put(store)
        put(store, data=b"second", over=first.generation)
        with pytest.raises(BlobNotFoundError):
            store.copy(first, "copy")
        assert names(store) == [NAME]

    def test_a_copy_outlives_its_source(self, store: ObjectStore) -> None:
        blob = put(store)
        copied = store.copy(blob, "copy")
        store.delete(blob)
        assert read(store, copied) == DATA

    def test_copy_takes_the_storage_class_that_is_named(self, store: ObjectStore) -> None:
        blob = put(store, metadata={"colour": "blue"})
        copied = store.copy(blob, "copy", storage_class="COLDLINE")
        assert copied.storage_class == "COLDLINE"
        assert dict(copied.metadata) == {"colour": "blue"}
        assert store.stat("copy") == copied
        assert store.stat(NAME) == blob
        assert read(store, copied) == DATA

    def test_copy_keeps_the_storage_class_of_its_source(self, store: ObjectStore) -> None:
        cold = store.copy(put(store), "cold", storage_class="ARCHIVE")
        assert store.copy(cold, "copy").storage_class == "ARCHIVE"

    @pytest.mark.parametrize("storage_class", ["NEARLINE", "COLDLINE", "ARCHIVE"])
    def test_copy_onto_itself_changes_the_storage_class(
        self, store: ObjectStore, storage_class: str
    ) -> None:
        blob = put(store, metadata={"colour": "blue"}, custom_time=NOON)
        copied = store.copy(
            blob,
            NAME,
            if_generation_match=blob.generation,
            storage_class=storage_class,  # type: ignore[arg-type]
        )
        assert copied.storage_class == storage_class
        assert copied.generation > blob.generation
        assert (copied.crc32c, copied.size_bytes) == (blob.crc32c, blob.size_bytes)
        assert dict(copied.metadata) == {"colour": "blue"}
        assert copied.custom_time == NOON
        assert (copied.cache_control, copied.content_disposition) == ("max-age=60", "inline")
        assert list(store.list("")) == [copied]
        assert read(store, copied) == DATA
        if isinstance(store, SupportsSoftDelete):
            assert trash(store) == [(NAME, blob.generation)]

    def test_copy_onto_itself_refuses_another_generation(self, store: ObjectStore) -> None:
        blob = put(store)
        newer = put(store, data=b"newer", over=blob.generation)
        with pytest.raises((BlobNotFoundError, PreconditionFailedError)):
            store.copy(blob, NAME, if_generation_match=blob.generation, storage_class="ARCHIVE")
        assert store.stat(NAME) == newer

    def test_copy_takes_the_custom_time_but_not_the_hold(self, store: ObjectStore) -> None:
        blob = store.update(put(store), {}, temporary_hold=True, custom_time=NOON)
        copied = store.copy(blob, "copy")
        assert copied.custom_time == NOON
        assert not copied.temporary_hold
        assert store.stat("copy") == copied
        store.delete(copied)

    def test_put_of_a_stored_source_takes_nothing_but_its_bytes(self, store: ObjectStore) -> None:
        blob = store.update(
            put(store, metadata=ODD_METADATA, custom_time=NOON), {}, temporary_hold=True
        )
        cold = store.copy(blob, "cold", storage_class="ARCHIVE")
        spec = BlobSpec("new", "audio/ogg", {"colour": "blue"}, storage_class="NEARLINE")
        made = store.put(spec, StoredSource(store, cold))
        assert (made.name, made.content_type, dict(made.metadata)) == (
            "new",
            "audio/ogg",
            {"colour": "blue"},
        )
        assert (made.cache_control, made.content_disposition, made.custom_time) == (None,) * 3
        assert (made.storage_class, made.temporary_hold) == ("NEARLINE", False)
        assert (made.size_bytes, made.crc32c) == (blob.size_bytes, blob.crc32c)
        assert store.stat("new") == made
        assert read(store, made) == DATA
        assert store.stat("cold") == cold
        plain = store.put(BlobSpec("plain", "audio/ogg"), StoredSource(store, made))
        assert plain.storage_class == "STANDARD"
        assert dict(plain.metadata) == {}

    def test_put_of_a_stored_source_obeys_the_precondition(self, store: ObjectStore) -> None:
        blob, other = put(store), put(store, "other", b"other")
        source = StoredSource(store, blob)
        for generation in (0, blob.generation):
            with pytest.raises(PreconditionFailedError):
                store.put(BlobSpec("other", "a/b"), source, if_generation_match=generation)
        with pytest.raises(PreconditionFailedError):
            store.put(BlobSpec("missing", "a/b"), source, if_generation_match=17)
        assert store.stat("other") == other
        assert names(store) == sorted([NAME, "other"])
        made = store.put(BlobSpec("other", "a/b"), source, if_generation_match=other.generation)
        assert made.generation > other.generation
        assert read(store, made) == DATA

    def test_put_of_a_stored_source_that_was_replaced_or_deleted_is_refused(
        self, store: ObjectStore
    ) -> None:
        first = put(store)
        second = put(store, data=b"second", over=first.generation)
        with pytest.raises(SourceChangedError, match="nothing was stored"):
            store.put(BlobSpec("copy", "a/b"), StoredSource(store, first))
        store.delete(second)
        with pytest.raises(SourceChangedError, match="nothing was stored"):
            store.put(BlobSpec("copy", "a/b"), StoredSource(store, second))
        assert names(store) == []

    def test_a_class_that_was_not_changed_has_no_time_of_change(self, store: ObjectStore) -> None:
        assert put(store).class_changed_at is None

    def test_delete_removes_the_object(self, store: ObjectStore) -> None:
        blob, other = put(store), put(store, "other")
        store.delete(blob)
        assert list(store.list("")) == [other]
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)
        with pytest.raises(BlobNotFoundError):
            store.delete(blob)
        assert put(store).generation != blob.generation

    def test_delete_refuses_another_generation(self, store: ObjectStore) -> None:
        first = put(store)
        second = put(store, data=b"second", over=first.generation)
        with pytest.raises((BlobNotFoundError, PreconditionFailedError)):
            store.delete(first)
        assert store.stat(NAME) == second

    def test_delete_does_not_mind_an_outdated_metageneration(self, store: ObjectStore) -> None:
        blob = put(store)
        store.update(blob, {"colour": "blue"})
        store.delete(blob)
        assert names(store) == []

    def test_delete_if_unchanged_minds_a_change_of_metadata(self, store: ObjectStore) -> None:
        blob = put(store)
        changed = store.update(blob, {"colour": "blue"})
        with pytest.raises(PreconditionFailedError):
            store.delete(blob, if_unchanged=True)
        assert store.stat(NAME) == changed
        store.delete(changed, if_unchanged=True)
        assert names(store) == []

    def test_a_held_object_loses_its_name_to_nothing(self, store: ObjectStore) -> None:
        blob = held(store)
        before = trash(store)
        for take in taking(store, blob):
            with pytest.raises(HeldError):
                take()
            assert store.stat(NAME) == blob
            assert read(store, blob) == DATA
        assert trash(store) == before

    def test_a_held_object_can_be_read_copied_and_updated(self, store: ObjectStore) -> None:
        blob = held(store)
        assert read(store, store.copy(blob, "copy")) == DATA
        updated = store.update(blob, {"colour": "blue"})
        assert updated.temporary_hold
        assert dict(store.stat(NAME).metadata) == {"colour": "blue"}

    def test_what_was_released_can_be_deleted(self, store: ObjectStore) -> None:
        blob = held(store)
        released = store.update(blob, {}, temporary_hold=False)
        assert released == replace(
            blob, temporary_hold=False, metageneration=blob.metageneration + 1
        )
        store.delete(released)
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)

    def test_a_wrong_generation_is_said_before_a_hold(self, store: ObjectStore) -> None:
        blob = held(store)
        with pytest.raises(PreconditionFailedError):
            put(store)
        with pytest.raises((BlobNotFoundError, PreconditionFailedError)):
            store.delete(replace(blob, generation=blob.generation - 1))
