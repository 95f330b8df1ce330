"""Works off many items: as many at once as it pays, one outcome for each.

The thread that asks for outcomes also feeds the workers: it takes items from the input, a few more
than are under way, has their outcomes recorded, and hands them out. So there is nothing to wait
for when nobody asks, and no thread that outlives the iterator.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Generic, Protocol, TypeVar

from audiostore.bulk.executors.limits import Pace, is_push_back
from audiostore.bulk.executors.pool import Crew, members_for
from audiostore.bulk.executors.threads import MOST_AHEAD, Indexed, Task, Workers
from audiostore.events import BulkBegun, Event, Progress
from audiostore.notify import Notifier

T = TypeVar("T")
R = TypeVar("R", bound=Indexed)

_ORDERED_AHEAD = 1024
"""So many outcomes at most wait for those before them."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Taken(Generic[T, R]):
    """What a feed brings."""

    tasks: Sequence[Task[T]]
    outcomes: Sequence[R] = ()
    """Of what needs no work."""
    deferred: int = 0
    """How many items others are busy with: ask again soon, if only for none."""


class Feed(Protocol[T, R]):
    """Where the work comes from, and who keeps count of it. Used by one thread at a time."""

    def take(self, most: int) -> Taken[T, R] | None:
        """Return what is to be done next; None: that was all.

        Raises:
            Exception: what the input raised; all that it gave before that was returned before.
        """
        ...

    def settle(self, outcomes: Sequence[R]) -> None:
        """Record what became of tasks, before anybody is told."""
        ...

    def give_back(self, tasks: Sequence[T]) -> None:
        """Learn that these tasks were not begun, and will not be."""
        ...


class Workforce(Protocol[T, R]):
    """Who does the work: threads (`Workers`) or processes (`Crew`)."""

    @property
    def ahead(self) -> int:
        """How many tasks it takes to keep them busy until more can be brought."""
        ...

    @property
    def backlog(self) -> int:
        """How many tasks nobody has begun."""
        ...

    @property
    def under_way(self) -> int:
        """How many tasks are given and not collected."""
        ...

    def pushed_back(self) -> None:
        """Do less at once: the store is overloaded."""
        ...

    def add(self, tasks: Sequence[Task[T]]) -> None:
        """Have tasks done."""
        ...

    def collect(self, *, low: int, patience_s: float | None = None) -> list[R]:
        """Wait for outcomes, or for there being fewer than `low` tasks to begin."""
        ...

    def cancel(self) -> list[T]:
        """Return what was not begun; it will not be."""
        ...

    def end(self, *, wait: bool) -> list[R]:
        """Begin nothing more, wait for what is under way, return what was not collected."""
        ...


class Input(Generic[T]):
    """An iterator that is read some items at a time; its failure comes behind its last item."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = enumerate(items)
        self._failure: Exception | None = None

    def take(self, most: int) -> list[tuple[int, T]]:
        """Return the next items with their positions, up to `most`; [] at the end.

        Raises:
            Exception: whatever the iterator raised.
        """
        if self._failure is not None:
            raise self._failure
        taken: list[tuple[int, T]] = []
        try:
            taken.extend(islice(self._items, most))
        except Exception as error:
            if not taken:
                raise
            self._failure = error
        return taken


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way.

    Raises:
        ValueError: bad arguments.
    """

    concurrency: int | None = None
    """Transfers at once at most; None: as many as is found best, up to 64 in each process."""
    max_rate_bytes_s: float | None = None
    """Bytes a second at most, all transfers together; None: as many as there can be."""

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency!r}: it must be at least 1, or None")
        if self.max_rate_bytes_s is not None and not self.max_rate_bytes_s > 0:
            raise ValueError(
                f"max_rate_bytes_s is {self.max_rate_bytes_s!r}: it must be above 0, or None"
            )


@dataclass(frozen=True, slots=True)
class Job(Generic[T, R]):
    """What is to be done with each task."""

    perform: Callable[[T], R]
    """Does it; called from many threads, and processes if they may be; must not raise."""
    failed: Callable[[T, Exception], R]
    """Makes the outcome of what could not be done at all."""
    notifiers: Sequence[Notifier]
    """Tell of what happens meanwhile; the first of them, that it has begun."""
    may_fork: bool = False
    """Whether what is done in a forked process is as good as done in this one."""
    prepare: Callable[[int | None], None] = lambda _: None
    """Gets ready what the work will need, told how many children of its own a process may have."""


def work_off(
    feed: Feed[T, R],
    job: Job[T, R],
    limits: Limits,
    *,
    in_order: bool = False,
    fail_fast: bool = False,
) -> Iterator[R]:
    """As `run`, with workers that go by the limits and by what the store says.

    They are processes where these can be had: see `crew`. A limit on the rate is kept by one.
    """
    pace = None if limits.max_rate_bytes_s is None else Pace(limits.max_rate_bytes_s)
    members = members_for(limits.concurrency) if job.may_fork and pace is None else 0
    workers: Workforce[T, R]
    if members > 1:
        workers = Crew(
            job.perform,
            job.failed,
            job.notifiers,
            prepare=partial(job.prepare, 1),
            members=members,
            concurrency=limits.concurrency,
        )
    else:

        def paced(what: T) -> R:
            if pace is not None:
                pace.wait()
            return job.perform(what)

        workers = Workers(paced, concurrency=limits.concurrency)
        job.prepare(None)

    def listen(event: Event) -> None:
        if is_push_back(event):
            workers.pushed_back()
        elif pace is not None and isinstance(event, Progress):
            pace.moved(event)

    with ExitStack() as stack:
        for notifier in job.notifiers:
            stack.enter_context(notifier.listening(listen))
        job.notifiers[0](BulkBegun())
        yield from run(feed, workers, in_order=in_order, fail_fast=fail_fast)


def run(
    feed: Feed[T, R], workers: Workforce[T, R], *, in_order: bool = False, fail_fast: bool = False
) -> Iterator[R]:
    """Yield the outcome of everything that the feed brings.

    Closing the iterator cancels what was not begun and waits for what is under way; an exception
    (Ctrl-C) does not wait.

    Args:
        feed: brings work and records outcomes.
        workers: do the work; they are used for this alone.
        in_order: yield in the order of the input, instead of that of completion.
        fail_fast: begin nothing more after the first failure.

    Raises:
        Exception: what the feed raised, after the outcomes of all that was begun.
    """
    state = _Run(feed, workers, in_order=in_order, fail_fast=fail_fast)
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
        self, feed: Feed[T, R], workers: Workforce[T, R], *, in_order: bool, fail_fast: bool
    ) -> None:
        self._feed = feed
        self._workers = workers
        self._in_order = in_order
        self._fail_fast = fail_fast
        self._early: dict[int, R] = {}
        """Outcomes that wait for those before them."""
        self._next = 0
        self._given = 0
        """How many items were taken from the feed."""
        self._more = 0
        """So many items are taken next at least."""
        self._is_fed = False
        self._deferred = 0
        self._is_waiting = False
        """All that the feed has left are items that others are busy with."""
        self.failure: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self._is_fed and not self._workers.under_way and not self._early

    def step(self) -> Iterator[R]:
        """Bring work, wait for outcomes, have them recorded; yield those whose turn it is."""
        outcomes = self._refill()
        if not outcomes and self._workers.under_way:
            can_take = not (self._is_fed or self._is_waiting) and self._room > 0
            outcomes = self._workers.collect(
                low=self._low if can_take else 0,
                patience_s=_POLL_S if self._deferred else None,
            )
            self._feed.settle(outcomes)
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
        if self._is_fed and not self._workers.under_way:  # what was cancelled left gaps
            for index in sorted(self._early):
                yield self._early.pop(index)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_fed, self._is_waiting, self._deferred = True, False, 0
        self._feed.give_back(self._workers.cancel())

    def end(self, *, wait: bool) -> None:
        self.stop()
        self._feed.settle(self._workers.end(wait=wait))

    @property
    def _low(self) -> int:
        return max(1, self._workers.ahead // 2)

    @property
    def _room(self) -> int:
        """How many items may be taken without keeping too many outcomes waiting."""
        if not self._in_order:
            return MOST_AHEAD
        return max(0, _ORDERED_AHEAD - (self._given - self._next))

    def _refill(self) -> Sequence[R]:
        backlog = self._workers.backlog
        if self._is_fed or backlog >= self._low or not (self._room or self._deferred):
            return ()
        most = max(self._more, self._workers.ahead - backlog)
        try:
            taken = self._feed.take(min(self._room, most))
        except Exception as error:  # noqa: BLE001  (raised when what is under way has ended)
            self.failure, taken = error, None
        if taken is None:
            self._is_fed, self._is_waiting, self._deferred = True, False, 0
            return ()
        self._deferred = taken.deferred
        self._is_waiting = taken.deferred > 0 and not (taken.tasks or taken.outcomes)
        self._given += len(taken.tasks) + len(taken.outcomes)
        # What needs no work is gone through in larger and larger steps.
        self._more = 0 if taken.tasks else min(MOST_AHEAD, 2 * most)
        self._workers.add(taken.tasks)
        return taken.outcomes
