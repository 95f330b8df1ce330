"""HTTP on libcurl: one I/O thread drives all transfers; callers wait for theirs.

The thread starts with the first request and does not keep a finished program alive. Nothing is
retried here, except for what libcurl does itself: when a kept-alive connection turns out to be
closed before any byte of a response, a request without a body is sent again on a new one.
"""

import threading
import weakref

from audiostore.forking import may_rest, renew_after_fork
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.io_thread import Action, IoThread
from audiostore.stores.gcs.messages import Request, Response
from audiostore.stores.gcs.throttle import THROTTLES
from audiostore.stores.gcs.transfers import Transfer

_parents: list[IoThread] = []


class Transport:
    """Sends requests over kept-alive HTTP/1.1 connections. Safe to use from many threads."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._thread: IoThread | None = None
        self._end: weakref.finalize[..., Transport] | None = None
        """Ends the thread when nothing refers to this transport any more, closed or not."""
        self._closed = False
        renew_after_fork(self)
        may_rest(self)

    def after_fork(self) -> None:
        """Drop the thread, which does not exist here, and the connections of the parent."""
        self._lock = threading.Lock()
        if self._thread is not None:
            _parents.append(self._thread)  # its finaliser would close the parent's connections
            self._forget()
        THROTTLES.forget()

    def send(self, request: Request) -> Response:
        """Send a request and return the response, whatever its status.

        Raises:
            StoreConnectionError, StoreTimeoutError: there was none.
        """
        return self.start(request).result()

    def start(self, request: Request) -> Transfer:
        """Start sending a request."""
        transfer = Transfer(self, request)
        self.post(lambda loop: loop.begin(transfer))
        return transfer

    def post(self, action: Action) -> None:
        """Let the I/O thread call a function."""
        while not self._running().post(action):
            pass  # it has just ended: the next thread takes it

    def rest(self) -> int | None:
        """End the thread, with its connections, if it is idle; the next request starts another."""
        with self._lock:
            thread = self._thread
            if thread is None or not thread.end_if_idle():
                return None
            self._forget()
        return thread.number

    def close(self) -> None:
        """Abort all transfers and close all connections."""
        with self._lock:
            self._closed = True
            thread = self._forget()
        if thread is not None:
            thread.stop()

    def _running(self) -> "IoThread":
        with self._lock:
            if self._closed:
                raise RuntimeError("this store is closed: open a new one")
            if self._thread is not None and not self._thread.ended:
                return self._thread
            if (ended := self._forget()) is not None:
                ended.stop()
            self._thread = IoThread(self._options)
            self._end = weakref.finalize(self, self._thread.abandon)
            self._end.atexit = False
            return self._thread

    def _forget(self) -> IoThread | None:
        thread, self._thread = self._thread, None
        if self._end is not None:
            self._end.detach()
        return thread
