"""Error responses of the JSON API as exceptions: Google's class and ours at once.

Each is of the class of `google.api_core.exceptions` for its status, and an AudioStoreError (often a
more specific one), and can be pickled. This module is imported with the first error response:
`google.api_core` takes 20 ms, more than all else that a short command needs. Codes and reasons:
cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

from collections.abc import Mapping
from functools import cache
from types import new_class
from typing import Any, cast

from google.api_core import exceptions

from audiostore.dataclass import dataclass, replace
from audiostore.errors import (
    AudioStoreError,
    BlobNotFoundError,
    ConfigurationError,
    CredentialsError,
    HeldError,
    IntegrityError,
    PreconditionFailedError,
    UnsupportedByStoreError,
    affecting_all,
)
from audiostore.stores.gcs.messages import Response
from audiostore.stores.gcs.responses import error_message
from audiostore.stores.protection import described
from audiostore.values import BlobInfo

_GoogleError = type[exceptions.GoogleAPICallError]


class GcsBlobNotFoundError(exceptions.NotFound, BlobNotFoundError):
    """404 for an object."""


class GcsPreconditionFailedError(exceptions.PreconditionFailed, PreconditionFailedError):
    """412."""


class GcsCredentialsError(exceptions.Unauthorized, CredentialsError):
    """401: the credentials were refused."""


class GcsHeldError(exceptions.Forbidden, HeldError):
    """403 for an object that is under a hold or within its retention period."""


class GcsUserProjectMissingError(exceptions.BadRequest, ConfigurationError):
    """400 of a bucket that bills the requester, to a request that named no project."""


class GcsNoSoftDeleteError(exceptions.BadRequest, UnsupportedByStoreError):
    """400 of a bucket that keeps no deleted objects, to a request about them."""


class GcsInvalidSettingError(exceptions.BadRequest, AudioStoreError, ValueError):
    """400 for a setting that the bucket does not accept."""


class GcsRequestTimeoutError(exceptions.ClientError, AudioStoreError, TimeoutError):
    """408, for which `google.api_core` has no class."""

    code = 408


class GcsChecksumError(exceptions.BadRequest, IntegrityError, ConnectionError):
    """400 for bytes that were damaged in transit: sending them again may succeed."""


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """The part of a response that errors carry: `Retry-After`, and no header that is a secret."""

    headers: Mapping[str, str]


# A response is recognised by its reason, and by what was asked: its message is only shown. The
# reason
# "invalid" is that of every value that a bucket does not accept.
_INVALID = "invalid"
# The documented reasons of 403 (cloud.google.com/storage/docs/json_api/v1/status-codes). Users
# report that of a missing permission, "forbidden", for a hold: see `objects.telling_holds`.
_HELD_REASONS = frozenset({"objectUnderActiveHold", "retentionPolicyNotMet"})

# Documented is UserProjectMissing. Users report the reason of any missing parameter: no other one
# is ever missing from our requests.
_NO_PROJECT_REASONS = frozenset({"UserProjectMissing", "required"})
_NO_PROJECT_HINT = (
    "the bucket bills the requester: pass project='my-project', or set GCS_BILLING_PROJECT; the "
    "account needs roles/serviceusage.serviceUsageConsumer on that project"
)

# Documented is the first one. Users report the other: our requests are valid but for this.
_NO_SOFT_DELETE_REASONS = frozenset({"SoftDeletePolicyRequired", _INVALID})

# Documented with 403 as well as with 429.
_TOO_MANY_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})

# A request that names no object of the bucket fails with these like any other: no permission, no
# bucket, a server that is no such service, a proxy that wants credentials.
_OF_ANY_REQUEST = (403, 404, 405, 407, 501)

_HINTS = {
    401: "the credentials were refused: run 'gcloud auth application-default login', or name a "
    "service account's key file in GOOGLE_APPLICATION_CREDENTIALS",
    403: "grant the account roles/storage.objectUser on the bucket",
    404: "create the bucket, or correct its name",
}
_KMS_HINT = (
    "enable the Cloud KMS key, and let the bucket's service agent use it: run 'gcloud storage "
    "service-agent --authorize-cmek=KEY'"
)
_ROLES = {
    "storage.buckets.get": "roles/storage.legacyBucketReader",
    "storage.buckets.update": "roles/storage.admin",
}


_SPECIFIC: dict[int, _GoogleError] = {
    401: GcsCredentialsError,
    408: GcsRequestTimeoutError,
    412: GcsPreconditionFailedError,
}


def error_for(
    response: Response,
    what: str,
    *,
    of_object: bool,
    of_settings: bool,
    of_trash: bool,
    checksum: str,
    permission: str,
) -> AudioStoreError:
    """Return the exception for an error response (see `responses.error_of`)."""
    reason, reasons = error_message(response)
    if response.status == 403 and _TOO_MANY_REASONS & reasons:
        response = replace(response, status=429)
    status = response.status
    if status == 404 and of_object:
        return _error(GcsBlobNotFoundError, what, reason, response)
    bad = None
    if status == 400:
        names_checksum = checksum != "" and checksum in reason
        bad = _class_for_400(
            reasons, names_checksum=names_checksum, of_settings=of_settings, of_trash=of_trash
        )
    if bad is not None:
        error = _error(bad, what, reason, response)
        if bad is GcsUserProjectMissingError:
            error.add_note(_NO_PROJECT_HINT)
        return error
    if status == 403 and _HELD_REASONS & reasons:
        error = _error(GcsHeldError, what, reason, response)
        error.add_note("release its hold, or wait until its retention period is over")
        return error
    error = _error(_SPECIFIC.get(status) or _class_for(status), what, reason, response)
    lacks_key = status in (400, 403) and "Cloud KMS" in reason
    if not of_object and (lacks_key or status in _OF_ANY_REQUEST):
        affecting_all(error)  # of the bucket: an object may have a key, or readers, of its own
    if lacks_key:
        # For a hint the text will do: its reason is "forbidden", and downloads have none.
        error.add_note(_KMS_HINT)
    elif status == 403 and permission:
        error.add_note(f"the account needs {permission} on the bucket: {role_for(permission)}")
    elif status in _HINTS:
        error.add_note(_HINTS[status])
    if status == 403 and response.payer:
        error.add_note(
            f"it also needs roles/serviceusage.serviceUsageConsumer on the project {response.payer}"
        )
    return error


def held_error(blob: BlobInfo, uri: str) -> AudioStoreError:
    """Return the exception for a write that was refused because the object is protected."""
    reason = f"protected by {blob.kept_by}: it was not changed"
    return described(cast("HeldError", _error(GcsHeldError, uri, reason, Response(403))), blob)


def _class_for_400(
    reasons: frozenset[str], *, names_checksum: bool, of_settings: bool, of_trash: bool
) -> _GoogleError | None:
    if names_checksum and _INVALID in reasons:
        return GcsChecksumError
    if _NO_PROJECT_REASONS & reasons:
        return GcsUserProjectMissingError
    if of_trash and _NO_SOFT_DELETE_REASONS & reasons:
        return GcsNoSoftDeleteError
    return GcsInvalidSettingError if of_settings else None


def role_for(permission: str) -> str:
    """Say which role gives a permission.

    Roles: cloud.google.com/storage/docs/access-control/iam-roles.
    """
    return f"grant it {_ROLES.get(permission, 'roles/storage.objectUser')}"


def _error(kind: _GoogleError, what: str, reason: str, response: Response) -> AudioStoreError:
    kept = {name: value for name, value in response.headers.items() if name == "retry-after"}
    error = kind(f"{what}: {reason}", response=ResponseHeaders(kept))
    if error.code is None:
        error.code = response.status
    if not isinstance(error, AudioStoreError):
        raise TypeError(f"{kind} is not an AudioStoreError")
    error.status = response.status
    return error


def _class_for(status: int) -> _GoogleError:
    """Return Google's class for a status, as an AudioStoreError as well."""
    kind: _GoogleError = type(exceptions.from_http_status(status, ""))
    return _ours(kind)


@cache
def _ours(kind: _GoogleError) -> _GoogleError:
    def reduce(error: Any) -> tuple[object, ...]:
        return _rebuilt, (kind, error.args), error.__dict__

    members = {"__module__": __name__, "__doc__": kind.__doc__, "__reduce__": reduce}
    name = f"Gcs{kind.__name__}"
    made = new_class(name, (kind, AudioStoreError), exec_body=lambda body: body.update(members))
    return cast("_GoogleError", made)


def _rebuilt(kind: _GoogleError, args: tuple[Any, ...]) -> Exception:
    return _ours(kind)(*args)
