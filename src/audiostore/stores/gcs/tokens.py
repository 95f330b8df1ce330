"""Tokens of google-auth, fetched over our own transport."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from audiostore.errors import (
    AudioStoreError,
    CredentialsError,
    StoreConnectionError,
    redacted,
    server_text,
)
from audiostore.retry import RETRYABLE_STATUS_CODES
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.messages import Request, Response
from audiostore.stores.gcs.transport import Transport

LOGIN_REMEDY = (
    "run 'gcloud auth application-default login', or name a service account's key file in "
    "GOOGLE_APPLICATION_CREDENTIALS; in Python, you can also pass credentials="
)


@contextmanager
def fetching_token() -> Iterator[None]:
    """Turn the errors of google-auth in the body of the block into ours.

    It reads the responses of token servers without checking their types.

    Raises:
        CredentialsError: the credentials cannot be refreshed.
        StoreConnectionError: the token could not be fetched, or the response makes no sense.
    """
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

    try:
        yield
    except GoogleAuthError as error:
        reason = server_text(str(error))
        if getattr(error, "retryable", False):
            raise StoreConnectionError(f"the token could not be fetched: {reason}") from error
        raise CredentialsError(
            f"the credentials cannot be refreshed ({reason}): {LOGIN_REMEDY}"
        ) from error
    except AudioStoreError:
        raise
    except _NONSENSE as error:
        reason = server_text(f"{type(error).__name__}: {error}")
        raise StoreConnectionError(
            f"the response of the token server cannot be understood ({reason})"
        ) from None


# What code raises that takes a response of any type for what it expects.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _TokenResponse:
    """The response to a token request, in the shape of `google.auth.transport.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


_NO_SECRETS = frozenset({"grant_type", "scope", "client_id", "audience"})


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
        return _TokenResponse(response.status, response.headers, _without_secrets(data, response))


def _without_secrets(sent: bytes | None, response: Response) -> bytes:
    """Return the body of a response; of an error, which google-auth quotes, without secrets."""
    if response.status < 400:
        return response.body
    form = parse_qsl((sent or b"").decode("utf-8", "replace"))
    secrets = [value for name, value in form if name not in _NO_SECRETS]
    return redacted(response.body.decode("utf-8", "replace"), *secrets, *response.secrets).encode()
