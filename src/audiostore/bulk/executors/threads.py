"""Threads that work off tasks: as many at once as it pays, fewer of the large ones."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from audiostore.bulk.executors.limits import MOST, Level


class Indexed(Protocol):
    """An outcome."""

    @property
    def index(self) -> int:
        """Position of its item in the input, from 0."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it failed."""
        ...

    @property
    def size_bytes(self) -> int:
        """How much was moved; before that, a task may not know."""
        ...


T = TypeVar("T")
R = TypeVar("R", bound=Indexed)

_IN_FLIGHT_BYTES = 64 << 20
_ALWAYS = 4
"""So many may be under way whatever their size."""
_AHEAD_S = 0.25
MOST_AHEAD = 512
"""So many tasks at most are brought before anybody can begin them."""
_LINGER_S = 0.02
"""Outcomes are collected together if they come within that."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """Something that a worker is to do."""

    what: T
    size_bytes: int


def fits(size_bytes: int, active: int, active_bytes: int) -> bool:
    """Say whether a task of so many bytes may be begun beside so many others."""
    return active < _ALWAYS or active_bytes + size_bytes <= _IN_FLIGHT_BYTES


def wanted_ahead(level: Level) -> int:
    """Return how many tasks it takes to keep busy until more can be brought."""
    return min(MOST_AHEAD, max(2 * level.value, int(level.rate * _AHEAD_S)))


class Workers(Generic[T, R]):
    """Threads that work off tasks, as many at once as the level allows."""

    def __init__(
        self,
        perform: Callable[[T], R],
        *,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start no thread yet.

        Args:
            perform: does one task; called from many threads; must not raise.
            concurrency: how many at once at most; None: what is found best, up to 64.
            clock: in seconds.
        """
        self._perform = perform
        self._limit = MOST if concurrency is None else concurrency
        self._level = Level(self._limit, clock=clock)
        self._lock = threading.Lock()
        self._may_begin = threading.Condition(self._lock)
        self._news = threading.Condition(self._lock)
        self._ready: deque[Task[T]] = deque()
        self._finished: list[R] = []
        self._threads: list[threading.Thread] = []
        self._active = 0
        self._active_bytes = 0
        self._wanted = 1
        self._low = 0
        self._is_ending = False

    @property
    def level(self) -> int:
        """How many may be under way at once now."""
        return self._level.value

    @property
    def ahead(self) -> int:
        """How many tasks it takes to keep the workers busy until more can be brought."""
        return wanted_ahead(self._level)

    @property
    def backlog(self) -> int:
        """How many tasks nobody has begun."""
        return len(self._ready)

    @property
    def under_way(self) -> int:
        """How many tasks are given and not collected."""
        with self._lock:
            return len(self._ready) + self._active + len(self._finished)

    def pushed_back(self) -> None:
        """Do less at once: the store is overloaded."""
        with self._lock:
            self._level.pushed_back()

    def add(self, tasks: Sequence[Task[T]]) -> None:
        """Have tasks done."""
        with self._lock:
            self._ready.extend(tasks)
            self._staff()

    def collect(self, *, low: int, patience_s: float | None = None) -> list[R]:
        """Wait for outcomes and return them: some at once if they come quickly.

        Args:
            low: return, be it with nothing, when fewer tasks than that are left to begin.
            patience_s: return with nothing after that; None: there is no hurry.
        """
        with self._lock:
            self._wanted, self._low = 1, low
            self._news.wait_for(self._has_news, patience_s)
            if self._finished and self._active and len(self._ready) >= low:
                self._wanted = max(2, self._level.value)
                self._news.wait_for(self._has_news, _LINGER_S)
            finished, self._finished = self._finished, []
        return finished

    def cancel(self) -> list[T]:
        """Return what was not begun; it will not be."""
        with self._lock:
            left = [task.what for task in self._ready]
            self._ready.clear()
            self._news.notify()
        return left

    def end(self, *, wait: bool) -> list[R]:
        """Begin nothing more, wait for what is under way, return what was not collected."""
        with self._lock:
            self._is_ending = True
            self._ready.clear()
            self._may_begin.notify_all()
        if wait:
            for thread in self._threads:
                thread.join()
        with self._lock:
            finished, self._finished = self._finished, []
        return finished

    def _has_news(self) -> bool:
        return (
            len(self._finished) >= self._wanted
            or len(self._ready) < self._low
            or (not self._active and not self._ready)
        )

    def _may_take(self) -> bool:
        if not self._ready or self._active >= self._level.value:
            return False
        return fits(self._ready[0].size_bytes, self._active, self._active_bytes)

    def _staff(self) -> None:
        """Wake, or hire, as many as can begin now."""
        free = min(len(self._ready), self._level.value - self._active)
        idle = len(self._threads) - self._active
        if free > 0 and idle:
            self._may_begin.notify(free)
        for _ in range(free - idle):
            # A daemon: a program that is interrupted does not wait for a transfer.
            thread = threading.Thread(target=self._work, name="audiostore-worker", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        with self._lock:
            while True:
                while not self._may_take():
                    if self._is_ending:
                        return
                    self._may_begin.wait()
                task = self._ready.popleft()
                self._active += 1
                self._active_bytes += task.size_bytes
                if len(self._ready) < self._low:
                    self._news.notify()
                self._lock.release()
                try:
                    outcome = self._perform(task.what)
                finally:
                    self._lock.acquire()
                self._active -= 1
                self._active_bytes -= task.size_bytes
                self._finished.append(outcome)
                self._level.finished(outcome.size_bytes)
                if len(self._finished) >= self._wanted or not self._active:
                    self._news.notify()
                if self._active + 1 < self._level.value:
                    self._staff()
