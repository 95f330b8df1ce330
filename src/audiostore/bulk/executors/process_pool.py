"""Processes that run tasks together, as many tasks at once as pays off.

Python runs on one core at a time in each process, so one process alone leaves the other cores idle
while it inspects small files.

The parent decides which worker runs what, and only the parent talks to the journal. A worker that
dies (out of memory, a crash in a library) fails the tasks that it had; the others go on.
"""

import logging
import math
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias

from audiostore.bulk.executors.channel import Channel
from audiostore.bulk.executors.limits import (
    MAX_CONCURRENCY,
    MAX_LOOKAHEAD,
    AdaptiveLimit,
    fits,
    lookahead,
)
from audiostore.bulk.executors.messages import Cancel, Cancelled, Emitted, Finished, Logged, Run
from audiostore.bulk.executors.tasks import Interleaver, R, T, Task
from audiostore.bulk.executors.worker import serve
from audiostore.bulk.executors.worker_process import WorkerProcess, spawn
from audiostore.errors import ProcessDiedError, affecting_all
from audiostore.log import logger
from audiostore.notify import Notifier

Batches: TypeAlias = tuple[list[tuple[int, T]], list[tuple[int, T]]]
"""What a worker is sent, numbered: for its threads, and for its interleaver."""

_ANSWER_S = 1.0
_LINGER_S = 0.005
"""Outcomes that come within this time are collected together."""


class ProcessPool(Generic[T, R]):
    """Runs tasks in forked processes. Used by one thread, the one that made it."""

    def __init__(
        self,
        perform: Callable[[T], R],
        failed: Callable[[T, Exception], R],
        notifiers: Sequence[Notifier],
        *,
        prepare: Callable[[], None],
        workers: int,
        interleaver: Interleaver[T, R] | None = None,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fork the workers.

        Args:
            perform: runs one task; called from many threads of many processes; must not raise.
            failed: makes the outcome of a task whose worker died.
            notifiers: whose events are reported in this process, not in the workers.
            prepare: called in a worker before its first task.
            workers: how many processes.
            interleaver: runs the tasks that it accepts, in one thread of each worker.
            concurrency: how many tasks at once at most, in all; None: the best number found.
            clock: in seconds.
        """
        self._perform = perform
        self._prepare = prepare
        self._failed = failed
        self._notifiers = notifiers
        self._workers: list[WorkerProcess[T]] = []
        self._interleaver = interleaver
        self._most = MAX_CONCURRENCY if concurrency is None else concurrency
        self._adaptive = AdaptiveLimit(self._most, cpu_s=self._worker_cpu_s, clock=clock)
        self._clock = clock
        self._queue: deque[Task[T]] = deque()
        self._finished: list[R] = []
        self._active = 0
        self._active_bytes = 0
        self._interleaved = 0
        """How many outcomes came from an interleaver."""
        self._number = 0
        self._selector = selectors.DefaultSelector()
        try:
            for _ in range(workers):
                worker: WorkerProcess[T] = spawn(self._serve)
                self._workers.append(worker)
                self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        except BaseException:
            self.shutdown(wait=False)
            raise

    @property
    def lookahead(self) -> int:
        """How many queued tasks keep it busy until more can be submitted."""
        if self._interleaver is None:
            return lookahead(self._adaptive)
        # Nothing limits how many are interleaved: only the beginning goes gently, to begin soon.
        return min(MAX_LOOKAHEAD, max(lookahead(self._adaptive), 4 * self._interleaved))

    @property
    def backlog(self) -> int:
        """How many tasks no worker has."""
        return len(self._queue)

    @property
    def pending(self) -> int:
        """How many tasks were submitted and not collected."""
        return len(self._queue) + self._active + len(self._finished)

    def throttle(self) -> None:
        """Run fewer tasks at once: the store is overloaded."""
        self._adaptive.throttle()

    def submit(self, tasks: Sequence[Task[T]]) -> None:
        """Queue tasks."""
        if tasks:
            self._adaptive.begun()
        self._queue.extend(tasks)
        self._distribute()

    def collect(self, *, low: int, timeout_s: float | None = None) -> list[R]:
        """Wait for outcomes and return them: several together if they come quickly.

        Args:
            low: return, even without an outcome, when fewer tasks than this are queued.
            timeout_s: return without an outcome after this time; None: wait as long as it takes.
        """
        deadline = None if timeout_s is None else self._clock() + timeout_s
        self._distribute()
        while self._active and not self._finished and len(self._queue) >= low:
            left_s = None if deadline is None else max(0.0, deadline - self._clock())
            if not self._receive(left_s) and left_s is not None:
                break
        if self._finished and self._active and len(self._queue) >= low:
            time.sleep(_LINGER_S)
            self._receive(0.0)
        finished, self._finished = self._finished, []
        return finished

    def cancel(self, *, wait: bool = True) -> list[T]:
        """Remove and return the tasks that have not been started.

        Without `wait`, those of a worker that does not answer soon count as started: a file that it
        opens may hang.
        """
        cancelled = [task.payload for task in self._queue]
        self._queue.clear()
        for worker in self._workers:
            worker.send(Cancel())
            worker.is_cancelling = True
        deadline = math.inf if wait else self._clock() + _ANSWER_S
        while any(worker.is_cancelling for worker in self._workers):
            left_s = deadline - self._clock()
            if left_s <= 0:
                break
            self._receive(None if wait else left_s)
        for worker in self._workers:
            cancelled += [self._pop(worker, number).payload for number in worker.cancelled]
            worker.cancelled = []
        return cancelled

    def shutdown(self, *, wait: bool) -> list[R]:
        """Start nothing more, wait for running tasks, return the outcomes not yet collected."""
        self._queue.clear()
        while wait and self._active:
            self._receive(None)
        for worker in self._workers:
            worker.reap(kill=not wait)
        self._workers = []
        self._selector.close()
        finished, self._finished = self._finished, []
        return finished

    def _serve(self, channel: Channel) -> None:
        """Be a worker, in the process just forked."""
        for worker in self._workers:  # else those would not notice that their parent is gone
            worker.channel.close()
        self._selector.close()
        serve(channel, self._perform, self._prepare, self._notifiers, self._interleaver)

    def _distribute(self) -> None:
        """Send each worker its share, and as much again for while this process is busy."""
        if not self._workers:
            self._fail_queue()
            return
        limit = max(self._adaptive.value, len(self._workers))  # no worker is left idle
        ahead = limit if self._interleaver is None else max(limit, self._most)
        batches: dict[WorkerProcess[T], Batches[T]] = {}
        while (
            self._queue
            and self._active < 2 * ahead
            and fits(self._queue[0].size_bytes, self._active, self._active_bytes)
        ):
            task = self._queue.popleft()
            self._number += 1
            self._active += 1
            self._active_bytes += task.size_bytes
            worker = min(self._workers, key=lambda each: len(each.tasks))
            worker.tasks[self._number] = task
            by_thread, interleaved = batches.setdefault(worker, ([], []))
            is_accepted = self._interleaver is not None and self._interleaver.accepts(task.payload)
            (interleaved if is_accepted else by_thread).append((self._number, task.payload))
        for place, worker in enumerate(self._workers):
            workers_limit = self._share(limit, place)
            if worker in batches or worker.limit != workers_limit:
                worker.limit = workers_limit
                by_thread, interleaved = batches.get(worker, ([], []))
                tasks_limit = self._share(max(self._most, len(self._workers)), place)
                worker.send(Run(by_thread, interleaved, workers_limit, tasks_limit))

    def _share(self, limit: int, place: int) -> int:
        """Return the share that one of the workers has of a limit."""
        share, rest = divmod(limit, len(self._workers))
        return share + (place < rest)

    def _receive(self, timeout_s: float | None) -> bool:
        """Wait for messages of workers and handle them; return False if none came in time."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            worker: WorkerProcess[T] = key.data
            try:
                batches = worker.channel.receive()
            except EOFError:
                self._remove(worker)
                continue
            for batch in batches:
                for message in batch:
                    self._handle(worker, message)
        self._distribute()
        return bool(ready)

    def _handle(self, worker: WorkerProcess[T], message: object) -> None:
        match message:
            case Finished(number, outcome, cpu_s, by_thread):
                self._pop(worker, number)
                worker.cpu_s = cpu_s
                self._finished.append(outcome)
                if by_thread:
                    self._adaptive.finished(outcome.size_bytes)
                else:
                    self._interleaved += 1
            case Emitted(notifier, event):
                self._notifiers[notifier](event)
            case Logged(record):
                logging.getLogger(record.name).handle(record)
            case Cancelled(numbers):
                worker.cancelled, worker.is_cancelling = numbers, False

    def _worker_cpu_s(self) -> float:
        """Return the processor time of a worker: the mean of those that have finished something."""
        known = [worker.cpu_s for worker in self._workers if worker.cpu_s]
        return sum(known) / len(known) if known else 0.0

    def _pop(self, worker: WorkerProcess[T], number: int) -> Task[T]:
        task = worker.tasks.pop(number)
        self._active -= 1
        self._active_bytes -= task.size_bytes
        return task

    def _remove(self, worker: WorkerProcess[T]) -> None:
        """Reap a worker that has died, and fail its tasks."""
        self._selector.unregister(worker.channel)
        self._workers.remove(worker)
        reason = worker.reap(kill=False)
        logger.error("a worker process with %d items %s", len(worker.tasks), reason)
        error = ProcessDiedError(
            f"the worker process {reason}: try again; with a journal, or under the same id, "
            "nothing is stored twice"
        )
        for number in list(worker.tasks):
            self._finished.append(self._failed(self._pop(worker, number).payload, error))

    def _fail_queue(self) -> None:
        error = affecting_all(ProcessDiedError("all worker processes have died: try again"))
        while self._queue:
            self._finished.append(self._failed(self._queue.popleft().payload, error))
