"""Tokens that Google signs (JWT): signature, audience and time are verified.

Reference: cloud.google.com/iap/docs/signed-headers-howto,
cloud.google.com/pubsub/docs/authenticate-push-subscriptions.
"""

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from audiostore.serve.problems import RefusedError

_KEYS_LAST_S: Final = 3600.0
_KEYS_RETRY_S: Final = 60.0
"""A token with an unknown key has the keys fetched anew, but not more often than this."""
_SKEW_S: Final = 30
_FETCH_S: Final = 10.0

KeySource = Callable[[], Mapping[str, str]]
"""Returns public keys: PEM, by key id."""


class SignedTokens:
    """Verifies tokens of one signer.

    Args:
        signer: its name, for messages.
        algorithm: with which it signs.
        audience: for whom its tokens must be.
        keys: where Google publishes its keys; or what returns them.
        clock: in seconds.
    """

    def __init__(
        self,
        signer: str,
        algorithm: Literal["ES256", "RS256"],
        audience: str,
        keys: str | KeySource,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signer = signer
        self._algorithm = algorithm
        self._audience = audience
        self._fetch_keys = keys if callable(keys) else lambda: _published(keys)
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, str] = {}
        self._fetched_at: float | None = None

    def claims(self, token: str) -> Mapping[str, Any]:
        """Return what a token says; blocks while the keys are fetched.

        Raises:
            RefusedError: it is not valid (401), or the keys cannot be fetched (503).
        """
        from google.auth import exceptions, jwt  # noqa: PLC0415  (few services need it)

        try:
            header: Mapping[str, Any] = jwt.decode_header(token)
            keys = self._keys_with(str(header.get("kid")))
            if header.get("alg") != self._algorithm or not keys:
                raise self.refusal()
            claims: Mapping[str, Any] = jwt.decode(
                token, certs=keys, audience=self._audience, clock_skew_in_seconds=_SKEW_S
            )
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError) as error:
            raise self.refusal() from error
        return claims

    def refusal(self) -> RefusedError:
        """Return the refusal of a token."""
        return RefusedError(401, f"the token of {self._signer} is not valid for this service")

    def _keys_with(self, key_id: str) -> dict[str, str]:
        """Return the key of an id, alone; {} if there is none."""
        with self._lock:
            age_s = None if self._fetched_at is None else self._clock() - self._fetched_at
            is_due = age_s is None or age_s > _KEYS_LAST_S
            if is_due or (key_id not in self._keys and (age_s or 0.0) > _KEYS_RETRY_S):
                try:
                    self._keys = self._fetch_keys()
                except (OSError, ValueError) as error:
                    raise RefusedError(
                        503, f"the keys of {self._signer} cannot be fetched: try again later"
                    ) from error
                self._fetched_at = self._clock()
            return {key_id: self._keys[key_id]} if key_id in self._keys else {}


def _published(url: str) -> Mapping[str, str]:
    import certifi  # noqa: PLC0415  (few services need it)

    context = ssl.create_default_context(cafile=certifi.where())
    with urllib.request.urlopen(  # noqa: S310  (URLs of ours, with https)
        url, timeout=_FETCH_S, context=context
    ) as response:
        keys: Mapping[str, str] = json.load(response)
    return keys
