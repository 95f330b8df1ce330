"""The whole listing, read ahead by many threads, is the listing."""

import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, Checked, MemoryStore, ObjectStore, StoreConnectionError
from audiostore.asset import walking
from audiostore.asset.record import Asset
from audiostore.asset.walking import (
    _PAGES_AHEAD,
    _PAGES_AHEAD_AT_FIRST,
    PAGE_OBJECTS,
    _Reading,
    walk,
    walk_objects,
)
from audiostore.sources import BytesSource
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.assets import STORES, opened
from tests.catalog_samples import audio_ids, made_up_store, put_asset
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S, wait_until


class Listings:
    """A memory store that counts requests, and can be told to fail or to wait."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.prefixes: list[str] = []
        self.fails_at = "never"
        self.waits_at = "never"
        self.is_waiting, self.go_on = threading.Event(), threading.Event()
        self._list = store.list
        store.list = self.list  # type: ignore[method-assign]

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        self.prefixes.append(prefix)
        if prefix.startswith(self.fails_at):
            raise StoreConnectionError(f"no listing of {prefix}")
        if prefix.startswith(self.waits_at):
            self.is_waiting.set()
            assert self.go_on.wait(timeout=PATIENCE_S)
        return self._list(prefix, start_after=start_after)


def ids(assets: Iterator[Asset]) -> list[str]:
    return [asset.audio_id for asset in assets]


def reading_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "audiostore-list"]


def await_threads() -> None:
    for thread in reading_threads():
        thread.join(timeout=PATIENCE_S)
    assert reading_threads() == []


@pytest.fixture
def full() -> Iterator[Listings]:
    store = MemoryStore()
    for audio_id in audio_ids(300):
        put_asset(store, audio_id)
    yield Listings(store)
    await_threads()


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_many_threads_find_what_one_stream_finds_in_order(kind: str, tmp_path: Path) -> None:
    stored = audio_ids(60)
    with opened(kind, tmp_path) as store:
        for audio_id in stored:
            put_asset(store, audio_id, cover=audio_id[0] in "0123")
        streamed = list(walk(store, threads=1))
        assert [asset.audio_id for asset in streamed] == sorted(stored)
        for page_objects in (1, 2, 3, 7, PAGE_OBJECTS):
            assert list(walk(store, threads=16, page_objects=page_objects)) == streamed


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_a_walk_begins_after_an_id_or_the_beginning_of_ids(kind: str, tmp_path: Path) -> None:
    stored = sorted(audio_ids(40))
    with opened(kind, tmp_path) as store:
        for audio_id in stored:
            put_asset(store, audio_id, cover=audio_id[0] in "0123")
        for after in (*stored[::9], "0", "8", stored[20][:13], stored[-1], "f" * 8, "ffff-"):
            expected = [i for i in stored if i > after and not i.startswith(after)]
            for threads, page_objects in ((1, PAGE_OBJECTS), (16, 3), (16, PAGE_OBJECTS)):
                found = walk(store, threads=threads, page_objects=page_objects, after=after)
                assert ids(found) == expected, after


def test_what_lies_before_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = sorted(audio_ids(60))
    with StrictServer("b", page_size=20, directory=tmp_path) as server, ExitStack() as on:
        bucket = GcsStore("b", emulator=server.url)
        on.callback(bucket.close)
        for audio_id in stored:
            put_asset(bucket, audio_id, cover=False)
        before = len(server.requests)
        assert ids(walk(bucket, threads=16, page_objects=19, after=stored[-9])) == stored[-8:]
        assert len(server.requests) - before == 1
    with opened("local", tmp_path) as directory:
        for audio_id in stored[:2]:
            put_asset(directory, audio_id, cover=False)
        (sidecar,) = (tmp_path / "store" / "audio" / stored[0]).glob(".*.json")
        sidecar.write_text("damaged")
        list(walk(directory, threads=1))
        assert stored[0] in caplog.text
        caplog.clear()
        assert ids(walk(directory, threads=1, after=stored[0])) == [stored[1]]
        assert caplog.text == ""


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_an_empty_store_has_no_assets(threads: int) -> None:
    assert list(walk(MemoryStore(), threads=threads)) == []


def test_a_store_that_fits_on_a_page_costs_one_request_and_no_thread(tmp_path: Path) -> None:
    with StrictServer("b", directory=tmp_path) as server, ExitStack() as stack:
        store = GcsStore("b", emulator=server.url)
        stack.callback(store.close)
        for audio_id in audio_ids(20):
            put_asset(store, audio_id)
        before = len(server.requests)
        assert len(list(walk(store, threads=16))) == 20
        assert len(server.requests) - before == 1
    assert reading_threads() == []


def test_each_page_costs_a_bucket_one_request(tmp_path: Path) -> None:
    # Of the names on a bucket's page, one may be the name that the page is to start behind.
    assert PAGE_OBJECTS == 1000 - 1
    with StrictServer("b", page_size=20, directory=tmp_path) as server, ExitStack() as stack:
        store = GcsStore("b", emulator=server.url)
        stack.callback(store.close)
        for audio_id in audio_ids(60):
            put_asset(store, audio_id)
        before = len(server.requests)
        read: list[str] = []

        def list_(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
            read.append(start_after)
            return GcsStore.list(store, prefix, start_after=start_after)

        store.list = list_  # type: ignore[method-assign]
        assert len(list(walk(store, threads=16, page_objects=20 - 1))) == 60
        assert len(server.requests) - before == len(read)
        assert any(read)


def test_requests_stay_in_proportion_to_the_pages(full: Listings) -> None:
    assert len(ids(walk(full.store, threads=16, page_objects=20))) == 300
    assert 30 < len(full.prefixes) < 100  # 600 objects are 30 pages


def test_it_reads_by_the_first_character_of_the_id_and_deeper_where_there_is_more(
    full: Listings,
) -> None:
    list(walk(full.store, threads=16, page_objects=5))
    depths = {len(prefix) - len("audio/") for prefix in full.prefixes}
    assert {0, 1, 2} <= depths <= {0, 1, 2, 3}
    assert {f"audio/{c}" for c in "0123456789abcdef"} <= set(full.prefixes)


def test_ids_that_begin_alike_are_found(full: Listings) -> None:
    del full
    store = MemoryStore()
    # As UUID version 7 makes them: the first characters are the time.
    stored = [
        str(uuid.UUID(int=(0x019A0000_0000 + n << 80) | 7 << 76 | 2 << 62)) for n in range(99)
    ]
    for audio_id in stored:
        put_asset(store, audio_id)
    listings = Listings(store)
    assert ids(walk(store, threads=16, page_objects=4)) == stored
    assert len(listings.prefixes) < 400


def test_foreign_objects_do_not_disturb_it() -> None:
    store = MemoryStore()
    stored = audio_ids(50)
    for audio_id in stored:
        put_asset(store, audio_id)
    full_folder = sorted(stored)[25]
    foreign = [
        *(f"audio/{n:04}-{n}" for n in range(30)),
        *(f"audio/_cache/{n}" for n in range(30)),
        *(f"audio/{full_folder}/extra-{n}" for n in range(30)),
        *(f"audio/{full_folder[:9]}/{n}" for n in range(30)),
        *(f"audio/zz/{n}" for n in range(30)),
        "audio/",
        "elsewhere/1",
    ]
    for name in foreign:
        store.put(BlobSpec(name, "text/plain"), BytesSource(b"x"))
    for page_objects in (1, 3, 10):
        found = list(walk(store, threads=8, page_objects=page_objects))
        assert found == list(walk(store, threads=1))
        assert [asset.audio_id for asset in found] == sorted(stored)


@pytest.mark.slow
def test_all_objects_are_found_once_in_order_also_foreign_ones_wherever_they_sort() -> None:
    store = MemoryStore()
    stored = sorted(audio_ids(60))
    for audio_id in stored:
        put_asset(store, audio_id)
    odd = [*"!,-./:;@A_`g~é", "\uffff", "\U0010ffff"]
    beginnings = [
        "",
        stored[7][:1],
        stored[7][:8],
        stored[7][:9],
        stored[30][:2],
        "9",
        "f",
        stored[7],
    ]
    foreign = {f"audio/{begun}{c}{end}" for begun in beginnings for c in odd for end in ("", "x/y")}
    cut = f"audio/{uuid.UUID(int=5 << 124)}"
    for name in {*foreign, "audio/", f"{cut}", "audiobook", "elsewhere"}:
        store.put(BlobSpec(name, "text/plain"), BytesSource(b"x"))
    streamed = [blob.name for blob in store.list("audio/")]
    for page_objects in (1, 2, 7, 50, PAGE_OBJECTS):
        reading = walk_objects(store, threads=16, page_objects=page_objects)
        assert [blob.name for blob in reading] == streamed
        for threads in (1, 16):
            low, high = (
                [
                    b.name
                    for b in walk_objects(store, threads=threads, page_objects=page_objects, **part)
                ]
                for part in ({"until": cut}, {"after": cut})
            )
            assert low + high == streamed
            assert low[-1] == cut


def test_foreign_objects_are_skipped_unread() -> None:
    store = MemoryStore()
    for audio_id in audio_ids(20):
        put_asset(store, audio_id)
    for number in range(1000):
        store.put(BlobSpec(f"audio/_cache/{number}", "text/plain"), BytesSource(b"x"))
    listings = Listings(store)
    assert len(ids(walk(store, threads=4, page_objects=10))) == 20
    assert len(listings.prefixes) < 50


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 16])
def test_what_is_there_throughout_is_found_once_while_others_write(threads: int) -> None:
    store = MemoryStore()
    stored, others = audio_ids(150), audio_ids(150, seed=2)
    for audio_id in stored:
        put_asset(store, audio_id)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for audio_id in others:
                blobs = [put_asset(store, audio_id), *store.list(f"audio/{audio_id}/thumbnail")]
                for blob in blobs:
                    store.delete(blob)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            found = ids(walk(store, threads=threads, page_objects=10))
            assert found == sorted(set(found))
            assert set(stored) <= set(found) <= {*stored, *others}
    finally:
        stop.set()
        writer.join()


def test_closing_the_iterator_ends_the_threads(full: Listings) -> None:
    assets = walk(full.store, threads=16, page_objects=2)
    next(assets)
    for _ in range(5):
        next(assets)
    assert reading_threads()
    assets.close()
    await_threads()
    requests = len(full.prefixes)
    assert requests < 120  # of more than 300
    assert ids(assets) == []


def test_requests_under_way_end_their_threads_after_it_was_closed(full: Listings) -> None:
    full.waits_at = "audio/0"
    assets = walk(full.store, threads=16, page_objects=10)
    next(assets)
    assert full.is_waiting.wait(timeout=PATIENCE_S)
    assets.close()  # waits for nobody
    assert reading_threads()
    full.go_on.set()
    await_threads()


@pytest.fixture
def ahead(full: Listings, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pages were requested and not taken, each time that one is taken."""
    noted: list[int] = []
    take = _Reading.take

    def noting(self: _Reading) -> object:
        noted.append(len(full.prefixes) - 1 - len(noted))
        return take(self)

    monkeypatch.setattr(_Reading, "take", noting)
    return noted


def test_while_it_waits_for_responses_it_reads_further_ahead_but_only_so_far(
    full: Listings, ahead: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_respond = threading.Semaphore(0)

    class Changed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread() is threading.main_thread():
                may_respond.release()  # nothing is there before it is waited for
            return super().wait(timeout)

    start = _Reading.start

    def start_noticing(self: _Reading, *arguments: Any) -> None:
        self._changed = Changed()
        start(self, *arguments)

    monkeypatch.setattr(_Reading, "start", start_noticing)
    monkeypatch.setitem(_Reading.__init__.__kwdefaults__ or {}, "cpu_s", lambda: 0.0)
    list_ = full.store.list

    def list_late(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        blobs = list_(prefix, start_after=start_after)
        if len(full.prefixes) > 1:
            assert may_respond.acquire(timeout=PATIENCE_S)
        return blobs

    full.store.list = list_late  # type: ignore[method-assign]
    assert len(ids(walk(full.store, threads=16, page_objects=4))) == 300
    assert max(ahead[:2]) <= _PAGES_AHEAD_AT_FIRST + 1
    assert _PAGES_AHEAD / 2 < max(ahead) <= _PAGES_AHEAD + 1


def test_while_the_processor_is_busy_few_pages_are_in_memory(
    full: Listings, ahead: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_Reading.__init__.__kwdefaults__ or {}, "clock", lambda: 0.0)
    assets = walk(full.store, threads=16, page_objects=4)
    next(assets)
    assert len(reading_threads()) == _PAGES_AHEAD_AT_FIRST
    assert len(ids(assets)) == 299
    assert len(ahead) > 100
    assert max(ahead) <= _PAGES_AHEAD_AT_FIRST + 1  # the page that comes next is always read


def test_who_takes_slowly_leaves_few_pages_waiting(
    full: Listings, ahead: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    take = _Reading.take

    def take_late(self: _Reading) -> object:
        wait_until(lambda: not self._spans or self._spans[0].blobs is not None)
        return take(self)

    monkeypatch.setattr(_Reading, "take", take_late)
    monkeypatch.setitem(_Reading.__init__.__kwdefaults__ or {}, "cpu_s", lambda: 0.0)
    assert len(ids(walk(full.store, threads=16, page_objects=20))) == 300
    assert max(ahead) <= _PAGES_AHEAD_AT_FIRST + 1


def test_who_takes_only_the_beginning_reads_one_page(full: Listings) -> None:
    assets = walk(full.store, threads=16, page_objects=200)
    assert len(ids(islice(assets, 9))) == 9
    assert full.prefixes == ["audio/"]
    assert reading_threads() == []
    next(assets)
    next(assets)
    wait_until(lambda: len(full.prefixes) > 1)
    assets.close()


def test_an_error_in_one_shard_is_raised_where_its_turn_comes(full: Listings) -> None:
    full.fails_at = "audio/9"
    assets = walk(full.store, threads=16, page_objects=10)
    # The last one before the gap may have more objects behind it, for all that can be known.
    expected = sorted(i for i in audio_ids(300) if i < "9")[:-1]
    assert ids(islice(assets, len(expected))) == expected
    with pytest.raises(StoreConnectionError, match="no listing of audio/9"):
        next(assets)
    await_threads()


def test_a_failing_first_page_is_raised(full: Listings) -> None:
    full.fails_at = "audio/"
    with pytest.raises(StoreConnectionError):
        next(walk(full.store, threads=16))


def _peak(store: ObjectStore, threads: int) -> tuple[int, int]:
    pages_read = 0
    list_ = store.list

    def counted(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        nonlocal pages_read
        try:
            yield from list_(prefix, start_after=start_after)
        finally:
            pages_read += 1

    store.list = counted  # type: ignore[method-assign]
    tracemalloc.start()
    try:
        assets = walk(store, threads=threads, page_objects=20)
        taken = sum(1 for _ in islice(assets, 5))  # of the first page
        if threads > 1:  # however busy the machine is, all that may be read ahead is read
            wait_until(lambda: pages_read > _PAGES_AHEAD)
        return taken + sum(1 for _ in assets), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("verb", ["list", "check"])
def test_a_bucket_is_listed_and_checked_by_many_requests_at_once(
    full: Listings, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStore, "url", "gs://bucket")
    for function in (walk, walk_objects):
        monkeypatch.setitem(function.__kwdefaults__ or {}, "page_objects", 20)
    manager = AudioStorageManager(store=full.store)
    full.waits_at = "audio/1"
    seen = Checked()

    def note(checked: Checked) -> None:
        nonlocal seen
        seen = checked

    def work() -> int:
        if verb == "list":
            return len([asset.audio_id for asset in manager.list()])
        assert not list(manager.audit.check(on_progress=note))
        return seen.assets

    with ThreadPoolExecutor(1) as thread:
        count = thread.submit(work)
        wait_until(lambda: "audio/2" in full.prefixes)
        full.go_on.set()
        assert count.result() == 300


@pytest.mark.slow
def test_memory_does_not_grow_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    # With small pages, few assets fill all of what it may read ahead.
    monkeypatch.setattr(walking, "_PAGES_AHEAD_AT_FIRST", _PAGES_AHEAD)
    _, few = _peak(made_up_store(500), 4)
    count, many = _peak(made_up_store(4000), 4)
    assert count == 4000
    assert many < few * 3  # eight times as many; how full the pages are differs
    count, streamed = _peak(made_up_store(1000), 1)
    assert count == 1000
    assert streamed < 64 << 10
    await_threads()
