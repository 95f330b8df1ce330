"""What the JSON API answers, as values and errors.

Object resources: cloud.google.com/storage/docs/json_api/v1/objects#resource; errors:
cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.api_core import exceptions

from audiostore.errors import (
    BlobNotFoundError,
    IntegrityError,
    PreconditionFailedError,
    StoreConnectionError,
)
from audiostore.model import BlobInfo
from audiostore.stores.gcs.transport import Response


class GcsBlobNotFoundError(exceptions.NotFound, BlobNotFoundError):
    """404 for an object."""


class GcsPreconditionFailedError(exceptions.PreconditionFailed, PreconditionFailedError):
    """412."""


class GcsRequestTimeoutError(exceptions.ClientError, TimeoutError):
    """408, for which `google.api_core` has no class."""

    code = 408


class GcsChecksumError(exceptions.BadRequest, IntegrityError, ConnectionError):
    """400 for bytes that were damaged on their way: sending them again may do."""


@dataclass(frozen=True, slots=True)
class AnswerHeaders:
    """The part of an answer that errors carry: what `Retry-After` is read from."""

    headers: Mapping[str, str]


# "Provided CRC32C "x" doesn't match calculated CRC32C "y"."
_CHECKSUM = re.compile(r"(crc32c|md5).*match", re.IGNORECASE)

_REMEDIES = {
    401: "the credentials were refused: run 'gcloud auth application-default login', or name a "
    "service account's key file in GOOGLE_APPLICATION_CREDENTIALS",
    403: "grant the account roles/storage.objectUser on the bucket",
    404: "create the bucket, or correct its name",
}


def blob_info(resource: Mapping[str, Any]) -> BlobInfo:
    """Return an object resource as a value.

    Raises:
        StoreConnectionError: what came is no object resource.
    """
    try:
        return BlobInfo(
            name=resource["name"],
            size_bytes=int(resource["size"]),
            content_type=resource.get("contentType", "application/octet-stream"),
            crc32c=resource["crc32c"],
            generation=int(resource["generation"]),
            metageneration=int(resource["metageneration"]),
            storage_class=resource.get("storageClass", "STANDARD"),
            created_at=datetime.fromisoformat(resource["timeCreated"]),
            md5_hash=resource.get("md5Hash"),
            metadata=resource.get("metadata", {}),
            cache_control=resource.get("cacheControl"),
            content_disposition=resource.get("contentDisposition"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreConnectionError(f"the answer is no object resource: {error!r}") from error


def json_body(response: Response) -> dict[str, Any]:
    """Return the JSON object in an answer.

    Raises:
        StoreConnectionError: there is none (the answer was cut short, or a proxy spoke).
    """
    try:
        value = json.loads(response.body)
    except ValueError as error:
        raise StoreConnectionError(f"the answer is not JSON: {response.body[:80]!r}") from error
    if not isinstance(value, dict):
        raise StoreConnectionError(f"the answer is no JSON object: {response.body[:80]!r}")
    return value


def error_of(response: Response, what: str, *, of_object: bool = False) -> Exception:
    """Return the error for an answer that is not a success.

    Args:
        response: the answer.
        what: what was being done to what, for the message.
        of_object: whether the request named one object, so that 404 can mean the object.
    """
    status = response.status
    reason = _message(response)
    message = f"{what}: {reason}"
    context = AnswerHeaders(response.headers)
    missing_object = status == 404 and of_object and "bucket does not exist" not in reason
    if missing_object:
        return _of(GcsBlobNotFoundError, message, context)
    if status == 400 and _CHECKSUM.search(reason):
        return _of(GcsChecksumError, message, context)
    if status == 412:
        return _of(GcsPreconditionFailedError, message, context)
    if status == 408:
        return _of(GcsRequestTimeoutError, message, context)
    error: Exception = exceptions.from_http_status(status, message, response=context)
    if status in _REMEDIES:
        error.add_note(_REMEDIES[status])
    return error


def _of(
    kind: type[exceptions.GoogleAPICallError], message: str, context: AnswerHeaders
) -> Exception:
    return kind(message, response=context)


def _message(response: Response) -> str:
    try:
        error = json.loads(response.body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = response.body[:200].decode("utf-8", "replace").strip()
    return text or f"HTTP status {response.status}"
