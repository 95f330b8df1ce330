"""A worker process: runs the tasks that it is sent, in threads of its own.

It was forked from its parent. Outcomes, events and log records go back to the parent over the
channel; when the channel is closed, the worker exits.
"""

import logging
import os
import select
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from audiostore.bulk.executors.channel import Channel
from audiostore.bulk.executors.messages import Cancel, Cancelled, Emitted, Finished, Logged
from audiostore.bulk.executors.remote_errors import PortableError, portable
from audiostore.bulk.executors.tasks import T, Task
from audiostore.bulk.executors.thread_pool import Threads
from audiostore.dataclass import replace
from audiostore.events import Event, Progress, Retried, RetriesEnded
from audiostore.log import logger
from audiostore.notify import Notifier

_EVENT_INTERVAL_S = 0.1
_PARENT_CHECK_S = 1.0


def serve(
    channel: Channel,
    perform: Callable[[T], Any],
    prepare: Callable[[], None],
    notifiers: Sequence[Notifier],
) -> NoReturn:
    """Run what comes over the channel until that is closed; then exit the process.

    Args:
        channel: to the parent.
        perform: runs one task; called from many threads; must not raise.
        prepare: called once, with the first task.
        notifiers: whose events are reported to the parent; in the same order as there.
    """
    outbox = _Outbox(channel)
    for index, notifier in enumerate(notifiers):
        is_wanted = notifier.is_heard or logger.isEnabledFor(logging.INFO)
        notifier.relay(partial(outbox.emit if is_wanted else outbox.emit_retry, index))
    log = logging.getLogger(logger.name)
    log.handlers[:] = [_LogForwarder(outbox)]
    log.propagate = False

    def run(numbered: tuple[int, T]) -> None:
        number, payload = numbered
        outbox.put(Finished(number, portable(perform(payload)), time.process_time()))

    threads = Threads(run)
    is_prepared = False
    parent = os.getppid()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while True:
        while not poll.poll(_PARENT_CHECK_S * 1000):
            if os.getppid() != parent:  # it died; another process has inherited its end
                os._exit(0)
        try:
            messages = channel.receive()
        except EOFError:
            os._exit(0)
        for message in messages:
            if isinstance(message, Cancel):
                outbox.put(Cancelled([number for number, _ in threads.cancel()]))
                continue
            if message.tasks and not is_prepared:
                is_prepared = True
                prepare()
            with threads.lock:
                threads.limit = message.limit
                threads.submit([Task(numbered, 0) for numbered in message.tasks])


class _Outbox:
    """Sends messages to the parent. Those that come while one thread sends go out together."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
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

    def put(self, message: object) -> None:
        """Send a message."""
        with self._lock:
            self._messages.append(message)
        self._send()

    def _send(self) -> None:
        with self._lock:
            if self._is_sending:
                return  # the sending thread takes it along
            self._is_sending = True
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
