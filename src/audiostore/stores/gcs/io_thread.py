"""The I/O thread, which drives all transfers of a transport."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from audiostore.errors import StoreConnectionError, StoreTimeoutError
from audiostore.log import logger
from audiostore.stores.gcs.connections import (
    ConnectionOptions,
    certifi_bundle,
    configure,
    curl_error,
    describe_failure,
)
from audiostore.stores.gcs.libcurl import pycurl
from audiostore.stores.gcs.sockets import Sockets
from audiostore.stores.gcs.throttle import THROTTLES
from audiostore.stores.gcs.transfers import Transfer

_THROTTLE_POLL_S = 0.02
_EVENTS = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


class IoThread:
    """The I/O thread: libcurl's multi interface (curl.se/libcurl/c/libcurl-multi)."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._ca_bundle = options.ca_bundle or certifi_bundle()
        self._actions: deque[Callable[[IoThread], None]] = deque()
        self._actions_lock = threading.Lock()
        self._is_asleep = False
        """It waits for sockets: posting must wake it."""
        self._waiting: deque[Transfer] = deque()
        self._active: dict[pycurl.Curl, Transfer] = {}
        self._idle: list[pycurl.Curl] = []
        shortest_s = min(options.stall_timeout_s, options.response_timeout_s)
        self._watch_every_s = max(0.05, min(5.0, shortest_s / 8))
        self._next_watch = 0.0
        self._stopping = False
        self.ended = False
        self._sockets = Sockets()
        self._wake_reader, self._wake_writer = os.pipe()
        self._sockets.watch(self._wake_reader, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_MAXCONNECTS, options.max_connections)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self._thread = threading.Thread(target=self._run, name="audiostore-io", daemon=True)
        self._thread.start()

    def post(self, action: "Callable[[IoThread], None]") -> bool:
        """Let the thread call a function; return False if the thread has ended, or will soon."""
        with self._actions_lock:
            if self.ended or self._stopping:
                return False
            self._actions.append(action)
            if self._is_asleep:
                self._is_asleep = False
                os.write(self._wake_writer, b"\0")
        return True

    def stop(self) -> None:
        """End the thread; transfers in flight fail."""
        with self._actions_lock:
            self.abandon()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def end_if_idle(self) -> bool:
        """End the thread if it has nothing to do; say whether it has ended."""
        looked = threading.Event()

        def look(_: IoThread) -> None:
            with self._actions_lock:
                if not (self._actions or self._active or self._waiting or self._stopping):
                    self.abandon()
            looked.set()

        if self.post(look):
            looked.wait()
        if self._stopping:
            self._thread.join()
        return self._stopping

    @property
    def number(self) -> int | None:
        """What the system knows the thread by."""
        return self._thread.native_id

    def abandon(self) -> None:
        """Let the thread end soon. Called once, while nobody else posts.

        Takes no lock: the garbage collector may call it in any thread, whatever that thread holds.
        """
        self._stopping = True
        os.close(self._wake_writer)  # wakes it: the end of a pipe can be read

    def begin(self, transfer: Transfer) -> None:
        """Start a transfer as soon as there is room; called by the thread itself."""
        self._waiting.append(transfer)

    def finish(self, transfer: Transfer, error: Exception | None) -> None:
        """Set the outcome, and make room for the next transfer."""
        handle = transfer.handle
        if handle is None:
            if transfer in self._waiting:
                self._waiting.remove(transfer)
        else:
            transfer.handle = None
            del self._active[handle]
            transfer.take_head()
            transfer.responded()
            self._multi.remove_handle(handle)
            handle.reset()
            self._idle.append(handle)
        transfer.end(error)

    def _run(self) -> None:
        try:
            while not self._stopping:
                for descriptor, events in self._wait():
                    if descriptor == self._wake_reader:
                        os.read(self._wake_reader, 64)
                    else:
                        # Any other event is an error, which reading or writing reports.
                        readable = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
                        writable = pycurl.CSELECT_OUT if events & ~select.POLLIN else 0
                        self._multi.socket_action(descriptor, readable | writable)
                while self._actions:
                    self._actions.popleft()(self)
                # Polled: a callback would have to wait for the interpreter's lock.
                if self._multi.timeout() == 0:
                    self._act_on_time()
                self._collect()
                self._watch(time.monotonic())
                while self._fill():
                    self._act_on_time()  # they start immediately
                    self._collect()  # those that ended immediately leave room for others
        except Exception as error:  # noqa: BLE001  (every waiting caller gets it)
            logger.exception("the I/O thread failed")
            self._fail_all(error)
        else:
            self._fail_all(StoreConnectionError("the store was closed during the transfer"))
        finally:
            self._release()

    def _wait(self) -> list[tuple[int, int]]:
        with self._actions_lock:
            timeout_s = 0.0 if self._actions else self._timeout()
            self._is_asleep = timeout_s != 0.0
        events = self._sockets.wait(timeout_s)
        self._is_asleep = False
        return events

    def _timeout(self) -> float | None:
        timeouts_s = []
        if (milliseconds := self._multi.timeout()) >= 0:
            timeouts_s.append(milliseconds / 1000)
        if self._active:
            timeouts_s.append(max(0.0, self._next_watch - time.monotonic()))
        if self._waiting and self._has_room():
            timeouts_s.append(_THROTTLE_POLL_S)
        return min(timeouts_s, default=None)

    def _watch(self, now: float) -> None:
        """Abort the transfers that have stalled, and those whose response does not end."""
        if now < self._next_watch:
            return
        self._next_watch = now + self._watch_every_s
        for transfer in list(self._active.values()):
            transfer.look(now)
            stalled_s, responding_s = now - transfer.moved_at, now - transfer.asked_at
            if stalled_s >= self._options.stall_timeout_s:
                text = f"no byte has moved for {stalled_s:.0f} s"
            elif transfer.is_collected and responding_s >= self._options.response_timeout_s:
                text = f"the response is not complete after {responding_s:.0f} s"
            else:
                continue
            self.finish(transfer, StoreTimeoutError(describe_failure(transfer, text)))

    def _act_on_time(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _fill(self) -> bool:
        """Start waiting transfers as far as there is room; say whether any started."""
        has_started = False
        while self._waiting and self._has_room():
            throttle = THROTTLES.for_url(self._waiting[0].request.url)
            if not throttle.admit(time.monotonic()):
                break
            transfer = self._waiting.popleft()
            transfer.throttle = throttle
            handle = self._idle.pop() if self._idle else pycurl.Curl()
            try:
                configure(handle, transfer, self._options, self._ca_bundle)
            except Exception as error:  # noqa: BLE001  (of this transfer alone)
                handle.close()
                transfer.responded()
                transfer.end(error)
                continue
            transfer.handle = handle
            self._active[handle] = transfer
            self._multi.add_handle(handle)
            has_started = True
        return has_started

    def _has_room(self) -> bool:
        # Downloads whose reader has paused must not block everything else.
        limit = self._options.max_connections
        return len(self._active) < limit or (
            sum(not transfer.is_paused for transfer in self._active.values()) < limit
        )

    def _collect(self) -> None:
        while True:
            queued, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                self.finish(self._active[handle], None)
            for handle, code, message in failed:
                transfer = self._active[handle]
                self.finish(transfer, transfer.error or curl_error(transfer, code, message))
            if not queued:
                return

    def _on_socket(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._sockets.forget(descriptor)
        else:
            self._sockets.watch(descriptor, _EVENTS[what])

    def _fail_all(self, error: Exception) -> None:
        with self._actions_lock:
            self.ended = True
        while self._actions:
            self._actions.popleft()(self)
        for transfer in self._active.values():
            transfer.responded()
        for transfer in [*self._active.values(), *self._waiting]:
            if not transfer.future.done():
                transfer.end(error)

    def _release(self) -> None:
        for handle in self._active:
            self._multi.remove_handle(handle)
        for handle in [*self._active, *self._idle]:
            handle.close()
        self._multi.close()
        self._sockets.close()
        os.close(self._wake_reader)
