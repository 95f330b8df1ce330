"""Identity-Aware Proxy: the signed assertion that it adds to each request."""

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio.to_thread
from starlette.requests import HTTPConnection

from audiostore.serve.access import ALL_SCOPES, Identity
from audiostore.serve.problems import RefusedError

HEADER: Final = "x-goog-iap-jwt-assertion"
_ISSUER: Final = "https://cloud.google.com/iap"
_KEYS_URL: Final = "https://www.gstatic.com/iap/verify/public_key"
_KEYS_LAST_S: Final = 3600.0
_KEYS_RETRY_S: Final = 60.0
"""An assertion with an unknown key has the keys fetched anew, but not more often than this."""
_SKEW_S: Final = 30
_FETCH_S: Final = 10.0

KeySource = Callable[[], Mapping[str, str]]
"""Returns the public keys of Identity-Aware Proxy: PEM, by key id."""


class IapAssertions:
    """Users whom Identity-Aware Proxy has authenticated.

    Its assertion is a JWT, signed with ES256, whose signature, audience, issuer and time are
    verified (cloud.google.com/iap/docs/signed-headers-howto).

    Args:
        audience: ``/projects/NUMBER/global/backendServices/ID``, or that of a Cloud Run service.
        fetch_keys: returns Google's public keys; None: from where Google publishes them.
        clock: in seconds.
    """

    is_for_loopback = False
    has_tokens = False

    def __init__(
        self,
        audience: str,
        *,
        fetch_keys: KeySource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audience = audience
        self._fetch_keys = fetch_keys or _published_keys
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, str] = {}
        self._fetched_at: float | None = None

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return the user whom the assertion names by e-mail address.

        Raises:
            RefusedError: the assertion is not valid (401), or the keys cannot be fetched (503).
        """
        del cookie
        assertion = request.headers.get(HEADER)
        if assertion is None:
            return None
        claims = await anyio.to_thread.run_sync(self._verified, assertion)
        email = claims.get("email")
        if claims.get("iss") != _ISSUER or not isinstance(email, str) or not email:
            raise _refused()
        return Identity(email, ALL_SCOPES, is_ambient=True)

    def _verified(self, assertion: str) -> Mapping[str, Any]:
        from google.auth import exceptions, jwt  # noqa: PLC0415  (few services need it)

        try:
            header: Mapping[str, Any] = jwt.decode_header(assertion)
            keys = self._keys_with(str(header.get("kid")))
            if header.get("alg") != "ES256" or not keys:
                raise _refused()
            claims: Mapping[str, Any] = jwt.decode(
                assertion, certs=keys, audience=self._audience, clock_skew_in_seconds=_SKEW_S
            )
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError) as error:
            raise _refused() from error
        return claims

    def _keys_with(self, key_id: str) -> dict[str, str]:
        """Return the key of an id, alone; {} if Google has none."""
        with self._lock:
            age_s = None if self._fetched_at is None else self._clock() - self._fetched_at
            is_due = age_s is None or age_s > _KEYS_LAST_S
            if is_due or (key_id not in self._keys and (age_s or 0.0) > _KEYS_RETRY_S):
                try:
                    self._keys = self._fetch_keys()
                except (OSError, ValueError) as error:
                    raise RefusedError(
                        503, "the keys of Identity-Aware Proxy cannot be fetched: try again later"
                    ) from error
                self._fetched_at = self._clock()
            return {key_id: self._keys[key_id]} if key_id in self._keys else {}


def _published_keys() -> Mapping[str, str]:
    import certifi  # noqa: PLC0415  (few services need it)

    context = ssl.create_default_context(cafile=certifi.where())
    with urllib.request.urlopen(_KEYS_URL, timeout=_FETCH_S, context=context) as response:
        keys: Mapping[str, str] = json.load(response)
    return keys


def _refused() -> RefusedError:
    return RefusedError(401, "the assertion of Identity-Aware Proxy is not valid for this service")
