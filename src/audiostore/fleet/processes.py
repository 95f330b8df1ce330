"""What engines call: a plain function with plain arguments, in any process of any machine."""

import os
import pickle

from audiostore.bulk import RunOptions
from audiostore.fleet.values import FleetChunk
from audiostore.fleet.working import work_on_chunk
from audiostore.forking import ForkSafeLock
from audiostore.manager import AudioStorageManager

_managers: dict[tuple[int, str | bytes], AudioStorageManager] = {}
"""One for each process and store, as connections and sandboxes are worth keeping."""
_lock = ForkSafeLock()


def work(
    url: str,
    run: str,
    chunk: int,
    *,
    concurrency: int | None = None,
    max_writes_per_s: float | None = None,
) -> FleetChunk:
    """Work on a chunk of a run, and record the results: every item is stored, or refused for good.

    Call it for every number below `FleetPlan.chunks`, in any order, from any process, as often as
    an engine likes: if it has results, these are returned; if an earlier call was killed, or
    another one is working on the same chunk, no item is stored twice. What fails for now, because
    of the store or the machine, is raised, so that the engine tries the chunk again.

    Args:
        url: of the store, as for `AudioStorageManager`.
        run: the name of the run.
        chunk: the number of the chunk, from 0.
        concurrency: most transfers at once; None: the best number found.
        max_writes_per_s: most objects written per second on average, by this call.

    Raises:
        InvalidRunError: the name of the run is invalid, or it has no such chunk.
        ValueError: an option is invalid.
        RunNotFoundError: the run is not planned.
        AudioStoreError, OSError: some items failed for now.
    """
    run_options = RunOptions(concurrency=concurrency, max_writes_per_s=max_writes_per_s)
    done = work_on_chunk(manager_of(url), run, chunk, run_options)
    if done.error is not None:
        done.error.add_note(
            f"while working on chunk {chunk} of {run!r}: {done.unfinished} of {done.items} items "
            "are left; those that are stored are found again"
        )
        raise done.error
    return done


def manager_of(store: str | bytes) -> AudioStorageManager:
    """Return this process's manager of a store, given by its URL or by pickled arguments."""
    key = os.getpid(), store
    with _lock:
        manager = _managers.get(key)
        if manager is None:
            manager = _managers[key] = (
                AudioStorageManager(store)
                if isinstance(store, str)
                else AudioStorageManager(**pickle.loads(store))  # noqa: S301  (from `run`)
            )
        return manager
