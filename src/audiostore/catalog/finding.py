"""The catalog of a store: which assets there are, in which order."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from itertools import islice

from audiostore.asset import result_of
from audiostore.catalog.query import Query
from audiostore.catalog.sorting import SORT_KEYS, SortKey, in_order
from audiostore.catalog.walking import PAGE_OBJECTS, walk
from audiostore.errors import AssetNotFoundError
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult

_THREADS = 16
_TELL_EVERY = 100

ProgressListener = Callable[[int], None]
"""Told from time to time how many assets were looked at."""


class Catalog:
    """All assets of a store. Safe to use from many threads.

    Example::

        with AudioStorageManager("my-bucket") as manager:
            for asset in Catalog(manager).find(Query(superseded=True), order_by="created"):
                print(asset.audio_id, asset.audio_path)
    """

    def __init__(
        self,
        manager: AudioStorageManager,
        *,
        threads: int | None = None,
        page_objects: int = PAGE_OBJECTS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            manager: of the store.
            threads: how many requests for pages of the listing may be under way; None: 16 for a
                bucket, and 1 for a directory, which more only make slower.
            page_objects: how many objects each asks for.

        Raises:
            ValueError: less than one thread, or object.
        """
        if threads is None:
            threads = _THREADS if manager.url.startswith("gs://") else 1
        if threads < 1 or page_objects < 1:
            raise ValueError("threads and page_objects must be at least 1")
        self._manager = manager
        self._threads = threads
        self._page_objects = page_objects

    def find(
        self,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        order_by: SortKey = "id",
        descending: bool = False,
        limit: int | None = None,
        on_progress: ProgressListener | None = None,
    ) -> Iterator[StorageResult]:
        """Yield the assets that a query means, in constant memory.

        By id, the first one comes at once and the rest as it is listed; in any other order the
        whole store is read before (see `sorting.in_order`). An iterator that is closed, or no
        longer referred to, reads no further.

        Args:
            query: which assets.
            order_by: "id", "created", "size", "duration", "title", "artist" or "name".
            descending: from the last to the first.
            limit: at most so many.
            on_progress: told how many assets were looked at.

        Raises:
            ValueError: no such order, or a negative limit.
        """
        if order_by not in SORT_KEYS:
            raise ValueError(f"order_by is {order_by!r}: it must be one of {', '.join(SORT_KEYS)}")
        if limit is not None and limit < 0:
            raise ValueError(f"limit is {limit}: it cannot be negative")
        found = self._found(query, on_progress)
        if order_by == "id" and not descending:
            return _and_close(found, islice(found, limit))
        return _and_close(found, in_order(found, order_by, descending=descending, limit=limit))

    def _found(
        self, query: Query, on_progress: ProgressListener | None
    ) -> Generator[StorageResult, None, None]:
        count = 0
        is_any = query == Query()
        with closing(self._all()) as assets:
            for asset in assets:
                count += 1
                if on_progress and count % _TELL_EVERY == 0:
                    on_progress(count)
                if is_any or query.matches(asset):
                    yield asset
        if on_progress:
            on_progress(count)

    def _all(self) -> Generator[StorageResult, None, None]:
        store = self._manager.store
        with closing(walk(store, threads=self._threads, page_objects=self._page_objects)) as assets:
            for asset in assets:
                if not asset.thumbnail_missing:
                    yield result_of(store, asset)
                    continue
                with suppress(AssetNotFoundError):  # deleted, since the listing was read
                    yield self._manager.get(asset.audio_id)  # or its artwork replaced


def _and_close(
    found: Generator[StorageResult, None, None], chosen: Iterator[StorageResult]
) -> Iterator[StorageResult]:
    """Yield what was chosen, and end the walk with it."""
    with closing(found):
        yield from chosen
