"""Working on chunks: each item is dealt with exactly once, however many workers try."""

import socket
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from audiostore.bulk import RunOptions
from audiostore.errors import InvalidRunError
from audiostore.fleet.chunks import OpenChunk, done_before
from audiostore.fleet.claims import BY, Claims
from audiostore.fleet.kinds import kind_named
from audiostore.fleet.layout import begun_name, chunk_state, plan_name
from audiostore.fleet.objects import create, damaged
from audiostore.fleet.planning import require_plan
from audiostore.fleet.values import FleetChunk, FleetPlan

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


def work_on_chunk(
    manager: "AudioStorageManager",
    run: str,
    number: int,
    run_options: RunOptions | None = None,
) -> FleetChunk:
    """Work on one chunk, in threads of this process (see `audiostore.fleet.work`)."""
    manager = manager._for_many
    store = manager.store
    state = chunk_state(store, run, number)
    if state.items is None:
        plan = require_plan(store, run)
        raise InvalidRunError(f"no chunk {number} in run {run!r}: it has {plan.chunks} (from 0)")
    if state.attempt is None:
        return done_before(store, state)
    is_first = create(store, begun_name(run, number, state.attempt), [{BY: _this_host()}])
    opened = OpenChunk(store, run, state, is_fresh=is_first and state.attempt == 0)
    (chunk,) = opened.kind.work(
        manager, [opened], opened.options, run_options or RunOptions(), may_fork=False
    )
    return chunk


def work_share(
    manager: "AudioStorageManager",
    run: str,
    *,
    index: int = 0,
    count: int = 1,
    takeover_after_s: float = 900.0,
    concurrency: int | None = None,
    max_rate_bytes_s: float | None = None,
    max_writes_per_s: float | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Generator[FleetChunk, None, int]:
    """Work as one of several workers, each with an index: on a share of the chunks, then on others.

    First the chunks of this worker's share that nobody has begun; then those that nobody has
    begun at all, that an earlier process of this index has left, or that somebody began long ago
    and did not finish. Two workers on one chunk store nothing twice.

    Args:
        manager: of the store.
        run: the name of the run.
        index: which worker this is, from 0.
        count: how many workers there are.
        takeover_after_s: after so many seconds, a chunk that another worker has begun is taken.
        concurrency: most transfers at once, of this worker.
        max_rate_bytes_s: most bytes per second on average, of this worker.
        max_writes_per_s: most objects per second on average, of all workers together; each
            takes an equal part of it.
        now: returns the time.

    Yields:
        Each chunk as it ends.

    Returns:
        How many chunks without results were left to others, who have begun them.

    Raises:
        RunNotFoundError: the run is not planned.
        InvalidRunError: its name is invalid.
        ValueError: an option is invalid.
        AudioStoreError, OSError: an error that affects all items.
    """
    if not 0 <= index < count:
        raise ValueError(f"no worker {index} of {count}: they are numbered from 0")
    run_options = RunOptions(
        concurrency=concurrency,
        max_rate_bytes_s=max_rate_bytes_s,
        max_writes_per_s=None if max_writes_per_s is None else max_writes_per_s / count,
    )
    manager = manager._for_many
    store = manager.store
    plan = _read_before_forking(manager, run)
    name = f"{index}/{count}" if count > 1 else _this_host()
    claims = Claims(store, plan, name, takeover_after_s=takeover_after_s, now=now)
    chunks = (
        OpenChunk(store, run, claim.state, is_fresh=claim.is_fresh)
        for claim in claims.of_share(index, count)
    )
    kind = kind_named(store, plan.kind, plan_name(run))
    try:
        options = kind.options_in(plan.options)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, plan_name(run)) from error
    yield from kind.work(manager, chunks, options, run_options, may_fork=True)
    return claims.left


def _read_before_forking(manager: "AudioStorageManager", run: str) -> FleetPlan:
    """Return the plan; a request of this manager would start a thread: then nothing can fork."""
    if not manager._survives_fork:
        return require_plan(manager.store, run)
    with manager._reopened() as another:
        return require_plan(another.store, run)


def _this_host() -> str:
    return socket.gethostname()
