"""Runs over the parts of a store: one chunk, one shard."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from audiostore.asset import Shard
from audiostore.bulk import RunOptions
from audiostore.errors import InvalidRunError, shown
from audiostore.fleet.chunks import OpenChunk, is_for_now
from audiostore.fleet.jsonvalues import value_in
from audiostore.fleet.kinds import Kind, Worker, purpose_of
from audiostore.fleet.layout import MAX_CHUNKS, chunk_states
from audiostore.fleet.objects import Fields, damaged, read_spooled
from audiostore.fleet.planning import plan_lines, require_plan
from audiostore.fleet.values import FleetChunk, FleetPlan

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

T = TypeVar("T")
OfShard = Callable[["AudioStorageManager", Shard, Any], Iterable[Fields]]
"""Returns the lines of the results of a shard; the options come last."""


def shard_kind(name: str, options_in: Callable[[Fields], Any], lines_of: OfShard) -> Kind:
    """Return a kind of run that does something with each shard of a store."""
    return Kind(
        name,
        options_in=options_in,
        item_in=lambda line: Shard.parse(line["shard"]),
        identity=lambda line: {"shard": line["shard"]},
        work=_one_by_one(lines_of),
        has_item_results=False,
        is_of_parts=True,
    )


def plan_shards(
    manager: "AudioStorageManager", kind: Kind, options: Fields, *, run: str, chunks: int
) -> FleetPlan:
    """Plan a run over as many shards as it is to have chunks.

    Raises:
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    if not 1 <= chunks <= MAX_CHUNKS:
        raise InvalidRunError(f"chunks is {shown(chunks)}: it must be from 1 to {MAX_CHUNKS:,}")
    lines = ({"shard": str(Shard(number, chunks))} for number in range(1, chunks + 1))
    return plan_lines(manager, kind, lines, options, run=run, chunk_items=1)


def recorded(manager: "AudioStorageManager", kind: Kind, run: str, *types: type[T]) -> Iterator[T]:
    """Yield the values in the results of a run over shards, in order, in constant memory.

    Shards without results are left out: `status` says how many have theirs.

    Args:
        manager: of the store.
        kind: what the run must be.
        run: its name.
        types: of the values.

    Raises:
        InvalidRunError: the name is invalid, or the run is of another kind.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    store = manager._for_many.store
    plan = require_plan(store, run)
    if plan.kind != kind.name:
        raise InvalidRunError(
            f"{run!r} is planned to {purpose_of(plan.kind)}, not to {purpose_of(kind.name)}"
        )
    known = {each.__name__: each for each in types}
    for state in chunk_states(store, run, plan.chunks):
        for blob in state.results[-1:]:
            with closing(read_spooled(store, blob)) as lines:
                for line in lines:
                    try:
                        value = value_in(known[line["is"]], line)
                    except (KeyError, TypeError, ValueError) as error:
                        raise damaged(store, blob.name) from error
                    yield value


def _one_by_one(lines_of: OfShard) -> Worker:
    def work(
        manager: "AudioStorageManager",
        chunks: Iterable[OpenChunk],
        options: Any,
        run_options: RunOptions,
        *,
        may_fork: bool,
    ) -> Generator[FleetChunk, None, None]:
        del run_options, may_fork  # nothing is written but the results
        for chunk in chunks:
            try:
                found = (lines_of(manager, shard, options) for shard in chunk.items)
                done = chunk.finish(chain.from_iterable(found))
            except Exception as error:
                if not is_for_now(error):
                    raise
                done = chunk.give_up(error)
            yield done

    return work
