"""Runs that count assets, shard by shard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from audiostore.asset import Shard
from audiostore.catalog import Query, Statistics
from audiostore.fleet.jsonvalues import fields_of
from audiostore.fleet.listing import query_in
from audiostore.fleet.objects import Fields
from audiostore.fleet.shards import plan_shards, recorded, shard_kind
from audiostore.fleet.values import FleetPlan

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


def plan_statistics(
    manager: "AudioStorageManager",
    query: Query = Query(),  # noqa: B008  (frozen)
    *,
    run: str,
    chunks: int = 64,
) -> FleetPlan:
    """Plan a run that counts the assets that match a query, in so many parts of the store.

    Args:
        manager: of the store.
        query: which assets; all of them by default.
        run: the name of the run.
        chunks: how many parts there are; each is about equally large.

    Raises:
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    return plan_shards(manager, KIND, fields_of(query), run=run, chunks=chunks)


def statistics(manager: "AudioStorageManager", run: str) -> Statistics:
    """Return what a run has counted: exactly what counting the whole store would give.

    Parts without results are left out: `status` says how many have theirs.

    Raises:
        InvalidRunError: the name is invalid, or the run does not count assets.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    return Statistics.of_parts(recorded(manager, KIND, run, Statistics))


def _lines(manager: "AudioStorageManager", shard: Shard, query: Query) -> Iterator[Fields]:
    yield fields_of(manager.catalog.statistics(query, shard=shard))


KIND = shard_kind("stats", query_in, _lines)
