"""Runs that list assets, shard by shard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from audiostore.asset import Shard
from audiostore.catalog import Query
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.fleet.objects import Fields
from audiostore.fleet.planning import require_plan
from audiostore.fleet.shards import plan_shards, recorded, shard_kind
from audiostore.fleet.values import FleetPlan
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


def plan_list(
    manager: "AudioStorageManager",
    query: Query = Query(),  # noqa: B008  (frozen)
    *,
    run: str,
    chunks: int = 64,
    kind: Literal["list", "export"] = "list",
) -> FleetPlan:
    """Plan a run that finds the assets that match a query, in so many parts of the store.

    `assets` yields what was found.

    Args:
        manager: of the store.
        query: which assets; all of them by default.
        run: the name of the run.
        chunks: how many parts there are; each is about equally large.
        kind: "export" if a table is to be made of what is found: `FleetPlan.kind` tells it then.

    Raises:
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    planned = KIND if kind == "list" else EXPORT
    return plan_shards(manager, planned, fields_of(query), run=run, chunks=chunks)


def assets(manager: "AudioStorageManager", run: str) -> Iterator[StorageResult]:
    """Yield the assets that a run has found, in order of their ids, in constant memory.

    They are as they were when their part of the store was listed. Parts without results are left
    out: `status` says how many have theirs.

    Raises:
        InvalidRunError: the name is invalid, or the run does not list assets.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    is_export = require_plan(manager._for_many.store, run).kind == EXPORT.name
    return recorded(manager, EXPORT if is_export else KIND, run, StorageResult)


def query_in(fields: Fields) -> Query:
    """Return the query in the options of a plan."""
    return value_in(Query, fields)


def _lines(manager: "AudioStorageManager", shard: Shard, query: Query) -> Iterator[Fields]:
    return map(fields_of, manager.catalog.find(query, shard=shard))


KIND = shard_kind("list", query_in, _lines)
EXPORT = shard_kind("export", query_in, _lines)
