"""Serves the objects of a directory store to a browser, on this machine only.

Like a bucket, it sends each object with its stored headers and supports range requests (RFC 9110,
14), which players need for seeking.
"""

import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from audiostore.errors import BlobNotFoundError
from audiostore.stores.local import LocalStore
from audiostore.values import BlobInfo

_PIECE_BYTES = 1 << 16
_IDLE_TIMEOUT_S = 60.0
_MAX_REPORT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request for an object, and its response."""

    method: str
    path: str
    range: str | None
    status: int
    content_range: str | None


@dataclass(frozen=True, slots=True)
class Faults:
    """Deliberate faults of the server."""

    ignores_range: bool = False
    content_type: str | None = None
    """Sent instead of the stored one."""


class UnsatisfiableRangeError(Exception):
    """The range starts after the end of the object."""


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Return the start and the end (exclusive) of the requested bytes; None for the whole object.

    Invalid and multiple ranges get the whole object, which RFC 9110, 14.2 allows.

    Raises:
        UnsatisfiableRangeError: the object has no such bytes.
    """
    unit, _, spec = (header or "").partition("=")
    first, dash, last = (part.strip() for part in spec.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not (first or last):
        return None
    if not all(part.isascii() and part.isdigit() for part in (first, last) if part):
        return None
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(int(last) + 1, size_bytes) if first and last else size_bytes
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return start, end


class StoreServer:
    """A server for one directory store, and for a page that plays its content.

    A context manager: it listens on 127.0.0.1 for the duration of the block.
    """

    def __init__(
        self,
        root: Path,
        *,
        pages: Mapping[str, tuple[str, bytes]] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.store = LocalStore(root)
        self.pages = pages or {}
        self.faults = faults or Faults()
        self.requests: list[Request] = []
        self.report: bytes | None = None
        self.reported = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: StoreServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_S
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # players disconnect in the middle of a song

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        if self.path != "/report" or size > _MAX_REPORT_BYTES:
            self._respond(HTTPStatus.NOT_FOUND, {})
            return
        self.server.owner.report = self.rfile.read(size)
        self._respond(HTTPStatus.NO_CONTENT, {})
        self.server.owner.reported.set()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        owner = self.server.owner
        name = unquote(self.path.partition("?")[0]).removeprefix("/")
        if name in owner.pages:
            content_type, body = owner.pages[name]
            self._respond(HTTPStatus.OK, {"Content-Type": content_type}, body)
            return
        try:
            blob = owner.store.stat(name)
        except (BlobNotFoundError, ValueError):
            self._respond(HTTPStatus.NOT_FOUND, {})
            return
        self._serve_blob(blob)

    def _serve_blob(self, blob: BlobInfo) -> None:
        owner, size = self.server.owner, blob.size_bytes
        etag = f'"{blob.generation}"'
        headers = {
            "Content-Type": owner.faults.content_type or blob.content_type,
            "Cache-Control": blob.cache_control,
            "Content-Disposition": blob.content_disposition,
            "ETag": etag,
            "Accept-Ranges": "none" if owner.faults.ignores_range else "bytes",
        }
        requested = self.headers.get("Range")
        is_same = self.headers.get("If-Range", etag) == etag
        span = None
        # RFC 9110, 14.2: a range is defined only for GET.
        if self.command == "GET" and is_same and not owner.faults.ignores_range:
            try:
                span = parse_range(requested, size)
            except UnsatisfiableRangeError:
                self._record(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"bytes */{size}")
                self._respond(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    {"Content-Range": f"bytes */{size}"},
                )
                return
        start, end = span or (0, size)
        status, content_range = HTTPStatus.OK, None
        if span is not None:
            status, content_range = HTTPStatus.PARTIAL_CONTENT, f"bytes {start}-{end - 1}/{size}"
        self._record(status, content_range)
        self._head(status, {**headers, "Content-Range": content_range}, end - start)
        if self.command == "GET":
            self._send(blob, start, end)

    def _send(self, blob: BlobInfo, start: int, end: int) -> None:
        with closing(self.server.owner.store.open(blob, start=start)) as reader:
            left = end - start
            while left and (piece := reader.read(min(left, _PIECE_BYTES))):
                self.wfile.write(piece)
                left -= len(piece)
        if left:  # the file is shorter than announced: the client must notice
            self.close_connection = True

    def _record(self, status: int, content_range: str | None) -> None:
        path, requested = unquote(self.path), self.headers.get("Range")
        self.server.owner.requests.append(
            Request(self.command, path, requested, int(status), content_range)
        )

    def _respond(self, status: int, headers: Mapping[str, str | None], body: bytes = b"") -> None:
        self._head(status, headers, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str | None], size_bytes: int) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(size_bytes))
        self.end_headers()
