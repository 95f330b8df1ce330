"""Signers of URLs: a key on this machine, or IAM for a service account without a key at hand.

signBlob: cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob.
It is called once, over our own transport: google-auth would retry by a rule of its own, through
another HTTP client.
"""

import base64
import json
import threading
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from audiostore.errors import CredentialsError
from audiostore.retry import RETRYABLE_STATUS_CODES
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.messages import Request
from audiostore.stores.gcs.responses import Fields, error_of, json_body, not_understood
from audiostore.stores.gcs.tokens import TokenRequest, fetching_token
from audiostore.stores.gcs.transport import Transport

if TYPE_CHECKING:
    from google.auth.credentials import Credentials, Signing

IAM_ENDPOINT = "https://iamcredentials.googleapis.com"
_IAM_SCOPES = ("https://www.googleapis.com/auth/iam",)
_TOKEN_CREATOR = "roles/iam.serviceAccountTokenCreator"  # noqa: S105  (a role)
CANNOT_SIGN = (
    "these credentials cannot sign URLs: name a service account's key file in "
    "GOOGLE_APPLICATION_CREDENTIALS; or get "
    f"{_TOKEN_CREATOR} on a service account that may read the bucket, and run 'gcloud auth "
    "application-default login --impersonate-service-account=ACCOUNT'"
)


class Signer(Protocol):
    """Signs for one service account, with RSA and SHA-256."""

    @property
    def email(self) -> str:
        """The service account's e-mail address.

        Raises:
            CredentialsError: it could not be determined.
        """
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature.

        Raises:
            CredentialsError: the credentials do not permit it.
        """
        ...

    def describe(self) -> str:
        """Describe how it signs, without any secret."""
        ...


class KeySigner:
    """Signs with the private key in the credentials, without a request."""

    def __init__(self, credentials: "Signing") -> None:
        self._credentials = credentials

    @property
    def email(self) -> str:
        """The service account whose key it is."""
        return str(self._credentials.signer_email)

    def sign(self, message: bytes) -> bytes:
        """Return the signature."""
        return bytes(self._credentials.sign_bytes(message))

    def describe(self) -> str:
        """Name the account."""
        return f"with the key of {self.email}, on this machine"


class IamSigner:
    """Signs through IAM, with the key that Google keeps for a service account."""

    def __init__(
        self,
        caller: "Credentials",
        account: str | None,
        delegates: list[str],
        transport: Transport,
        endpoint: str,
    ) -> None:
        """Create a signer; no request is sent yet.

        Args:
            caller: the credentials that call IAM.
            account: the service account; None for the caller's own.
            delegates: accounts that lead from the caller to `account`, if any.
            transport: for requests to IAM.
            endpoint: of the IAM Service Account Credentials API.
        """
        self._caller = caller
        self._account = account
        self._delegates = delegates
        self._transport = transport
        self._fetch = TokenRequest(transport)
        self._endpoint = endpoint
        self._lock = threading.Lock()

    @property
    def email(self) -> str:
        """The service account that signs."""
        if self._account is None:
            self._headers(
                self._endpoint
            )  # the address of a machine's own account comes with its token
            self._account = str(getattr(self._caller, "service_account_email", ""))
        return self._account

    def sign(self, message: bytes) -> bytes:
        """Return the signature."""
        account = self.email
        url = f"{self._endpoint}/v1/projects/-/serviceAccounts/{quote(account, safe='@')}:signBlob"
        value = {"payload": base64.b64encode(message).decode(), "delegates": self._delegates}
        headers = {"Content-Type": "application/json", **self._headers(url)}
        body = BytesBody(json.dumps(value).encode())
        response = self._transport.send(Request("POST", url, headers, body))
        if response.status != 200:
            error = error_of(response, f"IAM does not sign for {account}")
            if response.status in RETRYABLE_STATUS_CODES:
                raise error
            reason = getattr(error, "message", str(error))  # of an API error, without its status
            raise CredentialsError(
                f"{reason}: enable iamcredentials.googleapis.com in its project, and grant "
                f"{_TOKEN_CREATOR} on {account} to the caller (on itself, for a machine's own "
                "account)"
            )
        try:
            signed = Fields(json_body(response)).text("signedBlob")
            return base64.b64decode(signed, validate=True)
        except ValueError as error:
            raise not_understood(response, f"is not a signature: {error}") from None

    def describe(self) -> str:
        """Name the account."""
        return f"through IAM signBlob for {self.email}"

    def _headers(self, url: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        with self._lock, fetching_token():
            self._caller.before_request(self._fetch, "POST", url, headers)
        return headers


def signer_of(credentials: "Credentials", transport: Transport, iam_endpoint: str) -> Signer:
    """Return the signer for these credentials.

    Raises:
        CredentialsError: they cannot sign; the message says what to do.
    """
    from google.auth import iam, impersonated_credentials  # noqa: PLC0415
    from google.auth.credentials import Signing  # noqa: PLC0415

    if isinstance(credentials, impersonated_credentials.Credentials):
        # google-auth has no public name for the impersonating credentials; its own `sign_bytes`
        # needs `requests`.
        return IamSigner(
            credentials._source_credentials,
            credentials.service_account_email,
            [_resource_name(account) for account in credentials._delegates or ()],
            transport,
            iam_endpoint,
        )
    if isinstance(credentials, Signing) and not isinstance(credentials.signer, iam.Signer):
        return KeySigner(credentials)
    account = getattr(credentials, "service_account_email", None)
    if not account:
        raise CredentialsError(CANNOT_SIGN)
    return IamSigner(
        _with_iam_scope(credentials),
        None if account == "default" else account,
        [],
        transport,
        iam_endpoint,
    )


def _with_iam_scope(credentials: "Credentials") -> "Credentials":
    from google.auth.credentials import Scoped  # noqa: PLC0415

    if not isinstance(credentials, Scoped):
        return credentials
    scoped: Credentials = credentials.with_scopes(_IAM_SCOPES)  # type: ignore[no-untyped-call]
    return scoped


def _resource_name(account: str) -> str:
    return account if account.startswith("projects/") else f"projects/-/serviceAccounts/{account}"
