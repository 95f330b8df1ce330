"""multipart/related, exactly as in an upload: JSON, then the bytes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import ApiError, invalid
from .wire import Body

_LIMIT = 256 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))\s*(?:;|$)', re.IGNORECASE)


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart/related content type."""
    if content_type.partition(";")[0].strip().lower() != "multipart/related":
        raise _bad("the content type is not multipart/related")
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _bad("no boundary found")
    return (found[1] or found[2]).encode("latin-1")


class Parts:
    """Reads the two parts one after the other, the second one in pieces."""

    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._mark = b"\r\n--" + boundary
        self._window = b"\r\n"

    def json_part(self) -> bytes:
        """Return the first part, which must be JSON."""
        self._until(len(self._mark) + 2)
        if self._window.startswith(b"\r\n\r\n"):
            self._window = self._window[2:]
            self._until(len(self._mark) + 2)
        if not self._window.startswith(self._mark + b"\r\n"):
            raise _bad("it does not start with its boundary")
        self._window = self._window[len(self._mark) + 2 :]
        headers = self._headers()
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise _bad("the first part is not application/json")
        while (at := self._window.find(self._mark)) < 0:
            if len(self._window) > _LIMIT:
                raise _bad("the first part is too large")
            if not self._more():
                raise _bad("the first part does not end")
        text, self._window = self._window[:at], self._window[at + len(self._mark) :]
        self._until(2)
        if not self._window.startswith(b"\r\n"):
            raise _bad("no second part found")
        self._window = self._window[2:]
        return text

    def media_headers(self) -> dict[str, str]:
        """Return the headers of the second part."""
        headers = self._headers()
        if headers.get("content-transfer-encoding", "binary").lower() != "binary":
            raise _bad("the second part is not binary")
        return headers

    def media(self) -> Iterator[bytes]:
        """Return the second part in pieces; refuse anything but the end after it."""
        keep = len(self._mark)
        while (at := self._window.find(self._mark)) < 0:
            ready = len(self._window) - keep
            if ready > 0:
                yield self._window[:ready]
                self._window = self._window[ready:]
            if not self._more():
                raise _bad("it does not end with its boundary")
        if at:
            yield self._window[:at]
        self._window = self._window[at + keep :]
        while len(self._window) <= 4 and self._more():
            pass
        if self._window not in (b"--", b"--\r\n"):
            raise _bad("there is something after the second part")

    def _headers(self) -> dict[str, str]:
        if self._starts_blank():
            return {}
        while (at := self._window.find(b"\r\n\r\n")) < 0:
            if len(self._window) > _LIMIT or not self._more():
                raise _bad("the headers of a part do not end")
        text, self._window = self._window[:at], self._window[at + 4 :]
        headers: dict[str, str] = {}
        for line in text.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if not colon or "\n" in line or "\r" in line:
                raise _bad("a header of a part is malformed")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _starts_blank(self) -> bool:
        self._until(2)
        if self._window.startswith(b"\r\n"):
            self._window = self._window[2:]
            return True
        return False

    def _until(self, size: int) -> None:
        while len(self._window) < size and self._more():
            pass

    def _more(self) -> bool:
        piece = self._body.read()
        self._window += piece
        return bool(piece)


def peek_json(body: Body, headers: dict[str, str]) -> bytes:
    """Look ahead for the JSON that opens an upload, without consuming it."""
    multipart = headers.get("content-type", "").lower().startswith("multipart/")
    ahead, size = body.peek(), -1
    while len(ahead) != size and len(ahead) < 64 * 1024:
        if multipart and (start := ahead.find(b"\r\n\r\n") + 4) >= 4:
            end = ahead.find(b"\r\n--", start)
            if end >= 0:
                return ahead[start:end]
        size = len(ahead)
        ahead = body.peek()
    return b"" if multipart else ahead


def _bad(why: str) -> ApiError:
    return invalid(f"Malformed multipart body: {why}.", "badRequest")
