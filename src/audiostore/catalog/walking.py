"""Reading the whole listing of a store in order of ids: many requests at once, few pages in memory.

A bucket lists a prefix page by page, one request after the other. So the prefix ``audio/`` is split
into sixteen by the first character of the id, each of those by the next character, and so on, as
long as more than a few pages are expected in it. Threads read ahead in all of these, and the pages
are yielded in order. The first page tells how much to expect: a store that fits on one page costs
one request and no thread.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice

from audiostore.asset import Asset, FilenameGenerator, FileOrganizer, assemble
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
PAGE_OBJECTS = 999
"""One request each: a bucket's page has 1000 names, one of which may be the one to start after."""
_PAGES_AHEAD = 40
"""The maximum number of pages in memory or requested: about 1.5 MB each."""
_PAGES_IN_A_ROW = 4
"""A span that is expected to have no more pages is not split."""
_ID_LENGTH = 36


def walk(
    store: ObjectStore, *, threads: int, page_objects: int = PAGE_OBJECTS, after: str | None = None
) -> Generator[Asset, None, None]:
    """Yield the complete assets in order of their ids, in constant memory.

    An asset that exists during the whole walk is yielded exactly once.

    Args:
        store: the store to list.
        threads: how many requests to make at once; 1 for a store on the same machine.
        page_objects: how many objects to request with each.
        after: start after the ids that begin so; what lies before is not read.
    """
    # A tilde sorts after all that an id can go on with, and after what follows it in a name.
    start_after = "" if after is None else f"{ROOT}{after}~"
    if threads == 1:
        yield from _assembled(store.list(ROOT, start_after=start_after))
        return
    with closing(_read_ahead(store, threads, page_objects, start_after)) as blobs:
        yield from _assembled(blobs)


def _assembled(blobs: Iterator[BlobInfo]) -> Iterator[Asset]:
    for folder, group in groupby(blobs, _folder):
        if len(folder) == _ID_LENGTH:  # any other folder has no asset, but may be large
            asset = assemble(folder, group)
            if asset is not None:
                yield asset


def _folder(blob: BlobInfo) -> str:
    return blob.name.split("/", 2)[1]


@dataclass(slots=True, eq=False)
class _Span:
    """A part of the listing: the names that begin with `prefix` and sort after `after`."""

    prefix: str
    after: str = ""
    is_begun: bool = False
    blobs: list[BlobInfo] | None = field(default=None, repr=False)
    """Its first page, once it is read; what comes after that page becomes spans of its own."""
    error: Exception | None = None


def _read_ahead(
    store: ObjectStore, threads: int, page_objects: int, start_after: str
) -> Generator[BlobInfo, None, None]:
    first = _Span(ROOT, start_after)
    page = _page(store, first, page_objects)
    rest = _rest(first, page, page_objects)
    if not rest:
        yield from page
        return
    reading = _Reading(store, rest, page_objects)
    reading.start(threads)
    try:
        yield from page
        del page
        while (span := reading.take()) is not None:
            if span.error is not None:
                raise span.error
            yield from span.blobs or ()
    finally:
        reading.stop()


class _Reading:
    """Spans in order, and the threads that read them."""

    def __init__(self, store: ObjectStore, spans: list[_Span], page_objects: int) -> None:
        self._store = store
        self._spans = spans
        self._page_objects = page_objects
        self._changed = threading.Condition()
        self._pages = 0
        """Requested, or read and not yet taken."""
        self._is_stopped = False

    def start(self, threads: int) -> None:
        for _ in range(threads):
            # A stalled request must not keep the program alive after an interrupt.
            threading.Thread(target=self._run, name="audiostore-list", daemon=True).start()

    def stop(self) -> None:
        """Let each thread end after its present request; do not wait for them."""
        with self._changed:
            self._is_stopped = True
            self._spans.clear()
            self._changed.notify_all()

    def take(self) -> _Span | None:
        """Wait for the first span and remove it; None at the end."""
        with self._changed:
            while self._spans:
                first = self._spans[0]
                if first.blobs is not None or first.error is not None:
                    self._pages -= 1
                    self._changed.notify_all()
                    return self._spans.pop(0)
                self._changed.wait()
        return None

    def _run(self) -> None:
        while (span := self._begin()) is not None:
            try:
                page = _page(self._store, span, self._page_objects)
                rest = _rest(span, page, self._page_objects)
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
                if span is not None and (self._pages < _PAGES_AHEAD or span is self._spans[0]):
                    span.is_begun = True
                    self._pages += 1
                    return span
                self._changed.wait()
        return None


def _page(store: ObjectStore, span: _Span, page_objects: int) -> list[BlobInfo]:
    return list(islice(store.list(span.prefix, start_after=span.after), page_objects))


def _rest(span: _Span, page: list[BlobInfo], page_objects: int) -> list[_Span]:
    """Return the spans that come after the first page of a span."""
    if len(page) < page_objects:
        return []
    last = page[-1].name
    if _expected_objects(span.prefix, page) <= _PAGES_IN_A_ROW * page_objects:
        return [_Span(span.prefix, last)]
    # Only ids matter, and every id has its hyphens at the same places.
    is_hyphen = len(span.prefix) - len(ROOT) in (8, 13, 18, 23)
    children = [f"{span.prefix}{c}" for c in ("-" if is_hyphen else "0123456789abcdef")]
    return [
        _Span(child, last if last.startswith(child) else "")
        for child in children
        if child > last or last.startswith(child)
    ]


def _expected_objects(prefix: str, page: list[BlobInfo]) -> float:
    """Return how many objects to expect after a page if ids are spread evenly."""
    first, last = _folder(page[0]), _folder(page[-1])
    if not (FilenameGenerator.validate_uuid(first) and FilenameGenerator.validate_uuid(last)):
        return float("inf")  # foreign objects: splitting skips them
    passed = _number(last) - _number(first)
    if passed == 0:
        return 0.0  # one large folder
    end = prefix[len(ROOT) :].replace("-", "").ljust(32, "f")
    return (_number(end) - _number(last)) / passed * len(page)


def _number(audio_id: str) -> int:
    return int(audio_id.replace("-", ""), 16)
