"""The one layer that repeats: how often, from where, and what a repetition means."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    PreconditionFailedError,
    StoreConnectionError,
)
from audiostore.retry import Retry, RetryConfig
from audiostore.sources import BytesSource, Source
from audiostore.stores.capabilities import ForeignFile, StoreSettings
from audiostore.stores.memory import MemoryStore
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    StorageClass,
    TransferListener,
    Transferred,
)
from audiostore.stores.retrying import RetryingStore
from audiostore.values import BlobInfo, DeletedBlob
from tests.timing import SimulatedTime

CONFIG = RetryConfig(max_attempts=3, initial_delay=1, max_delay=8, jitter=False)
SPEC = BlobSpec("a/b", "x/y", {"k": "v"})
SOURCE = BytesSource(bytes(range(200)))
BLOB = MemoryStore().put(SPEC, SOURCE)


class Flaky(MemoryStore):
    """A store whose next requests fail as set: before they do anything, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.log: list[str] = []
        self.closed = False

    def _enter(self, call: str) -> None:
        self.log.append(call)
        if self.before:
            raise self.before.pop(0)

    def _leave(self) -> None:
        if self.after:
            raise self.after.pop(0)

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        self._enter("put")
        blob = super().put(
            spec, source, if_generation_match=if_generation_match, on_transfer=on_transfer
        )
        self._leave()
        return blob

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        self._enter(f"open {start}")
        return super().open(blob, start=start, stop=stop)

    def stat(self, name: str) -> BlobInfo:
        self._enter("stat")
        return super().stat(name)

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        self._enter("update")
        updated = super().update(
            blob,
            metadata,
            content_type=content_type,
            temporary_hold=temporary_hold,
            custom_time=custom_time,
        )
        self._leave()
        return updated

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        self._enter("copy")
        copied = super().copy(
            source,
            target,
            if_generation_match=if_generation_match,
            storage_class=storage_class,
        )
        self._leave()
        return copied

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        self._enter("delete")
        super().delete(blob, if_unchanged=if_unchanged)
        self._leave()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def inner() -> Flaky:
    return Flaky()


@pytest.fixture
def store(inner: Flaky, slept: list[float]) -> RetryingStore:
    return RetryingStore(inner, CONFIG, sleep=slept.append)


def broken(count: int) -> list[Exception]:
    return [StoreConnectionError(str(n)) for n in range(count)]


CALLS: dict[str, Callable[[RetryingStore, BlobInfo], object]] = {
    "put": lambda s, b: s.put(replace(SPEC, name="new"), SOURCE),
    "stat": lambda s, b: s.stat(b.name),
    "open 7": lambda s, b: s.open(b, start=7),
    "update": lambda s, b: s.update(b, {"a": "b"}),
    "copy": lambda s, b: s.copy(b, "copied"),
    "delete": lambda s, b: s.delete(b),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_request_is_tried_as_often_as_configured(
    inner: Flaky, store: RetryingStore, slept: list[float], call: str
) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    inner.before = broken(2)
    CALLS[call](store, blob)
    assert inner.log == [call] * 3
    assert slept == [1, 2]


@pytest.mark.parametrize("call", CALLS)
def test_every_request_gives_up_with_the_last_error(
    inner: Flaky, store: RetryingStore, slept: list[float], call: str
) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    errors = inner.before = broken(9)
    last = errors[2]
    with pytest.raises(StoreConnectionError) as caught:
        CALLS[call](store, blob)
    assert caught.value is last
    assert "memory://memory/" in caught.value.__notes__[0]
    assert inner.log == [call] * 3
    assert slept == [1, 2]


@pytest.mark.parametrize("call", CALLS)
def test_what_will_not_pass_is_not_repeated(
    inner: Flaky, store: RetryingStore, slept: list[float], call: str
) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    inner.before = [PreconditionFailedError("412")]
    with pytest.raises(PreconditionFailedError):
        CALLS[call](store, blob)
    assert inner.log == [call]
    assert slept == []


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
FILE = ForeignFile("folder/x", "an empty folder", is_removable=True, changed_at=NEW_YEAR)
DELETED = DeletedBlob(BLOB, NEW_YEAR, NEW_YEAR)
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "put": (SPEC, SOURCE),
    "open": (BLOB,),
    "stat": ("a/b",),
    "list": ("",),
    "names_after": ("", ""),
    "update": (BLOB, {}),
    "copy": (BLOB, "x"),
    "delete": (BLOB,),
    "noncurrent": ("",),
    "list_deleted": ("",),
    "restore": (DELETED,),
    "purge": (DELETED,),
    "settings": (),
    "change_settings": (StoreSettings(1, "EU", "STANDARD"),),
    "facts": (),
    "granted": ((),),
    "reclass": (BLOB, "ARCHIVE"),
    "foreign_files": ("",),
    "remove_foreign_file": (FILE,),
    "signed_url": (BLOB,),
    "open_session": (SPEC, 10),
}
NOT_RETRIED = {"url", "uri", "diagnose", "service", "close", "concurrent_writes"}


@pytest.mark.parametrize(
    "name", sorted({n for n in vars(RetryingStore) if n[0] != "_"} - NOT_RETRIED)
)
def test_everything_that_asks_the_store_is_retried(name: str, slept: list[float]) -> None:
    calls: list[str] = []
    store = RetryingStore(MemoryStore(), CONFIG, sleep=slept.append)

    def fail(*_: object, **__: object) -> object:
        calls.append(name)
        raise StoreConnectionError("broke")

    def request() -> None:
        next(getattr(store, name)(*ARGUMENTS[name]))

    setattr(store._store, name, fail)
    with pytest.raises(StoreConnectionError):
        request()
    assert calls == [name] * 3


def test_retries_are_reported(inner: Flaky, slept: list[float]) -> None:
    reported: list[Retry] = []
    store = RetryingStore(inner, CONFIG, on_retry=reported.append, sleep=slept.append)
    error = StoreConnectionError("x")
    inner.before = [error]
    store.put(SPEC, SOURCE)
    assert reported == [Retry("store memory://memory/a/b", 1, 1, error)]


def test_a_store_that_retries_is_not_retried_again(store: RetryingStore) -> None:
    with pytest.raises(TypeError, match="already retries"):
        RetryingStore(store, CONFIG)


def test_it_has_the_url_and_uris_of_the_wrapped_store(inner: Flaky, store: RetryingStore) -> None:
    assert (store.url, store.uri("x")) == (inner.url, inner.uri("x"))
    store.close()
    assert inner.closed


# -- writes whose response was lost --------------------------------------------------------------


@pytest.mark.parametrize("call", ["put", "update", "copy"])
def test_a_write_whose_response_was_lost_is_for_the_caller_to_compare(
    inner: Flaky, store: RetryingStore, call: str
) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    inner.after = broken(1)
    with pytest.raises(PreconditionFailedError):
        CALLS[call](store, blob)
    assert inner.log == [call] * 2


def test_a_delete_whose_response_was_lost_is_a_success(inner: Flaky, store: RetryingStore) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    inner.after = broken(1)
    store.delete(blob)
    assert inner.log == ["delete"] * 2
    assert list(inner.list("")) == []


def test_a_delete_of_what_is_missing_is_not_found(inner: Flaky, store: RetryingStore) -> None:
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    MemoryStore.delete(inner, blob)
    with pytest.raises(BlobNotFoundError):
        store.delete(blob)
    assert inner.log == ["delete"]


# -- progress ----------------------------------------------------------------------------------


class Accepting(MemoryStore):
    """A store that keeps so and so many bytes of each attempt and then fails."""

    def __init__(self, *accepted: int) -> None:
        super().__init__()
        self._accepted = list(accepted)
        self.attempts = 0

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        self.attempts += 1
        if not self._accepted:
            return super().put(spec, source, if_generation_match=if_generation_match)
        accepted = self._accepted.pop(0)
        if on_transfer:
            on_transfer(Transferred(accepted + 5, accepted))
        raise StoreConnectionError("broke")


def test_accepted_bytes_renew_the_budget(slept: list[float]) -> None:
    inner = Accepting(10, 20, 30, 40, 50, 60)
    reported: list[Transferred] = []
    store = RetryingStore(inner, CONFIG, sleep=slept.append)
    store.put(SPEC, SOURCE, on_transfer=reported.append)
    assert inner.attempts == 7
    assert slept == [1] * 6
    assert [t.accepted_bytes for t in reported] == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize(
    ("accepted", "attempts"),
    [((0, 0, 0, 0), 3), ((10, 10, 10, 10), 3), ((10, 5, 9, 10), 3), ((10, 5, 11, 5, 5, 5), 5)],
)
def test_sent_bytes_or_the_same_bytes_again_are_not_progress(
    slept: list[float], accepted: tuple[int, ...], attempts: int
) -> None:
    inner = Accepting(*accepted)
    with pytest.raises(StoreConnectionError):
        RetryingStore(inner, CONFIG, sleep=slept.append).put(SPEC, SOURCE)
    assert inner.attempts == attempts


# -- reading -----------------------------------------------------------------------------------


class Breaking(Flaky):
    """A store whose readers break after so and so many pieces of ten bytes."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces
        self.open_readers = 0

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        reader = super().open(blob, start=start, stop=stop)
        self.open_readers += 1
        return _BreakingReader(self, reader, self._pieces)


class _BreakingReader:
    def __init__(self, store: Breaking, reader: BlobReader, pieces: int) -> None:
        self._store = store
        self._reader = reader
        self._left = pieces

    def read(self, size: int) -> bytes:
        if self._left == 0:
            raise StoreConnectionError("broke")
        self._left -= 1
        return self._reader.read(min(size, 10))

    def close(self) -> None:
        self._store.open_readers -= 1


def test_a_broken_read_resumes_after_the_last_byte(slept: list[float]) -> None:
    inner = Breaking(pieces=4)
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    with closing(RetryingStore(inner, CONFIG, sleep=slept.append).open(blob, start=30)) as reader:
        data = b"".join(iter(lambda: reader.read(1000), b""))
    assert data == SOURCE.data[30:]
    assert inner.log == ["open 30", "open 70", "open 110", "open 150", "open 190"]
    assert slept == [1] * 4
    assert inner.open_readers == 0


def test_a_read_that_never_comes_further_gives_up(slept: list[float]) -> None:
    inner = Breaking(pieces=0)
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    reader = RetryingStore(inner, CONFIG, sleep=slept.append).open(blob)
    with pytest.raises(StoreConnectionError):
        reader.read(10)
    assert inner.log == ["open 0"] * 3
    assert inner.open_readers == 0
    reader.close()
    assert inner.open_readers == 0


def test_a_read_does_not_go_on_in_another_generation(slept: list[float]) -> None:
    inner = Breaking(pieces=1)
    blob = MemoryStore.put(inner, SPEC, SOURCE)
    with closing(RetryingStore(inner, CONFIG, sleep=slept.append).open(blob)) as reader:
        assert len(reader.read(10)) == 10
        MemoryStore.put(inner, SPEC, SOURCE, if_generation_match=blob.generation)
        with pytest.raises(BlobNotFoundError):
            reader.read(10)
    assert inner.log == ["open 0", "open 10"]


# -- listing -----------------------------------------------------------------------------------


class BreakingList(MemoryStore):
    """A store whose listings break after so and so many names; each count is used once."""

    def __init__(self, *good: int, error: type[Exception] = StoreConnectionError) -> None:
        super().__init__()
        self._good = list(good)
        self._error = error
        self.log: list[str] = []
        for number in range(10):
            self.put(replace(SPEC, name=f"n{number}"), SOURCE)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        self.log.append(start_after)
        good = self._good.pop(0) if self._good else 100
        for number, blob in enumerate(super().list(prefix, start_after=start_after)):
            if number == good:
                raise self._error("broke")
            yield blob


def test_a_broken_listing_resumes_after_the_last_name(slept: list[float]) -> None:
    inner = BreakingList(3, 0, 2, 0, 1)
    store = RetryingStore(inner, CONFIG, sleep=slept.append)
    assert [b.name for b in store.list("n")] == [f"n{n}" for n in range(10)]
    assert inner.log == ["", "n2", "n2", "n4", "n4", "n5"]
    assert slept == [1, 2, 1, 2, 1]


def test_a_listing_that_never_comes_further_gives_up(slept: list[float]) -> None:
    inner = BreakingList(3, 0, 0, 0, 0)
    blobs = RetryingStore(inner, CONFIG, sleep=slept.append).list("n", start_after="n1")
    assert [next(blobs).name for _ in range(3)] == ["n2", "n3", "n4"]
    with pytest.raises(StoreConnectionError) as caught:
        next(blobs)
    assert inner.log == ["n1", "n4", "n4"]
    assert slept == [1, 2]
    assert "list memory://memory/n (attempt 3)" in caught.value.__notes__[0]


def test_a_listing_that_will_not_pass_fails_at_once(slept: list[float]) -> None:
    inner = BreakingList(3, error=PermissionError)
    blobs = RetryingStore(inner, CONFIG, sleep=slept.append).list("n")
    with pytest.raises(PermissionError):
        list(blobs)
    assert inner.log == [""]
    assert slept == []


class EagerList(BreakingList):
    """A store that asks for the first page before it returns."""

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        return iter([*super().list(prefix, start_after=start_after)])


def test_a_listing_that_breaks_as_it_begins_is_repeated(slept: list[float]) -> None:
    store = RetryingStore(EagerList(0), CONFIG, sleep=slept.append)
    assert len(list(store.list("n"))) == 10


def test_each_deleted_object_that_is_listed_restores_the_budget(slept: list[float]) -> None:
    class Deleted(MemoryStore):
        """A store that breaks off after each item that it has not returned before."""

        def __init__(self) -> None:
            super().__init__()
            self.returned = 0

        def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
            del prefix
            for number in range(10):
                if number > self.returned:
                    self.returned = number
                    raise StoreConnectionError("broke")
                blob = replace(BLOB, generation=number + 1)
                yield replace(DELETED, blob=blob)

    store = RetryingStore(Deleted(), CONFIG, sleep=slept.append)
    assert [item.blob.generation for item in store.list_deleted("")] == list(range(1, 11))
    assert slept == [1] * 9


# -- outages -----------------------------------------------------------------------------------

DEADLINE = RetryConfig(max_attempts=1000, initial_delay=1, max_delay=8, jitter=False, deadline_s=30)


class Down(MemoryStore):
    """A store that is down for some kinds of requests."""

    def __init__(self) -> None:
        super().__init__()
        self.down = {"put", "stat"}
        self.asked = 0

    def put(self, spec: BlobSpec, source: Source, **options: Any) -> BlobInfo:
        self._require("put")
        return super().put(spec, source, **options)

    def stat(self, name: str) -> BlobInfo:
        self._require("stat")
        return super().stat(name)

    def _require(self, kind: str) -> None:
        self.asked += 1
        if kind in self.down:
            raise AudioStoreError("busy", status=503)


@pytest.fixture
def down() -> tuple[Down, RetryingStore, SimulatedTime]:
    time, inner = SimulatedTime(), Down()
    return inner, RetryingStore(inner, DEADLINE, sleep=time.sleep, clock=time.clock), time


Outage = tuple[Down, RetryingStore, SimulatedTime]


def put(store: RetryingStore, name: str) -> None:
    store.put(replace(SPEC, name=name), SOURCE)


def test_one_outage_gives_only_the_first_operation_all_its_time(down: Outage) -> None:
    inner, store, time = down
    with pytest.raises(AudioStoreError, match="busy"):
        put(store, "0")
    assert time.clock() == 30
    asked = inner.asked
    for number in range(1, 100):
        with pytest.raises(StoreConnectionError) as error:
            put(store, str(number))
        assert str(error.value) == (
            f"store memory://memory/{number}: not tried, as memory://memory has failed for 30 s "
            "(busy)"
        )
        assert error.value.status == 503
    with pytest.raises(AudioStoreError, match="busy"):
        store.stat("x")  # another kind is tried once
    assert (inner.asked, time.clock()) == (asked + 1, 30)


def test_an_operation_that_begins_in_an_outage_has_the_rest_of_the_time(down: Outage) -> None:
    inner, store, time = down
    inner.down = {"stat"}

    def later(seconds: float) -> None:
        SimulatedTime.sleep(time, seconds)
        if time.clock() == 15:
            inner.down.add("put")
            with pytest.raises(AudioStoreError, match="busy"):
                put(store, "x")
            assert time.clock() == 30

    store._sleep = later
    with pytest.raises(AudioStoreError, match="busy"):
        store.stat("x")
    assert time.clock() == 30


def test_a_store_that_is_back_is_noticed(down: Outage) -> None:
    inner, store, time = down
    with pytest.raises(AudioStoreError):
        put(store, "0")
    inner.down.clear()
    with pytest.raises(StoreConnectionError, match="not tried"):
        put(store, "1")
    time.sleep(8)
    put(store, "2")
    put(store, "3")
    inner.down.add("put")
    with pytest.raises(AudioStoreError, match="busy"):
        put(store, "4")
    assert time.clock() == 30 + 8 + 30  # a new outage


def test_several_at_once_find_out_that_a_store_is_back(down: Outage) -> None:
    inner, store, time = down
    with pytest.raises(AudioStoreError):
        put(store, "0")
    inner.down.clear()
    time.sleep(8)
    # Those that begin while the first one has no response are sent, too.
    store._outages.require_store("put", "store 1")
    put(store, "2")
    put(store, "3")


def test_when_the_one_that_finds_out_fails_others_are_not_sent(down: Outage) -> None:
    _, store, time = down
    for number in range(2):
        with pytest.raises(AudioStoreError, match="busy"):
            put(store, "0")
        for _ in range(5):
            with pytest.raises(StoreConnectionError, match="not tried"):
                put(store, "1")
        assert time.clock() == 30 + 8 * number
        time.sleep(8)


def test_an_old_outage_takes_no_time_from_a_later_one(down: Outage) -> None:
    _, store, time = down
    for outage in (1, 2):
        with pytest.raises(AudioStoreError, match="busy"):
            put(store, "0")
        assert time.clock() == 30 * outage + 31 * (outage - 1)
        time.sleep(31)


def test_reading_that_works_does_not_hide_that_writing_fails(down: Outage) -> None:
    inner, store, time = down
    inner.down = {"put"}
    for number in range(20):
        with pytest.raises(BlobNotFoundError):
            store.stat(str(number))
        with pytest.raises(AudioStoreError):
            put(store, str(number))
    assert time.clock() == 30


def test_what_the_store_refuses_ends_an_outage(down: Outage) -> None:
    inner, store, time = down
    with pytest.raises(AudioStoreError):
        store.stat("x")
    inner.down.clear()
    time.sleep(8)
    with pytest.raises(BlobNotFoundError):
        store.stat("x")
    with pytest.raises(BlobNotFoundError):
        store.stat("y")


@pytest.mark.parametrize(
    ("config", "attempts"), [(CONFIG, 3), (replace(DEADLINE, deadline_s=0), 1)]
)
def test_without_a_deadline_no_operation_concerns_another(
    slept: list[float], config: RetryConfig, attempts: int
) -> None:
    inner = Down()
    store = RetryingStore(inner, config, sleep=slept.append, clock=lambda: 0.0)
    for _ in range(3):
        with pytest.raises(AudioStoreError, match="busy"):
            put(store, "x")
    assert inner.asked == 3 * attempts


def test_the_end_of_retries_is_reported(inner: Flaky, slept: list[float]) -> None:
    ended: list[str] = []
    store = RetryingStore(inner, CONFIG, on_retries_ended=ended.append, sleep=slept.append)
    store.put(SPEC, SOURCE)
    assert ended == []
    inner.before = broken(1)
    store.stat(SPEC.name)
    inner.before = broken(3)
    with pytest.raises(StoreConnectionError):
        store.stat(SPEC.name)
    assert ended == ["look up memory://memory/a/b"] * 2


def test_what_is_written_concurrently_shows_that_the_store_is_not_down() -> None:
    class Writes:
        max_bytes = 1

        def begin(self, *_: object) -> None: ...

        def watch(self, _: int) -> None: ...

        def turn(self, timeout_s: float) -> list[tuple[int, BlobInfo | Exception]]:
            return [(1, BLOB if timeout_s else StoreConnectionError("broke"))]

    store = RetryingStore(MemoryStore(), RetryConfig(9, deadline_s=60.0))
    store._store.concurrent_writes = Writes  # type: ignore[method-assign]
    writes = store.concurrent_writes()
    assert writes is not None
    store._outages.failed("put", StoreConnectionError("broke"))
    writes.turn(0.0)
    assert "put" in store._outages._since
    writes.turn(1.0)
    assert store._outages._since == {}
    assert RetryingStore(MemoryStore(), RetryConfig(1)).concurrent_writes() is None
