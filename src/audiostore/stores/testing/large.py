"""What every store promises of large objects, which may take more than one request."""

from threading import current_thread, main_thread

import pytest

from audiostore.errors import (
    PreconditionFailedError,
)
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec, ObjectStore, Transferred
from audiostore.stores.testing.samples import DATA, NAME, ODD_METADATA, put, race, read
from audiostore.values import BlobInfo


class LargeObjectTests:
    """`ObjectStore.put` of megabytes."""

    def test_a_large_object_is_stored_like_any_other(self, store: ObjectStore) -> None:
        data = DATA * 60  # several chunks of 256 KiB
        blob = put(store, data=data, metadata=ODD_METADATA)
        assert blob.crc32c == BytesSource(data).crc32c
        assert dict(store.stat(NAME).metadata) == ODD_METADATA
        assert read(store, blob) == data
        with pytest.raises(PreconditionFailedError):
            put(store, data=data + b"other")
        other = put(store, data=data[1:], over=blob.generation)
        assert read(store, other) == data[1:]

    def test_of_creators_of_the_very_same_large_bytes_one_wins(self, store: ObjectStore) -> None:
        data = DATA * 80
        (winner,) = race(8, lambda _: put(store, data=data))
        assert list(store.list("")) == [winner]
        assert read(store, winner) == data

    def test_a_creator_overtaken_by_another_of_the_very_same_bytes_loses(
        self, store: ObjectStore
    ) -> None:
        data = DATA * 150
        winners: list[BlobInfo] = []

        def overtake(transferred: Transferred) -> None:
            # Only from the thread that put was called on: the I/O thread must not wait for itself.
            if not winners and transferred.sent_bytes and current_thread() is main_thread():
                winners.append(put(store, data=data))

        with pytest.raises(PreconditionFailedError):
            store.put(BlobSpec(NAME, "audio/mpeg"), BytesSource(data), on_transfer=overtake)
        assert list(store.list("")) == winners
