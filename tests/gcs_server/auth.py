"""Authorization: bearer tokens, denied permissions, and the token endpoint."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from threading import Lock
from urllib.parse import parse_qs

from .errors import ApiError, forbidden
from .wire import Response

_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "upload": ("storage.objects.create",),
    "session_start": ("storage.objects.create",),
    "stat": ("storage.objects.get",),
    "download": ("storage.objects.get",),
    "list": ("storage.objects.list",),
    "patch": ("storage.objects.get", "storage.objects.update"),
    "delete": ("storage.objects.delete",),
    "rewrite": ("storage.objects.get", "storage.objects.create"),
    "restore": ("storage.objects.restore", "storage.objects.create"),
    "bucket_get": ("storage.buckets.get",),
    "bucket_create": ("storage.buckets.create",),
    "bucket_lock": ("storage.buckets.update",),
    "bucket_patch": ("storage.buckets.get", "storage.buckets.update"),
    "layout": ("storage.objects.list",),
    "folder_list": ("storage.folders.list",),
    "folder_insert": ("storage.folders.create",),
    "folder_get": ("storage.folders.get",),
    "folder_delete": ("storage.folders.delete",),
    "sign_blob": ("iam.serviceAccounts.signBlob",),
}
_SESSION = ("session_chunk", "session_status", "session_cancel", "session_preflight")


class Auth:
    """The valid tokens (None: no token is required) and the permissions of the callers.

    Callers have the permissions in `granted` (None: all) that are not in `denied`.
    """

    def __init__(
        self,
        tokens: Iterable[str] | None,
        denied: Iterable[str],
        granted: Iterable[str] | None = None,
    ) -> None:
        self.lock = Lock()
        self.granted: set[str] | None = None if granted is None else set(granted)
        self.tokens: set[str] | None = None if tokens is None else set(tokens)
        self.denied: set[str] = set(denied)
        self.token_error: str | None = None
        self.token_lifetime = 3600

    def check(self, operation: str, header: str | None) -> None:
        """Refuse a caller without a token, with a wrong one, or without the permission.

        A session URI is its own credential: it needs no token, but a wrong one is refused.
        Reads by the XML API are authorized there; browsers send a preflight without credentials.
        """
        if operation in ("preflight", "token", "xml"):
            return
        with self.lock:
            tokens = None if self.tokens is None else set(self.tokens)
        permissions = PERMISSIONS.get(operation, ())
        if tokens is not None and not (header is None and operation in _SESSION):
            if header is None:
                if operation == "sign_blob":
                    raise ApiError(
                        401,
                        "required",
                        "Request is missing required authentication credential.",
                        rpc="UNAUTHENTICATED",
                    )
                wanted = permissions[0] if permissions else "storage.buckets.getIamPolicy"
                raise ApiError(
                    401,
                    "required",
                    f"Anonymous caller does not have {wanted} access to the Google Cloud Storage "
                    f"object. Permission '{wanted}' denied on resource (or it may not exist).",
                    headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
                    location=("header", "Authorization"),
                )
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or token.strip() not in tokens:
                raise ApiError(
                    401,
                    "authError",
                    "Invalid Credentials",
                    headers={
                        "WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", '
                        'error="invalid_token"'
                    },
                    location=("header", "Authorization"),
                )
        for permission in permissions:
            if not self.may(permission):
                raise forbidden(permission)

    def may(self, permission: str) -> bool:
        """Return whether callers have a permission."""
        with self.lock:
            granted = self.granted is None or permission in self.granted
            return granted and permission not in self.denied

    def mint(self, form: bytes) -> Response:
        """Handle a token request of a service account or a refresh token."""
        values = parse_qs(form.decode("utf-8", "replace"))
        grant = values.get("grant_type", [""])[0]
        proof = {_JWT: "assertion", "refresh_token": "refresh_token"}.get(grant)
        if proof is None:
            return _error("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if not values.get(proof, [""])[0]:
            return _error("invalid_request", f"Missing required parameter: {proof}")
        with self.lock:
            if self.token_error is not None:
                return _error(self.token_error, "The server was configured to refuse.")
            token = "ya29." + secrets.token_urlsafe(24)
            if self.tokens is not None:
                self.tokens.add(token)
            lifetime = self.token_lifetime
        return _json(200, {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"})


def _error(error: str, description: str) -> Response:
    return _json(400, {"error": error, "error_description": description})


def _json(status: int, value: dict[str, object]) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status, headers, json.dumps(value).encode())
