"""HTTP on libcurl: one I/O thread drives all transfers; callers wait for what comes of theirs.

The thread starts with the first request and does not keep a finished program alive. Nothing is
retried here, but for what libcurl does by itself: a request without a body whose kept-alive
connection turns out to be closed before any byte of an answer is sent again on a new one.
"""

import fcntl
import os
import re
import select
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol
from urllib.parse import urlsplit

import pycurl

from audiostore.errors import StoreConnectionError, StoreTimeoutError
from audiostore.log import logger
from audiostore.stores.gcs.brake import BRAKES, Brake
from audiostore.stores.gcs.forking import renew_after_fork

_UPLOAD_BUFFER_BYTES = 1 << 20
_RECEIVE_BUFFER_BYTES = 1 << 18
_MAX_ANSWER_BYTES = 64 << 20
_BRAKE_POLL_S = 0.02

_EVENTS = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
_STATUS_LINE = re.compile(rb"HTTP/\S+ +(\d{3})")


class Body(Protocol):
    """The body of a request: bytes of known number, read once, front to back."""

    @property
    def size_bytes(self) -> int:
        """How many bytes."""
        ...

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end; what it raises, the caller gets."""
        ...


class Sink(Protocol):
    """Takes the body of a successful answer as it comes."""

    def write(self, data: bytes) -> bool:
        """Take some bytes; False asks to be offered them again after `Transfer.resume`."""
        ...

    def end(self) -> None:
        """No more bytes come: the transfer is over, well or not."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str = field(repr=False)
    """May be the secret URL of an upload session."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    sink: Sink | None = field(default=None, repr=False)
    """Without one, the answer's body is collected in memory."""


class Head(Mapping[str, str]):
    """The headers of an answer, their names in lower case; most answers' are never looked at."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for line in self._lines:
            name, colon, value = line.decode("iso-8859-1").partition(":")
            if line.startswith(b"HTTP/"):
                values.clear()  # what came before was an interim (1xx) answer
            elif colon:
                values[name.strip().lower()] = value.strip()
        return values


@dataclass(slots=True)
class Response:
    """One HTTP answer."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Their names are in lower case."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """How connections are made and watched."""

    ca_bundle: str | None = None
    """File of trusted certificates; certifi's if None."""
    connect_timeout_s: float = 20.0
    stall_timeout_s: float = 60.0
    """A transfer during which no byte moves for that long fails. There is no limit on the whole."""
    max_connections: int = 64


class Promise:
    """An answer, or why there is none, on its way from the I/O thread to those who wait for it.

    What is needed here of a `concurrent.futures.Future`, at a fraction of its cost.
    """

    def __init__(self) -> None:
        self._outcome: Response | Exception | None = None
        self._pending = threading.Lock()
        self._pending.acquire()

    def settle(self, outcome: Response | Exception) -> None:
        """Say what came of it, once."""
        self._outcome = outcome
        self._pending.release()

    def done(self) -> bool:
        """Say whether it is settled."""
        return self._outcome is not None

    def result(self) -> Response:
        """Wait for the answer, or raise why there is none."""
        outcome = self._wait()
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    def exception(self) -> Exception | None:
        """Wait; return why there is no answer, None if there is one."""
        outcome = self._wait()
        return None if isinstance(outcome, Response) else outcome

    def _wait(self) -> Response | Exception:
        while self._outcome is None:
            with self._pending:  # released once; each who waits passes it on
                pass
        return self._outcome


class Transfer:
    """A request under way."""

    def __init__(self, transport: "Transport", request: Request) -> None:
        self.request = request
        self.future = Promise()
        self.response = Response()
        """From when its head is there."""
        self.head: list[bytes] = []
        self.error: Exception | None = None
        self.handle: pycurl.Curl | None = None
        self.is_paused = False
        """Its sink has had enough for now."""
        self.brake: Brake | None = None
        """What counts it as under way."""
        self._transport = transport
        self._collected = bytearray()
        self._moved = (0.0, 0.0, 0, 0)
        self._moved_at = 0.0

    def result(self) -> Response:
        """Wait for the answer.

        Raises:
            StoreConnectionError, StoreTimeoutError: there was none.
            Exception: whatever reading the body or the sink raised.
        """
        try:
            return self.future.result()
        except BaseException:
            self.cancel()  # the caller was interrupted: nobody waits any more
            raise

    def resume(self) -> None:
        """Offer the sink again what it refused."""
        self._transport.post(self._unpause)

    def cancel(self) -> None:
        """Give the transfer up; nothing reads its body or writes to its sink after this."""
        if not self.future.done():
            self._transport.post(self._abandon)
            self.future.exception()

    def _unpause(self, _: "_Loop") -> None:
        self.is_paused = False
        if self.handle is not None:
            self.handle.pause(pycurl.PAUSE_CONT)

    def stalled_s(self, now: float) -> float:
        """Return for how long no byte has moved, as far as can be told between two calls.

        Bytes count when they leave for the network: what waits in the socket's own buffer drains
        slowly on a slow link, long after libcurl has written it.
        """
        handle = self.handle
        if handle is None:
            return 0.0
        moved = (
            handle.getinfo(pycurl.SIZE_UPLOAD_T),
            handle.getinfo(pycurl.SIZE_DOWNLOAD_T),
            len(self.head),
            _unsent_bytes(handle.getinfo(pycurl.ACTIVESOCKET)),
        )
        if moved != self._moved or self.is_paused or not self._moved_at:
            self._moved, self._moved_at = moved, now
        return now - self._moved_at

    def _abandon(self, loop: "_Loop") -> None:
        if not self.future.done():
            loop.finish(self, StoreConnectionError("the transfer was cancelled"))

    # The callbacks of libcurl. An exception must not leave them: it is kept for the caller.

    def on_read(self, size: int) -> bytes | int:
        """Give libcurl more of the request's body."""
        if self.request.body is None:
            return b""
        try:
            return self.request.body.read(size)
        except Exception as error:  # noqa: BLE001
            self.error = error
            return pycurl.READFUNC_ABORT

    def on_write(self, data: bytes) -> int | None:
        """Take some of the answer's body."""
        try:
            sink = self.request.sink
            if sink is not None:
                self.take_head()
            if sink is None or self.response.status >= 300:
                self._collected += data
                return None if len(self._collected) <= _MAX_ANSWER_BYTES else 0
            self.answered()  # from here on its pace is the reader's
            self.is_paused = not sink.write(data)
        except Exception as error:  # noqa: BLE001
            self.error = error
            return 0
        return pycurl.WRITEFUNC_PAUSE if self.is_paused else None

    # The rest is the I/O thread's, too.

    def take_head(self) -> None:
        """Take notice of the head of the answer, if all of it has come."""
        if self.response.status:
            return
        for line in reversed(self.head):  # interim (1xx) answers come before
            if line.startswith(b"HTTP/"):
                match = _STATUS_LINE.match(line)
                self.response = Response(int(match[1]) if match else 0, Head(self.head))
                return

    def answered(self) -> None:
        """Tell the brake once that the request was answered, or ended without an answer."""
        brake, self.brake = self.brake, None
        if brake is not None:
            brake.done(self.response.status, time.monotonic())

    def end(self, error: Exception | None) -> None:
        """Hand over what came of it."""
        if error is None:
            self.response.body = bytes(self._collected)
        self.future.settle(error or self.response)
        if self.request.sink is not None:
            self.request.sink.end()


class Transport:
    """Sends requests over kept-alive HTTP/1.1 connections. Safe to use from many threads."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._closed = False
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the thread, which is gone, and the connections, which are the parent's."""
        self._lock = threading.Lock()
        if self._loop is not None:
            _parents.append(self._loop)  # finalising it would close the parent's connections
            self._loop = None
        BRAKES.forget()

    def send(self, request: Request) -> Response:
        """Send a request and wait for its answer, whatever its status.

        Raises:
            StoreConnectionError, StoreTimeoutError: there was none.
        """
        return self.start(request).result()

    def start(self, request: Request) -> Transfer:
        """Begin to send a request."""
        transfer = Transfer(self, request)
        self.post(lambda loop: loop.begin(transfer))
        return transfer

    def post(self, action: "Callable[[_Loop], None]") -> None:
        """Have the I/O thread do something."""
        while not self._running().post(action):
            pass  # it has just ended: the next one takes it

    def close(self) -> None:
        """Give up what is under way and close all connections."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            loop.stop()

    def _running(self) -> "_Loop":
        with self._lock:
            if self._closed:
                raise RuntimeError("this store is closed: make a new one")
            if self._loop is None or self._loop.ended:
                self._loop = _Loop(self._options)
            return self._loop


_parents: list["_Loop"] = []


class _Sockets:
    """The sockets to look at, and what for: with epoll or, where there is none, with poll.

    Both have the same names and numbers for events; `selectors` would take four times the time.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        if sys.platform == "linux":
            self._poller = select.epoll()
            self._units_a_second = 1
        else:
            self._poller = select.poll()
            self._units_a_second = 1000

    def watch(self, descriptor: int, events: int) -> None:
        """Look out for these events from now on."""
        if descriptor in self._known:
            try:
                self._poller.modify(descriptor, events)
            except FileNotFoundError:
                pass  # libcurl has closed it and opened one with the same number
            else:
                return
        self._poller.register(descriptor, events)
        self._known.add(descriptor)

    def forget(self, descriptor: int) -> None:
        """Look at it no more."""
        self._known.discard(descriptor)
        with suppress(OSError, KeyError):  # closed, or never looked at
            self._poller.unregister(descriptor)

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        """Wait for events; return descriptors, each with its events."""
        return self._poller.poll(None if timeout_s is None else timeout_s * self._units_a_second)

    def close(self) -> None:
        """Look at none any more."""
        if sys.platform == "linux":
            self._poller.close()


class _Loop:
    """The I/O thread: libcurl's multi interface (curl.se/libcurl/c/libcurl-multi)."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._ca_bundle = options.ca_bundle or _certifi_bundle()
        self._actions: deque[Callable[[_Loop], None]] = deque()
        self._actions_lock = threading.Lock()
        self._is_asleep = False
        """It waits for sockets: what is posted must wake it."""
        self._waiting: deque[Transfer] = deque()
        self._active: dict[pycurl.Curl, Transfer] = {}
        self._idle: list[pycurl.Curl] = []
        self._watch_every_s = max(0.05, min(5.0, options.stall_timeout_s / 8))
        self._next_watch = 0.0
        self._stopping = False
        self.ended = False
        self._sockets = _Sockets()
        self._wake_reader, self._wake_writer = os.pipe()
        self._sockets.watch(self._wake_reader, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_MAXCONNECTS, options.max_connections)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self._thread = threading.Thread(target=self._run, name="audiostore-io", daemon=True)
        self._thread.start()

    def post(self, action: "Callable[[_Loop], None]") -> bool:
        """Have the thread do something; False if it has ended and never will."""
        with self._actions_lock:
            if self.ended:
                return False
            self._actions.append(action)
            if self._is_asleep:
                self._is_asleep = False
                os.write(self._wake_writer, b"\0")
        return True

    def stop(self) -> None:
        self._stopping = True
        self.post(lambda _: None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def begin(self, transfer: Transfer) -> None:
        self._waiting.append(transfer)

    def finish(self, transfer: Transfer, error: Exception | None) -> None:
        """Hand the outcome over and make room for the next."""
        handle = transfer.handle
        if handle is None:
            if transfer in self._waiting:
                self._waiting.remove(transfer)
        else:
            transfer.handle = None
            del self._active[handle]
            transfer.take_head()
            transfer.answered()
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
                        # What is neither is an error, which shows in reading and in writing.
                        readable = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
                        writable = pycurl.CSELECT_OUT if events & ~select.POLLIN else 0
                        self._multi.socket_action(descriptor, readable | writable)
                while self._actions:
                    self._actions.popleft()(self)
                # Asked for, not called back about: a callback must wait for the interpreter's lock.
                if self._multi.timeout() == 0:
                    self._act_on_time()
                self._collect()
                self._watch(time.monotonic())
                while self._fill():
                    self._act_on_time()  # they begin at once
                    self._collect()  # what ended at once leaves room for others
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
            timeouts_s.append(_BRAKE_POLL_S)
        return min(timeouts_s, default=None)

    def _watch(self, now: float) -> None:
        """Give up the transfers that have stalled."""
        if now < self._next_watch:
            return
        self._next_watch = now + self._watch_every_s
        for transfer in list(self._active.values()):
            stalled_s = transfer.stalled_s(now)
            if stalled_s >= self._options.stall_timeout_s:
                text = f"no byte has moved for {stalled_s:.0f} s"
                self.finish(transfer, StoreTimeoutError(_failure(transfer, text)))

    def _act_on_time(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _fill(self) -> bool:
        """Have waiting transfers begin as far as there is room; say whether any did."""
        has_begun = False
        while self._waiting and self._has_room():
            brake = BRAKES.for_url(self._waiting[0].request.url)
            if not brake.admit(time.monotonic()):
                break
            transfer = self._waiting.popleft()
            transfer.brake = brake
            handle = self._idle.pop() if self._idle else pycurl.Curl()
            try:
                self._configure(handle, transfer)
            except (pycurl.error, ValueError, TypeError, UnicodeError) as error:
                handle.close()
                transfer.answered()
                transfer.end(error)
                continue
            transfer.handle = handle
            self._active[handle] = transfer
            self._multi.add_handle(handle)
            has_begun = True
        return has_begun

    def _has_room(self) -> bool:
        # Downloads whose reader does not read must not keep everything else waiting.
        limit = self._options.max_connections
        return len(self._active) < limit or (
            sum(not transfer.is_paused for transfer in self._active.values()) < limit
        )

    def _configure(self, handle: pycurl.Curl, transfer: Transfer) -> None:
        request, options = transfer.request, self._options
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.CAINFO, self._ca_bundle)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(options.connect_timeout_s * 1000))
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.BUFFERSIZE, _RECEIVE_BUFFER_BYTES)
        handle.setopt(pycurl.HEADERFUNCTION, transfer.head.append)
        handle.setopt(pycurl.WRITEFUNCTION, transfer.on_write)
        headers = {"Expect": "", "Accept": "*/*", **request.headers}
        if request.body is not None:
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.UPLOAD_BUFFERSIZE, _UPLOAD_BUFFER_BYTES)
            handle.setopt(pycurl.INFILESIZE_LARGE, request.body.size_bytes)
            handle.setopt(pycurl.READFUNCTION, transfer.on_read)
        elif request.method == "GET":
            handle.setopt(pycurl.HTTPGET, 1)
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        lines = [f"{name}: {value}" if value else f"{name}:" for name, value in headers.items()]
        handle.setopt(pycurl.HTTPHEADER, lines)

    def _collect(self) -> None:
        while True:
            queued, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                self.finish(self._active[handle], None)
            for handle, code, message in failed:
                transfer = self._active[handle]
                self.finish(transfer, transfer.error or _curl_error(transfer, code, message))
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
            transfer.answered()
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
        os.close(self._wake_writer)


def _curl_error(transfer: Transfer, code: int, message: str) -> Exception:
    text = _failure(transfer, f"{message or 'no reason given'} (curl error {code})")
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return StoreTimeoutError(text)
    return StoreConnectionError(text)


def _failure(transfer: Transfer, reason: str) -> str:
    # The path may hold a session's secret: the host alone is named.
    host = urlsplit(transfer.request.url).netloc
    return f"{transfer.request.method} to {host}: {reason}"


def _unsent_bytes(descriptor: int) -> int:
    """Return how many bytes wait in a socket's send buffer; 0 where the system cannot tell."""
    if descriptor < 0:
        return 0
    try:
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)


def _certifi_bundle() -> str:
    import certifi  # noqa: PLC0415  (only where the environment names no bundle)

    return certifi.where()
