"""Workers of a Dask cluster: a chunk is a task, few are in flight, results stay in the store.

::

    from dask.distributed import Client
    from audiostore.fleet.dask import run

    with Client("tcp://scheduler:8786") as client:
        for chunk in run(client, "gs://my-bucket", "nov"):
            print(chunk.number, chunk.stored, chunk.failures)

It needs the extra `dask`, ``pip install 'audiostore[dask]'``, and audiostore on the workers.
"""

import logging
import pickle
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from audiostore.bulk import RunOptions
from audiostore.dataclass import replace
from audiostore.errors import ConfigurationError, ProcessDiedError
from audiostore.fleet.chunks import done_before
from audiostore.fleet.layout import chunk_state, chunk_states
from audiostore.fleet.planning import require_plan
from audiostore.fleet.processes import manager_of
from audiostore.fleet.values import FleetChunk
from audiostore.fleet.working import work_on_chunk
from audiostore.manager import AudioStorageManager

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_AGAIN_S = 1.0
"""How long to wait for a chunk before looking whether workers have come."""
_AHEAD = 2
"""So many tasks are in flight for each thread of the workers: none waits for this process."""

_Ended = tuple[FleetChunk, int]
"""What a task returns: a chunk without its failures, and how many there are."""
_Task = Callable[[int, dict[str, Any]], _Ended]


def run(
    client: "Client",
    store: AudioStorageManager | str,
    run: str,
    *,
    window: int | None = None,
    attempts: int = 10,
    concurrency: int | None = None,
    max_rate_bytes_s: float | None = None,
    max_writes_per_s: float | None = None,
) -> Generator[FleetChunk, None, None]:
    """Work on all chunks of a run that have no results, on the workers of a Dask cluster.

    Workers, their nannies, the scheduler and this process may be killed at any moment: call it
    again, and it goes on with what is left. Nothing is stored twice. It may run several times at
    once. Workers should have one thread each, one a core.

    Args:
        client: of the cluster.
        store: its URL, as for `AudioStorageManager`, or a manager of it, whose settings the workers
            get, but for the listener to its events.
        run: the name of the run.
        window: most chunks in flight at once; None: two for each thread of the workers, or one if
            there is a limit per second.
        attempts: how often to try a chunk that fails for now, whose workers die, or that Dask
            loses. Dask itself moves a chunk to another worker first, by default three times.
        concurrency: most transfers at once, of a chunk.
        max_rate_bytes_s: most bytes per second on average, of all workers together; each chunk in
            flight takes an equal part of it.
        max_writes_per_s: most objects per second on average, likewise.

    Yields:
        Each chunk as it ends, or is given up: then it has an `error`.

    Raises:
        RunNotFoundError: the run is not planned.
        InvalidRunError: its name is invalid.
        ConfigurationError: the workers cannot import this release of audiostore.
        ProcessDiedError: the scheduler is lost.
        ValueError: an option is invalid.
        AudioStoreError, OSError: an error that affects all items.
    """
    if attempts < 1 or (window is not None and window < 1):
        raise ValueError("attempts and window must be at least 1")
    limits = RunOptions(
        concurrency=concurrency,
        max_rate_bytes_s=max_rate_bytes_s,
        max_writes_per_s=max_writes_per_s,
    )
    manager = store if isinstance(store, AudioStorageManager) else AudioStorageManager(store)
    with ExitStack() as stack:
        if manager is not store:
            stack.enter_context(manager)
        arguments = pickle.dumps({**manager._arguments, "on_event": None})
        objects = manager._for_many.store
        plan = require_plan(objects, run)
        waiting = deque(
            state.number
            for state in chunk_states(objects, run, plan.chunks)
            if state.attempt is not None
        )
        tried: Counter[int] = Counter()
        task = _task(arguments, run)
        tasks = stack.enter_context(closing(_Tasks(client, run, task, window, limits)))
        while waiting or tasks.in_flight:
            tried.update(tasks.begin(waiting))
            for number, ended in tasks.ended():
                chunk, failed = ended or (None, 0)
                if chunk is not None and chunk.error is None:
                    if failed:  # they are in the store, and only there
                        known = done_before(objects, chunk_state(objects, run, number))
                        chunk = replace(chunk, failures=known.failures)
                    yield chunk
                elif tried[number] < attempts:
                    waiting.append(number)  # after all others: what is wrong may pass
                else:
                    first = number * plan.chunk_items
                    items = min(plan.chunk_items, plan.items - first)
                    yield chunk or _died(number, items, attempts)


def _task(arguments: bytes, run: str) -> _Task:
    def task(number: int, limits: dict[str, Any]) -> "_Ended":
        from audiostore.fleet import dask  # noqa: PLC0415, PLW0406  (see below)

        return dask._work(arguments, run, number, limits)

    # Defined here, it travels by value, with plain arguments and a type that is only text. The
    # scheduler unpickles it too, and need not have audiostore.
    return task


def _work(arguments: bytes, run: str, number: int, limits: dict[str, Any]) -> _Ended:
    """Work on a chunk; return what became of it without its failures, and how many there are."""
    chunk = work_on_chunk(manager_of(arguments), run, number, RunOptions(**limits))
    return replace(chunk, failures=()), len(chunk.failures)


def _died(number: int, items: int, attempts: int) -> FleetChunk:
    error = ProcessDiedError(
        f"gave up on chunk {number} after {attempts} attempts: the workers that tried it died, "
        "killed or out of memory, or Dask lost it"
    )
    return FleetChunk(number, items, 0, unfinished=items, error=error)


class _Tasks:
    """The chunks that are in flight."""

    def __init__(
        self, client: "Client", run: str, task: _Task, window: int | None, limits: RunOptions
    ) -> None:
        self._client: Any = client  # as its types are those of coroutines, too
        self._name = f"{run}-{uuid4().hex}"
        self._task = task
        self._window = window
        self._limits = limits
        self._is_limited = (limits.max_rate_bytes_s, limits.max_writes_per_s) != (None, None)
        self._begun = 0
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self.in_flight: dict[Any, tuple[int, float]] = {}
        """The number of each, and the part of the limits that it takes."""

    def begin(self, waiting: deque[int]) -> Iterator[int]:
        """Begin chunks that wait, until enough are in flight; yield their numbers."""
        if not waiting:
            return
        window = self._window or self._wanted()
        limits = {
            "concurrency": self._limits.concurrency,
            "max_rate_bytes_s": _part(self._limits.max_rate_bytes_s, window),
            "max_writes_per_s": _part(self._limits.max_writes_per_s, window),
        }
        # When workers come or go, the parts that others took stay as they are until they end.
        used = sum(part for _, part in self.in_flight.values())
        while waiting and len(self.in_flight) < window:
            used += 1 / window
            if self._is_limited and used > 1.000001:
                return
            number = waiting.popleft()
            key = (self._name, self._begun)
            with _scheduler_of(self._client):
                future = self._client.submit(self._task, number, limits, key=key, pure=False)
            self._begun += 1
            self.in_flight[future] = number, 1 / window
            future.add_done_callback(self._ended.put)
            yield number

    def _wanted(self) -> int:
        with _scheduler_of(self._client):
            threads: int = sum(self._client.nthreads().values())
        return max(1, threads * (1 if self._is_limited else _AHEAD))

    def ended(self) -> Iterator[tuple[int, _Ended | None]]:
        """Wait a while for a chunk that ends; yield what its task returned, None if it was lost."""
        try:
            future = self._ended.get(timeout=_LOOK_AGAIN_S)
        except Empty:
            return
        number, _ = self.in_flight.pop(future)
        try:
            ended = self._outcome(future)
        finally:
            future.release()
        yield number, ended

    def _outcome(self, future: Any) -> _Ended | None:
        from distributed import KilledWorker  # noqa: PLC0415  (an extra)

        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return None
            if isinstance(error, ImportError) and (error.name or "").startswith("audiostore"):
                raise ConfigurationError(
                    f"a Dask worker does not have this release of audiostore: {error}; install it "
                    "on all workers"
                ) from error
            raise error
        try:
            with _scheduler_of(self._client):
                outcome: _Ended = future.result()
        except CancelledError:
            return None
        return outcome

    def close(self) -> None:
        """Drop what has not begun; what runs goes on to its end, and is found by the next run."""
        for future in self.in_flight:
            future.release()
        self.in_flight.clear()


def _part(limit: float | None, window: int) -> float | None:
    return None if limit is None else limit / window


@contextmanager
def _scheduler_of(client: "Client") -> Iterator[None]:
    """Turn what fails without a scheduler into one error.

    Raises:
        ProcessDiedError: the connection to it was lost.
    """
    try:
        yield
    except Exception as error:
        if client.status == "running" and not isinstance(error, OSError):
            raise  # a broken connection may not have been noticed yet
        raise ProcessDiedError(
            f"lost the Dask scheduler at {client._start_arg}: what is stored is safe; work on "
            "the run again to continue with the rest"
        ) from error


@contextmanager
def cluster(address: str, *, workers: int | None = None) -> "Iterator[Client]":
    """Connect with a Dask cluster; ``local``: start one on this machine, and stop it afterwards.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``; or ``local``.
        workers: how many processes a local one has, of one thread each; None: one a core.

    Raises:
        ConfigurationError: Dask is not installed, or the address is invalid.
        OSError: the scheduler does not answer.
    """
    try:
        from dask.system import CPU_COUNT  # noqa: PLC0415  (an extra, slow to import)
        from distributed import Client, LocalCluster  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "working on a Dask cluster needs Dask: pip install 'audiostore[dask]'"
        ) from error
    with ExitStack() as stack:
        where: Any = address
        if address == "local":
            options: dict[str, Any] = {
                "n_workers": workers or CPU_COUNT,
                "threads_per_worker": 1,
                "processes": True,
                "host": "127.0.0.1",
                "dashboard_address": None,
                # Its pages cannot be turned off; at a fixed port, a second cluster warns.
                "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
                "memory_limit": 0,  # results stay in the store: there is nothing to manage
                # Workers that are stopped report lost connections; ours are reported by the driver.
                "silence_logs": logging.CRITICAL,
            }
            with _interrupts_held():
                where = LocalCluster(**options)
            stack.enter_context(where)
        try:
            client = stack.enter_context(Client(where, set_as_default=False))
        except ValueError as error:
            raise ConfigurationError(
                f"invalid address of a Dask scheduler {address!r}: {error} (example: "
                "tcp://host:8786)"
            ) from error
        yield client


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back Ctrl-C; what is started meanwhile, and by that, never gets it.

    A terminal sends it to all processes of a command. This one stops the others in good order.
    """
    resource_tracker.ensure_running()  # when multiprocessing starts it, it lets them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
