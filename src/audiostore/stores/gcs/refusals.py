"""What the JSON API refuses, as errors: the classes of `google.api_core`, and our own as well.

Imported with the first refusal, as `google.api_core` takes 20 ms, more than all else that a short
command needs. Codes and reasons: cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from google.api_core import exceptions

from audiostore.errors import (
    BlobNotFoundError,
    HeldError,
    IntegrityError,
    PreconditionFailedError,
)
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


def refusal(
    response: Response,
    what: str,
    *,
    of_object: bool,
    of_settings: bool,
    permission: str,
) -> Exception:
    """Return the error for an answer that is not a success (see `answers.error_of`)."""
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
