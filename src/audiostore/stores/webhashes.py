"""The hashes that a web server states of a file.

RFC 9530 (Repr-Digest, Content-Digest), RFC 3230 (Digest), RFC 1864 (Content-MD5), and x-goog-hash
(cloud.google.com/storage/docs/xml-api/reference-headers).
"""

import base64
import hashlib
import re
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import google_crc32c

_DIGESTS = ("repr-digest", "content-digest", "digest")
_MEMBER = re.compile(r"\s*([A-Za-z0-9-]+)=:?([A-Za-z0-9+/=]+):?\s*")


class Hash(Protocol):
    """A hash that is being computed."""

    def update(self, data: bytes, /) -> object:
        """Add bytes."""
        ...

    def digest(self) -> bytes:
        """Return the hash of all bytes so far."""
        ...


HASHES: dict[str, tuple[int, Callable[[], Hash]]] = {
    "crc32c": (4, google_crc32c.Checksum),
    "md5": (16, lambda: hashlib.md5(usedforsecurity=False)),
    "sha-256": (32, hashlib.sha256),
    "sha-512": (64, hashlib.sha512),
}
"""By name: its length in bytes, and what computes it."""


def stated_hashes(head: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the hashes of the whole file that the head of a response with all of it states."""
    lines = [line.decode("iso-8859-1").partition(":") for line in head]
    fields = [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]
    is_stored_so = all(
        value == "identity" for name, value in fields if name == "x-goog-stored-content-encoding"
    )
    for name, value in fields:
        if name == "content-md5":
            members = [f"md5={value}"]
        elif name in _DIGESTS or (name == "x-goog-hash" and is_stored_so):
            members = value.split(",")
        else:
            continue
        for member in members:
            match = _MEMBER.fullmatch(member)
            known = match and HASHES.get(match[1].lower())
            if match and known:
                with suppress(Base64Error):
                    digest = base64.b64decode(match[2], validate=True)
                    if len(digest) == known[0]:
                        yield match[1].lower(), digest
