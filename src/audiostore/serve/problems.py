"""Errors as responses: ``application/problem+json`` (RFC 9457) with the sentences of our errors."""

import errno
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from audiostore import errors
from audiostore.retry import is_overload

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:audiostore:error:"
"""The beginning of every ``type``; the name of the error's class follows."""
ERROR_KEY: Final = "audiostore.error"
"""Where the scope of a request has why the service failed."""
RETRY_AFTER_S: Final = 5
"""How long a client is asked to wait where nothing better is known."""

_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (errors.AssetNotFoundError, 404),
    (errors.BlobNotFoundError, 404),
    (errors.AssetConflictError, 409),
    (errors.PreconditionFailedError, 409),
    (errors.HeldError, 423),
    (errors.UnsupportedFormatError, 415),
    (errors.UnplayableAudioError, 422),
    (errors.InvalidImageError, 422),
    (errors.InspectionLimitError, 422),
    (errors.InvalidSourceError, 422),
    (errors.InvalidMetadataError, 422),
    (errors.InvalidAudioIdError, 422),
    (errors.UnsupportedByStoreError, 501),
    (errors.StoreLockedError, 503),
    (errors.StoreTimeoutError, 504),
    (errors.StoreConnectionError, 502),
    (errors.StoreTlsError, 502),
    (errors.CredentialsError, 502),
    (errors.IntegrityError, 502),
    (errors.UnreadableBlobError, 502),
)
_IN_A_REQUEST: Final = (
    ("fix_extension=True", "fix_extension=true"),
    ('; check="none" stores it unexamined', ""),
)
"""What a Python program passes, and how a request says it, if it can."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_BUSY: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class RefusedError(Exception):
    """A request that the service refuses itself.

    Args:
        status: of the response.
        detail: what is wrong with the request, and what to do.
        kind: the name that ends the problem's type.
        headers: more headers of the response.
    """

    def __init__(
        self, status: int, detail: str, *, kind: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind or HTTPStatus(status).phrase.replace(" ", "").replace("-", "")
        self.headers = headers or {}


def not_found(what: str) -> RefusedError:
    """Return the refusal of a request for something that is not there."""
    return RefusedError(404, what, kind="AssetNotFoundError")


def status_of(error: BaseException) -> int:
    """Return the status with which an error is answered."""
    if isinstance(error, RefusedError):
        return error.status
    known = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if known is not None:
        return known
    if is_overload(error) or (isinstance(error, OSError) and error.errno in _BUSY):
        return 503
    if isinstance(error, errors.AudioStoreError) and error.status is not None:
        return 502  # a response of the bucket
    return 507 if isinstance(error, OSError) and error.errno in _FULL else 500


def document(error: BaseException) -> dict[str, object]:
    """Return the problem that describes an error: type, title, status, detail, perhaps an id."""
    status = status_of(error)
    is_ours = isinstance(error, errors.AudioStoreError | RefusedError) or status in (503, 507)
    found: dict[str, object] = {
        "type": URN + (error.kind if isinstance(error, RefusedError) else type(error).__name__),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _detail(error) if is_ours else "the service failed: its log says why",
    }
    audio_id = getattr(error, "audio_id", None)
    if audio_id is not None:
        found["audio_id"] = audio_id
    return found


def response_to(error: BaseException) -> JSONResponse:
    """Return the response to a request that failed with an error."""
    problem = document(error)
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, RefusedError) else {}
    if status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    headers["Cache-Control"] = "no-store"
    return JSONResponse(problem, status_code=status, headers=headers, media_type=MEDIA_TYPE)


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that failed, as Starlette asks its exception handlers to."""
    note_failure(request.scope, error)
    return response_to(error)


def note_failure(scope: MutableMapping[str, Any], error: BaseException) -> None:
    """Let the log say why a request failed, if that was no fault of the client."""
    if status_of(error) >= 500:
        scope[ERROR_KEY] = errors.server_text(f"{type(error).__name__}: {error}")


def _detail(error: BaseException) -> str:
    if isinstance(error, RefusedError):
        return error.detail
    notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith("while")]
    text = str(error)
    if isinstance(error, OSError) and error.strerror and not text.startswith(error.strerror):
        text = error.strerror  # without the path of a file on this machine
    detail = errors.redacted("; ".join([text, *notes]))
    for passed, said in _IN_A_REQUEST:
        detail = detail.replace(passed, said)
    return detail
