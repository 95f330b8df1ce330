"""HTTP/1.1 on a socket: request heads, bodies in pieces, responses, and abrupt endings."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from io import BufferedReader
from typing import BinaryIO, cast

PIECE = 1024 * 1024
_MAX_HEAD = 64 * 1024

REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    308: "Resume Incomplete",
    499: "Client Closed Request",
}


class BodyCutError(Exception):
    """The connection ended before the body did."""


class ResetError(Exception):
    """A fault requires that the connection is reset now."""


class MalformedError(Exception):
    """The request cannot be parsed; the connection closes after the error response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Response:
    """A response: a body in memory, or `length` bytes of a stream, or (HEAD) only a head."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: BinaryIO | None = None
    length: int = 0
    close: bool = False
    head_only: bool = False


class Body:
    """A request body, read in pieces; `received` counts the bytes read from the connection.

    `flip_at` flips a byte as if in transit; `reset_after` raises `ResetError` once that many
    bytes were received; `rate` limits reading to this many bytes per second.
    """

    def __init__(
        self,
        source: BufferedReader,
        length: int | None,
        *,
        chunked: bool,
        on_first_read: Callable[[], None] | None,
    ) -> None:
        self._source = source
        self._left = length or 0
        self._chunked = chunked
        self._first_chunk = True
        self._on_first_read = on_first_read
        self._ahead = b""
        self.length = None if chunked else length or 0
        self.present = chunked or length is not None
        self.received = 0
        self.ended = not chunked and not length
        self.flip_at: int | None = None
        self.reset_after: int | None = None
        self.pause: Callable[[float], object] = time.sleep
        self.rate: float | None = None

    @property
    def awaited(self) -> bool:
        """Return whether the client still waits for `100 Continue`."""
        return self._on_first_read is not None and not self.ended

    def read(self, most: int = PIECE) -> bytes:
        """Return the next bytes, b"" at the end; raise `BodyCutError` if they stop too early."""
        if self.reset_after is not None:
            if self.received >= self.reset_after or (self.ended and not self._ahead):
                raise ResetError
            most = min(most, self.reset_after - self.received)
        if self.rate is not None:
            most = min(most, max(1, int(self.rate / 20)))
        if self._ahead:
            piece, self._ahead = self._ahead[:most], self._ahead[most:]
        else:
            piece = self._take(most)
        start, self.received = self.received, self.received + len(piece)
        if self.flip_at is not None and start <= self.flip_at < self.received:
            changed = bytearray(piece)
            changed[self.flip_at - start] ^= 0x01
            piece = bytes(changed)
        if self.rate is not None and piece:
            self.pause(len(piece) / self.rate)
        return piece

    def peek(self) -> bytes:
        """Peek one read further ahead; at the end, return the same again."""
        self._ahead += self._take(16 * 1024)
        return self._ahead

    def all(self, limit: int) -> bytes | None:
        """Return the whole body, None (after discarding it) if it exceeds `limit`."""
        pieces = []
        total = 0
        while piece := self.read():
            total += len(piece)
            if total <= limit:
                pieces.append(piece)
        return b"".join(pieces) if total <= limit else None

    def drain(self) -> None:
        """Read and discard the rest."""
        while self.read():
            pass

    def _take(self, most: int) -> bytes:
        if self.ended:
            return b""
        if self._on_first_read is not None:
            self._on_first_read()
            self._on_first_read = None
        try:
            if self._chunked and self._left == 0 and not self._next_chunk():
                self.ended = True
                return b""
            piece = self._source.read1(min(most, self._left))
        except OSError as error:
            raise BodyCutError from error
        if not piece:
            raise BodyCutError
        self._left -= len(piece)
        if self._left == 0 and not self._chunked:
            self.ended = True
        return piece

    def _next_chunk(self) -> bool:
        if not self._first_chunk and self._line() != b"\r\n":
            raise MalformedError(400, "Malformed chunked encoding")
        self._first_chunk = False
        size = self._line().partition(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise MalformedError(400, "Malformed chunked encoding") from None
        if self._left:
            return True
        while self._line() != b"\r\n":
            pass
        return False

    def _line(self) -> bytes:
        line = self._source.readline(_MAX_HEAD)
        if not line.endswith(b"\n"):
            raise BodyCutError
        return line


@dataclass(frozen=True)
class RawHead:
    """The head of one request, before it is interpreted."""

    method: str
    target: str
    headers: dict[str, str]
    keep_alive: bool


def read_head(source: BufferedReader) -> RawHead | None:
    """Read a request head; None if the client disconnected."""
    line = source.readline(_MAX_HEAD)
    if not line.endswith(b"\n"):
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise MalformedError(400, "Malformed request line")
    headers: dict[str, str] = {}
    total = 0
    while True:
        line = source.readline(_MAX_HEAD)
        total += len(line)
        if not line.endswith(b"\n"):
            return None
        if line in (b"\r\n", b"\n"):
            break
        if total > _MAX_HEAD:
            raise MalformedError(431, "The headers are too large")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedError(400, "Malformed header")
        key = name.lower()
        if key in headers and key in ("content-length", "host", "content-range"):
            raise MalformedError(400, f"Repeated header {name}")
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    modern = parts[2] == "HTTP/1.1"
    if modern and not headers.get("host"):
        raise MalformedError(400, "No Host header")
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if modern else "keep-alive" in connection
    return RawHead(parts[0], parts[1], headers, keep)


def body_of(head: RawHead, source: BufferedReader, sock: socket.socket) -> Body:
    """Make the body that the head announces; refuse an ambiguous length."""
    encoding = head.headers.get("transfer-encoding")
    text = head.headers.get("content-length")
    if encoding is not None and (encoding.lower() != "chunked" or text is not None):
        raise MalformedError(400, "Unsupported framing of the body")
    if text is not None and not (text.isascii() and text.isdigit()):
        raise MalformedError(400, "Malformed Content-Length")
    length = None if text is None else int(text)
    if length is None and encoding is None and head.method in ("POST", "PUT", "PATCH"):
        raise MalformedError(411, "POST, PUT and PATCH requests require a Content-length header.")
    expects = head.headers.get("expect", "").lower() == "100-continue"

    def go_on() -> None:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    return Body(
        source, length, chunked=encoding is not None, on_first_read=go_on if expects else None
    )


def head_bytes(response: Response, length: int) -> bytes:
    """Write the status line and the headers."""
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    headers = dict(response.headers)
    headers.setdefault("Date", formatdate(usegmt=True))
    headers.setdefault("Server", "UploadServer")
    if response.status not in (204, 304):
        headers.setdefault("Content-Length", str(length))
    if response.close:
        headers["Connection"] = "close"
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def pieces_of(response: Response) -> Iterator[bytes]:
    """Return the body of a response in pieces."""
    if response.stream is None:
        if response.body:
            yield response.body
        return
    left = response.length
    while left and (piece := response.stream.read(min(left, PIECE))):
        left -= len(piece)
        yield piece


def reset(sock: socket.socket, source: BufferedReader) -> None:
    """End the connection with a TCP RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(sock, source)


def close(sock: socket.socket, source: BufferedReader) -> None:
    """Release the socket."""
    with contextlib.suppress(OSError):
        source.close()
    with contextlib.suppress(OSError):
        sock.close()


def close_gently(sock: socket.socket, source: BufferedReader) -> None:
    """Finish sending, let the client read it, then close: unread input would cause a reset."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.5)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and source.read1(PIECE):
            pass
    close(sock, source)


def reader(sock: socket.socket) -> BufferedReader:
    """Read from a socket through a buffer."""
    return cast("BufferedReader", sock.makefile("rb", 64 * 1024))
