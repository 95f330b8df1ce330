"""A plain client for the tests of the server itself: one connection, no retries."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import google_crc32c

from tests.timing import PATIENCE_S, wait_until

from .server import StrictServer

B = "bucket"
UPLOAD = f"/upload/storage/v1/b/{B}/o"
OBJECTS = f"/storage/v1/b/{B}/o"
DROPPED = (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def reason(self) -> str:
        return str(self.json["error"]["errors"][0]["reason"])


class Client:
    def __init__(self, server: StrictServer) -> None:
        self.server = server
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        url = f"{path}{'&' if '?' in path else '?'}{urlencode(query)}" if query else path
        try:
            self.line.request(method, url, body, headers or {})
            response = self.line.getresponse()
            raw = response.read()
        except BaseException:
            self.line.close()
            raise
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, raw)

    def json(self, method: str, path: str, value: dict[str, Any], **query: Any) -> Answer:
        """Send JSON."""
        head = {"Content-Type": "application/json"}
        return self(method, path, json.dumps(value).encode(), head, **query)

    def multipart(
        self, name: str, data: bytes, meta: dict[str, Any] | None = None, **query: Any
    ) -> Answer:
        body, kind = related({"name": name, **(meta or {})}, data)
        return self("POST", UPLOAD, body, {"Content-Type": kind}, uploadType="multipart", **query)

    def start(
        self,
        name: str,
        meta: dict[str, Any] | None = None,
        size: int | None = None,
        **query: Any,
    ) -> str:
        headers = {"Content-Type": "application/json", "X-Upload-Content-Type": "audio/flac"}
        if size is not None:
            headers["X-Upload-Content-Length"] = str(size)
        body = json.dumps({"name": name, **(meta or {})}).encode()
        response = self("POST", UPLOAD, body, headers, uploadType="resumable", **query)
        assert response.status == 200, response
        assert response.headers["location"].startswith(self.server.url)
        return response.headers["location"].removeprefix(self.server.url)

    def chunk(
        self, session: str, data: bytes, first: int, total: int | None, **headers: str
    ) -> Answer:
        span = f"bytes {first}-{first + len(data) - 1}/{'*' if total is None else total}"
        return self("PUT", session, data, {"Content-Range": span, **headers})

    def status(self, session: str, total: int | None = None) -> Answer:
        span = f"bytes */{'*' if total is None else total}"
        return self("PUT", session, b"", {"Content-Range": span})

    def cut(self, path: str, headers: dict[str, str], part: bytes, *, method: str) -> None:
        """Send the start of a body and disconnect."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.server.host}"]
        lines += [f"{k}: {v}" for k, v in headers.items()]
        before = len(self.server.requests)
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + part)
        wait_until(lambda: len(self.server.requests) > before and self.server.requests[-1].done)


def related(meta: dict[str, Any], data: bytes) -> tuple[bytes, str]:
    head = b"--sep\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
    middle = b"\r\n--sep\r\nContent-Type: audio/flac\r\n\r\n"
    return (
        head + json.dumps(meta).encode() + middle + data + b"\r\n--sep--",
        'multipart/related; boundary="sep"',
    )


def crc(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def path_of(name: str) -> str:
    return f"{OBJECTS}/{quote(name, safe='')}"
