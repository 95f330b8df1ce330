"""Transfers in flight: what the I/O thread, libcurl and the waiting caller share of one request."""

import fcntl
import sys
import termios
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from audiostore.errors import StoreConnectionError
from audiostore.interrupts import LOOK_UP_S
from audiostore.patterns import pattern
from audiostore.stores.gcs.libcurl import pycurl
from audiostore.stores.gcs.messages import MAX_RESPONSE_BYTES, Head, Request, Response
from audiostore.stores.gcs.throttle import Throttle

if TYPE_CHECKING:
    from audiostore.stores.gcs.transfer_loop import TransferLoop
    from audiostore.stores.gcs.transport import Transport

_STATUS_LINE = pattern(rb"HTTP/\S+ +(\d{3})")


class PendingResponse:
    """A response, or an error, that the I/O thread hands to the threads waiting for it.

    The part of `concurrent.futures.Future` that is needed here, at a fraction of its cost.
    """

    def __init__(self) -> None:
        self._outcome: Response | Exception | None = None
        self._pending = threading.Lock()
        self._pending.acquire()

    def resolve(self, outcome: Response | Exception) -> None:
        """Set the outcome, once."""
        self._outcome = outcome
        self._pending.release()

    def done(self) -> bool:
        """Say whether the outcome is set."""
        return self._outcome is not None

    def result(self) -> Response:
        """Wait for the response, or raise the error."""
        outcome = self._wait()
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    def exception(self) -> Exception | None:
        """Wait; return the error, None if there is a response."""
        outcome = self._wait()
        return None if isinstance(outcome, Response) else outcome

    def _wait(self) -> Response | Exception:
        while self._outcome is None:
            if self._pending.acquire(timeout=LOOK_UP_S):
                self._pending.release()  # released once; each waiting thread passes it on
        return self._outcome


class Transfer:
    """A request in flight."""

    def __init__(self, transport: "Transport", request: Request) -> None:
        self.request = request
        self.future = PendingResponse()
        self.response = Response()
        """Filled in once its head has arrived."""
        self.head: list[bytes] = []
        self.error: Exception | None = None
        self.handle: pycurl.Curl | None = None
        self.on_end: Callable[[], None] | None = None
        """Called when there is a response or an error, by the thread that turns the loop."""
        self.is_paused = False
        """Its sink is full for now."""
        self.throttle: Throttle | None = None
        """Counts it as in flight."""
        self._transport = transport
        self._collected = bytearray()
        self._sent: tuple[float, int] = (0.0, 0)
        self._received: tuple[float, int] = (0.0, 0)
        self.moved_at = 0.0
        """When a byte was last seen to move."""
        self.asked_at = 0.0
        """When a byte of the request was last seen to move."""

    def result(self) -> Response:
        """Wait for the response.

        Raises:
            StoreConnectionError, StoreTimeoutError: there was none.
            Exception: what reading the body, or the sink, raised.
        """
        try:
            return self.future.result()
        except BaseException:
            self.cancel()  # the caller was interrupted and no longer waits
            raise

    def resume(self) -> None:
        """Offer the sink again the bytes that it refused."""
        self._transport.post(self._unpause)

    def cancel(self) -> None:
        """Abort the transfer; nothing reads its body or writes to its sink after this."""
        if not self.future.done():
            self._transport.post(self._abandon)
            self.future.exception()

    def _unpause(self, loop: "TransferLoop") -> None:
        self.is_paused = False
        if self.handle is not None:
            try:
                self.handle.pause(pycurl.PAUSE_CONT)
            except pycurl.error:  # what had arrived meanwhile cannot be delivered
                reason = self.error or StoreConnectionError("the response broke off")
                loop.finish(self, reason)

    def look(self, now: float) -> None:
        """See whether bytes have moved since the last time; called again and again.

        Bytes count when they leave for the network: on a slow link, bytes that libcurl has written
        long ago still wait in the socket's own buffer.
        """
        handle = self.handle
        if handle is None:
            return
        sent = (
            handle.getinfo(pycurl.SIZE_UPLOAD_T),
            _unsent_bytes(handle.getinfo(pycurl.ACTIVESOCKET)),
        )
        received = (handle.getinfo(pycurl.SIZE_DOWNLOAD_T), len(self.head))
        if sent != self._sent or not self.asked_at:
            self._sent = sent
            self.asked_at = self.moved_at = now
        if received != self._received or self.is_paused:
            self._received = received
            self.moved_at = now

    @property
    def is_collected(self) -> bool:
        """Whether its response is not, or not yet known to be, the content of an object."""
        return self.request.sink is None or not 0 < self.response.status < 300

    def _abandon(self, loop: "TransferLoop") -> None:
        if not self.future.done():
            loop.finish(self, StoreConnectionError("the transfer was cancelled"))

    # Callbacks of libcurl. An exception must not leave them: it is kept for the caller.

    def on_read(self, size: int) -> bytes | int:
        """Return more of the request's body to libcurl."""
        if self.request.body is None:
            return b""
        try:
            return self.request.body.read(size)
        except Exception as error:  # noqa: BLE001
            self.error = error
            return pycurl.READFUNC_ABORT

    def on_write(self, data: bytes) -> int | None:
        """Accept some of the body of the response."""
        try:
            sink = self.request.sink
            if sink is not None:
                self.take_head()
            if sink is None or self.response.status >= 300:
                self._collected += data
                return None if len(self._collected) <= MAX_RESPONSE_BYTES else 0
            self.responded()  # from now on, the reader controls the speed
            self.is_paused = not sink.write(data)
        except Exception as error:  # noqa: BLE001
            self.error = error
            return 0
        return pycurl.WRITEFUNC_PAUSE if self.is_paused else None

    # The rest is called by the I/O thread, too.

    def take_head(self) -> None:
        """Parse the head of the response, once all of it has arrived."""
        if self.response.status:
            return
        for line in reversed(self.head):  # interim (1xx) responses come before
            if line.startswith(b"HTTP/"):
                match = _STATUS_LINE.match(line)
                self.response = Response(int(match[1]) if match else 0, Head(self.head))
                return

    def responded(self) -> None:
        """Report to the throttle, once, that the request got a response, or ended without one."""
        throttle, self.throttle = self.throttle, None
        if throttle is not None:
            throttle.done(self.response.status, time.monotonic())

    def end(self, error: Exception | None) -> None:
        """Set the outcome."""
        if error is None:
            self.response.body = bytes(self._collected)
            self.response.request = self.request
        self.future.resolve(error or self.response)
        if self.on_end is not None:
            self.on_end()
        if self.request.sink is not None:
            self.request.sink.end()


def _unsent_bytes(descriptor: int) -> int:
    """Return how many bytes wait in a socket's send buffer; 0 if the system does not report it."""
    if descriptor < 0:
        return 0
    try:
        unsent = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(unsent, sys.byteorder)
