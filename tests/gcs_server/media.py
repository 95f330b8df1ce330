"""The bytes of an object as a response: headers, ranges, decompressive transcoding."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from .errors import ApiError
from .objects import StoredObject
from .state import State
from .wire import Response

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def media(state: State, record: StoredObject, asked: Mapping[str, str]) -> Response:
    """Send an object, or the range of it that the request asks for."""
    headers = {
        "Content-Type": record.content_type or "application/octet-stream",
        "ETag": record.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": record.cache_control or "private, max-age=0",
        "x-goog-generation": str(record.generation),
        "x-goog-metageneration": str(record.metageneration),
        "x-goog-hash": f"crc32c={record.crc32c},md5={record.md5_hash}",
        "x-goog-stored-content-encoding": record.fields.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(record.size),
        "x-goog-storage-class": record.storage_class,
    }
    if record.content_disposition:
        headers["Content-Disposition"] = record.content_disposition
    for key, value in record.metadata.items():
        if value.isascii() and key.isascii() and not {"\r", "\n"} & set(key + value):
            headers[f"x-goog-meta-{key}"] = value
    if record.fields.get("contentEncoding") == "gzip":
        # cloud.google.com/storage/docs/transcoding: as it is stored for a client that accepts that,
        # else decompressed, and whole.
        if "gzip" not in asked.get("accept-encoding", ""):
            with state.open(record) as stream:
                whole = zlib.decompress(stream.read(), 16 + zlib.MAX_WBITS)
            return Response(200, headers, whole, close=True)
        headers["Content-Encoding"] = "gzip"
    span = _span(asked.get("range", ""), record.size)
    stream = state.open(record)
    if span is None:
        return Response(200, headers, stream=stream, length=record.size)
    first, end = span
    stream.seek(first)
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{record.size}"
    return Response(206, headers, stream=stream, length=end - first)


def _span(text: str, size: int) -> tuple[int, int] | None:
    """Parse a Range; None means the whole object, as for anything but a single byte range."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[0] == "bytes=-":
        return None
    if found[1]:
        first, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, end = max(size - int(found[2]), 0), size
    if first >= size:
        raise ApiError(
            416,
            "requestedRangeNotSatisfiable",
            "The requested range cannot be satisfied.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, end
