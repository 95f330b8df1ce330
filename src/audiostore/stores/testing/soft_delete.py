"""What a store promises that keeps deleted objects."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    UnsupportedByStoreError,
)
from audiostore.stores.capabilities import SupportsSoftDelete
from audiostore.stores.protocol import ObjectStore
from audiostore.stores.testing.samples import DATA, NAME, NOON, put, read, trash
from audiostore.values import BlobInfo, DeletedBlob

A_MOMENT = timedelta(minutes=1)


class SoftDeleteStore(ObjectStore, SupportsSoftDelete, Protocol):
    """A store with a trash."""


def deleted(store: SoftDeleteStore, blob: BlobInfo) -> DeletedBlob:
    """Return the generation as it lies in the trash."""
    wanted = (blob.name, blob.generation)
    (found,) = (
        d for d in store.list_deleted(blob.name) if (d.blob.name, d.blob.generation) == wanted
    )
    return found


def put_and_delete(store: SoftDeleteStore, name: str = NAME, data: bytes = DATA) -> DeletedBlob:
    """Return an object that was stored and deleted."""
    blob = put(store, name, data)
    store.delete(blob)
    return deleted(store, blob)


class SoftDeleteTests:
    """`SupportsSoftDelete`."""

    soft_delete_s = 7 * 24 * 3600
    """For how long the store keeps what is deleted, in seconds."""
    can_purge = True
    """Whether `purge` removes a deleted object, or refuses."""
    restores_a_copy = False
    """Whether a restored generation stays in the trash as well."""

    def test_a_new_store_has_an_empty_trash(self, store: SoftDeleteStore) -> None:
        assert trash(store) == []
        put(store)
        assert trash(store) == []

    def test_delete_puts_the_object_into_the_trash(self, store: SoftDeleteStore) -> None:
        blob = store.update(
            put(store, metadata={"colour": "blue"}), {"more": "yes"}, custom_time=NOON
        )
        store.delete(blob)
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)
        with pytest.raises(BlobNotFoundError):
            store.open(blob)
        assert list(store.list("")) == []
        (found,) = store.list_deleted("")
        assert found.blob == blob
        assert abs(found.deleted_at - datetime.now(UTC)) < A_MOMENT
        kept_for = found.gone_at - found.deleted_at
        assert abs(kept_for - timedelta(seconds=self.soft_delete_s)) < timedelta(seconds=1)

    def test_put_over_puts_what_was_there_into_the_trash(self, store: SoftDeleteStore) -> None:
        first = put(store, data=b"first", metadata={"number": "1"})
        second = put(store, data=b"second", over=first.generation)
        put(store, data=b"third", over=second.generation)
        assert [d.blob for d in store.list_deleted("")] == [first, second]

    def test_copy_over_puts_what_was_there_into_the_trash(self, store: SoftDeleteStore) -> None:
        blob, target = put(store), put(store, "target", b"precious")
        store.copy(blob, "target", if_generation_match=target.generation)
        assert [d.blob for d in store.list_deleted("")] == [target]

    def test_what_fails_puts_nothing_into_the_trash(self, store: SoftDeleteStore) -> None:
        blob = put(store)
        with pytest.raises(PreconditionFailedError):
            put(store, data=b"other")
        with pytest.raises((BlobNotFoundError, PreconditionFailedError)):
            store.delete(replace(blob, generation=blob.generation + 1))
        assert trash(store) == []

    def test_the_trash_is_listed_by_prefix_in_the_order_of_names_then_generations(
        self,
        store: SoftDeleteStore,
    ) -> None:
        names = ["a/b/1", "a/b/10", "a/b/2", "a-b", "a.b/c", "ab", "a/c", "é/ü", "z", "a/b-c"]
        expected = []
        for name in names:
            generation = 0
            for data in (b"1", b"2"):
                generation = put(store, name, data, over=generation).generation
                expected.append((name, generation))
            store.delete(store.stat(name))
        expected.sort(key=lambda pair: (pair[0].encode(), pair[1]))
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/1", "a-", "é", "nothing", "z/"):
            assert trash(store, prefix) == [pair for pair in expected if pair[0].startswith(prefix)]

    @pytest.mark.parametrize(
        "name", ["with space/a?#%.mp3", "Zürich/北京/🎵.mp3", "a.1.data", "x/1.2"]
    )
    def test_any_name_can_be_had_back(self, store: SoftDeleteStore, name: str) -> None:
        blob = put(store, name)
        store.delete(blob)
        assert trash(store) == [(name, blob.generation)]
        assert read(store, store.restore(deleted(store, blob))) == DATA

    def test_a_name_in_the_trash_can_be_a_folder_of_others(self, store: SoftDeleteStore) -> None:
        names = ["a", "a/b", "a/b/c", "a.5", "a.5/x", "a.5.data/x"]
        for name in names:
            store.delete(put(store, name, name.encode()))
        assert [name for name, _ in trash(store)] == sorted(names, key=str.encode)

    def test_restore_gives_back_bytes_and_metadata_as_a_new_generation(
        self, store: SoftDeleteStore
    ) -> None:
        blob = put(store, metadata={"colour": "blue"}, custom_time=NOON)
        blob = store.copy(blob, NAME, if_generation_match=blob.generation, storage_class="NEARLINE")
        store.delete(blob)
        restored = store.restore(deleted(store, blob))
        assert restored.generation > blob.generation
        same = replace(
            restored,
            generation=blob.generation,
            metageneration=blob.metageneration,
            created_at=blob.created_at,
        )
        assert same == blob
        assert store.stat(NAME) == restored
        assert list(store.list("")) == [restored]
        assert read(store, restored) == DATA

    def test_what_was_restored_is_an_object_like_any_other(self, store: SoftDeleteStore) -> None:
        restored = store.restore(put_and_delete(store))
        assert restored.metageneration == 1
        updated = store.update(restored, {"colour": "blue"})
        copied = store.copy(updated, "copy")
        assert read(store, copied) == DATA
        store.delete(updated)
        again = store.restore(deleted(store, restored))
        assert dict(again.metadata) == {"colour": "blue"}
        assert read(store, again) == DATA

    def test_restore_takes_what_it_gives_back_out_of_the_trash(
        self, store: SoftDeleteStore
    ) -> None:
        gone = put_and_delete(store)
        store.restore(gone)
        # A bucket restores a copy: the deleted generation stays until its time.
        assert trash(store) == ([(NAME, gone.blob.generation)] if self.restores_a_copy else [])

    def test_restore_refuses_a_name_that_is_taken(self, store: SoftDeleteStore) -> None:
        gone = put_and_delete(store)
        newer = put(store, data=b"newer")
        for wrong in (0, newer.generation + 1, gone.blob.generation):
            with pytest.raises(PreconditionFailedError):
                store.restore(gone, if_generation_match=wrong)
        assert store.stat(NAME) == newer
        assert trash(store) == [(NAME, gone.blob.generation)]

    def test_restore_refuses_a_name_that_is_free_where_a_generation_is_named(
        self,
        store: SoftDeleteStore,
    ) -> None:
        gone = put_and_delete(store)
        with pytest.raises(PreconditionFailedError):
            store.restore(gone, if_generation_match=gone.blob.generation)
        assert trash(store) == [(NAME, gone.blob.generation)]

    def test_restore_over_the_generation_that_is_named_puts_that_into_the_trash(
        self, store: SoftDeleteStore
    ) -> None:
        gone = put_and_delete(store, data=b"older")
        newer = put(store, data=b"newer")
        restored = store.restore(gone, if_generation_match=newer.generation)
        assert restored.generation > newer.generation
        assert store.stat(NAME) == restored
        assert read(store, restored) == b"older"
        kept = [(NAME, gone.blob.generation)] if self.restores_a_copy else []
        assert trash(store) == [*kept, (NAME, newer.generation)]
        back = store.restore(deleted(store, newer), if_generation_match=restored.generation)
        assert read(store, back) == b"newer"

    def test_of_many_generations_each_can_be_had_back(self, store: SoftDeleteStore) -> None:
        generation = 0
        for data in (b"1", b"2", b"3"):
            generation = put(store, data=data, over=generation).generation
        store.delete(store.stat(NAME))
        by_age = list(store.list_deleted(""))
        for number in (1, 0, 2):
            blob = store.restore(by_age[number])
            assert read(store, blob) == b"123"[number : number + 1]
            store.delete(blob)

    def test_purge_lets_go_for_good_or_says_that_the_store_keeps_it(
        self, store: SoftDeleteStore
    ) -> None:
        gone, other = put_and_delete(store), put_and_delete(store, "other")
        if not self.can_purge:
            with pytest.raises(UnsupportedByStoreError):
                store.purge(gone)
            assert len(trash(store)) == 2
            return
        store.purge(gone)
        assert trash(store) == [("other", other.blob.generation)]
        with pytest.raises(BlobNotFoundError):
            store.purge(gone)
        with pytest.raises(BlobNotFoundError):
            store.restore(gone)
        assert put(store).generation > gone.blob.generation

    def test_what_is_past_its_time_is_gone(
        self, store: SoftDeleteStore, advance: Callable[[float], None]
    ) -> None:
        gone = put_and_delete(store)
        advance(self.soft_delete_s - 60)
        assert trash(store) == [(NAME, gone.blob.generation)]
        younger = put_and_delete(store, "younger")
        advance(61)
        assert trash(store) == [("younger", younger.blob.generation)]
        with pytest.raises(BlobNotFoundError):
            store.restore(gone)
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)

    def test_a_reader_goes_on_reading_what_is_trashed_meanwhile(
        self, store: SoftDeleteStore
    ) -> None:
        blob = put(store, data=bytes(3 << 20))
        with closing(store.open(blob)) as reader:
            length = len(reader.read(1000))
            store.delete(blob)
            if self.can_purge:
                store.purge(deleted(store, blob))
            length += sum(map(len, iter(lambda: reader.read(1 << 16), b"")))
        assert length == 3 << 20

    def test_a_reader_goes_on_reading_what_is_overwritten_and_restored_meanwhile(
        self,
        store: SoftDeleteStore,
    ) -> None:
        data = b"".join(number.to_bytes(4, "big") for number in range(500_000))
        blob = put(store, data=data)
        with closing(store.open(blob, start=4, stop=len(data) - 4)) as reader:
            pieces = [reader.read(1000)]
            newer = put(store, data=b"newer", over=blob.generation)
            pieces.append(reader.read(1000))
            store.restore(deleted(store, blob), if_generation_match=newer.generation)
            pieces += iter(lambda: reader.read(1 << 16), b"")
        assert b"".join(pieces) == data[4:-4]

    @pytest.fixture
    def advance(self) -> Callable[[float], None]:
        """Return what lets seconds pass for the store; without it, what needs it is skipped."""
        pytest.skip("the clock of the store cannot be moved")
