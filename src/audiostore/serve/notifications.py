"""Notifications of a bucket: which asset another writer has changed, pushed by Pub/Sub.

A bucket publishes each change of an object to a topic; a subscription posts it here, with a token
that Google signs for its service account.

Reference: cloud.google.com/storage/docs/pubsub-notifications, cloud.google.com/pubsub/docs/push.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import anyio.to_thread
from starlette.requests import HTTPConnection

from audiostore.asset import THUMBNAIL, parse_blob_name
from audiostore.serve.access import bearer_token
from audiostore.serve.problems import RefusedError
from audiostore.serve.signed import KeySource, SignedTokens

PATH: Final = "/v1/notifications"
_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
_KEYS: Final = "https://www.googleapis.com/oauth2/v1/certs"


class PushSubscription:
    """A push subscription, which authenticates itself as a service account.

    Args:
        account: the e-mail address of the service account.
        public_url: the URL of the service, to which messages are pushed.
        fetch_keys: returns Google's public keys; None: from where Google publishes them.
        clock: in seconds.
    """

    def __init__(
        self,
        account: str,
        public_url: str,
        *,
        fetch_keys: KeySource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        audience = public_url.rstrip("/") + PATH  # what Pub/Sub takes if nothing else is said
        self._tokens = SignedTokens(
            "the push subscription", "RS256", audience, fetch_keys or _KEYS, clock=clock
        )

    async def require(self, request: HTTPConnection) -> None:
        """Require that a request is of this subscription.

        Raises:
            RefusedError: it is not (401), or the keys cannot be fetched (503).
        """
        claims = await anyio.to_thread.run_sync(self._tokens.claims, bearer_token(request) or "")
        if (
            claims.get("iss") not in _ISSUERS
            or claims.get("email") != self._account
            or claims.get("email_verified") is not True
        ):
            raise self._tokens.refusal()


def changed_asset(message: object, store_url: str) -> str | None:
    """Return the id of the asset that a message is about; None if it is about nothing to re-read.

    Artwork is not: the audio object names it, and so changes with it.

    Args:
        message: the body that Pub/Sub has posted.
        store_url: of the store, ``gs://bucket`` or ``gs://bucket/prefix``.

    Raises:
        RefusedError: it is not a notification of a bucket (422).
    """
    match message:
        case {"message": {"attributes": {"bucketId": str(bucket), "objectId": str(name)}}}:
            of_bucket, _, prefix = store_url.removeprefix("gs://").partition("/")
            root = f"{prefix}/" if prefix else ""
            if bucket != of_bucket or not name.startswith(root):
                return None
            found: Any = parse_blob_name(name.removeprefix(root))
            return None if found is None or found[1] is THUMBNAIL else found[0]
    raise RefusedError(422, "a message needs the attributes bucketId and objectId")
