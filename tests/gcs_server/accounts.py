"""Service accounts: their keys, and signBlob of the IAM Service Account Credentials API."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from threading import Lock

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .errors import ApiError
from .wire import Response


@dataclass(frozen=True)
class ServiceAccount:
    """An account and its RSA key, which is in its key file and is used by signBlob."""

    email: str
    private_key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def key_id(self) -> str:
        """The name of the key."""
        public = self.private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:40]

    @property
    def private_key_pem(self) -> str:
        """The private key as in a key file."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def key_file(self, token_uri: str) -> dict[str, str]:
        """Return the JSON of a key file, as `google.oauth2.service_account` reads it."""
        return {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": self.key_id,
            "private_key": self.private_key_pem,
            "client_email": self.email,
            "client_id": "123456789012345678901",
            "token_uri": token_uri,
        }

    def sign(self, message: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256."""
        return self.private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature was made with this account's key."""
        try:
            self.private_key.public_key().verify(
                signature, message, padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        return True


class Accounts:
    """All service accounts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, ServiceAccount] = {}

    def add(self, email: str, private_key_pem: str | None = None) -> ServiceAccount:
        """Create an account with the given key or a new one, replacing any account of this name."""
        if private_key_pem is None:
            key: object = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        else:
            # It comes from private_key_pem, and testing its primes takes longer than most tests.
            key = serialization.load_pem_private_key(
                private_key_pem.encode(), None, unsafe_skip_rsa_key_validation=True
            )
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the key of a service account is an RSA key")
        account = ServiceAccount(email, key)
        with self._lock:
            self._known[email] = account
        return account

    def remove(self, email: str) -> None:
        """Delete an account: its signatures are no longer valid."""
        with self._lock:
            self._known.pop(email, None)

    def find(self, email: str) -> ServiceAccount | None:
        """Return an account."""
        with self._lock:
            return self._known.get(email)

    def sign_blob(self, email: str, body: bytes) -> Response:
        """Handle projects.serviceAccounts.signBlob.

        https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob.
        The response for an unknown account is unverified.
        """
        try:
            value = json.loads(body)
            if not isinstance(value, dict) or not value.keys() <= {"payload", "delegates"}:
                raise _bad("Invalid JSON payload received.")
            payload = base64.b64decode(value.get("payload", ""), validate=True)
        except (ValueError, TypeError, binascii.Error):
            raise _bad("Invalid JSON payload received.") from None
        if not payload:
            raise _bad("The payload is required.")
        account = self.find(email)
        if account is None:
            raise ApiError(
                404, "notFound", f"Not found; Gaia id not found for email {email}", rpc="NOT_FOUND"
            )
        response = {
            "keyId": account.key_id,
            "signedBlob": base64.b64encode(account.sign(payload)).decode(),
        }
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        return Response(200, headers, json.dumps(response).encode())


def _bad(message: str) -> ApiError:
    return ApiError(400, "invalid", message, rpc="INVALID_ARGUMENT")
