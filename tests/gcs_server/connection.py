"""One client connection: requests one after the other, with faults, hooks and recording."""

from __future__ import annotations

import contextlib
import gzip
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event, Lock

from .app import App
from .calls import Call
from .errors import ApiError
from .faults import Fault, Faults, Head, Mangle
from .multipart import peek_json
from .resources import parse_json
from .routing import Route, content_range, route
from .wire import (
    Body,
    BodyCutError,
    MalformedError,
    RawHead,
    ResetError,
    Response,
    body_of,
    close,
    close_gently,
    head_bytes,
    pieces_of,
    read_head,
    reader,
    reset,
)
from .xml_api import xml_error

_WORTH_COMPRESSING = 1000


@dataclass(frozen=True)
class Request:
    """One recorded request.

    `status` is the status of the response: None while the request is in progress, and for good if
    the connection was dropped. `body_bytes` counts the bytes read from the connection. `path` is
    as sent.
    """

    index: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    operation: str
    name: str
    body_bytes: int = 0
    status: int | None = None
    done: bool = False


class Recorder:
    """All requests, in order of arrival."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: list[Request] = []

    def add(self, request: Callable[[int], Request]) -> Request:
        """Add a new request."""
        with self._lock:
            made = request(len(self._requests))
            self._requests.append(made)
            return made

    def update(self, request: Request) -> None:
        """Replace the earlier state of a request with a later one."""
        with self._lock:
            self._requests[request.index] = request

    def all(self) -> list[Request]:
        """Return a copy of the list."""
        with self._lock:
            return list(self._requests)


@dataclass
class Shared:
    """State shared by all connections of a server."""

    app: App
    faults: Faults
    recorder: Recorder
    closing: Event
    on_request: Callable[[Request], object] | None = None
    on_response: Callable[[Request], object] | None = None


class DroppedError(Exception):
    """The connection must end without a response."""


class Connection:
    """Serves one socket until it ends."""

    def __init__(self, shared: Shared, sock: socket.socket) -> None:
        self._shared = shared
        self._sock = sock
        self._source = reader(sock)

    def run(self) -> None:
        """Serve; the socket is closed afterwards."""
        try:
            while not self._shared.closing.is_set() and self._one():
                pass
            close(self._sock, self._source)
        except ResetError:
            reset(self._sock, self._source)
        except (OSError, ValueError, BodyCutError, DroppedError):
            close(self._sock, self._source)

    def _one(self) -> bool:
        try:
            raw = read_head(self._source)
            if raw is None:
                return False
            body = body_of(raw, self._source, self._sock)
        except MalformedError as error:
            return self._refuse(error)
        path, _, _ = raw.target.partition("?")
        answerable = _understand(raw)
        understood = answerable if isinstance(answerable, Route) else None
        head = self._head(raw, path, understood, body)
        request = self._shared.recorder.add(
            lambda index: Request(
                index,
                raw.method,
                path,
                head.query,
                raw.headers,
                head.operation,
                self._known_name(understood),
            )
        )
        status: int | None = None
        response: Response | None = None
        try:
            if self._shared.on_request is not None:
                self._shared.on_request(request)
            fault = self._shared.faults.pick(head)
            self._prepare(body, fault)
            response = self._answer(raw, answerable, body, fault, head)
            status = None if fault.lose else response.status
            if self._shared.on_response is not None:
                self._shared.on_response(_done(request, head, body, status))
            if fault.stall_after:
                self._wait(fault.stall_after)
        except BaseException:
            status = None
            if response is not None and response.stream is not None:
                response.stream.close()
            raise
        finally:
            self._shared.recorder.update(_done(request, head, body, status))
        if fault.lose and response.stream is not None:
            response.stream.close()
        if fault.lose == "rst":
            raise ResetError
        if fault.lose == "close":
            raise DroppedError
        if fault.mangle is not None:
            _mangle(response, fault.mangle)
        _compress(response, raw.headers)
        response.close = response.close or not raw.keep_alive
        response.head_only = raw.method == "HEAD"
        return self._send(response, fault)

    def _refuse(self, error: MalformedError) -> bool:
        kind, body = ApiError(error.status, "badRequest", str(error)).body()
        self._send(Response(error.status, {"Content-Type": kind}, body, close=True), Fault())
        return False

    def _prepare(self, body: Body, fault: Fault) -> None:
        if fault.stall:
            self._wait(fault.stall)
        if fault.reset_after == 0:
            raise ResetError
        body.flip_at = fault.flip_request
        body.reset_after = fault.reset_after
        body.rate = fault.rate
        body.pause = self._wait

    def _answer(
        self,
        raw: RawHead,
        understood: Route | ApiError,
        body: Body,
        fault: Fault,
        head: Head,
    ) -> Response:
        plain = head.operation == "download"
        try:
            if fault.status is not None:
                response = _configured_response(fault)
                if not fault.read_body:
                    response.close = not body.ended
                    return response
            elif isinstance(understood, ApiError):
                raise understood
            else:
                base = f"http://{raw.headers.get('host', '127.0.0.1')}"
                call = Call(
                    understood,
                    raw.method,
                    head.path,
                    raw.headers,
                    body,
                    base,
                    fault,
                    head.found_name,
                )
                response = self._shared.app.handle(call)
        except ApiError as error:
            kind, text = xml_error(error) if head.operation == "xml" else error.body(plain=plain)
            response = Response(error.status, {"Content-Type": kind, **error.headers}, text)
        except MalformedError as error:
            kind, text = ApiError(error.status, "badRequest", str(error)).body()
            return Response(error.status, {"Content-Type": kind}, text, close=True)
        if isinstance(understood, Route) and understood.operation.startswith("session_"):
            response.headers.update(self._shared.app.uploads.cors(understood))
        if body.awaited:
            response.close = True
        else:
            try:
                body.drain()
            except BaseException:
                if response.stream is not None:
                    response.stream.close()
                raise
        return response

    def _send(self, response: Response, fault: Fault) -> bool:
        length = len(response.body) if response.stream is None else response.length
        left = length if fault.truncate is None else min(fault.truncate, length)
        cut = left < length and not response.head_only
        try:
            out = head_bytes(response, length)
            sent = 0
            for piece in () if response.head_only else pieces_of(response):
                part = _flipped(piece[: left - sent], sent, fault.flip_response)
                out = out + part if len(out) + len(part) <= 128 * 1024 else self._push(out, part)
                sent += len(part)
                if fault.rate is not None:
                    out = self._slowly(out, fault.rate)
                if sent >= left:
                    break
            self._sock.sendall(out)
        finally:
            if response.stream is not None:
                response.stream.close()
        if cut or response.close:
            close_gently(self._sock, self._source)
            return False
        return True

    def _push(self, out: bytes, part: bytes) -> bytes:
        self._sock.sendall(out)
        self._sock.sendall(part)
        return b""

    def _slowly(self, out: bytes, rate: float) -> bytes:
        step = max(1, int(rate / 20))
        for start in range(0, len(out), step):
            piece = out[start : start + step]
            self._sock.sendall(piece)
            self._wait(len(piece) / rate)
        return b""

    def _wait(self, seconds: float) -> None:
        if self._shared.closing.wait(seconds):
            raise DroppedError

    def _known_name(self, understood: Route | None) -> str:
        if understood is None:
            return ""
        upload_id = understood.query.get("upload_id")
        session = self._shared.app.uploads.find(upload_id) if upload_id else None
        if session is not None:
            return session.name
        return understood.to_name or understood.name or understood.query.get("name", "")

    def _head(self, raw: RawHead, path: str, understood: Route | None, body: Body) -> Head:
        if understood is None:
            return Head(raw.method, path, {}, raw.headers)

        def name() -> str:
            known = self._known_name(understood)
            if known or understood.operation not in ("upload", "session_start"):
                return known
            with contextlib.suppress(BodyCutError, ApiError, MalformedError):
                return str(parse_json(peek_json(body, raw.headers)).get("name", ""))
            return ""

        last = understood.operation == "session_chunk" and _completes(raw.headers)
        return Head(
            raw.method,
            path,
            understood.query,
            raw.headers,
            operation=understood.operation,
            last=last,
            name=name,
        )


def _compress(response: Response, asked: Mapping[str, str]) -> None:
    """Compress JSON for a client that accepts it, and has gzip in its name.

    See cloud.google.com/storage/docs/json_api/v1/how-tos/performance, and of Google's other JSON
    APIs developers.google.com/authorized-buyers/apis/guides/performance.
    """
    is_asked = all("gzip" in asked.get(name, "") for name in ("accept-encoding", "user-agent"))
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    is_plain = response.stream is None and "Content-Encoding" not in response.headers
    if is_asked and is_json and is_plain and len(response.body) > _WORTH_COMPRESSING:
        response.body = gzip.compress(response.body, 6)
        response.headers["Content-Encoding"] = "gzip"


def _mangle(response: Response, how: Mangle) -> None:
    body = b"".join(pieces_of(response))
    if response.stream is not None:
        response.stream.close()
    made = how(response.status, response.headers, body)
    response.status, response.headers, response.body = made
    response.stream = None


def _done(request: Request, head: Head, body: Body, status: int | None) -> Request:
    return replace(
        request,
        name=request.name or head.known_name,
        body_bytes=body.received,
        status=status,
        done=True,
    )


def _understand(raw: RawHead) -> Route | ApiError:
    try:
        return route(raw.method, raw.target, raw.headers)
    except ApiError as refusal:
        return refusal


def _completes(headers: Mapping[str, str]) -> bool:
    text = headers.get("content-range")
    if text is None:
        return True
    with contextlib.suppress(ApiError):
        wanted = content_range(text)
        return wanted.first is not None and wanted.end == wanted.total
    return False


def _configured_response(fault: Fault) -> Response:
    status = fault.status or 500
    if fault.body is not None:
        kind, body = "text/plain; charset=utf-8", fault.body
    else:
        reason = {429: "rateLimitExceeded", 401: "authError", 403: "forbidden"}.get(
            status, "backendError" if status >= 500 else "invalid"
        )
        message = "The server was configured to respond like this."
        kind, body = ApiError(status, reason, message).body()
    return Response(status, {"Content-Type": kind, **fault.headers}, body)


def _flipped(piece: bytes, start: int, at: int | None) -> bytes:
    if at is None or not start <= at < start + len(piece):
        return piece
    changed = bytearray(piece)
    changed[at - start] ^= 0x01
    return bytes(changed)
