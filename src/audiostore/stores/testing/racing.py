"""What every store promises to many callers at once."""

from concurrent.futures import ThreadPoolExecutor

from audiostore.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.stores.protocol import ObjectStore
from audiostore.stores.testing.samples import DATA, NAME, names, put, race, read
from audiostore.values import BlobInfo


class RacingTests:
    """Every method, from many threads."""

    def test_of_sixteen_creators_one_wins(self, store: ObjectStore) -> None:
        def create(number: int) -> BlobInfo:
            return put(store, data=bytes([number]) * 10_000, metadata={"writer": str(number)})

        (winner,) = race(16, create)
        assert store.stat(NAME) == winner
        assert read(store, winner) == bytes([int(winner.metadata["writer"])]) * 10_000
        assert list(store.list("")) == [winner]

    def test_of_creators_of_the_very_same_bytes_one_wins(self, store: ObjectStore) -> None:
        (winner,) = race(8, lambda _: put(store))
        assert list(store.list("")) == [winner]

    def test_of_eight_replacers_one_wins(self, store: ObjectStore) -> None:
        first = put(store)
        (winner,) = race(8, lambda n: put(store, data=bytes([n]) * 5000, over=first.generation))
        assert store.stat(NAME) == winner

    def test_of_eight_updaters_one_wins_each_metageneration(self, store: ObjectStore) -> None:
        blob = put(store)

        def update(number: int) -> BlobInfo:
            while True:
                try:
                    return store.update(store.stat(NAME), {f"key{number}": "set"})
                except PreconditionFailedError:
                    continue

        winners = race(8, update)
        assert sorted(b.metageneration for b in winners) == list(range(2, 10))
        assert dict(store.stat(NAME).metadata) == {f"key{n}": "set" for n in range(8)}
        assert read(store, blob) == DATA

    def test_of_eight_updaters_of_one_metageneration_one_wins(self, store: ObjectStore) -> None:
        blob = put(store)
        (winner,) = race(8, lambda n: store.update(blob, {"writer": str(n)}))
        assert store.stat(NAME) == winner
        assert winner.metageneration == 2

    def test_of_eight_deleters_one_wins(self, store: ObjectStore) -> None:
        blob = put(store)

        def delete(_: int) -> BlobInfo | None:
            try:
                store.delete(blob)
            except BlobNotFoundError:
                return None
            return blob

        assert race(8, delete) == [blob]
        assert names(store) == []

    def test_of_deleters_and_updaters_of_one_version_one_wins(self, store: ObjectStore) -> None:
        blob = put(store)

        def change(number: int) -> BlobInfo | None:
            try:
                if number % 2:
                    return store.update(blob, {"writer": str(number)})
                store.delete(blob, if_unchanged=True)
            except (BlobNotFoundError, PreconditionFailedError):
                return None
            return blob

        (winner,) = race(8, change)
        assert list(store.list("")) == ([] if winner == blob else [winner])

    def test_readers_see_old_or_new_never_a_mixture(self, store: ObjectStore) -> None:
        blob = put(store, data=b"\0" * 50_000, metadata={"version": "0"})
        done: list[bool] = []

        def replace_often(_: int) -> None:
            present = blob
            for version in range(1, 25):
                data = bytes([version]) * (50_000 + version)
                present = put(
                    store, data=data, over=present.generation, metadata={"version": str(version)}
                )
            done.append(True)

        def read_often(_: int) -> None:
            while not done:
                (found,) = store.list("audio/")
                version = int(found.metadata["version"])
                assert found.size_bytes == 50_000 + version
                try:
                    assert read(store, found) == bytes([version]) * (50_000 + version)
                except BlobNotFoundError:
                    continue  # replaced since

        with ThreadPoolExecutor(4) as pool:
            writer = pool.submit(replace_often, 0)
            readers = [pool.submit(read_often, n) for n in range(3)]
            try:
                writer.result()
            finally:
                done.append(True)
            for reader in readers:
                reader.result()
        assert store.stat(NAME).metadata["version"] == "24"
