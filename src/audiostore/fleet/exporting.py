"""Runs that export assets as tar files: a chunk is a shard."""

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Unpack

from audiostore.bulk import RunOptions
from audiostore.catalog import (
    Destination,
    ExportedShard,
    PlannedShard,
    Query,
    planned_shards,
    write_planned,
)
from audiostore.config import absolute_url
from audiostore.dataclass import dataclass
from audiostore.errors import InvalidRunError, affects_all
from audiostore.fleet.chunks import OpenChunk
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.fleet.kinds import Kind
from audiostore.fleet.planning import plan_lines, require_free
from audiostore.fleet.shards import recorded
from audiostore.fleet.values import FleetChunk, FleetPlan

if TYPE_CHECKING:
    from audiostore.catalog import ShardKeywords
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Where a run writes its shards."""

    destination: str
    plan_crc32c: str
    """Of the plan there."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A shard in the results of a run."""

    index: int
    uri: str
    samples: int
    size_bytes: int
    created: bool
    left_out: tuple[str, ...]


def plan_export(
    manager: "AudioStorageManager",
    destination: str,
    query: Query = Query(),  # noqa: B008  (frozen)
    *,
    run: str,
    **keywords: "Unpack[ShardKeywords]",
) -> FleetPlan:
    """Plan a run that writes the assets that match a query as tar files, a shard a chunk.

    Which assets are in which shard is planned now, and written to the destination, as
    `Catalog.export_shards` does. That, called with the same arguments once the run is done, writes
    nothing but the index of all shards.

    Args:
        manager: of the store.
        destination: where the tar files go to: a bucket, a prefix, or a directory that all
            machines share.
        query: which assets; all of them by default.
        run: the name of the run.
        **keywords: as for `Catalog.export_shards`.

    Raises:
        ExportConflictError: the destination has another export, or shards without a plan.
        InvalidRunError: the name is invalid, or no assets match.
        RunConflictError: the name is taken by another plan.
        ConfigurationError, ValueError: an argument is not valid.
        AudioStoreError, OSError: a store failed permanently.
    """
    manager = manager._for_many
    url = absolute_url(destination)
    require_free(manager.store, run, KIND.name, destination=url)  # before the plan is written
    request, assets = manager.catalog._requested(query, **keywords)
    shards, crc32c = planned_shards(Destination(manager, url), request, assets)
    if crc32c is None:
        raise InvalidRunError(f"nothing to plan as {run!r}: no assets match")
    lines = ({"shard": fields_of(shard)} for shard in shards)
    options = fields_of(ExportOptions(url, crc32c))
    return plan_lines(manager, KIND, lines, options, run=run, chunk_items=1)


def exported(manager: "AudioStorageManager", run: str) -> Iterator[ExportedShard]:
    """Yield the shards that a run has written, in order.

    Raises:
        InvalidRunError: the name is invalid, or the run does not export shards.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    for each in recorded(manager, KIND, run, Recorded):
        yield ExportedShard(
            each.index, each.uri, each.samples, each.size_bytes, each.created, each.left_out
        )


def _work(
    manager: "AudioStorageManager",
    chunks: Iterable[OpenChunk],
    options: ExportOptions,
    run_options: RunOptions,
    *,
    may_fork: bool,
) -> Generator[FleetChunk, None, None]:
    del run_options, may_fork  # one shard after the other, each from many assets at once
    for chunk in chunks:
        (shard,) = chunk.items
        try:
            made = write_planned(manager, options.destination, options.plan_crc32c, shard)
        except Exception as error:
            if affects_all(error):
                raise
            yield chunk.give_up(error)  # a damaged asset is no verdict: it can be repaired
            continue
        result = Recorded(
            made.index, made.uri, made.samples, made.size_bytes, made.created, made.left_out
        )
        yield chunk.finish([fields_of(result)])


def _shard_in(line: Any) -> PlannedShard:
    return value_in(PlannedShard, line["shard"])


KIND = Kind(
    "shards",
    options_in=lambda fields: value_in(ExportOptions, fields),
    item_in=_shard_in,
    identity=lambda line: {"shard": line["shard"]},
    work=_work,
    has_item_results=False,
)
