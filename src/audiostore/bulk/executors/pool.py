"""Processes that work off tasks together, as many tasks at once as it pays.

Python runs on one core at a time in each process, so that one alone leaves all others idle while
it looks at small files. The members of a crew are forked: they have all that this process has, its
store and its settings, without being told. They are forked before anything else happens, and only
from a process that has a single thread: what another thread holds at that moment, a lock, half a
line of output, would be held in the copy for ever.

This side decides who does what, and records nothing itself: one process alone talks to the journal.
A member that dies (out of memory, a crash in a library) fails its own tasks; the others go on.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from audiostore.bulk.executors.channel import Channel
from audiostore.bulk.executors.limits import MOST, Level
from audiostore.bulk.executors.threads import Indexed, Task, fits, wanted_ahead
from audiostore.bulk.executors.worker import Done, Left, Logged, Order, Recall, Told, serve
from audiostore.errors import ProcessDiedError
from audiostore.log import logger
from audiostore.notify import Notifier

T = TypeVar("T")
R = TypeVar("R", bound=Indexed)

_MOST_MEMBERS = 4
_LINGER_S = 0.005
"""Outcomes are collected together if they come within that."""


def members_for(concurrency: int | None) -> int:
    """Return how many members a crew would have here; less than 2: work with threads instead."""
    if sys.platform != "linux":
        return 0
    try:
        threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:  # nobody can tell
        return 0
    if threads > 1:
        return 0
    return min(_MOST_MEMBERS, len(os.sched_getaffinity(0)), concurrency or MOST)


class Crew(Generic[T, R]):
    """Processes that work off tasks. Used by one thread, the one that made it."""

    def __init__(
        self,
        perform: Callable[[T], R],
        failed: Callable[[T, Exception], R],
        notifiers: Sequence[Notifier],
        *,
        prepare: Callable[[], None],
        members: int,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fork the members.

        Args:
            perform: does one task; called from many threads of many processes; must not raise.
            failed: makes the outcome of a task whose member died.
            notifiers: whose events are to be told here, and no more over there.
            prepare: gets ready what the work will need, over there.
            members: how many processes.
            concurrency: how many tasks at once at most, all together; None: what is found best.
            clock: in seconds.
        """
        self._perform = perform
        self._prepare = prepare
        self._failed = failed
        self._notifiers = notifiers
        limit = MOST * members if concurrency is None else concurrency
        self._level = Level(limit, clock=clock)
        self._clock = clock
        self._ready: deque[Task[T]] = deque()
        self._finished: list[R] = []
        self._active = 0
        self._active_bytes = 0
        self._number = 0
        self._selector = selectors.DefaultSelector()
        self._members: list[_Member[T]] = []
        try:
            for _ in range(members):
                self._hire()
        except BaseException:
            self.end(wait=False)
            raise

    @property
    def ahead(self) -> int:
        """How many tasks it takes to keep the members busy until more can be brought."""
        return wanted_ahead(self._level)

    @property
    def backlog(self) -> int:
        """How many tasks no member has."""
        return len(self._ready)

    @property
    def under_way(self) -> int:
        """How many tasks are given and not collected."""
        return len(self._ready) + self._active + len(self._finished)

    def pushed_back(self) -> None:
        """Do less at once: the store is overloaded."""
        self._level.pushed_back()

    def add(self, tasks: Sequence[Task[T]]) -> None:
        """Have tasks done."""
        self._ready.extend(tasks)
        self._give_orders()

    def collect(self, *, low: int, patience_s: float | None = None) -> list[R]:
        """Wait for outcomes and return them: some at once if they come quickly.

        Args:
            low: return, be it with nothing, when fewer tasks than that are left to be given.
            patience_s: return with nothing after that; None: there is no hurry.
        """
        deadline = None if patience_s is None else self._clock() + patience_s
        self._give_orders()
        while self._active and not self._finished and len(self._ready) >= low:
            left_s = None if deadline is None else max(0.0, deadline - self._clock())
            if not self._hear(left_s) and left_s is not None:
                break
        if self._finished and self._active and len(self._ready) >= low:
            time.sleep(_LINGER_S)
            self._hear(0.0)
        finished, self._finished = self._finished, []
        return finished

    def cancel(self) -> list[T]:
        """Return what was not begun; it will not be."""
        left = [task.what for task in self._ready]
        self._ready.clear()
        for member in self._members:
            member.send(Recall())
            member.owes_answer = True
        while any(member.owes_answer for member in self._members):
            self._hear(None)
        for member in self._members:
            left += [self._taken_from(member, number).what for number in member.left]
            member.left = []
        return left

    def end(self, *, wait: bool) -> list[R]:
        """Begin nothing more, wait for what is under way, return what was not collected."""
        self._ready.clear()
        while wait and self._active:
            self._hear(None)
        for member in self._members:
            member.dismiss(at_once=not wait)
        self._members = []
        self._selector.close()
        finished, self._finished = self._finished, []
        return finished

    def _hire(self) -> None:
        ours, theirs = socket.socketpair()
        # A signal that comes between the fork and the child's own handlers is not to be handled
        # there as it would be here.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            pid = os.fork()
            if not pid:
                ours.close()
                self._serve(theirs, blocked)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        member: _Member[T] = _Member(pid, Channel(ours))
        self._members.append(member)
        self._selector.register(ours, selectors.EVENT_READ, member)

    def _serve(self, end: socket.socket, blocked: set[int | signal.Signals]) -> NoReturn:
        """Be a member: never to return to whoever called this in the process that was forked."""
        try:
            for member in self._members:  # else they would not learn that this process ended
                member.channel.close()
            self._selector.close()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            serve(Channel(end), self._perform, self._prepare, self._notifiers)
        finally:
            os._exit(1)

    def _give_orders(self) -> None:
        """Let each member have its share, and as much again for while this process is busy."""
        if not self._members:
            self._fail_rest()
            return
        level = max(self._level.value, len(self._members))  # none is left with nothing to do
        orders: dict[_Member[T], list[tuple[int, T]]] = {}
        while (
            self._ready
            and self._active < 2 * level
            and fits(self._ready[0].size_bytes, self._active, self._active_bytes)
        ):
            task = self._ready.popleft()
            self._number += 1
            self._active += 1
            self._active_bytes += task.size_bytes
            member = min(self._members, key=lambda each: len(each.tasks))
            member.tasks[self._number] = task
            orders.setdefault(member, []).append((self._number, task.what))
        each, rest = divmod(level, len(self._members))
        for place, member in enumerate(self._members):
            at_once = each + (place < rest)
            if member in orders or member.at_once != at_once:
                member.at_once = at_once
                member.send(Order(orders.get(member, []), at_once))

    def _hear(self, timeout_s: float | None) -> bool:
        """Wait for what members have to report; False if none did in time."""
        heard = self._selector.select(timeout_s)
        for key, _ in heard:
            member: _Member[T] = key.data
            try:
                messages = member.channel.receive()
            except EOFError:
                self._bury(member)
                continue
            for message in messages:
                for report in message:
                    self._take(member, report)
        self._give_orders()
        return bool(heard)

    def _take(self, member: "_Member[T]", report: object) -> None:
        match report:
            case Done(number, outcome):
                self._taken_from(member, number)
                self._finished.append(outcome)
                self._level.finished(outcome.size_bytes)
            case Told(notifier, event):
                self._notifiers[notifier](event)
            case Logged(record):
                logging.getLogger(record.name).handle(record)
            case Left(numbers):
                member.left, member.owes_answer = numbers, False

    def _taken_from(self, member: "_Member[T]", number: int) -> Task[T]:
        task = member.tasks.pop(number)
        self._active -= 1
        self._active_bytes -= task.size_bytes
        return task

    def _bury(self, member: "_Member[T]") -> None:
        """Fail what a member was at, which has died."""
        self._selector.unregister(member.channel)
        self._members.remove(member)
        how = member.dismiss(at_once=False)
        logger.error("a process that worked on %d items %s", len(member.tasks), how)
        error = ProcessDiedError(
            f"the process that was to do this {how}: do it again; with a journal, or under the "
            "same id, nothing is stored twice"
        )
        for number in list(member.tasks):
            self._finished.append(self._failed(self._taken_from(member, number).what, error))

    def _fail_rest(self) -> None:
        error = ProcessDiedError("all processes that were to do this have died: do it again")
        while self._ready:
            self._finished.append(self._failed(self._ready.popleft().what, error))


class _Member(Generic[T]):
    """A process, as it is seen from here."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.channel = channel
        self.tasks: dict[int, Task[T]] = {}
        self.at_once = 0
        self.owes_answer = False
        self.left: list[int] = []
        self._pid = pid

    def send(self, order: Order | Recall) -> None:
        with suppress(OSError):  # it has died: whoever listens to it will find out
            self.channel.send(order)

    def dismiss(self, *, at_once: bool) -> str:
        """End the process, and say how it ended."""
        self.channel.end()
        if at_once:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:  # whoever runs this has all children reaped
            return "has died"
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
