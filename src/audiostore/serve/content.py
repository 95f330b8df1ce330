"""The bytes of an asset: ranges, validators, stored headers.

An object is read in windows, each by a request of its own: no thread and no connection to the store
waits for a slow client. Windows stay smaller than those of `AsyncAudioStorageManager.stream`: the
buffers of a kernel take megabytes at once, so that the slowest client seems fast at first, and then
keeps the window that it has. What fits into one window is read before the response begins, and sent
in one piece: a failure is then answered as one, and no task has to watch over the transfer.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from anyio.lowlevel import checkpoint
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from audiostore.asset import BlobRanges, PartName, require_servable
from audiostore.serve.calls import Calls
from audiostore.serve.documents import content_etag
from audiostore.serve.problems import RefusedError, not_found
from audiostore.serve.ranges import (
    ByteRange,
    UnsatisfiableRangeError,
    names_etag,
    range_applies,
    requested_range,
)
from audiostore.stores import Store
from audiostore.values import BlobInfo, StorageResult

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
    """Serves the objects of assets.

    Args:
        store: where they are.
        calls: runs what reads them.
        stopping: whether transfers are to end.
    """

    def __init__(self, store: Store, calls: Calls, stopping: Stopping) -> None:
        self._store = store
        self._calls = calls
        self._stopping = stopping
        self.listeners = 0
        """How many clients are being sent more bytes of an object than a window."""

    def response(self, request: Request, asset: StorageResult, part: PartName) -> Response:
        """Return the response to a GET or HEAD request for a part: 200, 206, 304 or 416.

        It may read from the store: call it in a thread.

        Raises:
            AudioStoreError: its name or content type is none of audiostore's; its bytes cannot be
                read, or are not those that were stored.
            RefusedError: the asset has no such part (404), or no byte is in the range (416).
        """
        blob = asset.parts.get(part)
        if blob is None:
            raise not_found(f"asset {asset.audio_id} has no {part}")
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
        if sent.size_bytes <= _SMALL_WINDOW_BYTES:
            data = BlobRanges(self._store, blob).read(sent.start, sent.stop)
            return _typed(Response(data, status, headers), blob)
        return _typed(StreamingResponse(self._pieces(blob, sent), status, headers), blob)

    async def _pieces(self, blob: BlobInfo, sent: ByteRange) -> AsyncIterator[bytes]:
        """Yield the bytes of a range; those of a whole object verified, before the last ones."""
        self.listeners += 1
        try:
            async for piece in self._read(blob, sent):
                yield piece
        finally:
            self.listeners -= 1

    async def _read(self, blob: BlobInfo, sent: ByteRange) -> AsyncIterator[bytes]:
        ranges = BlobRanges(self._store, blob)
        window_bytes, position = _SMALL_WINDOW_BYTES, sent.start
        while position < sent.stop:
            stop = min(position + window_bytes, sent.stop)
            window = await self._calls.run(ranges.read, position, stop)
            started = time.monotonic()
            for offset in range(0, len(window), _PIECE_BYTES):
                if self._stopping.is_set:
                    return  # with fewer bytes than were announced: the client asks again
                yield window[offset : offset + _PIECE_BYTES]
                await checkpoint()  # what is sent to a client that has gone is seen by then
            is_fast = time.monotonic() - started < _AT_ONCE_S
            window_bytes = _LARGE_WINDOW_BYTES if is_fast else _SMALL_WINDOW_BYTES
            position = stop


def redirect(url: str) -> Response:
    """Return a redirect to a signed URL, which is not kept for longer than it lives."""
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})


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
