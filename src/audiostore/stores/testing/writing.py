"""What every store promises of writing."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google_crc32c
import pytest

from audiostore.errors import (
    BlobNotFoundError,
    IntegrityError,
    PreconditionFailedError,
    SourceChangedError,
)
from audiostore.localfiles import LocalFile
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec, ObjectStore, Transferred
from audiostore.stores.stored import StoredSource
from audiostore.stores.testing.samples import (
    DATA,
    NAME,
    ODD_METADATA,
    Corrupted,
    Watched,
    names,
    put,
    read,
    trash,
)

ODD_NAMES = [
    "with space/and  two.mp3",
    "Zürich/北京/🎵.mp3",
    "e\u0301/combining",
    "hash#tag/what?/100%/a+b&c=d;e,f:g@h!$'()*",
    "100%25/%2F/%00",
    'quote"s/back\\slash/<tag>|~^`{}[]',
    "dots.in..the/middle...",
    "trailing. /space ",
    "-rf/--help",
    "tab\there",
]


class WritingTests:
    """`ObjectStore.put`."""

    may_be_called_while_reading = True
    """Whether `put` reads its source on the caller's thread: then the store can be called there."""

    def test_put_returns_what_was_stored(self, store: ObjectStore) -> None:
        before = datetime.now(UTC)
        blob = put(store, metadata={"colour": "blue"})
        assert blob.name == NAME
        assert blob.size_bytes == len(DATA)
        assert blob.content_type == "audio/mpeg"
        assert (
            blob.crc32c == base64.b64encode(google_crc32c.value(DATA).to_bytes(4, "big")).decode()
        )
        assert blob.md5_hash in (None, base64.b64encode(hashlib.md5(DATA).digest()).decode())
        assert blob.generation > 0
        assert blob.metageneration == 1
        assert blob.storage_class == "STANDARD"
        assert abs(blob.created_at - before) < timedelta(minutes=1)
        assert blob.created_at.utcoffset() == timedelta(0)
        assert dict(blob.metadata) == {"colour": "blue"}
        assert store.stat(NAME) == blob
        assert list(store.list("")) == [blob]
        assert read(store, blob) == DATA

    def test_put_refuses_to_overwrite(self, store: ObjectStore) -> None:
        first = put(store)
        with pytest.raises(PreconditionFailedError):
            put(store, data=b"other", metadata={"lost": "yes"})
        assert store.stat(NAME) == first
        assert read(store, first) == DATA

    def test_put_refuses_to_overwrite_even_with_the_same_content(self, store: ObjectStore) -> None:
        first = put(store)
        with pytest.raises(PreconditionFailedError):
            put(store)
        assert store.stat(NAME) == first

    def test_put_replaces_the_generation_that_is_named(self, store: ObjectStore) -> None:
        first = put(store, metadata={"old": "yes"})
        second = put(
            store,
            data=b"new bytes",
            over=first.generation,
            content_type="x/y",
            metadata={"new": "yes"},
        )
        assert second.generation > first.generation
        assert second.metageneration == 1
        assert store.stat(NAME) == second
        assert dict(second.metadata) == {"new": "yes"}
        assert second.content_type == "x/y"
        assert read(store, second) == b"new bytes"
        assert list(store.list("")) == [second]

    def test_put_refuses_to_replace_another_generation(self, store: ObjectStore) -> None:
        first = put(store)
        second = put(store, data=b"second", over=first.generation)
        for outdated in (first.generation, second.generation + 1, 1):
            with pytest.raises(PreconditionFailedError):
                put(store, data=b"third", over=outdated)
        assert read(store, store.stat(NAME)) == b"second"

    def test_put_refuses_to_replace_what_is_missing(self, store: ObjectStore) -> None:
        with pytest.raises(PreconditionFailedError):
            put(store, over=17)
        blob = put(store)
        store.delete(blob)
        with pytest.raises(PreconditionFailedError):
            put(store, over=blob.generation)
        assert names(store) == []

    def test_same_content_gets_another_generation_each_time(self, store: ObjectStore) -> None:
        generations = []
        for _ in range(5):
            blob = put(store)
            generations.append(blob.generation)
            store.delete(blob)
        assert len(set(generations)) == 5

    def test_zero_bytes_are_an_object_like_any_other(self, store: ObjectStore) -> None:
        blob = put(store, data=b"", metadata={"colour": "blue"})
        assert blob.size_bytes == 0
        assert blob.crc32c == "AAAAAA=="
        assert store.stat(NAME) == blob
        assert read(store, blob) == b""
        assert read(store, store.copy(blob, "copy")) == b""

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_any_name_is_kept_exactly(self, store: ObjectStore, name: str) -> None:
        blob = put(store, name)
        assert blob.name == name
        assert store.stat(name) == blob
        assert read(store, blob) == DATA
        assert names(store) == [name]
        assert names(store, name[:5]) == [name]
        updated = store.update(blob, {"colour": "blue"})
        copied = store.copy(updated, name + "2")
        assert copied.name == name + "2"
        assert dict(copied.metadata) == {"colour": "blue"}
        stored = store.put(BlobSpec(name + "3", "a/b"), StoredSource(store, updated))
        assert read(store, stored) == DATA
        store.delete(stored)
        store.delete(updated)
        assert names(store) == [name + "2"]

    def test_metadata_is_kept_exactly(self, store: ObjectStore) -> None:
        blob = put(store, metadata=ODD_METADATA)
        assert dict(blob.metadata) == ODD_METADATA
        assert dict(store.stat(NAME).metadata) == ODD_METADATA
        assert [dict(b.metadata) for b in store.list("")] == [ODD_METADATA]
        updated = store.update(blob, {"lines": "a\nb", "new 🎵": "\u2028"})
        expected = {**ODD_METADATA, "lines": "a\nb", "new 🎵": "\u2028"}
        assert dict(updated.metadata) == dict(store.stat(NAME).metadata) == expected

    def test_metadata_may_fill_all_of_its_room(self, store: ObjectStore) -> None:
        metadata = {f"key{i}": "ü" * 500 for i in range(8)} | {"last": "x" * 120}
        assert 8000 < sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items()) <= 8192
        blob = put(store, metadata=metadata)
        assert dict(store.stat(NAME).metadata) == metadata
        assert dict(store.copy(blob, "copy").metadata) == metadata

    def test_what_the_caller_does_to_its_metadata_later_changes_nothing(
        self, store: ObjectStore
    ) -> None:
        metadata = {"colour": "blue"}
        store.put(BlobSpec(NAME, "a/b", metadata), BytesSource(DATA))
        metadata["colour"] = "red"
        assert dict(store.stat(NAME).metadata) == {"colour": "blue"}

    def test_put_reports_progress(self, store: ObjectStore) -> None:
        transfers: list[Transferred] = []
        data = bytes(3 << 20)
        store.put(BlobSpec(NAME, "a/b"), BytesSource(data), on_transfer=transfers.append)
        assert transfers
        assert transfers[-1].sent_bytes == len(data)
        sent = [t.sent_bytes for t in transfers]
        assert sent == sorted(sent)
        assert all(t.accepted_bytes <= t.sent_bytes for t in transfers)

    def test_nobody_sees_half_of_an_object(self, store: ObjectStore) -> None:
        seen: list[object] = []
        kept = put(store, "kept", b"old")

        def look_inside() -> None:
            # Nothing may be found under the name while bytes are still arriving.
            if self.may_be_called_while_reading:
                seen.extend(store.list("audio"))
                seen.extend(b for b in store.list("kept") if b != kept)
                with pytest.raises(BlobNotFoundError):
                    store.stat(NAME)

        store.put(BlobSpec(NAME, "a/b"), Watched(DATA, look_inside))
        store.put(
            BlobSpec("kept", "a/b"),
            Watched(DATA, lambda: seen.extend([])),
            if_generation_match=kept.generation,
        )
        assert seen == []
        assert read(store, store.stat("kept")) == DATA

    @pytest.mark.parametrize("breaks_at", [0, 5000, len(DATA) - 1])
    def test_a_source_that_changes_leaves_nothing(self, store: ObjectStore, breaks_at: int) -> None:
        source = Watched(DATA, lambda: None, breaks_at)
        with pytest.raises(SourceChangedError):
            store.put(BlobSpec(NAME, "a/b"), source)
        assert names(store) == []
        with pytest.raises(BlobNotFoundError):
            store.stat(NAME)
        assert put(store).size_bytes == len(DATA)

    def test_a_source_that_changes_leaves_what_was_there(self, store: ObjectStore) -> None:
        first = put(store)
        with pytest.raises(SourceChangedError):
            store.put(
                BlobSpec(NAME, "a/b"),
                Watched(b"x" * 5000, lambda: None, 4000),
                if_generation_match=first.generation,
            )
        assert list(store.list("")) == [first]
        assert read(store, first) == DATA

    def test_a_local_file_rewritten_meanwhile_leaves_nothing(
        self, store: ObjectStore, tmp_path: Path
    ) -> None:
        path = tmp_path / "song.mp3"
        path.write_bytes(DATA)
        source = LocalFile.snapshot(path)
        path.write_bytes(DATA[::-1])
        with pytest.raises(SourceChangedError):
            store.put(BlobSpec(NAME, "a/b"), source)
        assert names(store) == []

    def test_put_refuses_bytes_that_do_not_have_the_checksum(self, store: ObjectStore) -> None:
        with pytest.raises(IntegrityError):
            store.put(BlobSpec(NAME, "a/b"), Corrupted(DATA))
        assert names(store) == []
        assert trash(store) == []

    def test_put_over_an_object_refuses_bytes_that_do_not_have_the_checksum(
        self, store: ObjectStore
    ) -> None:
        first = put(store)
        with pytest.raises(IntegrityError):
            store.put(
                BlobSpec(NAME, "a/b"), Corrupted(b"other"), if_generation_match=first.generation
            )
        assert store.stat(NAME) == first
        assert read(store, first) == DATA
