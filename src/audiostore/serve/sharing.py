"""Share tokens: anyone with one may hear one asset, or read one feed, without any other token.

A token is signed by the service's key and says all there is to know, so nothing is kept of it. It
ends when it says so, when the key changes, or when the asset's `share_epoch` is raised, which is
metadata that callers cannot change.
"""

import hmac
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Final
from uuid import UUID

from audiostore.asset import MOST_SHARE_EPOCH, share_epoch
from audiostore.config import state_directory
from audiostore.dataclass import dataclass, field
from audiostore.errors import AssetConflictError
from audiostore.files import make_folder
from audiostore.values import StorageResult

LEAST_SECRET_BYTES: Final = 16
_MAC_BYTES: Final = 16
_OWN_BYTES: Final = 32
_SHARE: Final = b"\x01"
_FEED: Final = b"\x02"
_MOST_TOKEN: Final = 2_000


class InvalidTokenError(Exception):
    """A token that nobody can use: it is not signed by this key, has expired, or was revoked."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a share token says."""

    audio_id: str
    expires_at: int | None = None
    """In seconds since 1970; None: never."""
    epoch: int = 0
    """The asset's `share_epoch` when the link was made."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What the token of a feed says."""

    title: str
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Parameters of a search, as ``/v1/assets`` takes them."""


class ShareKey:
    """Signs tokens, and reads those that it has signed.

    Args:
        secret: at least 16 bytes that nobody can guess; the same in every process that serves.
        clock: the time in seconds since 1970.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < LEAST_SECRET_BYTES:
            raise ValueError(f"a secret for links has at least {LEAST_SECRET_BYTES} bytes")
        self._secret = secret
        self._clock = clock

    def share_token(self, share: Share) -> str:
        """Return the token of a share."""
        expires = (share.expires_at or 0).to_bytes(5)
        return self._signed(_SHARE + UUID(share.audio_id).bytes + expires + share.epoch.to_bytes(2))

    def read_share(self, token: str) -> Share:
        """Return what a share token says; ask `is_revoked`, too.

        Raises:
            InvalidTokenError: it is not signed by this key, or has expired.
        """
        data = self._verified(token, _SHARE)
        expires_at = int.from_bytes(data[16:21]) or None
        if expires_at is not None and expires_at <= self._clock():
            raise InvalidTokenError("this link has expired")
        return Share(str(UUID(bytes=data[:16])), expires_at, int.from_bytes(data[21:23]))

    def feed_token(self, feed: Feed) -> str:
        """Return the token of a feed."""
        text = json.dumps([feed.title, dict(feed.query)], separators=(",", ":"), sort_keys=True)
        return self._signed(_FEED + text.encode())

    def read_feed(self, token: str) -> Feed:
        """Return what the token of a feed says.

        Raises:
            InvalidTokenError: it is not signed by this key.
        """
        title, query = json.loads(self._verified(token, _FEED))
        return Feed(title, query)

    def _signed(self, data: bytes) -> str:
        return urlsafe_b64encode(data + self._mac(data)).decode("ascii").rstrip("=")

    def _verified(self, token: str, kind: bytes) -> bytes:
        try:
            signed = b"" if len(token) > _MOST_TOKEN else urlsafe_b64decode(_padded(token))
        except (ValueError, Base64Error):
            signed = b""
        data, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(data)) or data[:1] != kind:
            raise InvalidTokenError("this link is not valid")
        return data[1:]

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._secret, b"audiostore link\0" + data, sha256)[:_MAC_BYTES]


def new_share(asset: StorageResult, expires_at: int | None) -> Share:
    """Return what the token of a new link says.

    Raises:
        AssetConflictError: the links of the asset were revoked so often that it can have none.
    """
    epoch = epoch_of(asset)
    if epoch == MOST_SHARE_EPOCH:
        raise AssetConflictError(
            f"the links of {asset.audio_id} were revoked {epoch:,} times: it can have no more. "
            "Upload its audio again, under another id, and share that",
            audio_id=asset.audio_id,
        )
    return Share(asset.audio_id, expires_at, epoch)


def is_revoked(share: Share, asset: StorageResult) -> bool:
    """Say whether the links of an asset were revoked after one was made."""
    return share.epoch != epoch_of(asset) or share.epoch == MOST_SHARE_EPOCH


def epoch_of(asset: StorageResult) -> int:
    """Return how often the links of an asset were revoked."""
    return 0 if asset.audio is None else share_epoch(asset.audio)


def _padded(token: str) -> bytes:
    return token.encode("ascii") + b"=" * (-len(token) % 4)


def own_secret() -> bytes:
    """Return the secret of this user on this machine; it is made the first time.

    Raises:
        OSError: it can be neither read nor written.
    """
    file = state_directory() / "share-secret"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        make_folder(file.parent)
    with suppress(FileExistsError):  # another process was faster
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_OWN_BYTES))
    return file.read_bytes()
