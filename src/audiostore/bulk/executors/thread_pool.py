"""Threads that run tasks: as many at once as pays off, fewer of the large ones."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from audiostore.bulk.executors.limits import MAX_CONCURRENCY, AdaptiveLimit, fits, lookahead
from audiostore.bulk.executors.tasks import R, T, Task
from audiostore.errors import affects_all
from audiostore.interrupts import LOOK_UP_S

O = TypeVar("O")  # noqa: E741  (an outcome of any kind)

_LINGER_S = 0.02
"""Outcomes that come within this time are collected together."""


class Threads(Generic[T, O]):
    """Daemon threads that take tasks from one queue. Each is started when it is first needed.

    Safe to use from many threads. The callbacks are called with `lock` held.
    """

    def __init__(
        self,
        perform: Callable[[T], O],
        *,
        limit: int = 1,
        on_start: Callable[[], None] = lambda: None,
        on_finish: Callable[[O], None] = lambda _: None,
    ) -> None:
        """Start no thread yet.

        Args:
            perform: runs one task; called from many threads; must not raise.
            limit: how many may run at once; to be changed at any time with `lock` held.
            on_start: called when a task leaves the queue.
            on_finish: called with each outcome.
        """
        self.lock = threading.RLock()
        self.limit = limit
        self.active = 0
        """How many tasks are running."""
        self.queue: deque[Task[T]] = deque()
        self._perform = perform
        self._on_start = on_start
        self._on_finish = on_finish
        self._may_start = threading.Condition(self.lock)
        self._threads: list[threading.Thread] = []
        self._active_bytes = 0
        self._is_stopping = False

    def submit(self, tasks: Sequence[Task[T]]) -> None:
        """Queue tasks."""
        with self.lock:
            self.queue.extend(tasks)
            self._wake()

    def cancel(self) -> list[T]:
        """Remove and return the tasks that have not been started."""
        with self.lock:
            cancelled = [task.payload for task in self.queue]
            self.queue.clear()
        return cancelled

    def stop(self, *, wait: bool) -> None:
        """Start nothing more; wait for the running tasks, if wanted."""
        with self.lock:
            self._is_stopping = True
            self.queue.clear()
            self._may_start.notify_all()
        if wait:
            for thread in self._threads:
                thread.join()

    def _wake(self) -> None:
        """Wake, or start, as many threads as can take a task now."""
        free = min(len(self.queue), self.limit - self.active)
        idle = len(self._threads) - self.active
        if free > 0 and idle:
            self._may_start.notify(free)
        for _ in range(free - idle):
            # A daemon: an interrupted program does not wait for a transfer.
            thread = threading.Thread(target=self._work, name="audiostore-worker", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            outcome = self._perform(task.payload)
            with self.lock:
                self.active -= 1
                self._active_bytes -= task.size_bytes
                self._on_finish(outcome)
                if self.active + 1 < self.limit:
                    self._wake()

    def _next(self) -> Task[T] | None:
        with self.lock:
            while not self._can_take():
                if self._is_stopping:
                    return None
                self._may_start.wait()
            task = self.queue.popleft()
            self.active += 1
            self._active_bytes += task.size_bytes
            self._on_start()
            return task

    def _can_take(self) -> bool:
        if not self.queue or self.active >= self.limit:
            return False
        return fits(self.queue[0].size_bytes, self.active, self._active_bytes)


class ThreadPool(Generic[T, R]):
    """Runs tasks in threads of this process, as many at once as an adaptive limit allows."""

    def __init__(
        self,
        perform: Callable[[T], R],
        *,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start no thread yet.

        Args:
            perform: runs one task; called from many threads; must not raise.
            concurrency: how many at once at most; None: the best number found, up to 256.
            clock: in seconds.
        """
        most = MAX_CONCURRENCY if concurrency is None else concurrency
        self._adaptive = AdaptiveLimit(most, clock=clock)
        self._threads = Threads(
            perform,
            limit=self._adaptive.value,
            on_start=self._started,
            on_finish=self._task_finished,
        )
        self._lock = self._threads.lock
        self._news = threading.Condition(self._lock)
        self._finished: list[R] = []
        self._is_futile = False
        self._wanted = 1
        self._low = 0

    @property
    def limit(self) -> int:
        """How many tasks may run at once now."""
        return self._adaptive.value

    @property
    def lookahead(self) -> int:
        """How many queued tasks keep it busy until more can be submitted."""
        return lookahead(self._adaptive)

    @property
    def backlog(self) -> int:
        """How many tasks have not been started."""
        return len(self._threads.queue)

    @property
    def pending(self) -> int:
        """How many tasks were submitted and not collected."""
        with self._lock:
            return self.backlog + self._threads.active + len(self._finished)

    def throttle(self) -> None:
        """Run fewer tasks at once: the store is overloaded."""
        with self._lock:
            self._adaptive.throttle()
            self._adapt()

    def submit(self, tasks: Sequence[Task[T]]) -> None:
        """Queue tasks."""
        with self._lock:
            if tasks:
                self._adaptive.begun()
            self._threads.submit(tasks)

    def collect(self, *, low: int, timeout_s: float | None = None) -> list[R]:
        """Wait for outcomes and return them: several together if they come quickly.

        Args:
            low: return, even without an outcome, when fewer tasks than this are queued.
            timeout_s: return without an outcome after this time; None: wait as long as it takes.
        """
        with self._lock:
            self._wanted, self._low = 1, low
            while not self._news.wait_for(self._has_news, timeout_s or LOOK_UP_S):
                if timeout_s is not None:
                    break
            if self._finished and self._threads.active and self.backlog >= low:
                self._wanted = max(2, self._adaptive.value)
                self._news.wait_for(self._has_news, _LINGER_S)
            finished, self._finished = self._finished, []
        return finished

    def cancel(self, *, wait: bool = True) -> list[T]:
        """Remove and return the tasks that have not been started."""
        del wait  # nobody has to answer
        with self._lock:
            cancelled = self._threads.cancel()
            self._news.notify()
        return cancelled

    def shutdown(self, *, wait: bool) -> list[R]:
        """Start nothing more, wait for running tasks, return the outcomes not yet collected."""
        self._threads.stop(wait=wait)
        with self._lock:
            finished, self._finished = self._finished, []
        return finished

    def _has_news(self) -> bool:
        return (
            len(self._finished) >= self._wanted
            or self.backlog < self._low
            or (not self._threads.active and not self.backlog)
        )

    def _adapt(self) -> None:
        # What would only fail, too, is not started before the owner knows, and cancels it.
        self._threads.limit = 0 if self._is_futile else self._adaptive.value

    def _started(self) -> None:
        if self.backlog < self._low:
            self._news.notify()

    def _task_finished(self, outcome: R) -> None:
        self._finished.append(outcome)
        self._adaptive.finished(outcome.size_bytes)
        if outcome.error is not None and affects_all(outcome.error):
            self._is_futile = True
        self._adapt()
        if len(self._finished) >= self._wanted or not self._threads.active:
            self._news.notify()
