"""Tokens of google-auth, fetched over our own transport."""

from collections.abc import Mapping
from typing import Any

from audiostore.errors import AudioStoreError, CredentialsError, StoreConnectionError
from audiostore.retry import RETRYABLE_STATUS_CODES
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.messages import Request
from audiostore.stores.gcs.transport import Transport

LOGIN_REMEDY = (
    "run 'gcloud auth application-default login', name a service account's key file in "
    "GOOGLE_APPLICATION_CREDENTIALS, or pass credentials="
)


def credentials_error(error: Exception) -> AudioStoreError:
    """Return our error for one of google-auth's."""
    if getattr(error, "retryable", False):
        return StoreConnectionError(f"the token could not be fetched: {error}")
    return CredentialsError(f"the credentials cannot be refreshed ({error}): {LOGIN_REMEDY}")


class _TokenResponse:
    """The response to a token request, in the shape of `google.auth.transport.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class TokenRequest:
    """Our transport in the shape of `google.auth.transport.Request`.

    Transient failures are raised as our own errors, through google-auth, to the retry layer.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _TokenResponse:
        """Send a request for a token and return the response."""
        data = body.encode() if isinstance(body, str) else body
        request = Request(
            method, url, dict(headers or {}), BytesBody(data) if data is not None else None
        )
        response = self._transport.send(request)
        if response.status in RETRYABLE_STATUS_CODES:
            # Not returned to google-auth, which would retry the request by a rule of its own.
            raise StoreConnectionError(f"the token could not be fetched: HTTP {response.status}")
        return _TokenResponse(response.status, response.headers, response.body)
