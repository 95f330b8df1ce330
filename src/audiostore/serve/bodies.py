"""Bodies of requests: read piece by piece, within limits on size and slowness."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from anyio import fail_after
from starlette.requests import Request

from audiostore.serve.limits import Limits
from audiostore.serve.problems import RefusedError

_CLOSING: Final = {"Connection": "close"}


def announced_bytes(request: Request) -> int | None:
    """Return the Content-Length of a request; None if it does not say."""
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdigit() else None


def require_size(request: Request, max_bytes: int) -> None:
    """Refuse a body that is announced as too large.

    Raises:
        RefusedError: it is (413).
    """
    announced = announced_bytes(request)
    if announced is not None and announced > max_bytes:
        raise _too_large(announced, max_bytes)


async def pieces_of(
    request: Request,
    limits: Limits,
    *,
    max_bytes: int,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as they arrive.

    Raises:
        RefusedError: it has more than `max_bytes` (413), or arrives too slowly (408).
        ClientDisconnect: the client has gone before its end.
    """
    require_size(request, max_bytes)
    stream = request.stream().__aiter__()
    received = window_bytes = 0
    waited_s = 0.0
    while True:
        started = clock()
        try:
            with fail_after(limits.body_window_s):
                piece = await anext(stream, None)
        except TimeoutError:
            raise _too_slow(limits) from None
        if piece is None:
            return
        waited_s += clock() - started
        received += len(piece)
        window_bytes += len(piece)
        if received > max_bytes:
            raise _too_large(received, max_bytes)
        if waited_s >= limits.body_window_s:
            if window_bytes < limits.body_window_bytes:
                raise _too_slow(limits)
            waited_s, window_bytes = 0.0, 0
        if piece:
            yield piece


def whole_number(given: object) -> int | None:
    """Return a whole number of a JSON document, in which 5.0 is one, too; None if it is not."""
    if isinstance(given, float) and given.is_integer():
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None


async def whole_body(request: Request, limits: Limits, *, max_bytes: int) -> bytes:
    """Return a small body whole.

    Raises:
        RefusedError: it is too large (413), or too slow (408).
        ClientDisconnect: the client has gone.
    """
    return b"".join([piece async for piece in pieces_of(request, limits, max_bytes=max_bytes)])


async def json_body(request: Request, limits: Limits, media_types: tuple[str, ...]) -> Any:
    """Return the JSON document in a body.

    Raises:
        RefusedError: it is of another media type (415), too large (413), too slow (408), or not
            JSON (400).
        ClientDisconnect: the client has gone.
    """
    stated = media_type(request)
    if stated not in media_types:
        raise RefusedError(415, f"send {' or '.join(media_types)}, not {stated or 'nothing'}")
    return parse_json(await whole_body(request, limits, max_bytes=limits.json_bytes))


def parse_json(data: bytes) -> Any:
    """Return a JSON document.

    Raises:
        RefusedError: it is not JSON (400).
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not valid JSON") from None


def media_type(request: Request) -> str:
    """Return the media type of the body, in lower case, without parameters; "" without one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(size_bytes: int, max_bytes: int) -> RefusedError:
    return RefusedError(
        413,
        f"the body has {size_bytes:,} bytes or more: the limit is {max_bytes:,}",
        kind="ContentTooLarge",
    )


def _too_slow(limits: Limits) -> RefusedError:
    return RefusedError(
        408,
        f"fewer than {limits.body_window_bytes:,} bytes of the body arrived in "
        f"{limits.body_window_s:g} s: send it again on a faster connection",
        headers=_CLOSING,
    )
