"""V4 signed URLs. Pure functions; the signers are in `signers`.

The algorithm: cloud.google.com/storage/docs/authentication/signatures (string to sign, credential
scope) and …/docs/authentication/canonical-requests; checked in tests against the published vectors
of github.com/googleapis/conformance-tests (storage/v1/v4_signatures.json).
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from audiostore.dataclass import dataclass, field

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST_S = 7 * 24 * 3600
"""Seven days; see cloud.google.com/storage/docs/access-control/signed-urls."""
_UNRESERVED = "~"  # besides what `quote` never encodes: letters, digits, "_", ".", "-"


@dataclass(frozen=True, slots=True)
class UrlRequest:
    """The request that a signed URL is for. Its host is the only header that is signed."""

    method: str
    endpoint: str
    """Scheme and host, and a port unless it is the scheme's own."""
    bucket: str
    name: str
    signer: str
    """E-mail address of the service account that signs."""
    signed_at: datetime
    expires_s: int
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Further parameters, which the signature covers."""

    @property
    def path(self) -> str:
        """The path of the object, path-style; slashes in names stay as they are."""
        return f"/{quote(self.bucket, safe=_UNRESERVED)}/{quote(self.name, safe=_UNRESERVED + '/')}"

    @property
    def canonical_query(self) -> str:
        """All parameters but the signature, in the order of their encoded names."""
        parameters = {
            "X-Goog-Algorithm": ALGORITHM,
            "X-Goog-Credential": f"{self.signer}/{self.scope}",
            "X-Goog-Date": self.timestamp,
            "X-Goog-Expires": str(self.expires_s),
            "X-Goog-SignedHeaders": "host",
            **self.query,
        }
        encoded = {_encode(key): _encode(value) for key, value in parameters.items()}
        return "&".join(f"{key}={encoded[key]}" for key in sorted(encoded))

    @property
    def canonical_request(self) -> str:
        """The canonical form of the request, which the server builds and hashes as well.

        Only an emulator has an explicit port. It is signed as in the header Host; the published
        vectors leave it out.
        """
        host = urlsplit(self.endpoint).netloc
        return "\n".join(
            (
                self.method,
                self.path,
                self.canonical_query,
                f"host:{host}",
                "",
                "host",
                "UNSIGNED-PAYLOAD",
            )
        )

    @property
    def string_to_sign(self) -> str:
        """The text that is signed."""
        digest = hashlib.sha256(self.canonical_request.encode()).hexdigest()
        return "\n".join((ALGORITHM, self.timestamp, self.scope, digest))

    @property
    def timestamp(self) -> str:
        """The moment from which the URL is valid, in basic ISO 8601."""
        return self.signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        """The credential scope; Cloud Storage takes any location, and recommends "auto"."""
        return f"{self.timestamp[:8]}/auto/storage/goog4_request"

    def url(self, signature: bytes) -> str:
        """Return the URL with the signature of `string_to_sign`."""
        base = self.endpoint.rstrip("/")
        return f"{base}{self.path}?{self.canonical_query}&X-Goog-Signature={signature.hex()}"


def check_expiry(expires_s: int) -> None:
    """Refuse a lifetime that no signed URL can have.

    Raises:
        ValueError: it is not 1 to 604,800.
    """
    if not 1 <= expires_s <= LONGEST_S:
        raise ValueError(
            f"expires_s is {expires_s}: a signed URL lasts 1 to {LONGEST_S} seconds (seven days)"
        )


def _encode(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
