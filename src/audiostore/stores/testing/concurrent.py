"""What a store promises that writes many objects from one thread."""

import pytest

from audiostore.errors import PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores.capabilities import ConcurrentWrites, SupportsConcurrentWrites
from audiostore.stores.protocol import BlobSpec, ObjectStore, Transferred
from audiostore.stores.testing.samples import DATA, ODD_METADATA, Corrupted, names, put, read
from audiostore.values import BlobInfo

_MANY = 20


class ConcurrentWritesTests:
    """`SupportsConcurrentWrites`. The fixture `store` returns an empty store."""

    @pytest.fixture
    def writes(self, store: ObjectStore) -> ConcurrentWrites:
        """Return what the store writes with."""
        assert isinstance(store, SupportsConcurrentWrites)
        writes = store.concurrent_writes()
        assert writes is not None
        return writes

    def test_many_objects_are_written_at_once(
        self, store: ObjectStore, writes: ConcurrentWrites
    ) -> None:
        reports: list[Transferred] = []
        data = {key: DATA[key:] for key in range(_MANY)}
        for key, content in data.items():
            spec = BlobSpec(f"a/{key:02}.mp3", "audio/mpeg", metadata=ODD_METADATA)
            writes.begin(key, spec, BytesSource(content), reports.append)
        written = ended(writes, _MANY)
        for key, blob in written.items():
            assert isinstance(blob, BlobInfo)
            assert blob == store.stat(f"a/{key:02}.mp3")
            assert dict(blob.metadata) == ODD_METADATA
            assert read(store, blob) == data[key]
        assert max(report.sent_bytes for report in reports) == len(DATA)

    def test_an_object_that_exists_is_left_as_it_is(
        self, store: ObjectStore, writes: ConcurrentWrites
    ) -> None:
        first = put(store)
        writes.begin(1, BlobSpec(first.name, "audio/mpeg"), BytesSource(DATA + b"other"))
        writes.begin(2, BlobSpec("other.mp3", "audio/mpeg"), BytesSource(DATA))
        outcomes = ended(writes, 2)
        assert isinstance(outcomes[1], PreconditionFailedError)
        assert isinstance(outcomes[2], BlobInfo)
        assert store.stat(first.name) == first

    def test_bytes_that_do_not_match_their_checksum_are_not_stored(
        self, store: ObjectStore, writes: ConcurrentWrites
    ) -> None:
        writes.begin(1, BlobSpec("bad.mp3", "audio/mpeg"), Corrupted(DATA))
        assert isinstance(ended(writes, 1)[1], Exception)
        assert names(store) == []

    def test_without_anything_to_write_it_returns_in_time(self, writes: ConcurrentWrites) -> None:
        assert writes.turn(0.01) == []


def ended(writes: ConcurrentWrites, count: int) -> dict[int, BlobInfo | Exception]:
    """Return what became of so many writes, by their keys."""
    outcomes: dict[int, BlobInfo | Exception] = {}
    while len(outcomes) < count:
        outcomes |= writes.turn(10.0)
    return outcomes
