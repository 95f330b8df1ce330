"""The bytes of an asset: ranges, validators, stored headers, windows that slow listeners bound.

A stored object is read in windows. While a client takes them at once, they grow; for a slow one
they are small, and no thread and no connection to the store waits for it.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import google_crc32c
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from audiostore.asset import PartName, require_servable
from audiostore.errors import BlobNotFoundError, IntegrityError
from audiostore.serve.calls import Calls
from audiostore.serve.documents import content_etag
from audiostore.serve.problems import RefusedError
from audiostore.serve.ranges import (
    ByteRange,
    UnsatisfiableRangeError,
    names_etag,
    range_applies,
    requested_range,
)
from audiostore.sources import encode_crc32c
from audiostore.stores import Store
from audiostore.values import BlobInfo, same_bytes

_SMALL_WINDOW_BYTES: Final = 256 << 10
_LARGE_WINDOW_BYTES: Final = 512 << 10
_AT_ONCE_S: Final = 0.1
"""A client that takes a window in less time is fast."""
_PIECE_BYTES: Final = 64 << 10
REDIRECT_S: Final = 12 * 3600
"""The life of a signed URL that a client is redirected to."""
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What is served with stored bytes, which may be anybody's."""


class Stopping:
    """Whether the service is shutting down: transfers to listeners end then."""

    is_set = False


class Content:
    """Serves the objects of a store."""

    def __init__(self, store: Store, calls: Calls, stopping: Stopping) -> None:
        self._store = store
        self._calls = calls
        self._stopping = stopping

    def response(self, request: Request, blob: BlobInfo) -> Response:
        """Return the response to a GET or HEAD request for an object: 200, 206, 304 or 416.

        Raises:
            UnsupportedFormatError: its name or content type is none of audiostore's.
            UnreadableBlobError: the store does not tell its checksum.
            RefusedError: no byte of it is in the range (416).
        """
        require_servable(blob)
        headers = _headers(blob)
        etag = headers["ETag"]
        if names_etag(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        wanted = _wanted(request.headers, blob, etag)
        sent = wanted or ByteRange(0, blob.size_bytes)
        headers["Content-Length"] = str(sent.size_bytes)
        if wanted is not None:
            headers["Content-Range"] = f"bytes {sent.start}-{sent.stop - 1}/{blob.size_bytes}"
        status = 200 if wanted is None else 206
        if request.method == "HEAD":
            return _typed(Response(status_code=status, headers=headers), blob)
        return _typed(StreamingResponse(self._pieces(blob, sent), status, headers), blob)

    async def _pieces(self, blob: BlobInfo, sent: ByteRange) -> AsyncIterator[bytes]:
        """Yield the bytes of a range; all of an object, verified: the last ones only if it is."""
        verifies = sent.size_bytes == blob.size_bytes
        window_bytes, position, crc = _SMALL_WINDOW_BYTES, sent.start, 0
        while position < sent.stop and not self._stopping.is_set:
            stop = min(position + window_bytes, sent.stop)
            data = await self._calls.run(self._read, blob, position, stop)
            if verifies:
                crc = google_crc32c.extend(crc, data)
                if stop == sent.stop and encode_crc32c(crc) != blob.crc32c:
                    raise IntegrityError(f"{blob.name} was received with wrong bytes")
            position = stop
            started = time.monotonic()
            view = memoryview(data)
            for offset in range(0, len(data), _PIECE_BYTES):
                yield bytes(view[offset : offset + _PIECE_BYTES])
            is_fast = time.monotonic() - started < _AT_ONCE_S
            window_bytes = min(2 * window_bytes if is_fast else 0, _LARGE_WINDOW_BYTES)
            window_bytes = max(window_bytes, _SMALL_WINDOW_BYTES)

    def _read(self, blob: BlobInfo, start: int, stop: int) -> bytes:
        try:
            return self._read_generation(blob, start, stop)
        except BlobNotFoundError:
            found = self._store.stat(blob.name)
            if not same_bytes(found, blob):
                raise
            return self._read_generation(found, start, stop)  # in another storage class

    def _read_generation(self, blob: BlobInfo, start: int, stop: int) -> bytes:
        reader = self._store.open(blob, start=start, stop=stop)
        try:
            pieces, left = [], stop - start
            while left:
                piece = reader.read(left)
                if not piece:
                    raise IntegrityError(f"{blob.name} is shorter than its store says")
                pieces.append(piece)
                left -= len(piece)
        finally:
            reader.close()
        return b"".join(pieces)


def redirect(url: str) -> Response:
    """Return a redirect to a signed URL, which is not kept for longer than it lives."""
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})


def part_of(parts: Mapping[str, BlobInfo], part: PartName, audio_id: str) -> BlobInfo:
    """Return the object of a part.

    Raises:
        RefusedError: the asset has no such part (404).
    """
    try:
        return parts[part]
    except KeyError:
        raise RefusedError(
            404, f"asset {audio_id} has no {part}", kind="AssetNotFoundError"
        ) from None


def _headers(blob: BlobInfo) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": content_etag(blob),
        # What needs a token is for its bearer alone.
        "Cache-Control": (blob.cache_control or "private").replace("public", "private"),
        **HEADERS,
    }
    if blob.content_disposition and blob.content_disposition.isascii():
        headers["Content-Disposition"] = blob.content_disposition
    return headers


def _typed(response: Response, blob: BlobInfo) -> Response:
    response.headers["Content-Type"] = blob.content_type  # without a charset
    return response


def _wanted(headers: Headers, blob: BlobInfo, etag: str) -> ByteRange | None:
    if not range_applies(headers.get("if-range"), etag):
        return None
    try:
        return requested_range(headers.get("range"), blob.size_bytes)
    except UnsatisfiableRangeError as error:
        raise RefusedError(
            416,
            f"{error}: {blob.size_bytes} bytes are stored",
            kind="RangeNotSatisfiable",
            headers={"Content-Range": f"bytes */{blob.size_bytes}"},
        ) from None
