"""Files that are not on this machine: named by a URL, and fetched before they are stored."""

import os
import posixpath
import re
from typing import Self
from urllib.parse import unquote, urlsplit

from audiostore.dataclass import dataclass, field
from audiostore.errors import InvalidSourceError, shown
from audiostore.sourcepaths import is_source_path, is_url

_BUCKET = re.compile(r"gs://([a-z0-9][a-z0-9._-]+)/(.+)", re.DOTALL)
# RFC 3986: a host and port, without a user and password; what is not ASCII is percent-encoded.
_WEB = re.compile(
    r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"/[\w.~!$&'()*+,;=:@%/-]*(?:\?[\w.~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a bucket (``gs://bucket/object``) or on a web server (``https://…``).

    It is fetched when it is stored. As text, it is the URL without its query, which may hold a
    signature.

    Raises:
        InvalidSourceError: the URL is not valid: it has another scheme, such as ``http``, which
            nothing protects on the way; a user and password; a fragment; characters that are not
            percent-encoded; or it names no file.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check the URL."""
        try:
            self.url.encode()
        except UnicodeEncodeError:
            raise InvalidSourceError(f"{shown(self.url)} is not valid Unicode") from None
        known = _BUCKET if self.url.startswith("gs://") else _WEB
        if not known.fullmatch(self.url):
            raise InvalidSourceError(
                f"{shown(self.url)} is not the URL of a file: give gs://bucket/object, or https:// "
                "with what is not ASCII percent-encoded, and without a password"
            )
        if self.name in ("", ".", "..") or "\0" in self.name:
            raise InvalidSourceError(f"{shown(str(self))} names no file: give the URL of one")

    @classmethod
    def of(cls, place: str | os.PathLike[str]) -> Self | None:
        """Return the remote file at a URL; None for a path.

        Raises:
            InvalidSourceError: the URL is not valid.
        """
        return cls(place) if isinstance(place, str) and is_url(place) else None

    def __str__(self) -> str:
        return self.url if self.url.startswith("gs://") else self.url.partition("?")[0]

    @property
    def name(self) -> str:
        """The name of the file: the last part of the URL's path."""
        if (in_bucket := self.in_bucket) is not None:
            return posixpath.basename(in_bucket[1])
        return posixpath.basename(unquote(urlsplit(self.url).path, errors="surrogateescape"))

    @property
    def suffix(self) -> str:
        """The extension of its name, with a dot; "" without one."""
        return posixpath.splitext(self.name)[1]

    @property
    def source_path(self) -> str | None:
        """Its name as a source path; None if it cannot be one."""
        return self.name if is_source_path(self.name) else None

    @property
    def in_bucket(self) -> tuple[str, str] | None:
        """The bucket, and the name of the object; None on a web server."""
        match = _BUCKET.fullmatch(self.url)
        return None if match is None else (match[1], match[2])
