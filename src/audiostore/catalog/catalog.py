"""The catalog of a store: `manager.catalog`."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import IO, TYPE_CHECKING

from audiostore.asset import PAGE_OBJECTS, Shard, TrashedAsset, resolve_id, result_of, walk
from audiostore.catalog.duplicates import DuplicateAssets, find_duplicates
from audiostore.catalog.export import ExportFormat, write
from audiostore.catalog.query import Query
from audiostore.catalog.shards.values import ExportedShard
from audiostore.catalog.sorting import SORT_KEYS, SortKey, in_order
from audiostore.catalog.statistics import Statistics, summarise
from audiostore.patterns import pattern
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.catalog.shards.planning import Request
    from audiostore.manager import AudioStorageManager

_REPORT_EVERY = 100
_BEGINNING = pattern("[0-9a-f-]{1,36}")

ProgressListener = Callable[[int], None]
"""Called from time to time with the number of assets read so far."""


class Catalog:
    """The assets of a store: find, count and export them. Safe to use from many threads.

    Example::

        with AudioStorageManager("my-bucket") as manager:
            for asset in manager.catalog.find(Query(superseded=True), order_by="created"):
                print(asset.audio_id, asset.audio_path)
    """

    def __init__(
        self,
        manager: "AudioStorageManager",
        *,
        threads: int | None = None,
        page_objects: int = PAGE_OBJECTS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            manager: of the store.
            threads: how many pages of the listing to request at once; None: 16 for a bucket, and 1
                for a directory, where more only cost time.
            page_objects: how many objects to request with each.

        Raises:
            ValueError: less than one thread or object.
        """
        if page_objects < 1 or (threads is not None and threads < 1):
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
        after: str | None = None,
        shard: Shard | None = None,
        on_progress: ProgressListener | None = None,
    ) -> Iterator[StorageResult]:
        """Yield the assets that match a query, in constant memory.

        Ordered by id, assets are yielded while the store is listed. Any other order reads the whole
        store first, and keeps what exceeds 8,192 assets in a temporary file of about 2 kB an asset.
        Closing the iterator, or dropping the last reference to it, stops the listing.

        Args:
            query: which assets; all of them by default.
            order_by: "id", "created", "size", "duration", "title", "artist", "album", "track" (by
                album artist, album, disc and track) or "name" (of the original file). Assets
                without the value come last, in both directions.
            descending: reverse the order.
            limit: the maximum number of assets.
            after: only assets with a greater id; with `limit`, the last id of one page begins the
                next. It need not exist, and its beginning is enough. What lies before is not read.
            shard: only the assets in this part of the store; nothing else is read.
            on_progress: called from time to time with the number of assets read.

        Raises:
            ValueError: `order_by` is not valid, `limit` is negative, or `after` cannot be the
                beginning of an id.
            OSError: the temporary file cannot be written.
        """
        if order_by not in SORT_KEYS:
            raise ValueError(f"order_by is {order_by!r}: it must be one of {', '.join(SORT_KEYS)}")
        if limit is not None and limit < 0:
            raise ValueError(f"limit is {limit}: it cannot be negative")
        if after is not None and not _BEGINNING.fullmatch(after):
            raise ValueError(f"after is {after!r}: it must be an id, or the beginning of one")
        found = self._found(query, after, shard or Shard(1, 1), on_progress)
        if order_by == "id" and not descending:
            return _and_close(found, islice(found, limit))
        return _and_close(found, in_order(found, order_by, descending=descending, limit=limit))

    def find_deleted(
        self,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        on_progress: ProgressListener | None = None,
    ) -> Iterator[TrashedAsset]:
        """Yield the assets in the trash that match a query, in the order of their ids.

        Args:
            query: which assets, as they were before they were deleted; all of them by default.
            on_progress: called from time to time with the number of assets read.
        """
        for count, trashed in enumerate(self._manager.trash.list(), 1):
            if on_progress and count % _REPORT_EVERY == 0:
                on_progress(count)
            if query.matches(_before_deletion(trashed)):
                yield trashed

    def resolve(self, prefix: str) -> str:
        """Return the full id of the asset whose id begins with a prefix, by one listing request.

        Args:
            prefix: at least four characters, in lower or upper case, with or without hyphens. A
                full id is returned without a request, whether it exists or not.

        Raises:
            InvalidAudioIdError: it is not the beginning of an id.
            AmbiguousAudioIdError: several assets have such an id.
            AssetNotFoundError: none has.
        """
        return resolve_id(self._manager.store, prefix)

    def statistics(
        self,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        shard: Shard | None = None,
        on_progress: ProgressListener | None = None,
    ) -> Statistics:
        """Count the assets that match a query, their bytes and their hours, in constant memory.

        Args:
            query: which assets; all of them by default.
            shard: only the assets in this part of the store; `Statistics.of_parts` adds parts up.
            on_progress: called from time to time with the number of assets read.
        """
        return summarise(self.find(query, shard=shard, on_progress=on_progress))

    def duplicates(
        self,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        on_progress: ProgressListener | None = None,
    ) -> Iterator[DuplicateAssets]:
        """Yield the groups of assets that have the same audio, whatever their tags and artwork.

        The whole store is read before the first group. A private temporary file takes about 2 kB an
        asset; memory holds one group.

        Args:
            query: which assets to compare; all of them by default.
            on_progress: called from time to time with the number of assets read.

        Raises:
            OSError: the temporary file cannot be written.
        """
        return find_duplicates(self.find(query, on_progress=on_progress))

    def export(
        self,
        stream: IO[bytes],
        export_format: ExportFormat,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        order_by: SortKey = "id",
        descending: bool = False,
        limit: int | None = None,
        after: str | None = None,
        shard: Shard | None = None,
        on_progress: ProgressListener | None = None,
    ) -> int:
        """Write the assets that match a query to a binary stream, a row each; return how many.

        The columns are those of `audiostore.catalog.columns` in every format. "jsonl": one JSON
        object a line, in ASCII. "csv": RFC 4180 in UTF-8, with a header. "parquet": compressed, in
        groups of 10,000 rows. Memory use is constant.

        Args:
            stream: where to write; it is not closed.
            export_format: "jsonl", "csv" or "parquet".
            query: which assets; all of them by default.
            order_by: the order of the rows (see `find`).
            descending: reverse the order.
            limit: the maximum number of rows.
            after: only assets with a greater id (see `find`).
            shard: only the assets in this part of the store.
            on_progress: called from time to time with the number of assets read.

        Raises:
            ConfigurationError: the format is "parquet", and pyarrow is not installed.
            ValueError: `order_by` is not valid, `limit` is negative, or `after` cannot be the
                beginning of an id.
            OSError: the stream, or a temporary file, cannot be written.
        """
        found = self.find(
            query,
            order_by=order_by,
            descending=descending,
            limit=limit,
            after=after,
            shard=shard,
            on_progress=on_progress,
        )
        return write(found, stream, export_format)

    def export_shards(
        self,
        destination: str,
        query: Query = Query(),  # noqa: B008  (frozen)
        *,
        shard_bytes: int = 1 << 30,
        thumbnails: bool = False,
        order_by: SortKey = "id",
        descending: bool = False,
        limit: int | None = None,
        after: str | None = None,
        shard: Shard | None = None,
        concurrency: int = 4,
        on_progress: ProgressListener | None = None,
    ) -> Generator[ExportedShard, None, None]:
        """Write the assets that match a query as tar files, such as WebDataset reads; yield each.

        ``shard-000000.tar`` holds ``{id}.mp3`` (the audio, as it is stored), ``{id}.json`` (the
        columns of `export`, with custom metadata as an object) and, if asked for, the artwork as
        ``{id}.jpg``. ``shard-000000.idx`` has offset and size of each file in it, and
        ``index.json``, which is written last, lists the shards.

        Which assets are in which shard is planned first, and written to the destination as
        ``plan.jsonl.gz``. The same call again, after any interruption, writes the shards that are
        not there yet; all have the same bytes as without it. Every object is compared with its
        checksum before it is written. What was deleted since the plan was made is left out, and
        reported. A shard with a damaged asset is not written: repair or delete the asset, and call
        again.

        Args:
            destination: URL of a directory, a bucket or a prefix, as for `AudioStorageManager`.
            query: which assets; all of them by default.
            shard_bytes: most bytes of a tar file, unless a single asset has more.
            thumbnails: write the artwork, too.
            order_by: the order of the assets in the shards (see `find`); by id, it is random.
            descending: reverse the order.
            limit: the maximum number of assets.
            after: only assets with a greater id (see `find`).
            shard: only assets in a part of the store.
            concurrency: how many shards to write at once. Each reads up to 16 objects at once,
                and takes up to about 64 MiB of memory and of the directory for temporary files,
                or as much as its largest asset.
            on_progress: called from time to time with the number of assets read for the plan.

        Yields:
            Each shard: those that are there already, then the others as they are done.

        Raises:
            ExportConflictError: the destination has another export, or shards without a plan.
            ConfigurationError: the destination is not a store's URL, or is inside this store.
            ValueError: an argument is not valid.
            AudioStoreError, OSError: an error that affects all shards.
        """
        from audiostore.catalog.shards.exporting import (  # noqa: PLC0415  (few programs do it)
            Destination,
            export_shards,
        )

        request, found = self._requested(
            query,
            shard_bytes=shard_bytes,
            thumbnails=thumbnails,
            order_by=order_by,
            descending=descending,
            limit=limit,
            after=after,
            shard=shard,
            on_progress=on_progress,
        )
        return export_shards(
            Destination(self._manager._for_many, destination),
            request,
            found,
            concurrency=concurrency,
        )

    def _requested(
        self,
        query: Query,
        *,
        shard_bytes: int = 1 << 30,
        thumbnails: bool = False,
        order_by: SortKey = "id",
        descending: bool = False,
        limit: int | None = None,
        after: str | None = None,
        shard: Shard | None = None,
        on_progress: ProgressListener | None = None,
    ) -> "tuple[Request, Iterator[StorageResult]]":
        """Return what an export of shards is asked to export, and the assets that it means."""
        from audiostore.catalog.shards.planning import request_of  # noqa: PLC0415  (few do)

        if shard_bytes < 1:
            raise ValueError(f"shard_bytes is {shard_bytes}: it must be at least 1")
        found = self.find(
            query,
            order_by=order_by,
            descending=descending,
            limit=limit,
            after=after,
            shard=shard,
            on_progress=on_progress,
        )
        order = {
            "order_by": order_by,
            "descending": descending,
            "limit": limit,
            "after": after,
            "shard": None if shard is None else str(shard),
        }
        request = request_of(
            self._manager.url, query, order, shard_bytes=shard_bytes, thumbnails=thumbnails
        )
        return request, found

    def _found(
        self,
        query: Query,
        after: str | None,
        shard: Shard,
        on_progress: ProgressListener | None,
    ) -> Generator[StorageResult, None, None]:
        count = 0
        is_any = query == Query()
        with closing(self._all(after, shard)) as assets:
            for asset in assets:
                count += 1
                if on_progress and count % _REPORT_EVERY == 0:
                    on_progress(count)
                if is_any or query.matches(asset):
                    yield asset
        if on_progress:
            on_progress(count)

    def _all(self, after: str | None, shard: Shard) -> Generator[StorageResult, None, None]:
        store = self._manager.store
        walking = walk(
            store,
            threads=self._threads,
            page_objects=self._page_objects,
            after=after,
            shard=shard,
        )
        with closing(walking) as assets:
            for asset in assets:
                yield result_of(store, asset)


def _before_deletion(trashed: TrashedAsset) -> StorageResult:
    return StorageResult(
        audio_id=trashed.audio_id,
        audio=trashed.audio.blob,
        thumbnail=trashed.thumbnail.blob if trashed.thumbnail else None,
        audio_path=None,
        thumbnail_path=None,
        derived={name: part.blob for name, part in trashed.derived.items()},
        attached={name: part.blob for name, part in trashed.attached.items()},
    )


def _and_close(
    found: Generator[StorageResult, None, None], chosen: Iterator[StorageResult]
) -> Iterator[StorageResult]:
    """Yield what was chosen, then stop the listing."""
    with closing(found):
        yield from chosen
