"""What an export of shards returns."""

from collections.abc import Callable
from typing import TypedDict

from audiostore.asset import Shard
from audiostore.catalog.sorting import SortKey
from audiostore.dataclass import dataclass


class ShardKeywords(TypedDict, total=False):
    """What `Catalog.export_shards` takes as keyword arguments, but for the concurrency."""

    shard_bytes: int
    thumbnails: bool
    order_by: SortKey
    descending: bool
    limit: int | None
    after: str | None
    shard: Shard | None
    on_progress: Callable[[int], None] | None


@dataclass(frozen=True, slots=True)
class ExportedShard:
    """A shard of an export."""

    index: int
    """From 0."""
    uri: str
    """Of its tar file."""
    samples: int
    """How many assets are in it."""
    size_bytes: int
    """Of its tar file."""
    created: bool = True
    """False if it was there before."""
    left_out: tuple[str, ...] = ()
    """What was left out of it now, and why: assets that are gone, or cannot be verified."""
    error: Exception | None = None
    """Why it was not written, if it was not."""
