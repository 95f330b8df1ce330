"""Reading the listing of a store in order of names: many requests at once, few pages in memory.

A bucket lists a prefix page by page, one request after the other. So the prefix ``audio/`` is split
into sixteen by the first character of the id, each of those by the next character, and so on, as
long as more than a few pages are expected in it. Threads read ahead in all of these, and the pages
are yielded in order. The first page tells how much to expect: a store that fits on one page costs
one request and no thread. It reads further ahead only while it waits for responses, and not for the
processor: who needs only the beginning pays for little more, and few pages of a near store are in
memory.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import dropwhile, groupby, islice, takewhile

from audiostore.asset.layout import FilenameGenerator, FileOrganizer
from audiostore.asset.reading import find_asset
from audiostore.asset.record import Asset, assemble
from audiostore.asset.shards import Shard
from audiostore.dataclass import dataclass, field
from audiostore.interrupts import LOOK_UP_S
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
PAGE_OBJECTS = 999
"""One request each: a bucket's page has 1000 names, one of which may be the one to start after."""
_THREADS = 16
_PAGES_AHEAD = 24
"""The maximum number of pages in memory or requested: 1.8 MB each, 2.9 while they are parsed. 16
are too few for 150 ms an answer; 40 are not faster."""
_PAGES_AHEAD_AT_FIRST = 2
"""So many at first; twice as many each time that a page was waited for with an idle processor."""
_BUSY = 0.8
"""The processor is busy if it computes for this share of the time: more pages would only be parsed
later."""
_BEFORE_READING_AHEAD = 0.1
"""What share of the first page is taken before any other is requested."""
_PAGES_IN_A_ROW = 4
"""A span that is expected to have no more pages is not split."""
_ID_LENGTH = 36
_HYPHENS_AT = (8, 13, 18, 23)
_LAST_CHARACTER = "\U0010ffff"


def walk(
    store: ObjectStore,
    *,
    threads: int | None = None,
    page_objects: int = PAGE_OBJECTS,
    after: str | None = None,
    shard: Shard = Shard(1, 1),  # noqa: B008  (frozen)
) -> Generator[Asset, None, None]:
    """Yield the complete assets in order of their ids, in constant memory.

    An asset that exists during the whole walk is yielded exactly once.

    Args:
        store: the store to list.
        threads: how many requests to make at once; None: 16 for a bucket, and 1 for a directory,
            where more only cost time.
        page_objects: how many objects to request with each.
        after: start after the ids that begin so; what lies before is not read.
        shard: only this part of the store.
    """
    # A tilde sorts after all that an id can go on with, and after what follows it in a name.
    begin = max(shard.after, "" if after is None else f"{ROOT}{after}~")
    span = _Span(ROOT, begin, stop=_stop_after(shard.until))
    with closing(_listed(store, span, threads, page_objects, skips_foreign=True)) as blobs:
        for folder, group in groupby(blobs, _folder):
            if FilenameGenerator.validate_uuid(folder):  # another has no asset, but may be large
                asset = assemble(folder, group)
                if asset is not None and asset.thumbnail_missing:
                    asset = find_asset(store, folder)  # perhaps replaced during the listing
                if asset is not None:
                    yield asset


def walk_objects(
    store: ObjectStore,
    *,
    threads: int | None = None,
    page_objects: int = PAGE_OBJECTS,
    after: str = "",
    until: str | None = None,
) -> Generator[BlobInfo, None, None]:
    """Yield all objects below ``audio/``, also foreign ones, in order of their names.

    Args:
        store: the store to list.
        threads: how many requests to make at once (see `walk`).
        page_objects: how many objects to request with each.
        after: only names that sort after this one.
        until: only names up to this one, which is ``audio/`` and an id; None: to the end.
    """
    span = _Span(ROOT, after, stop=_stop_after(until))
    return _listed(store, span, threads, page_objects, skips_foreign=False)


def _stop_after(last: str | None) -> str:
    """Return the first name that sorts after the last one."""
    # Nothing sorts between a name and the same name with a NUL behind it.
    return "" if last is None else f"{last}\0"


def _folder(blob: BlobInfo) -> str:
    return blob.name.split("/", 2)[1]


@dataclass(slots=True, eq=False)
class _Span:
    """A part of the listing: the names that begin with `prefix` and sort after `after`."""

    prefix: str
    after: str = ""
    start: str = ""
    """Of those, only names from this one."""
    stop: str = ""
    """And only names before this one."""
    has_ids: bool = True
    """Whether names of assets are in it."""
    is_begun: bool = False
    blobs: list[BlobInfo] | None = field(default=None, repr=False)
    """Its first page, once it is read; what comes after that page becomes spans of its own."""
    error: Exception | None = None

    def list(self, store: ObjectStore) -> Iterator[BlobInfo]:
        blobs = store.list(self.prefix, start_after=self.after)
        if self.start:
            blobs = dropwhile(lambda blob: blob.name < self.start, blobs)
        return takewhile(lambda blob: blob.name < self.stop, blobs) if self.stop else blobs

    def limit(self, last: str, stop: str) -> bool:
        """Leave only what sorts after `last` and before `stop`; say whether there can be any."""
        if self.has_ids:
            self.after = last if last.startswith(self.prefix) else ""
            self.stop = stop if stop.startswith(self.prefix) else ""
            return (self.prefix > last or bool(self.after)) and (not stop or self.prefix < stop)
        self.after = max(self.after, last)
        self.stop = min(filter(None, (self.stop, stop)), default="")
        return not self.stop or max(self.start, last) < self.stop


def _listed(
    store: ObjectStore, span: _Span, threads: int | None, page_objects: int, *, skips_foreign: bool
) -> Generator[BlobInfo, None, None]:
    if threads is None:
        threads = _THREADS if store.url.startswith("gs://") else 1
    if threads == 1:
        yield from span.list(store)
        return
    reading = _Reading(store, page_objects, skips_foreign=skips_foreign)
    page = reading.read(span)
    has_more = len(page) == page_objects
    before = int(len(page) * _BEFORE_READING_AHEAD) if has_more else len(page)
    yield from page[:before]
    if not has_more:
        return
    try:
        reading.start(span, page, threads)
        yield from page[before:]
        del page
        while (taken := reading.take()) is not None:
            if taken.error is not None:
                raise taken.error
            yield from taken.blobs or ()
    finally:
        reading.stop()


class _Reading:
    """Spans in order, and the threads that read them."""

    def __init__(
        self,
        store: ObjectStore,
        page_objects: int,
        *,
        skips_foreign: bool,
        clock: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._store = store
        self._page_objects = page_objects
        self._skips_foreign = skips_foreign
        self._clock = clock
        self._cpu_s = cpu_s
        self._spans: list[_Span] = []
        self._changed = threading.Condition()
        self._pages = 0
        """Requested, or read and not yet taken."""
        self._limit = 0
        """Of those."""
        self._threads = self._most_threads = 0
        self._since_s = self._cpu_since_s = 0.0
        """When the page before was taken."""
        self._is_stopped = False

    def read(self, span: _Span) -> list[BlobInfo]:
        """Return the first page of a span."""
        return list(islice(span.list(self._store), self._page_objects))

    def start(self, first: _Span, page: list[BlobInfo], threads: int) -> None:
        """Have threads read what comes after the first page of a span."""
        self._spans = self._rest(first, page)
        self._most_threads = threads
        self._since_s, self._cpu_since_s = self._clock(), self._cpu_s()
        self._read_ahead(_PAGES_AHEAD_AT_FIRST)

    def stop(self) -> None:
        """Let each thread end after its present request; do not wait for them."""
        with self._changed:
            self._is_stopped = True
            self._spans.clear()
            self._changed.notify_all()

    def take(self) -> _Span | None:
        """Wait for the first span and remove it; None at the end."""
        has_waited = False
        with self._changed:
            while self._spans:
                first = self._spans[0]
                if first.blobs is not None or first.error is not None:
                    if self._was_idle() and has_waited:
                        self._read_ahead(2 * self._limit)
                    self._pages -= 1
                    self._changed.notify_all()
                    return self._spans.pop(0)
                has_waited = True
                self._changed.wait(LOOK_UP_S)
        return None

    def _was_idle(self) -> bool:
        """Say whether the processor had little to do since the page before was taken."""
        elapsed_s, busy_s = self._clock() - self._since_s, self._cpu_s() - self._cpu_since_s
        self._since_s += elapsed_s
        self._cpu_since_s += busy_s
        return busy_s < _BUSY * elapsed_s

    def _read_ahead(self, pages: int) -> None:
        self._limit = min(_PAGES_AHEAD, pages)
        while self._threads < min(self._limit, self._most_threads):
            self._threads += 1
            # A stalled request must not keep the program alive after an interrupt.
            threading.Thread(target=self._run, name="audiostore-list", daemon=True).start()

    def _run(self) -> None:
        while (span := self._begin()) is not None:
            try:
                page = self.read(span)
                rest = self._rest(span, page)
            except Exception as error:  # noqa: BLE001  (raised when its turn comes, by `take`)
                page, rest = [], []
                span.error = error
            with self._changed:
                if self._is_stopped:
                    return
                span.blobs = page
                place = self._spans.index(span) + 1
                self._spans[place:place] = rest
                self._changed.notify_all()

    def _begin(self) -> _Span | None:
        """Wait for a span to read; None when none is left."""
        with self._changed:
            while self._spans and not self._is_stopped:
                span = next((s for s in self._spans if not s.is_begun), None)
                # However full the memory is, the page that comes next is always read.
                if span is not None and (self._pages < self._limit or span is self._spans[0]):
                    span.is_begun = True
                    self._pages += 1
                    return span
                self._changed.wait()
        return None

    def _rest(self, span: _Span, page: list[BlobInfo]) -> list[_Span]:
        """Return the spans that come after the first page of a span."""
        if len(page) < self._page_objects:
            return []
        last = page[-1].name
        in_a_row = _PAGES_IN_A_ROW * self._page_objects
        if not span.has_ids or _expected_objects(span, page) <= in_a_row:
            return [_Span(span.prefix, last, span.start, span.stop, span.has_ids)]
        parts = (part for part in _split(span.prefix) if part.has_ids or not self._skips_foreign)
        return [part for part in parts if part.limit(last, span.stop)]


def _split(prefix: str) -> Iterator[_Span]:
    """Yield what the names with a prefix are split into: those of ids, and all between them."""
    # Only these characters matter, and every id has its hyphens at the same places.
    after = start = ""
    is_hyphen = len(prefix) - len(ROOT) in _HYPHENS_AT
    for characters in ("-",) if is_hyphen else ("0123456789", "abcdef"):
        yield _Span(prefix, after, start, f"{prefix}{characters[0]}", has_ids=False)
        yield from (_Span(f"{prefix}{c}") for c in characters)
        after = f"{prefix}{characters[-1]}{_LAST_CHARACTER}"
        start = f"{prefix}{chr(ord(characters[-1]) + 1)}"
    yield _Span(prefix, after, start, has_ids=False)


def _expected_objects(span: _Span, page: list[BlobInfo]) -> float:
    """Return how many objects to expect after a page if ids are spread evenly."""
    first, last = _folder(page[0]), _folder(page[-1])
    if not (FilenameGenerator.validate_uuid(first) and FilenameGenerator.validate_uuid(last)):
        return float("inf")  # foreign objects, which may be skipped
    passed = _number(last) - _number(first)
    if passed == 0:
        return 0.0  # one large folder
    end = (span.stop.removesuffix("\0") or span.prefix)[len(ROOT) :]
    return (_number(end.ljust(_ID_LENGTH, "f")) - _number(last)) / passed * len(page)


def _number(audio_id: str) -> int:
    return int(audio_id.replace("-", "")[:32], 16)
