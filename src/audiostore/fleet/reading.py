"""Reading a run: how far it is, what became of its items; and asking for another attempt."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from audiostore.errors import InvalidRunError
from audiostore.fleet.kinds import kind_named, purpose_of
from audiostore.fleet.layout import ChunkState, chunk_states, plan_name, retry_name
from audiostore.fleet.objects import create
from audiostore.fleet.planning import require_plan
from audiostore.fleet.records import counts_in, read_results
from audiostore.fleet.values import FleetResult, FleetStatus

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_AT_ONCE = 16


def status(manager: "AudioStorageManager", run: str) -> FleetStatus:
    """Return how far a run is: one listing of its objects, of which no content is read.

    Raises:
        InvalidRunError: the name of the run is invalid.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    store = manager._for_many.store
    plan = require_plan(store, run)
    done = begun = stored = failed = 0
    errors: Counter[str] = Counter()
    for state in chunk_states(store, run, plan.chunks):
        counts = [counts_in(store, blob) for blob in state.results]
        if counts:
            stored += counts[0].items - counts[-1].failed
            failed += counts[-1].failed
            errors.update(counts[-1].errors)
        done += state.attempt is None
        begun += state.attempt is not None and state.begun is not None
    return FleetStatus(
        run,
        plan.items,
        plan.chunks,
        done,
        begun,
        stored,
        failed,
        dict(errors.most_common()),
        plan.kind,
    )


def results(manager: "AudioStorageManager", run: str) -> Iterator[FleetResult]:
    """Yield what became of each item, in the order of the plan, in constant memory.

    Items of chunks without results are left out: `status` says how many chunks have theirs.

    Raises:
        InvalidRunError: the name of the run is invalid, or it has no results of items.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    manager = manager._for_many
    store = manager.store
    plan = require_plan(store, run)
    if not kind_named(store, plan.kind, plan_name(run)).has_item_results:
        raise InvalidRunError(
            f"{run!r} is planned to {purpose_of(plan.kind)}: it has no results of items"
        )
    outcomes = manager.bulk.apply(
        lambda state: read_results(store, state),
        (each for each in chunk_states(store, run, plan.chunks) if each.results),
        concurrency=_AT_ONCE,
        in_order=True,
    )
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            yield from outcome.result or ()


def retry(manager: "AudioStorageManager", run: str) -> int:
    """Ask for another attempt at what failed, under the same ids: workers then try it again.

    Returns:
        How many items are to be tried again.

    Raises:
        InvalidRunError: the name of the run is invalid.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    manager = manager._for_many
    store = manager.store
    plan = require_plan(store, run)

    def ask(state: ChunkState) -> int:
        attempt = len(state.results)
        if state.attempt is None:
            create(store, retry_name(run, state.number, attempt), [{"attempt": attempt}])
        return counts_in(store, state.results[-1]).failed

    failed = (
        state
        for state in chunk_states(store, run, plan.chunks)
        if state.results and counts_in(store, state.results[-1]).failed
    )
    outcomes = manager.bulk.apply(ask, failed, concurrency=_AT_ONCE)
    count = 0
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            count += outcome.result or 0
    return count
