"""The conformance suite over every store, and over the layer that retries."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import BlobSpec, BytesSource, GcsStore, LocalStore, MemoryStore, RetryConfig
from audiostore.stores import RetryingStore, Store, complete
from audiostore.stores.gcs import upload
from audiostore.stores.testing import (
    AdministrationTests,
    ConcurrentWritesTests,
    LargeObjectTests,
    ObjectStoreTests,
    SettingsTests,
    SoftDeleteTests,
)
from tests.faults.kinds import KMS_KEY
from tests.gcs_server import AS_NEW, StrictServer
from tests.prefixes import put_neighbours, require_within

Advance = Callable[[float], None]


class Clock:
    """Runs with the real time, as far ahead of it as a test has moved it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class EveryTest(ObjectStoreTests, SoftDeleteTests, SettingsTests, AdministrationTests):
    """What all of our own stores promise."""

    def test_put_returns_the_md5_of_the_bytes_except_in_a_directory(self, store: Store) -> None:
        blob = store.put(BlobSpec("a", "b/c"), BytesSource(b"abc"))
        is_directory = store.url.startswith("file:")
        assert blob.md5_hash == (None if is_directory else "kAFQmDzST7DWlj99KOF/cg==")

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestMemory(EveryTest):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return complete(MemoryStore(now=clock.now))


class TestLocal(EveryTest):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: Clock) -> Store:
        return complete(LocalStore(tmp_path / "store", now=clock.now))


class TestRetrying(EveryTest):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return RetryingStore(MemoryStore(now=clock.now), RetryConfig(max_attempts=1))


class TestGcs(EveryTest, ConcurrentWritesTests):
    # The source is read by the I/O thread, which must not wait for itself.
    may_be_called_while_reading = False
    can_purge = False
    restores_a_copy = True

    settings: Mapping[str, object] = AS_NEW

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[StrictServer]:
        with StrictServer(
            "b", page_size=3, directory=tmp_path, bucket_settings=self.settings
        ) as server:
            yield server

    @pytest.fixture
    def store(self, server: StrictServer) -> Iterator[Store]:
        with closing(GcsStore("b", emulator=server.url, chunk_bytes=256 << 10)) as store:
            yield complete(store)

    @pytest.fixture
    def advance(self, server: StrictServer) -> Advance:
        return server.advance

    @pytest.fixture(autouse=True)
    def sessions(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the tests of large objects use resumable sessions."""
        if hasattr(LargeObjectTests, request.function.__name__):
            monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)


@pytest.mark.slow
class TestGcsPrefix(TestGcs):
    """Part of a bucket; no request may name anything else in it."""

    @pytest.fixture
    def store(self, server: StrictServer) -> Iterator[Store]:
        put_neighbours(server, "b")
        store = GcsStore("b", prefix="music/prod", emulator=server.url, chunk_bytes=256 << 10)
        with closing(store):
            yield complete(store)
        require_within(server, "b", "music/prod")


@pytest.mark.slow
class TestGcsUnderKmsKey(TestGcs):
    """A listing, and most responses, show no checksums."""

    settings: Mapping[str, object] = {**AS_NEW, "encryption": {"defaultKmsKeyName": KMS_KEY}}
