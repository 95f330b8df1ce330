"""The errors of audiostore: one base class; each error also inherits the builtin that it refines.

::

    AudioStoreError
    ├── ConfigurationError        (ValueError)       no store configured, or not a store's URL
    ├── CredentialsError          (PermissionError)  no credentials, or they cannot be refreshed
    ├── InvalidAudioIdError       (ValueError)       not a canonical UUID
    ├── AmbiguousAudioIdError     (ValueError)       several ids begin with these characters
    ├── InvalidRequestError       (ValueError)       a header or URL that HTTP does not allow
    ├── InvalidMetadataError      (ValueError)       not text, too large, or a reserved key
    ├── UnsupportedFormatError    (ValueError)       unknown extension, or content of another kind
    ├── InvalidSourceError        (ValueError)       a directory, a device, an empty file
    ├── UnplayableAudioError      (ValueError)       cut short, corrupt, without sound
    ├── InspectionLimitError      (ValueError)       takes too much time or memory to inspect
    ├── InvalidImageError         (ValueError)       does not decode, or too large
    ├── InvalidRunError           (ValueError)       a fleet run's name, an empty list, a chunk
    ├── SourceNotFoundError       (FileNotFoundError)
    ├── SourceChangedError        (RuntimeError)     a local file changed while it was being stored
    ├── AssetNotFoundError        (LookupError)      no complete asset under this id
    ├── AssetConflictError        (FileExistsError)  the id holds other content
    ├── IntegrityError            (RuntimeError)     stored or received bytes fail their checksum
    ├── BlobNotFoundError         (LookupError)      the store has no such object or generation
    ├── UnreadableBlobError       (PermissionError)  an object's bytes or checksum need a key
    ├── PreconditionFailedError   (RuntimeError)     the object has another generation
    ├── HeldError                 (PermissionError)  a hold, or a retention period, forbids it
    ├── UnsupportedByStoreError   (NotImplementedError)  not possible with this store or settings
    ├── ProcessDiedError          (RuntimeError)     a worker process has died
    ├── RunNotFoundError          (LookupError)      no fleet run of this name is planned
    ├── RunConflictError          (FileExistsError)  a fleet run of this name has another list
    ├── ExportConflictError       (FileExistsError)  the place of an export holds something else
    ├── StoreLockedError          (BlockingIOError)  another writer keeps a directory locked
    ├── StoreConnectionError      (ConnectionError)  no connection, or a response without sense
    ├── StoreTimeoutError         (TimeoutError)     no connection, or no progress, in time
    └── StoreTlsError             (OSError)          no connection that can be trusted

An error response of Google Cloud Storage is raised as the ``google.api_core.exceptions`` class of
its status, which is an AudioStoreError as well: 401 a CredentialsError, 404 for an object a
BlobNotFoundError, 412 a PreconditionFailedError, 403 for an object under a hold a HeldError.
"""

import errno
import os
import re
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from audiostore.patterns import pattern

_SHOWN_CHARACTERS = 80
_SERVER_CHARACTERS = 500
_REDACTED = "[secret]"
_LEAST_SECRET = 6

# Where secrets stand in text: after these names in URLs, headers, forms and JSON, in
# "Authorization: Bearer …", and in front of the host of a URL (RFC 3986, section 3.2.1). Passwords
# may hold anything but a slash and white space, "@" included.
_NAMED_SECRETS = pattern(
    r"""(?P<name>\b(?:upload_?id|x-guploader-uploadid|x-goog-signature|signature
        |(?:x-goog-)?(?:copy-source-)?encryption-key|encryptionkey
        |access_?token|refresh_?token|id_?token|rewrite_?token|assertion|signed_?jwt|client_secret
        |password|private_key)
        ["']?\s*(?:=|:|%3d|%22%3a%22)\s*["']?)(?P<secret>[^\s"'&;,<>]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = pattern(
    r"(?P<name>\b(?:bearer|basic)\s+|\bauthorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)"
    r"(?P<secret>[\w~+/.=-]{6,})",
    re.IGNORECASE,
)
_GOOGLE_TOKEN = pattern(r"\bya29\.[\w.-]+|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*")
_USER_INFO = pattern(r"(?<=://)[^/\s\"<>]*@")

# Characters of these categories move the cursor, color, reorder or break a line.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # zero-width (non-)joiner: scripts and emoji need them


E = TypeVar("E", bound=Exception)

# Of a disk, or of its whole file system. A single file can be too large, too, but nobody knows.
_FULL_OR_READ_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class AudioStoreError(Exception):
    """The base class of all errors that audiostore raises.

    The message says what failed, on what, and what to do. The attributes are for programs.
    """

    audio_id: str | None = None
    """The id of the asset, if the error is about one."""
    path: Path | None = None
    """The local file, if the error is about one."""
    status: int | None = None
    """The HTTP status, if a response of a bucket caused the error."""
    host: str | None = None
    """The web server, if a file could not be fetched from it."""
    affects_all: bool = False
    """Whether any other asset would fail with it, too: no such bucket, no permission to write, no
    credentials, no trusted connection, no disk space. A bulk run ends with such an error."""

    def __init__(
        self,
        message: str = "",
        *,
        audio_id: str | None = None,
        path: str | os.PathLike[str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.audio_id = audio_id
        self.path = None if path is None else Path(path)
        self.status = status


def affects_all(error: Exception) -> bool:
    """Say whether any other asset would fail with this error, too."""
    if isinstance(error, OSError) and error.errno in _FULL_OR_READ_ONLY:
        return True
    return bool(getattr(error, "affects_all", False))


def affecting_all(error: E) -> E:
    """Mark an error as one with which any other asset would fail, too; return it."""
    error.__dict__["affects_all"] = True  # an OSError has no such attribute
    return error


def shown(value: object) -> str:
    """Return a value for a message: its `repr`, short, no secret. Never the caller's bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{type(value).__name__} of length {len(value)}"
    text = redacted(repr(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def redacted(text: str, *secrets: str) -> str:
    """Return a text without secrets: the given ones, and what stands where secrets do.

    Upload sessions, signatures, tokens, encryption keys, and passwords in URLs.
    """
    for secret in secrets:
        for form in {secret, quote(secret), quote(secret, safe="")}:
            if len(form) >= _LEAST_SECRET:
                text = text.replace(form, _REDACTED)
    text = _NAMED_SECRETS.sub(rf"\g<name>{_REDACTED}", text)
    text = _AUTHORIZATION.sub(rf"\g<name>{_REDACTED}", text)
    return _USER_INFO.sub(f"{_REDACTED}@", _GOOGLE_TOKEN.sub(_REDACTED, text))


def server_text(text: str, *secrets: str) -> str:
    """Return a text from a server for a message: on one line, without secrets, escaped and short.

    Args:
        text: what the server said.
        secrets: what the request held, which the server may have repeated.
    """
    line = escaped(" ".join(redacted(text[: 8 * _SERVER_CHARACTERS], *secrets).split()))
    return line if len(line) <= _SERVER_CHARACTERS else f"{line[:_SERVER_CHARACTERS]}…"


def escaped(text: str) -> str:
    r"""Return the text with what controls a terminal written as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(c if is_safe(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def is_safe(character: str) -> bool:
    """Say whether a character cannot control a terminal."""
    return character in _JOINERS or unicodedata.category(character) not in _UNSAFE_CATEGORIES


class ConfigurationError(AudioStoreError, ValueError):
    """No store is configured, or the configured value names none; or an extra is not installed."""

    affects_all = True


class CredentialsError(AudioStoreError, PermissionError):
    """No credentials for the bucket were found, or they cannot be refreshed."""

    affects_all = True


class InvalidAudioIdError(AudioStoreError, ValueError):
    """The audio id is not a UUID in its canonical text form."""


class AmbiguousAudioIdError(AudioStoreError, ValueError):
    """Several assets have an id that begins with the given characters."""

    candidates: tuple[str, ...] = ()
    """The ids of some of them, in order."""


class InvalidRequestError(AudioStoreError, ValueError):
    """A header or URL has characters that HTTP does not allow; nothing was sent."""


class InvalidMetadataError(AudioStoreError, ValueError):
    """The caller's metadata is not text, or too large, or has a key that is not valid."""


class UnsupportedFormatError(AudioStoreError, ValueError):
    """The file's format is not supported, or its extension does not fit its content."""


class InvalidSourceError(AudioStoreError, ValueError):
    """The path is not a regular file, or the file is empty."""


class UnplayableAudioError(AudioStoreError, ValueError):
    """The audio file is cut short, damaged or has no sound; the message says what and where."""


class InspectionLimitError(AudioStoreError, ValueError):
    """Inspecting the audio file takes more time or memory than allowed, or a missing FFmpeg.

    This says nothing about the file, which may be intact.
    """


class InvalidImageError(AudioStoreError, ValueError):
    """The image cannot be decoded, or has too many bytes or pixels."""


class SourceNotFoundError(AudioStoreError, FileNotFoundError):
    """No file exists at the path."""


class SourceChangedError(AudioStoreError, RuntimeError):
    """The local file was changed or replaced since it was inspected; nothing was committed."""


class AssetNotFoundError(AudioStoreError, LookupError):
    """The store has no complete asset with this id, or the asset does not have this part."""


class AssetConflictError(AudioStoreError, FileExistsError):
    """The id already holds other content, which was not touched."""


class IntegrityError(AudioStoreError, RuntimeError):
    """The size or crc32c of stored or received bytes is wrong."""


class BlobNotFoundError(AudioStoreError, LookupError):
    """The store has no object with this name, or not in this generation."""


class UnreadableBlobError(AudioStoreError, PermissionError):
    """The bytes of an object, or its checksum, cannot be read: its key is missing or disabled."""


class PreconditionFailedError(AudioStoreError, RuntimeError):
    """The object does not have the generation or metageneration that the request requires."""


class HeldError(AudioStoreError, PermissionError):
    """A hold, or a retention period, forbids deleting or overwriting the object."""

    temporary_hold: bool = False
    """Whether the object is known to be under a hold that `release` ends."""
    event_based_hold: bool = False
    """Whether it is known to be under a hold of the bucket's owner."""
    retained_until: datetime | None = None
    """When its retention period ends, if it is known to be in one."""


class UnsupportedByStoreError(AudioStoreError, NotImplementedError):
    """This kind of store cannot do it, or its settings do not allow it."""


class ProcessDiedError(AudioStoreError, RuntimeError):
    """A worker process has died: out of memory, killed, or crashed in a library; or is lost."""


class RunNotFoundError(AudioStoreError, LookupError):
    """The store has no fleet run of this name, or its plan is not complete."""

    affects_all = True


class InvalidRunError(AudioStoreError, ValueError):
    """A fleet run cannot have this name, this list or a chunk of this number."""


class RunConflictError(AudioStoreError, FileExistsError):
    """The fleet run of this name has another list, or other options; it was not changed."""

    affects_all = True


class ExportConflictError(AudioStoreError, FileExistsError):
    """The place of an export holds another export, or something else; it was not touched."""

    affects_all = True


class StoreLockedError(AudioStoreError, BlockingIOError):
    """Another writer has held the lock of a directory store for too long; nothing was changed."""


class StoreConnectionError(AudioStoreError, ConnectionError):
    """The connection failed or broke; or, with a `status`, the response cannot be understood."""


class StoreTimeoutError(AudioStoreError, TimeoutError):
    """The store did not respond, or a transfer made no progress, in time."""


class StoreTlsError(AudioStoreError, OSError):
    """The store could not prove who it is, or speaks no common version of TLS. Not retried."""

    affects_all = True
