"""Runs many tasks, as many at once as pays off, and yields one outcome for each.

The thread that asks for outcomes also feeds the executor: it takes tasks from the source, a few
more than are running, has their outcomes recorded, and yields them. So nothing happens while nobody
asks, and no thread outlives the iterator.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Generic

from audiostore.bulk.executors.limits import (
    MAX_LOOKAHEAD,
    RateLimiter,
    objects_written,
    signals_overload,
)
from audiostore.bulk.executors.process_pool import ProcessPool
from audiostore.bulk.executors.tasks import Executor, Interleaver, R, T, TaskSource
from audiostore.bulk.executors.thread_pool import ThreadPool
from audiostore.bulk.executors.worker_process import worker_count
from audiostore.dataclass import dataclass
from audiostore.errors import affects_all, shown
from audiostore.events import BulkBegun, Event, Progress
from audiostore.notify import Notifier

_WINDOW = 1024
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a bulk run proceeds.

    Raises:
        ValueError: an option is out of range.
    """

    concurrency: int | None = None
    """Most transfers at once; None: the best number found, up to 256."""
    max_rate_bytes_s: float | None = None
    """Most bytes per second on average, all transfers together; None: no limit."""
    max_writes_per_s: float | None = None
    """Most objects written per second on average, all together; None: no limit."""
    in_order: bool = False
    """Yield outcomes in the order of the input, not in the order of completion."""
    fail_fast: bool = False
    """Start nothing more after the first failure."""

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(
                f"concurrency is {shown(self.concurrency)}: it must be at least 1, or None"
            )
        for name in ("max_rate_bytes_s", "max_writes_per_s"):
            rate = getattr(self, name)
            if rate is not None and not rate > 0:
                raise ValueError(f"{name} is {shown(rate)}: it must be above 0, or None")

    def limiters(self) -> list[RateLimiter]:
        """Return what keeps the rates that are limited."""
        limiters = []
        if self.max_rate_bytes_s is not None:
            limiters.append(RateLimiter(self.max_rate_bytes_s))
        if self.max_writes_per_s is not None:
            limiters.append(RateLimiter(self.max_writes_per_s, objects_written))
        return limiters


@dataclass(frozen=True, slots=True)
class Job(Generic[T, R]):
    """How each task is run."""

    perform: Callable[[T], R]
    """Runs a task; called from many threads, and in many processes if these may be forked; must
    not raise."""
    failed: Callable[[T, Exception], R]
    """Makes the outcome of a task that could not be run."""
    notifiers: Sequence[Notifier]
    """Those that report events of the work; the first reports that it has begun."""
    may_fork: bool = False
    """Whether tasks may run in forked processes."""
    prepare: Callable[[int | None], None] = lambda _: None
    """Called before the first task with the number of child processes that a process may have."""
    interleaver: Interleaver[T, R] | None = None
    """Runs the tasks that it accepts, in forked processes."""


def execute(
    source: TaskSource[T, R], job: Job[T, R], options: RunOptions
) -> Generator[R, None, None]:
    """Run the tasks of a source; yield an outcome for each.

    Worker processes run them where that is possible (see `worker_count`), else threads. A limit on
    the rate is kept by one process.
    """
    rates = options.limiters()
    workers = worker_count(options.concurrency) if job.may_fork and not rates else 0
    executor: Executor[T, R]
    if workers > 1:
        executor = ProcessPool(
            job.perform,
            job.failed,
            job.notifiers,
            prepare=partial(job.prepare, 1),
            workers=workers,
            interleaver=job.interleaver,
            concurrency=options.concurrency,
        )
    else:

        def perform(payload: T) -> R:
            for rate in rates:
                rate.wait()
            return job.perform(payload)

        executor = ThreadPool(perform, concurrency=options.concurrency)
        job.prepare(None)

    def listen(event: Event) -> None:
        if signals_overload(event):
            executor.throttle()
        elif isinstance(event, Progress):
            for rate in rates:
                rate.on_progress(event)

    with ExitStack() as stack:
        for notifier in job.notifiers:
            stack.enter_context(notifier.listening(listen))
        job.notifiers[0](BulkBegun())
        yield from run(source, executor, in_order=options.in_order, fail_fast=options.fail_fast)


def run(
    source: TaskSource[T, R],
    executor: Executor[T, R],
    *,
    in_order: bool = False,
    fail_fast: bool = False,
    window: int = _WINDOW,
) -> Generator[R, None, None]:
    """Run the tasks of a source on an executor; yield an outcome for each.

    Closing the generator cancels what was not started and waits for what is running; an interrupt
    (Ctrl-C) does not wait.

    Args:
        source: gives tasks and records outcomes.
        executor: runs the tasks; it is used for these alone.
        in_order: yield in the order of the input, not in the order of completion.
        fail_fast: start nothing new after the first failure.
        window: with `in_order`, how many items may be taken ahead of the next outcome.

    Raises:
        Exception: what the source raised; or an error of a task that affects all (it has no
            outcome). After the outcomes of all that was started.
    """
    state = _Run(source, executor, in_order=in_order, fail_fast=fail_fast, window=window)
    try:
        while not state.is_over:
            yield from state.step()
    except (GeneratorExit, Exception):
        state.end(wait=True)
        raise
    except BaseException:
        state.end(wait=False)
        raise
    state.end(wait=True)
    if state.failure is not None:
        raise state.failure


class _Run(Generic[T, R]):
    def __init__(
        self,
        source: TaskSource[T, R],
        executor: Executor[T, R],
        *,
        in_order: bool,
        fail_fast: bool,
        window: int,
    ) -> None:
        self._source = source
        self._executor = executor
        self._in_order = in_order
        self._fail_fast = fail_fast
        self._window = window
        self._early: dict[int, R] = {}
        """Outcomes that wait for earlier ones, by index."""
        self._next = 0
        self._taken = 0
        """How many items were taken from the source."""
        self._min_take = 0
        """At least so many items are taken next."""
        self._is_exhausted = False
        self._busy = 0
        self._is_waiting = False
        """All items that the source has left are busy in other runs."""
        self.failure: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self._is_exhausted and not self._executor.pending and not self._early

    def step(self) -> Iterator[R]:
        """Submit tasks, wait for outcomes, have them recorded; yield those whose turn it is."""
        outcomes = self._refill()
        if not outcomes and self._executor.pending:
            can_take = not (self._is_exhausted or self._is_waiting) and self._room > 0
            outcomes = self._executor.collect(
                low=self._low if can_take else 0,
                timeout_s=_POLL_S if self._busy else None,
            )
            self._source.record(outcomes)
            outcomes = self._without_general(outcomes)
        elif not outcomes and self._is_waiting:
            time.sleep(_POLL_S)
        if self._fail_fast and any(outcome.error is not None for outcome in outcomes):
            self.stop()
        if not self._in_order:
            yield from outcomes
            return
        self._early.update((outcome.index, outcome) for outcome in outcomes)
        while (outcome := self._early.pop(self._next, None)) is not None:
            self._next += 1
            yield outcome
        if self._is_exhausted and not self._executor.pending:  # cancelled tasks left gaps
            for index in sorted(self._early):
                yield self._early.pop(index)

    def _without_general(self, outcomes: Sequence[R]) -> Sequence[R]:
        """Leave out those whose error would be that of all others; with one, stop."""
        general = [each.error for each in outcomes if each.error and affects_all(each.error)]
        if not general:
            return outcomes
        self.failure = self.failure or general[0]
        self.stop()
        return [each for each in outcomes if not (each.error and affects_all(each.error))]

    def stop(self, *, wait: bool = True) -> None:
        """Start nothing more."""
        self._end_input()
        self._source.release(self._executor.cancel(wait=wait))

    def end(self, *, wait: bool) -> None:
        """Start nothing more, and have the outcomes of what was running recorded."""
        self.stop(wait=wait)
        self._source.record(self._executor.shutdown(wait=wait))

    @property
    def _low(self) -> int:
        return max(1, self._executor.lookahead // 2)

    @property
    def _room(self) -> int:
        """How many items may be taken without too many outcomes waiting for their turn."""
        if not self._in_order:
            return MAX_LOOKAHEAD
        return max(0, self._window - (self._taken - self._next))

    def _end_input(self) -> None:
        self._is_exhausted, self._is_waiting, self._busy = True, False, 0

    def _refill(self) -> Sequence[R]:
        backlog = self._executor.backlog
        if self._is_exhausted or backlog >= self._low or not (self._room or self._busy):
            return ()
        wanted = max(self._min_take, self._executor.lookahead - backlog)
        try:
            batch = self._source.take(min(self._room, wanted))
        except Exception as error:  # noqa: BLE001  (raised when what is running has ended)
            self.failure, batch = error, None
        if batch is None:
            self._end_input()
            return ()
        self._busy = batch.busy
        self._is_waiting = batch.busy > 0 and not (batch.tasks or batch.outcomes)
        self._taken += len(batch.tasks) + len(batch.outcomes)
        # Items that need no work are taken in steps that double.
        self._min_take = 0 if batch.tasks else min(MAX_LOOKAHEAD, 2 * wanted)
        self._executor.submit(batch.tasks)
        return batch.outcomes
