"""Routes for uploads in steps: announced, sent to the bucket or to here, resumed, completed.

Where the store is no bucket, the service speaks the protocol of a resumable session itself
(cloud.google.com/storage/docs/performing-resumable-uploads), so that one client is enough.
"""

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from audiostore.asset import FilenameGenerator, check_custom_metadata
from audiostore.serve.bodies import json_body, pieces_of, whole_number
from audiostore.serve.gate import USER_KEY
from audiostore.serve.problems import RefusedError
from audiostore.serve.receiving import metadata_of, own_name
from audiostore.serve.routes.assets import asset_response, note_written
from audiostore.serve.service import Service, require_parameters, root_of, service_of
from audiostore.serve.staging import Announced, Staged
from audiostore.sources import decode_crc32c

PIECE_BYTES = 4 << 20
"""So many bytes are kept at a time: what is lost if the service is killed, and the memory that an
upload takes."""
_RANGE: Final = re.compile(r"bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15})", re.ASCII)
_CRC32C: Final = re.compile(r"[A-Za-z0-9+/]{6}==", re.ASCII)
_KNOWN: Final = ("filename", "size_bytes", "content_type", "crc32c", "metadata", "fix_extension")
_UNKNOWN_TYPE: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)
_NO_STORE: Final = {"Cache-Control": "no-store"}


async def begin(request: Request) -> Response:
    """Begin an upload: answer where to send the bytes."""
    require_parameters(request)
    service = service_of(request)
    _require_running(service)
    given = await json_body(request, service.limits, ("application/json",))
    announced = _announced(given, service.limits.upload_bytes, _owner(request))
    upload_id, session = await service.calls.run(
        service.staging.begin, announced, origin=_origin(request)
    )
    here = f"{root_of(request)}/v1/uploads/{upload_id}"
    return JSONResponse(
        {
            "upload_id": upload_id,
            "session_url": session or f"{here}/content",
            "complete_url": f"{here}/complete",
        },
        status_code=201,
        headers={"Location": here, **_NO_STORE},
    )


async def receive(request: Request) -> Response:
    """Take bytes of an upload, or say how many there are: a session of our own."""
    require_parameters(request)
    service = service_of(request)
    _require_running(service)
    staged = await _found(request, service)
    first, end = _span(request, staged)
    if first is not None:
        with service.slots.one():
            staged = await _taken(request, service, staged, first, end)
    if not staged.is_whole:
        received = staged.received_bytes
        headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
        return Response(status_code=308, headers={**headers, **_NO_STORE})
    await service.calls.run(service.staging.require_intact, staged)
    return JSONResponse(
        {"size_bytes": staged.received_bytes, "crc32c": staged.crc32c}, headers=_NO_STORE
    )


async def complete(request: Request) -> Response:
    """Inspect what was sent, and store it; answer with the asset."""
    require_parameters(request)
    service = service_of(request)
    _require_running(service)
    with service.slots.one():
        asset = await service.calls.run(
            service.staging.complete, _upload_id(request), _owner(request)
        )
    await note_written(service, asset)
    return asset_response(request, asset, 201 if asset.created else 200)


async def end(request: Request) -> Response:
    """Cancel an upload, and remove what was sent."""
    require_parameters(request)
    service = service_of(request)
    staged = await _found(request, service)
    await service.calls.run(service.staging.remove, staged)
    return Response(status_code=204)


async def _taken(
    request: Request, service: Service, staged: Staged, first: int, end: int
) -> Staged:
    """Keep the bytes of a body that have not arrived yet, as far as it comes."""
    received = staged.received_bytes
    if first > received:
        raise RefusedError(
            409,
            f"byte {first} is sent, and {received:,} bytes have arrived: continue after these",
            kind="UploadIncomplete",
        )
    pieces = _from(pieces_of(request, service.limits, max_bytes=end - first), received - first)
    waiting = bytearray()
    try:
        async for piece in pieces:
            waiting += piece
            if len(waiting) >= PIECE_BYTES:
                staged = await service.calls.run(service.staging.add, staged, bytes(waiting))
                waiting.clear()
    except (ClientDisconnect, RefusedError):
        # The connection is broken, or too slow: what came is kept.
        if waiting:
            await service.calls.run(service.staging.add, staged, bytes(waiting))
        raise
    if waiting:
        staged = await service.calls.run(service.staging.add, staged, bytes(waiting))
    return staged


async def _from(pieces: AsyncIterator[bytes], skipped: int) -> AsyncIterator[bytes]:
    """Yield the bytes after the first `skipped`, which have arrived before."""
    async for piece in pieces:
        if len(piece) > skipped:
            yield piece[skipped:]
        skipped = max(0, skipped - len(piece))


def _span(request: Request, staged: Staged) -> tuple[int | None, int]:
    """Return the offsets of the first byte of a body, and after its last; None: it is a question.

    Raises:
        RefusedError: the Content-Range is malformed, or not one of this upload (400).
    """
    size_bytes = staged.announced.size_bytes
    text = request.headers.get("content-range")
    if text is None:
        return 0, size_bytes
    match = _RANGE.fullmatch(text)
    if match is None or int(match[3]) != size_bytes:
        raise RefusedError(
            400, f"the Content-Range must be bytes FIRST-LAST/{size_bytes}, or bytes */{size_bytes}"
        )
    if match[1] is None:
        return None, size_bytes
    first, stop = int(match[1]), int(match[2]) + 1
    if not first < stop <= size_bytes:
        raise RefusedError(400, f"the upload has {size_bytes:,} bytes: none of them is in {text}")
    return first, stop


async def _found(request: Request, service: Service) -> Staged:
    return await service.calls.run(service.staging.find, _upload_id(request), _owner(request))


def _upload_id(request: Request) -> str:
    upload_id: str = request.path_params["upload_id"]
    if not FilenameGenerator.validate_uuid(upload_id):
        raise RefusedError(404, "no upload has this id", kind="BlobNotFoundError")
    return upload_id


def _owner(request: Request) -> str:
    owner: str = request.scope.get(USER_KEY, "")
    return owner


def _require_running(service: Service) -> None:
    if service.stopping.is_set:
        raise RefusedError(503, "the service is shutting down", kind="ShuttingDown")


def _origin(request: Request) -> str | None:
    """Return the origin of the page that asks; the gate lets only pages ask that may."""
    origin = request.headers.get("origin", "")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    is_page = parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{parts.netloc}"
    return origin if is_page and origin.isascii() else None


def _announced(given: Any, max_bytes: int, owner: str) -> Announced:
    """Return what a client announces.

    Raises:
        RefusedError: a value is not valid (422), or it is too large (413).
        InvalidMetadataError: the metadata cannot be stored.
    """
    if not isinstance(given, dict) or not set(given) <= set(_KNOWN):
        raise RefusedError(422, f"an upload must be an object with {', '.join(_KNOWN)}")
    name = given.get("filename")
    filename = own_name(name) if isinstance(name, str) else None
    if filename is None:
        raise RefusedError(422, "filename must be the name of the file")
    size_bytes = whole_number(given.get("size_bytes"))
    if size_bytes is None or size_bytes < 1:
        raise RefusedError(422, "size_bytes must be the number of bytes of the file: 1 or more")
    if size_bytes > max_bytes:
        raise RefusedError(
            413,
            f"the file has {size_bytes:,} bytes: the limit is {max_bytes:,}",
            kind="ContentTooLarge",
        )
    metadata = metadata_of({} if given.get("metadata") is None else given["metadata"])
    check_custom_metadata(metadata)
    fixes = given.get("fix_extension", False)
    if not isinstance(fixes, bool):
        raise RefusedError(422, "fix_extension must be true or false")
    return Announced(
        filename,
        size_bytes,
        _content_type(given.get("content_type")),
        _checksum(given.get("crc32c")),
        metadata,
        fixes,
        owner,
    )


def _content_type(given: Any) -> str:
    """Return the type to store the bytes with until they are inspected; browsers may not know."""
    is_known = isinstance(given, str) and _MEDIA_TYPE.fullmatch(given)
    if not (given in (None, "") or is_known):
        raise RefusedError(422, "content_type must be a media type such as audio/mpeg")
    return given or _UNKNOWN_TYPE


def _checksum(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not _CRC32C.fullmatch(given):
        raise RefusedError(422, "crc32c must be 4 bytes in base64, big-endian, as in 'yZRlqg=='")
    decode_crc32c(given)
    return given
