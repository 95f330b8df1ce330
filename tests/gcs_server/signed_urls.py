"""V4 signed URLs: whether one is valid for a request.

https://cloud.google.com/storage/docs/access-control/signed-urls,
https://cloud.google.com/storage/docs/authentication/signatures and
https://cloud.google.com/storage/docs/authentication/canonical-requests. The canonical request is
built again from the received request, and the signature checked with the account's public key.
The header host counts as received: here with its port.

The status and the code of a bad signature (403 SignatureDoesNotMatch) and of an expired URL (400
ExpiredToken) are those of https://cloud.google.com/storage/docs/xml-api/reference-status; the
messages, and the responses to all other malformations, are unverified (users' reports).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from .accounts import Accounts
from .errors import ApiError

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST_S = 604_800
_SKEW = timedelta(minutes=15)
_REQUIRED = (
    "X-Goog-Algorithm",
    "X-Goog-Credential",
    "X-Goog-Date",
    "X-Goog-Expires",
    "X-Goog-SignedHeaders",
    "X-Goog-Signature",
)
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class Asked:
    """The signed parts of a request; path and query are decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def is_signed(query: Mapping[str, str]) -> bool:
    """Return whether a request claims to be signed by its query."""
    return any(key.startswith("X-Goog-") for key in query)


def verify(asked: Asked, accounts: Accounts, now: datetime) -> str:
    """Return the e-mail of the account that signed; refuse an invalid signature."""
    query = asked.query
    for key in _REQUIRED:
        if not query.get(key):
            raise ApiError(
                400,
                "MissingSecurityHeader",
                "Your request was missing a required header.",
                details={"ParameterName": key},
            )
    if query["X-Goog-Algorithm"] != ALGORITHM:
        raise _malformed("X-Goog-Algorithm", f"{ALGORITHM} is the only one this server knows.")
    signed_at = _date(query["X-Goog-Date"])
    email, scope = _credential(query["X-Goog-Credential"], query["X-Goog-Date"])
    _check_time(query["X-Goog-Expires"], signed_at, now)
    canonical = canonical_request(asked)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    string_to_sign = "\n".join((ALGORITHM, query["X-Goog-Date"], scope, digest))
    signature = query["X-Goog-Signature"]
    account = accounts.find(email)
    if (
        account is None
        or not _HEX.fullmatch(signature)
        or len(signature) % 2
        or not account.signed(string_to_sign.encode(), bytes.fromhex(signature))
    ):
        raise ApiError(
            403,
            "SignatureDoesNotMatch",
            "Access denied.",
            details={
                "Details": "The request signature we calculated does not match the signature you "
                "provided. Check your Google secret key and signing method.",
                "StringToSign": string_to_sign,
                "CanonicalRequest": canonical,
            },
        )
    return email


def canonical_request(asked: Asked) -> str:
    """Write the canonical request: verb, path, query, headers, their names, the payload."""
    names = asked.query["X-Goog-SignedHeaders"].split(";")
    if names != sorted(set(names)) or names != [name.lower() for name in names]:
        raise _malformed("X-Goog-SignedHeaders", "The names are lower case, sorted, each once.")
    if "host" not in names:
        raise _malformed("X-Goog-SignedHeaders", "The header host must be signed.")
    lines = []
    for name in names:
        if name not in asked.headers:
            raise _malformed(name, "Header was included in signedheaders, but not in the request.")
        lines.append(f"{name}:{' '.join(asked.headers[name].split())}\n")
    pairs = sorted(
        (quote(key, safe="~"), quote(value, safe="~"))
        for key, value in asked.query.items()
        if key != "X-Goog-Signature"
    )
    payload = asked.headers["x-goog-content-sha256"] if "x-goog-content-sha256" in names else ""
    return "\n".join(
        (
            asked.method,
            quote(asked.path, safe="/~"),
            "&".join(f"{key}={value}" for key, value in pairs),
            "".join(lines),
            ";".join(names),
            payload or "UNSIGNED-PAYLOAD",
        )
    )


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _malformed("X-Goog-Date", "It is not written as YYYYMMDD'T'HHMMSS'Z'.") from None


def _credential(text: str, signed_at: str) -> tuple[str, str]:
    email, _, scope = text.partition("/")
    parts = scope.split("/")
    if not email or len(parts) != 4 or not parts[1] or parts[2:] != ["storage", "goog4_request"]:
        raise _malformed("X-Goog-Credential", "Its scope is DATE/LOCATION/storage/goog4_request.")
    if parts[0] != signed_at[:8]:
        raise _malformed("X-Goog-Credential", "Its date is not the one of X-Goog-Date.")
    return email, scope


def _check_time(expires: str, signed_at: datetime, now: datetime) -> None:
    if not (expires.isascii() and expires.isdigit()) or not 0 < int(expires) <= LONGEST_S:
        raise _malformed("X-Goog-Expires", f"It is not from 1 to {LONGEST_S} seconds.")
    if signed_at > now + _SKEW:
        raise ApiError(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the server's time is too large.",
        )
    end = signed_at + timedelta(seconds=int(expires))
    if now >= end:
        raise ApiError(
            400,
            "ExpiredToken",
            "Invalid argument.",
            details={
                "Details": "The provided token has expired. Request signature expired at: "
                f"{end.isoformat()}"
            },
        )


def _malformed(parameter: str, why: str) -> ApiError:
    return ApiError(
        400,
        "MalformedSecurityHeader",
        "Your request has a malformed header.",
        details={"ParameterName": parameter, "Details": why},
    )
