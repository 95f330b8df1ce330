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
    HeldError,
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


class GcsHeldError(exceptions.Forbidden, HeldError):
    """403 for an object under a hold, or younger than a retention policy lets go."""


class GcsInvalidSettingError(exceptions.BadRequest, ValueError):
    """400 for a setting that the bucket does not take."""


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

# The documented reasons of 403 (cloud.google.com/storage/docs/json_api/v1/status-codes); what
# buckets have been seen to answer for a hold is the reason of a missing permission, "forbidden",
# and a message of its own. Only a real bucket can show which.
_HELD_REASONS = frozenset({"objectUnderActiveHold", "retentionPolicyNotMet"})
_HELD = re.compile(
    r"under active (temporary|event-based) hold|subject to bucket's retention policy",
    re.IGNORECASE,
)

_REMEDIES = {
    401: "the credentials were refused: run 'gcloud auth application-default login', or name a "
    "service account's key file in GOOGLE_APPLICATION_CREDENTIALS",
    403: "grant the account roles/storage.objectUser on the bucket",
    404: "create the bucket, or correct its name",
}


_ROLES = {
    "storage.buckets.get": "roles/storage.legacyBucketReader",
    "storage.buckets.update": "roles/storage.admin",
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
            temporary_hold=resource.get("temporaryHold", False),
            custom_time=_time(resource, "customTime"),
            class_changed_at=_class_changed_at(resource),
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


def error_of(
    response: Response,
    what: str,
    *,
    of_object: bool = False,
    of_settings: bool = False,
    permission: str = "",
) -> Exception:
    """Return the error for an answer that is not a success.

    Args:
        response: the answer.
        what: what was being done to what, for the message.
        of_object: whether the request named one object, so that 404 can mean the object.
        of_settings: whether it was to change settings, so that 400 can mean one of them.
        permission: what a caller needs who may not do this; for what objectUser does not cover.
    """
    status = response.status
    reason, reasons = _message(response)
    message = f"{what}: {reason}"
    context = AnswerHeaders(response.headers)
    kind: type[exceptions.GoogleAPICallError] | None = None
    if status == 404 and of_object and "bucket does not exist" not in reason:
        kind = GcsBlobNotFoundError
    elif status == 400 and _CHECKSUM.search(reason):
        kind = GcsChecksumError
    elif status == 400 and of_settings:
        kind = GcsInvalidSettingError
    elif status == 403 and (_HELD_REASONS & reasons or _HELD.search(reason)):
        kind = GcsHeldError
    else:
        kind = {408: GcsRequestTimeoutError, 412: GcsPreconditionFailedError}.get(status)
    if kind is not None:
        specific = _of(kind, message, context)
        if kind is GcsHeldError:
            specific.add_note("release its hold, or wait until the time to keep it is over")
        return specific
    error: Exception = exceptions.from_http_status(status, message, response=context)
    if status == 403 and permission:
        error.add_note(f"the account needs {permission} on the bucket: {role_for(permission)}")
    elif status in _REMEDIES:
        error.add_note(_REMEDIES[status])
    return error


def role_for(permission: str) -> str:
    """Say which role gives a permission.

    Roles: cloud.google.com/storage/docs/access-control/iam-roles.
    """
    return f"grant it {_ROLES.get(permission, 'roles/storage.objectUser')}"


def _of(
    kind: type[exceptions.GoogleAPICallError], message: str, context: AnswerHeaders
) -> Exception:
    return kind(message, response=context)


def _message(response: Response) -> tuple[str, frozenset[str]]:
    """Return what an error says, and its reasons."""
    reasons: frozenset[str] = frozenset()
    try:
        error = json.loads(response.body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
        if isinstance(error, dict):
            reasons = frozenset(str(entry.get("reason")) for entry in error.get("errors", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        text = response.body[:200].decode("utf-8", "replace").strip()
    return text or f"HTTP status {response.status}", reasons


def _time(resource: Mapping[str, Any], field: str) -> datetime | None:
    text = resource.get(field)
    return datetime.fromisoformat(text) if text else None


def _class_changed_at(resource: Mapping[str, Any]) -> datetime | None:
    """Return when the class was changed; at first the field says when the object was created."""
    changed_at = _time(resource, "timeStorageClassUpdated")
    return None if changed_at == _time(resource, "timeCreated") else changed_at
