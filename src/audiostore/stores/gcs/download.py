"""Reads an object: a stream from the I/O thread to a reader, which may be slower."""

import threading
from collections import deque

from audiostore.errors import StoreConnectionError, shown
from audiostore.interrupts import LOOK_UP_S
from audiostore.stores.gcs.messages import Response
from audiostore.stores.gcs.responses import not_understood
from audiostore.stores.gcs.transfers import Transfer

_HIGH_WATER_BYTES = 2 << 20
_LOW_WATER_BYTES = 1 << 20
_WORTH_WAKING_BYTES = 1 << 20
_LINGER_S = 0.01


class Pipe:
    """A bounded buffer of bytes between the I/O thread and a reader.

    It is the sink of a transfer. At the high-water mark it asks the transfer to wait; a reader
    that has drained it below the low-water mark lets it continue.

    libcurl delivers 16 KiB at a time. Waking the reader for each costs more than everything done
    with the bytes, so it is woken for many; bytes that arrive slowly do not wait for long.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._wanted_bytes = 0
        """The number of bytes that a reader waits for; 0: no reader waits."""
        self._paused = False
        self._ended = False

    def write(self, data: bytes) -> bool:
        """Accept some bytes, or have them offered again."""
        with self._lock:
            if self._held_bytes >= _HIGH_WATER_BYTES:
                self._paused = True
                return False
            self._pieces.append(data)
            self._held_bytes += len(data)
            if 0 < self._wanted_bytes <= self._held_bytes:
                self._wanted_bytes = 0
                self._condition.notify()
        return True

    def end(self, _: object = None) -> None:
        """No more bytes will come."""
        with self._lock:
            self._ended = True
            self._condition.notify()

    def wait(self) -> None:
        """Wait until there are bytes, or no more will come."""
        with self._lock:
            self._wait_for(1)

    def take(self, size: int) -> tuple[bytes, bool]:
        """Return up to `size` bytes, b"" at the end, and whether to resume the transfer."""
        with self._lock:
            worth_bytes = min(size, _WORTH_WAKING_BYTES)
            self._wait_for(worth_bytes, _LINGER_S)
            if not self._held_bytes:
                self._wait_for(1)
                self._wait_for(worth_bytes, _LINGER_S)
            pieces = self._next_pieces(size)
            go_on = self._paused and self._held_bytes <= _LOW_WATER_BYTES
            self._paused = self._paused and not go_on
        return b"".join(pieces), go_on

    def _wait_for(self, wanted_bytes: int, timeout_s: float | None = None) -> None:
        if self._held_bytes < wanted_bytes and not self._ended:
            self._wanted_bytes = wanted_bytes
            while not self._condition.wait_for(
                lambda: self._held_bytes >= wanted_bytes or self._ended, timeout_s or LOOK_UP_S
            ):
                if timeout_s is not None:
                    break
            self._wanted_bytes = 0

    def _next_pieces(self, size: int) -> list[bytes]:
        pieces: list[bytes] = []
        while self._pieces and size:
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            pieces.append(piece)
            size -= len(piece)
            self._held_bytes -= len(piece)
        return pieces


def check_range(response: Response, start: int, end: int, size_bytes: int) -> None:
    """Check that a successful response announces the bytes that were asked for.

    Args:
        response: its head has arrived.
        start: offset of the first byte.
        end: offset after the last one.
        size_bytes: of the whole object, which is asked for without a range.

    Raises:
        StoreConnectionError: it announces other bytes (RFC 9110, sections 14.4 and 15.3.7).
    """
    is_part = (start, end) != (0, size_bytes)
    if response.status != (206 if is_part else 200):
        ignored = "the server ignored the range" if is_part else "it is not the whole object"
        raise not_understood(response, f"has status {response.status}: {ignored}")
    announced = response.headers.get("content-range")
    if is_part and announced != f"bytes {start}-{end - 1}/{size_bytes}":
        raise not_understood(
            response, f"has the range {shown(announced)}, not bytes {start}-{end - 1}/{size_bytes}"
        )
    length = response.headers.get("content-length")
    if length not in (None, str(end - start)):
        raise not_understood(response, f"has {shown(length)} bytes, not {end - start}")


class Download:
    """The reading end of a successful transfer.

    Once it is read to its end, its connection serves the next request.
    """

    def __init__(self, transfer: Transfer, pipe: Pipe, size_bytes: int) -> None:
        self._transfer = transfer
        self._pipe = pipe
        self._size_bytes = self._left = size_bytes

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises:
            StoreConnectionError, StoreTimeoutError: the connection broke, or bytes are missing.
        """
        if self._left == 0:
            return b""
        piece, go_on = self._pipe.take(size)
        if go_on:
            self._transfer.resume()
        if not piece:
            self._transfer.result()  # raises what ended it early
            raise StoreConnectionError(f"the response was short by {self._left} bytes")
        if len(piece) > self._left:
            raise StoreConnectionError("the response was longer than the object")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Stop reading; a transfer in flight is aborted."""
        if self._left == 0 and self._has_all:
            self._transfer.future.exception()  # the transfer is ending: no bytes are left
        self._transfer.cancel()

    @property
    def _has_all(self) -> bool:
        """Whether the response announced exactly the bytes to be read."""
        return self._transfer.response.headers.get("content-length") == str(self._size_bytes)
