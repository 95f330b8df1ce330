"""What a member of a crew does: it works off the tasks that come, with threads of its own.

It is a process that was forked from the one that it works for. What it has to tell (outcomes,
events, lines for the log) goes back over its channel; when that is closed, it ends.
"""

import logging
import os
import pickle
import select
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from audiostore.bulk.executors.channel import Channel
from audiostore.events import Event, Progress, Retried
from audiostore.log import logger
from audiostore.notify import Notifier

T = TypeVar("T")

_EVENTS_EVERY_S = 0.1
_LIFE_SIGN_S = 1.0


class Order(NamedTuple):
    """Tasks for a member, each with its number, and how many it may have under way at once."""

    tasks: list[tuple[int, Any]]
    at_once: int


class Recall(NamedTuple):
    """Asks for what was not begun; a `Left` answers."""


class Done(NamedTuple):
    """What became of a task."""

    number: int
    outcome: Any


class Left(NamedTuple):
    """The numbers of the tasks that will not be begun."""

    numbers: list[int]


class Told(NamedTuple):
    """What happened, and which of the notifiers is to tell of it."""

    notifier: int
    event: Event


class Logged(NamedTuple):
    """A line for the log."""

    record: logging.LogRecord


class WorkerTraceback(Exception):  # noqa: N818
    """Stands as the cause of an error that came from another process: where it was raised."""

    def __str__(self) -> str:
        """Return what the interpreter would have printed there."""
        return f"\n{self.args[0]}"


def serve(
    channel: Channel,
    perform: Callable[[T], Any],
    prepare: Callable[[], None],
    notifiers: Sequence[Notifier],
) -> NoReturn:
    """Work off what comes until the channel is closed; then end the process.

    Args:
        channel: to the process that gives the orders.
        perform: does one task; called from many threads; must not raise.
        prepare: called once, with the first task.
        notifiers: whose events are to go back; in the same order as over there.
    """
    outbox = _Outbox(channel)
    for index, notifier in enumerate(notifiers):
        is_wanted = notifier.is_heard or logger.isEnabledFor(logging.INFO)
        notifier.relay(partial(outbox.tell if is_wanted else outbox.tell_retries, index))
    logger.handlers[:] = [_Forwarder(outbox)]
    logger.propagate = False
    threads = _Threads(perform, outbox)
    is_prepared = False
    chief = os.getppid()
    orders_come = select.poll()
    orders_come.register(channel, select.POLLIN)
    while True:
        while not orders_come.poll(_LIFE_SIGN_S * 1000):
            if os.getppid() != chief:  # and somebody else, forked from it, has its end
                os._exit(0)
        try:
            orders = channel.receive()
        except EOFError:
            os._exit(0)
        for order in orders:
            if isinstance(order, Recall):
                outbox.put(Left(threads.recall()))
                continue
            if order.tasks and not is_prepared:
                is_prepared = True
                prepare()
            threads.add(order)


class _Threads(Generic[T]):
    """Threads that work off tasks, as many at once as the last order said."""

    def __init__(self, perform: Callable[[T], Any], outbox: "_Outbox") -> None:
        self._perform = perform
        self._outbox = outbox
        self._may_begin = threading.Condition()
        self._ready: deque[tuple[int, T]] = deque()
        self._at_once = 0
        self._active = 0
        self._threads = 0

    def add(self, order: Order) -> None:
        with self._may_begin:
            self._ready.extend(order.tasks)
            self._at_once = order.at_once
            free = min(len(self._ready), self._at_once - self._active)
            idle = self._threads - self._active
            self._may_begin.notify(max(0, free))
            for _ in range(free - idle):
                self._threads += 1
                threading.Thread(target=self._work, name="audiostore-worker", daemon=True).start()

    def recall(self) -> list[int]:
        with self._may_begin:
            left = [number for number, _ in self._ready]
            self._ready.clear()
        return left

    def _work(self) -> None:
        while True:
            with self._may_begin:
                while not self._ready or self._active >= self._at_once:
                    self._may_begin.wait()
                number, what = self._ready.popleft()
                self._active += 1
            outcome = self._perform(what)
            with self._may_begin:
                self._active -= 1
            self._outbox.put(Done(number, _portable(outcome)))


class _Outbox:
    """Sends reports: those that come while others are being sent go together, by one thread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._reports: list[object] = []
        self._progress: dict[tuple[int, str], Told] = {}
        self._is_sending = False
        self._sent_at = 0.0

    def tell(self, notifier: int, event: Event) -> None:
        """Report an event: at once if the work may stand still after it, else when it suits."""
        if isinstance(event, Retried):
            self.put(Told(notifier, replace(event, error=_Carried.of(event.error))))
            return
        told = Told(notifier, event)
        with self._lock:
            if isinstance(event, Progress):
                self._progress[notifier, event.name] = told  # the newest of each object will do
            else:
                self._reports.append(told)
            if time.monotonic() < self._sent_at + _EVENTS_EVERY_S:
                return
        self._send()

    def tell_retries(self, notifier: int, event: Event) -> None:
        """Report an event if it says how the store is doing: nobody wants to know of the others."""
        if isinstance(event, Retried):
            self.tell(notifier, event)

    def put(self, report: object) -> None:
        """Report something."""
        with self._lock:
            self._reports.append(report)
        self._send()

    def _send(self) -> None:
        with self._lock:
            if self._is_sending:
                return  # whoever is at it takes this along
            self._is_sending = True
        while True:
            with self._lock:
                reports = [*self._progress.values(), *self._reports]
                self._progress, self._reports = {}, []
                self._is_sending = bool(reports)
                if not reports:
                    return
                self._sent_at = time.monotonic()
            try:
                self._channel.send(reports)
            except OSError:
                os._exit(1)  # nobody is there to work for


class _Forwarder(logging.Handler):
    """Has the log written over there: its handlers may be made of threads, which are not here."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        if record.exc_info and record.exc_info[1]:
            record.exc_text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        record.exc_info = None
        self._outbox.put(Logged(record))


class _Carried(Exception):  # noqa: N818
    """An error on its way to another process, with where it was raised."""

    @classmethod
    def of(cls, error: Exception) -> "_Carried":
        try:
            there = pickle.loads(pickle.dumps(error))  # noqa: S301  (what was just made)
        except Exception:  # noqa: BLE001  (its class does not allow it: its words go instead)
            there = None
        if type(there) is not type(error) or str(there) != str(error):
            notes = getattr(error, "__notes__", ())
            error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(
                error.__traceback__
            )
            for note in notes:
                error.add_note(note)
        return cls(error, "".join(traceback.format_exception(error)).rstrip())

    def __reduce__(self) -> tuple[Callable[..., Exception], tuple[Any, ...]]:
        return _arrived, self.args


def _arrived(error: Exception, told: str) -> Exception:
    error.__cause__ = WorkerTraceback(told)
    return error


def _portable(outcome: Any) -> Any:
    """Return an outcome that can be pickled, whatever its error is made of."""
    return outcome if outcome.error is None else replace(outcome, error=_Carried.of(outcome.error))
