"""The transfer loop: drives the transfers of one thread, by libcurl's multi interface.

curl.se/libcurl/c/libcurl-multi. The I/O thread of a transport turns one for all other threads
(`io_thread`); a thread that sends many requests can turn one of its own (`writes`).
"""

import select
import time
from collections import deque

from audiostore.errors import StoreTimeoutError
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


class TransferLoop:
    """Transfers in flight, and their connections. Used by the one thread that turns it."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Open no connection yet."""
        self._options = options
        self._ca_bundle = options.ca_bundle or certifi_bundle()
        self._waiting: deque[Transfer] = deque()
        self._active: dict[pycurl.Curl, Transfer] = {}
        self._idle: list[pycurl.Curl] = []
        shortest_s = min(options.stall_timeout_s, options.response_timeout_s)
        self._watch_every_s = max(0.05, min(5.0, shortest_s / 8))
        self._next_watch = 0.0
        self._sockets = Sockets()
        self._others: set[int] = set()
        """The descriptors that are watched for the caller, and are not sockets of libcurl."""
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_MAXCONNECTS, options.max_connections)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)

    @property
    def is_idle(self) -> bool:
        """Whether no transfer is in flight, or waits to start."""
        return not (self._active or self._waiting)

    @property
    def timeout_s(self) -> float | None:
        """How long it may wait for sockets; None: as long as it takes."""
        timeouts_s = []
        if (milliseconds := self._multi.timeout()) >= 0:
            timeouts_s.append(milliseconds / 1000)
        if self._active:
            timeouts_s.append(max(0.0, self._next_watch - time.monotonic()))
        if self._waiting and self._has_room():
            timeouts_s.append(_THROTTLE_POLL_S)
        return min(timeouts_s, default=None)

    def watch(self, descriptor: int) -> None:
        """Wait for this descriptor of the caller's, too, until it can be read."""
        self._others.add(descriptor)
        self._sockets.watch(descriptor, select.POLLIN)

    def begin(self, transfer: Transfer) -> None:
        """Start a transfer as soon as there is room."""
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

    def wait(self, timeout_s: float | None) -> list[int]:
        """Wait for sockets, move their bytes, and return the caller's descriptors to be read."""
        ready = []
        for descriptor, events in self._sockets.wait(timeout_s):
            if descriptor in self._others:
                ready.append(descriptor)
            else:
                # Any other event is an error, which reading or writing reports.
                readable = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
                writable = pycurl.CSELECT_OUT if events & ~select.POLLIN else 0
                self._multi.socket_action(descriptor, readable | writable)
        return ready

    def go_on(self) -> None:
        """Do what is due: end transfers, abort those that have stalled, start others."""
        # Polled: a callback would have to wait for the interpreter's lock.
        if self._multi.timeout() == 0:
            self._act_on_time()
        self._collect()
        self._abort_stalled(time.monotonic())
        while self._fill():
            self._act_on_time()  # they start immediately
            self._collect()  # those that ended immediately leave room for others

    def fail(self, error: Exception) -> None:
        """End all transfers with an error."""
        for transfer in self._active.values():
            transfer.responded()
        for transfer in [*self._active.values(), *self._waiting]:
            if not transfer.future.done():
                transfer.end(error)

    def close(self) -> None:
        """Close all connections."""
        for handle in self._active:
            self._multi.remove_handle(handle)
        for handle in [*self._active, *self._idle]:
            handle.close()
        self._multi.close()
        self._sockets.close()

    def _abort_stalled(self, now: float) -> None:
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
