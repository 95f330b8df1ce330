"""A worker process: runs the tasks that it is sent, by an interleaver and by threads of its own.

It was forked from its parent. Outcomes, events and log records go back to the parent over the
channel; when the channel is closed, the worker exits.
"""

import logging
import os
import select
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, NoReturn

from audiostore.bulk.executors.channel import Channel
from audiostore.bulk.executors.messages import Cancel, Cancelled, Emitted, Finished, Logged
from audiostore.bulk.executors.remote_errors import PortableError, portable
from audiostore.bulk.executors.tasks import Ended, Interleaver, R, T, Task
from audiostore.bulk.executors.thread_pool import Threads
from audiostore.dataclass import replace
from audiostore.events import Event, Progress, Retried, RetriesEnded
from audiostore.log import logger
from audiostore.notify import Notifier

_EVENT_INTERVAL_S = 0.1
_PARENT_CHECK_S = 1.0
_LOOK_AGAIN_S = 0.05
"""While tasks wait for others to end, which no descriptor shows."""
_MOST_FINISHED = 16
"""So many outcomes are sent together, or fewer if there is nothing else to do."""


def serve(
    channel: Channel,
    perform: Callable[[T], R],
    prepare: Callable[[], None],
    notifiers: Sequence[Notifier],
    interleaver: Interleaver[T, R] | None,
) -> NoReturn:
    """Run what comes over the channel until that is closed; then exit the process.

    Args:
        channel: to the parent.
        perform: runs one task; called from many threads; must not raise.
        prepare: called once, with the first task.
        notifiers: whose events are reported to the parent; in the same order as there.
        interleaver: runs tasks in this thread; None: all are run by other threads.
    """
    outbox = _Outbox(channel)
    for index, notifier in enumerate(notifiers):
        is_wanted = notifier.is_heard or logger.isEnabledFor(logging.INFO)
        notifier.relay(partial(outbox.emit if is_wanted else outbox.emit_retry, index))
    log = logging.getLogger(logger.name)
    log.handlers[:] = [_LogForwarder(outbox)]
    log.propagate = False
    _Worker(channel, perform, prepare, outbox, interleaver or _NothingInterleaved()).run()


class _Worker(Generic[T, R]):
    """Runs tasks, by threads and by the interleaver, which this thread turns."""

    def __init__(
        self,
        channel: Channel,
        perform: Callable[[T], R],
        prepare: Callable[[], None],
        outbox: "_Outbox",
        interleaver: Interleaver[T, R],
    ) -> None:
        self._channel = channel
        self._perform = perform
        self._prepare = prepare
        self._is_prepared = False
        self._outbox = outbox
        self._threads = Threads(self._run_by_thread)
        self._threads_limit = 1
        """The most threads at once, as far as the interleaver leaves room."""
        self._again: set[int] = set()
        """What the interleaver has begun and left to threads: it may be half done."""
        self._interleaver = interleaver
        interleaver.watch(channel.fileno())
        self._queue: deque[tuple[int, T]] = deque()
        """What the interleaver is to run."""
        self._tasks_limit = 1
        """The most tasks at once, by threads and by the interleaver together."""
        self._finished: list[Finished] = []
        """To be sent together."""
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._parent = os.getppid()

    def run(self) -> NoReturn:
        """Run tasks until the channel is closed; then exit the process."""
        while True:
            is_resting = self._interleaver.is_resting
            self._make_room()
            if is_resting:
                self._give_to_threads()
            elif self._queue and self._has_room:
                self._interleaver.begin(*self._queue.popleft())
            can_go_on = bool(self._queue) and not is_resting and self._has_room
            if not can_go_on or len(self._finished) >= _MOST_FINISHED:
                self._send()
            waiting_s = _LOOK_AGAIN_S if self._queue else _PARENT_CHECK_S
            for ended in self._interleaver.turn(0.0 if can_go_on else waiting_s):
                self._end(ended)
            if self._poll.poll(0):
                self._receive()
            elif os.getppid() != self._parent:  # it died; another process has inherited its end
                os._exit(0)

    @property
    def _has_room(self) -> bool:
        threads = self._threads
        # What threads are to run comes first: else it might never come.
        return self._interleaver.active + threads.active + len(threads.queue) < self._tasks_limit

    def _make_room(self) -> None:
        """Let threads take what the interleaver leaves of the limit."""
        limit = min(self._threads_limit, self._tasks_limit - self._interleaver.active)
        if limit != self._threads.limit:
            with self._threads.lock:
                self._threads.limit = limit
                self._threads.submit(())  # wakes those that may run now

    def _receive(self) -> None:
        try:
            messages = self._channel.receive()
        except EOFError:
            os._exit(0)
        for message in messages:
            if isinstance(message, Cancel):
                self._cancel()
                continue
            if not self._is_prepared and (message.tasks or message.interleaved):
                self._is_prepared = True
                self._prepare()
            self._threads_limit, self._tasks_limit = message.threads_limit, message.tasks_limit
            self._queue.extend(message.interleaved)
            self._make_room()
            self._threads.submit([Task(numbered, 0) for numbered in message.tasks])

    def _cancel(self) -> None:
        """Drop what was not begun; what was is finished."""
        queued = self._threads.cancel()
        begun = [Task(numbered, 0) for numbered in queued if numbered[0] in self._again]
        dropped = [number for number, _ in (*queued, *self._queue) if number not in self._again]
        self._queue.clear()
        self._threads.submit(begun)
        self._send()
        self._outbox.put(Cancelled(dropped))

    def _end(self, ended: Ended[T, R]) -> None:
        if ended.outcome is None:
            self._again.add(ended.number)
            self._threads.submit([Task((ended.number, ended.payload), 0)])
            return
        self._finished.append(
            Finished(ended.number, portable(ended.outcome), time.process_time(), by_thread=False)
        )

    def _give_to_threads(self) -> None:
        """Let threads run what waits, as many as may."""
        with self._threads.lock:
            free = self._threads.limit - self._threads.active - len(self._threads.queue)
            given = [self._queue.popleft() for _ in range(min(free, len(self._queue)))]
            self._threads.submit([Task(numbered, 0) for numbered in given])

    def _send(self) -> None:
        """Send the outcomes of the interleaver."""
        if self._finished:
            finished, self._finished = self._finished, []
            self._outbox.put(*finished)

    def _run_by_thread(self, numbered: tuple[int, T]) -> None:
        number, payload = numbered
        outcome = portable(self._perform(payload))
        self._again.discard(number)
        self._outbox.put(Finished(number, outcome, time.process_time(), by_thread=True))


class _NothingInterleaved:
    """Takes the place of an interleaver where threads run all tasks: it only waits."""

    active = 0
    is_resting = False

    def __init__(self) -> None:
        self._poll = select.poll()

    def accepts(self, _: object) -> bool:
        return False

    def watch(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.POLLIN)

    def begin(self, _: int, __: object) -> None:
        raise AssertionError("it accepts nothing")

    def turn(self, timeout_s: float) -> Sequence[Ended[Any, Any]]:
        self._poll.poll(timeout_s * 1000)
        return ()


class _Outbox:
    """Sends messages to the parent. Those that come while one thread sends go out together.

    The thread that made it never waits while the parent does not receive: it turns transfers, and
    must receive what the parent sends. A thread of its own sends for it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._maker = threading.get_ident()
        self._handed_over = threading.Semaphore(0)
        self._sender: threading.Thread | None = None
        self._lock = threading.Lock()
        self._messages: list[object] = []
        self._progress: dict[tuple[int, str], Emitted] = {}
        self._is_sending = False
        self._sent_at = 0.0

    def emit(self, notifier: int, event: Event) -> None:
        """Report an event: of retries at once, as a long pause may follow; others a bit later."""
        if isinstance(event, Retried):
            self.put(Emitted(notifier, replace(event, error=PortableError.of(event.error))))
            return
        emitted = Emitted(notifier, event)
        if isinstance(event, RetriesEnded):
            self.put(emitted)
            return
        with self._lock:
            if isinstance(event, Progress):
                self._progress[notifier, event.name] = emitted  # the latest of an object is enough
            else:
                self._messages.append(emitted)
            if time.monotonic() < self._sent_at + _EVENT_INTERVAL_S:
                return
        self._send()

    def emit_retry(self, notifier: int, event: Event) -> None:
        """Report an event if it is a retry: the limit adapts to these even without a listener."""
        if isinstance(event, Retried):
            self.emit(notifier, event)

    def put(self, *messages: object) -> None:
        """Send messages."""
        with self._lock:
            self._messages += messages
        self._send()

    def _send(self) -> None:
        with self._lock:
            if self._is_sending:
                return  # the sending thread takes it along
            self._is_sending = True
        if threading.get_ident() != self._maker:
            self._send_all()
            return
        if self._sender is None:
            self._sender = threading.Thread(
                target=self._send_for_maker, name="audiostore-outbox", daemon=True
            )
            self._sender.start()
        self._handed_over.release()

    def _send_for_maker(self) -> None:
        while True:
            self._handed_over.acquire()
            self._send_all()

    def _send_all(self) -> None:
        while True:
            with self._lock:
                messages = [*self._progress.values(), *self._messages]
                self._progress, self._messages = {}, []
                self._is_sending = bool(messages)
                if not messages:
                    return
                self._sent_at = time.monotonic()
            try:
                self._channel.send(messages)
            except OSError:
                os._exit(1)  # the parent is gone


class _LogForwarder(logging.Handler):
    """Sends log records to the parent: the handlers there may rely on threads, absent here."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        if record.exc_info and record.exc_info[1]:
            record.exc_text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        record.exc_info = None
        self._outbox.put(Logged(record))
