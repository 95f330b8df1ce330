"""Who is asking: credentials by google-auth, their tokens fetched over our own transport."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from audiostore.errors import (
    AudioStoreError,
    ConfigurationError,
    CredentialsError,
    StoreConnectionError,
)
from audiostore.retry import RETRYABLE_STATUS_CODES
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.forking import renew_after_fork
from audiostore.stores.gcs.transport import Request, Transport

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)
_REMEDY = (
    "run 'gcloud auth application-default login', name a service account's key file in "
    "GOOGLE_APPLICATION_CREDENTIALS, or pass credentials="
)


class Authenticator(Protocol):
    """Adds to a request what proves who sends it."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers for a request.

        Raises:
            CredentialsError: there are no valid credentials to be had.
        """
        ...

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Replace a token that was refused in a request with these headers.

        Returns:
            False if there is nothing newer to be had.
        """
        ...

    def describe(self) -> str:
        """Say whose credentials these are, without any secret."""
        ...


class NoAuthentication:
    """Unsigned requests, to an emulator only."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return no headers."""
        del method, url
        return {}

    def renew(self, headers: Mapping[str, str]) -> bool:
        """There is nothing to renew."""
        del headers
        return False

    def describe(self) -> str:
        """Say that requests are unsigned."""
        return "none: requests to an emulator go out unsigned"


class GoogleAuthentication:
    """Bearer tokens of a google-auth credential; Application Default Credentials if None."""

    def __init__(self, transport: Transport, credentials: "Credentials | None" = None) -> None:
        self._fetch = _TokenRequest(transport)
        self._lock = threading.Lock()
        self._credentials = credentials
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Make a new lock: another thread may have held the old one."""
        self._lock = threading.Lock()

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers for a request; a token about to expire is refreshed first."""
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        headers: dict[str, str] = {}
        with self._lock:
            try:
                self._require().before_request(self._fetch, method, url, headers)
            except GoogleAuthError as error:
                raise _credentials_error(error) from error
        return headers

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Refresh the token, unless another thread has done it already."""
        from google.auth.exceptions import GoogleAuthError, InvalidOperation  # noqa: PLC0415

        with self._lock:
            credentials = self._require()
            if credentials.token and credentials.token not in _bearer(headers):
                return True
            try:
                credentials.refresh(self._fetch)
            except InvalidOperation:
                return False  # a bare token, which nothing can renew
            except GoogleAuthError as error:
                raise _credentials_error(error) from error
        return True

    def describe(self) -> str:
        """Name the kind of credentials and the account."""
        with self._lock:
            credentials = self._require()
        account = getattr(credentials, "service_account_email", None) or "user account"
        kind = f"{type(credentials).__module__}.{type(credentials).__qualname__}"
        return f"{kind} ({account})"

    def _require(self) -> "Credentials":
        if self._credentials is None:
            self._credentials = _default_credentials()
        return self._credentials


def require_signing(credentials: "Credentials | None") -> None:
    """Refuse credentials that would leave requests to a real bucket unsigned.

    Raises:
        ConfigurationError: they are anonymous.
    """
    if credentials is None:
        return
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415

    if isinstance(credentials, AnonymousCredentials):
        raise ConfigurationError(
            "anonymous credentials cannot store anything: only requests to an emulator "
            "(STORAGE_EMULATOR_HOST) go out unsigned"
        )


def _default_credentials() -> "Credentials":
    import google.auth  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

    try:
        credentials, _project = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError as error:
        raise CredentialsError(f"no credentials for Google Cloud Storage: {_REMEDY}") from error
    found: Credentials = credentials
    return found


def _credentials_error(error: Exception) -> AudioStoreError:
    if getattr(error, "retryable", False):
        return StoreConnectionError(f"the token could not be fetched: {error}")
    return CredentialsError(f"the credentials cannot be refreshed ({error}): {_REMEDY}")


def _bearer(headers: Mapping[str, str]) -> str:
    return next((v for k, v in headers.items() if k.lower() == "authorization"), "")


class _TokenAnswer:
    """The answer to a token request, in the shape of `google.auth.transport.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class _TokenRequest:
    """Our transport in the shape of `google.auth.transport.Request`.

    What may pass is raised as our own error, through google-auth, to the one layer that retries.
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
    ) -> _TokenAnswer:
        data = body.encode() if isinstance(body, str) else body
        request = Request(
            method, url, dict(headers or {}), BytesBody(data) if data is not None else None
        )
        response = self._transport.send(request)
        if response.status in RETRYABLE_STATUS_CODES:
            # Not handed to google-auth, which would repeat the request by a rule of its own.
            raise StoreConnectionError(f"the token could not be fetched: HTTP {response.status}")
        return _TokenAnswer(response.status, response.headers, response.body)
