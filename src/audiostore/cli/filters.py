"""Which assets, in which order: the options of `list`, and of all that takes its filters."""

from __future__ import annotations

import re

import audiostore
from audiostore.cli.declare import Declared, StoreOptions, either, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.values import duration, key_and_value, moment, positive, size

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from audiostore import AudioStorageManager, Query, Shard, StorageResult
    from audiostore.catalog.sorting import SortKey

STORAGE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_EXCERPTS = ("title", "artist", "album", "text", "contains")
"""The filters that look for a text in another: the empty one is in all."""
_SORT_KEYS = ("id", "created", "size", "duration", "title", "artist", "album", "track", "name")
WHICH = "which assets (filters: an asset must match all)"


class QueryOptions(Declared):
    """Filters: which assets of a store."""

    types: tuple[str, ...] = option(
        "--type",
        metavar="EXT",
        repeatable=True,
        parse=str.lower,
        help="format: mp3, flac, ogg … (repeatable: any of them)",
        group=WHICH,
    )
    text: str | None = option(
        metavar="WORDS",
        help="all words occur in title, artist, album, album artist, file name or path",
        group=WHICH,
    )
    title: str | None = option(metavar="TEXT", help="title contains TEXT", group=WHICH)
    artist: str | None = option(metavar="TEXT", help="artist contains TEXT", group=WHICH)
    album: str | None = option(metavar="TEXT", help="album contains TEXT", group=WHICH)
    contains: tuple[tuple[str, str], ...] = option(
        metavar="KEY=TEXT",
        repeatable=True,
        parse=key_and_value,
        help="value of a metadata key contains TEXT, ignoring case (repeatable)",
        group=WHICH,
    )
    where: tuple[tuple[str, str], ...] = option(
        "--where",
        "--meta",
        metavar="KEY=VALUE",
        repeatable=True,
        parse=key_and_value,
        help="metadata key has exactly this value (repeatable)",
        group=WHICH,
    )
    min_duration: float | None = option(
        metavar="TIME",
        parse=duration,
        help="at least this long (or estimated to be): 90, 1:30, 1:02:03",
        group=WHICH,
    )
    max_duration: float | None = option(
        metavar="TIME", parse=duration, help="at most this long (or estimated to be)", group=WHICH
    )
    min_size: int | None = option(
        metavar="SIZE",
        parse=size,
        help="audio is at least this large: 5000000, 5MB, 5MiB",
        group=WHICH,
    )
    max_size: int | None = option(
        metavar="SIZE", parse=size, help="audio is at most this large", group=WHICH
    )
    since: datetime | None = option(
        metavar="DATE",
        parse=moment,
        help="stored on this date or later: 2026-01-31 (UTC)",
        group=WHICH,
    )
    before: datetime | None = option(
        metavar="DATE", parse=moment, help="stored before this date", group=WHICH
    )
    storage_classes: tuple[str, ...] = option(
        "--storage-class",
        metavar="CLASS",
        repeatable=True,
        parse=str.upper,
        choices=STORAGE_CLASSES,
        help="standard, nearline, coldline or archive (repeatable: any of them)",
        group=WHICH,
    )
    missing_artwork: bool = flag(
        help="refers to artwork that is missing from the store", group=WHICH
    )
    thumbnail: bool | None = either(
        "--with-thumbnail", "has artwork", "--without-thumbnail", "has no artwork", group=WHICH
    )
    superseded: bool | None = either(
        "--superseded",
        "superseded by another asset",
        "--not-superseded",
        "not superseded",
        group=WHICH,
    )
    held: bool | None = either("--held", "under a hold", "--not-held", "not held", group=WHICH)


class FilterOptions(StoreOptions, QueryOptions):
    """Which assets of the command's store; all, if there is no filter."""


class OrderedOptions(FilterOptions):
    """Which assets, in which order."""

    sort: SortKey = option(
        metavar="KEY",
        choices=_SORT_KEYS,
        default="id",
        help=f"order by {', '.join(_SORT_KEYS)} (default: id; any other order reads "
        "all assets before it prints the first)",
    )
    reverse: bool = flag(help="reverse the order")
    limit: int | None = option(metavar="N", parse=positive, help="at most N assets")
    after: str | None = option(
        metavar="ID",
        help="only assets after this ID, such as the last one of the previous page",
    )


def query_of(options: QueryOptions) -> Query:
    """Return the filters as a query.

    Raises:
        UsageError: no asset could match; or one looks for nothing, as an unset variable makes it:
            all assets would match.
    """
    for name in _EXCERPTS:
        given = getattr(options, name, None)
        texts = [text for _, text in given] if isinstance(given, tuple) else [given]
        if any(each is not None and not each.strip() for each in texts):
            raise UsageError(f"--{name}: the text to look for is empty")
    tags = (("title", options.title), ("artist", options.artist), ("album", options.album))
    containing = [(tag, text) for tag, text in tags if text is not None]
    try:
        return audiostore.Query(
            formats=frozenset(options.types),
            equal=_once("--where", options.where),
            containing=_once("--contains", (*containing, *options.contains)),
            text=options.text,
            min_duration_s=options.min_duration,
            max_duration_s=options.max_duration,
            min_size_bytes=options.min_size,
            max_size_bytes=options.max_size,
            created_from=options.since,
            created_before=options.before,
            storage_classes=frozenset(options.storage_classes),
            has_thumbnail=options.thumbnail,
            artwork_is_missing=options.missing_artwork or None,
            superseded=options.superseded,
            held=options.held,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def find_assets(
    manager: AudioStorageManager,
    options: OrderedOptions,
    query: Query,
    on_progress: Callable[[int], None],
    shard: Shard | None = None,
) -> Iterator[StorageResult]:
    """Yield the assets that match, in order."""
    return manager.catalog.find(
        query,
        order_by=options.sort,
        descending=options.reverse,
        limit=options.limit,
        after=page_start(options),
        shard=shard,
        on_progress=on_progress,
    )


def page_start(options: OrderedOptions) -> str | None:
    """Return the id after which the assets begin.

    Raises:
        UsageError: it is not the beginning of an id, or the order is another than that of ids.
    """
    if options.after is None:
        return None
    if options.sort != "id" or options.reverse:
        raise UsageError("--after goes on in the order of ids: give no --sort and no --reverse")
    if not re.fullmatch("[0-9a-f-]{1,36}", options.after):
        raise UsageError(f"--after: {options.after!r} is not an ID")
    return options.after


def _once(flag: str, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found:
            raise UsageError(f"{flag}: {key!r} is given twice")
        found[key] = value
    return found
