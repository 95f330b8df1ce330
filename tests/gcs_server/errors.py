"""The errors of the service, worded as in the JSON API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """One error: its status, its reason, its message, and the format of its body.

    `plain` bodies are only the message as text/plain, as in responses to media downloads and to
    misplaced chunks of a resumable upload. `details` are what the XML API adds. `rpc` is the status
    of an API with errors as in https://google.aip.dev/193.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        location: tuple[str, str] | None = None,
        plain: bool = False,
        details: Mapping[str, str] | None = None,
        rpc: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = dict(headers or {})
        self.location = location
        self.plain = plain
        self.details = dict(details or {})
        self.rpc = rpc

    def body(self, *, plain: bool = False) -> tuple[str, bytes]:
        """Return the content type and the body."""
        if self.status == 304 or not self.message:
            return "text/plain; charset=utf-8", b""
        if plain or self.plain:
            return "text/plain; charset=utf-8", self.message.encode()
        kind = "application/json; charset=UTF-8"
        if self.rpc is not None:
            error = {"code": self.status, "message": self.message, "status": self.rpc}
            return kind, json.dumps({"error": error}, indent=2).encode()
        entry: dict[str, Any] = {
            "message": self.message,
            "domain": "global",
            "reason": self.reason,
        }
        if self.location is not None:
            entry["locationType"], entry["location"] = self.location
        error = {"code": self.status, "message": self.message, "errors": [entry]}
        return kind, json.dumps({"error": error}, indent=2).encode()


def invalid(message: str, reason: str = "invalid") -> ApiError:
    """Refuse a request that is malformed or that breaks a limit."""
    return ApiError(400, reason, message)


def no_bucket() -> ApiError:
    """Refuse a request on a bucket that does not exist."""
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> ApiError:
    """Refuse a request on an object, or a generation of it, that does not exist."""
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")


def condition_not_met() -> ApiError:
    """Refuse a request whose precondition did not hold."""
    return ApiError(
        412,
        "conditionNotMet",
        "At least one of the pre-conditions you specified did not hold.",
        location=("header", "If-Match"),
    )


def not_modified() -> ApiError:
    """Respond to a read whose not-match precondition shows that nothing changed."""
    return ApiError(304, "notModified", "")


def forbidden(permission: str) -> ApiError:
    """Refuse a caller that lacks a permission."""
    if permission.startswith("iam."):
        return ApiError(
            403,
            "forbidden",
            f"Permission '{permission}' denied on resource (or it may not exist).",
            rpc="PERMISSION_DENIED",
        )
    what = "bucket" if permission.startswith("storage.buckets.") else "object"
    return ApiError(
        403,
        "forbidden",
        f"robot@project.iam.gserviceaccount.com does not have {permission} access to the Google "
        f"Cloud Storage {what}. Permission '{permission}' denied on resource (or it may not "
        "exist).",
    )
