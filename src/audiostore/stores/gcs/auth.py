"""Authentication: credentials of google-auth, their tokens fetched over our own transport."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from audiostore.errors import ConfigurationError, CredentialsError
from audiostore.forking import renew_after_fork
from audiostore.stores.gcs.signers import CANNOT_SIGN, IAM_ENDPOINT, Signer, signer_of
from audiostore.stores.gcs.tokens import LOGIN_REMEDY, TokenRequest, fetching_token
from audiostore.stores.gcs.transport import Transport

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)


class Authenticator(Protocol):
    """Authenticates requests."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers for a request.

        Raises:
            CredentialsError: no valid credentials could be obtained.
        """
        ...

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Replace a token that was refused in a request with these headers.

        Returns:
            False if no newer token can be obtained.
        """
        ...

    def describe(self) -> str:
        """Describe the credentials, without any secret."""
        ...

    def signer(self) -> Signer:
        """Return the signer of URLs.

        Raises:
            CredentialsError: these credentials cannot sign; the message says what to do.
        """
        ...


class NoAuthentication:
    """Unsigned requests, to an emulator only."""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return no headers."""
        del method, url
        return {}

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Do nothing: emulators need no token."""
        del headers
        return False

    def describe(self) -> str:
        """Say that requests are unsigned."""
        return "none: requests to an emulator go out unsigned"

    def signer(self) -> Signer:
        """Refuse: anonymous requests have no key to sign with."""
        raise CredentialsError(CANNOT_SIGN)


class GoogleAuthentication:
    """Bearer tokens of a google-auth credential; Application Default Credentials if None."""

    def __init__(
        self,
        transport: Transport,
        credentials: "Credentials | None" = None,
        *,
        iam_endpoint: str = IAM_ENDPOINT,
    ) -> None:
        self._transport = transport
        self._iam_endpoint = iam_endpoint
        self._fetch = TokenRequest(transport)
        self._signer: Signer | None = None
        self._lock = threading.Lock()
        self._credentials = credentials
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Create new locks: another thread may have held the old ones."""
        self._lock = threading.Lock()
        self._signer = None

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers for a request, after refreshing a token that is about to expire."""
        headers: dict[str, str] = {}
        with self._lock:
            credentials = self._require()
            with fetching_token():
                credentials.before_request(self._fetch, method, url, headers)
        return headers

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Refresh the token, unless another thread has already done so."""
        from google.auth.exceptions import InvalidOperation  # noqa: PLC0415

        with self._lock:
            credentials = self._require()
            if credentials.token and credentials.token not in _bearer(headers):
                return True
            with fetching_token():
                try:
                    credentials.refresh(self._fetch)
                except InvalidOperation:
                    return False  # a bare token, which cannot be renewed
        return True

    def describe(self) -> str:
        """Name the kind of credentials and the account."""
        with self._lock:
            credentials = self._require()
        account = getattr(credentials, "service_account_email", None) or "user account"
        kind = f"{type(credentials).__module__}.{type(credentials).__qualname__}"
        return f"{kind} ({account})"

    def signer(self) -> Signer:
        """Return the signer for these credentials."""
        with self._lock:
            if self._signer is None:
                self._signer = signer_of(self._require(), self._transport, self._iam_endpoint)
            return self._signer

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
            "(STORAGE_EMULATOR_HOST) are sent unsigned"
        )


def _default_credentials() -> "Credentials":
    import google.auth  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

    try:
        credentials, _project = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError as error:
        raise CredentialsError(
            f"no credentials for Google Cloud Storage: {LOGIN_REMEDY}"
        ) from error
    found: Credentials = credentials
    return found


def _bearer(headers: Mapping[str, str]) -> str:
    return next((v for k, v in headers.items() if k.lower() == "authorization"), "")
