"""Identity-Aware Proxy: the signed assertion that it adds to each request."""

import time
from collections.abc import Callable
from typing import Final

import anyio.to_thread
from starlette.requests import HTTPConnection

from audiostore.serve.access import ALL_SCOPES, Identity
from audiostore.serve.signed import KeySource, SignedTokens

HEADER: Final = "x-goog-iap-jwt-assertion"
_ISSUER: Final = "https://cloud.google.com/iap"
_KEYS: Final = "https://www.gstatic.com/iap/verify/public_key"


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
        self._tokens = SignedTokens(
            "Identity-Aware Proxy", "ES256", audience, fetch_keys or _KEYS, clock=clock
        )

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return the user whom the assertion names by e-mail address.

        Raises:
            RefusedError: the assertion is not valid (401), or the keys cannot be fetched (503).
        """
        del cookie
        assertion = request.headers.get(HEADER)
        if assertion is None:
            return None
        claims = await anyio.to_thread.run_sync(self._tokens.claims, assertion)
        email = claims.get("email")
        if claims.get("iss") != _ISSUER or not isinstance(email, str) or not email:
            raise self._tokens.refusal()
        return Identity(email, ALL_SCOPES, is_ambient=True)
