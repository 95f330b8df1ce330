"""The errors of audiostore: one base class; each error also inherits the builtin that it refines.

::

    AudioStoreError
    ├── ConfigurationError        (ValueError)       no store configured, or not a store's URL
    ├── CredentialsError          (PermissionError)  no credentials, or they cannot be refreshed
    ├── InvalidAudioIdError       (ValueError)       not a canonical UUID
    ├── InvalidMetadataError      (ValueError)       not text, too large, or a reserved key
    ├── UnsupportedFormatError    (ValueError)       unknown extension, or content of another kind
    ├── InvalidSourceError        (ValueError)       a directory, a device, an empty file
    ├── UnplayableAudioError      (ValueError)       cut short, corrupt, without sound
    ├── InvalidImageError         (ValueError)       does not decode, or too large
    ├── SourceNotFoundError       (FileNotFoundError)
    ├── SourceChangedError        (RuntimeError)     a local file changed while it was being stored
    ├── AssetNotFoundError        (LookupError)      no complete asset under this id
    ├── AssetConflictError        (FileExistsError)  the id holds other content
    ├── IntegrityError            (RuntimeError)     stored or received bytes fail their checksum
    ├── BlobNotFoundError         (LookupError)      the store has no such object or generation
    ├── PreconditionFailedError   (RuntimeError)     the object has another generation
    ├── HeldError                 (PermissionError)  a hold, or a retention period, forbids it
    ├── UnsupportedByStoreError   (NotImplementedError)  not possible with this store or settings
    ├── ProcessDiedError          (RuntimeError)     a worker process has died
    ├── StoreConnectionError      (ConnectionError)  the connection failed or broke
    └── StoreTimeoutError         (TimeoutError)     no connection, or no progress, in time

An error response of Google Cloud Storage is raised as the ``google.api_core.exceptions`` class of
its status, which is an AudioStoreError as well: 401 a CredentialsError, 404 for an object a
BlobNotFoundError, 412 a PreconditionFailedError, 403 for an object under a hold a HeldError.
"""

import os
from pathlib import Path

_SHOWN_CHARACTERS = 80


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


def shown(value: object) -> str:
    """Return a value for a message: its `repr`, shortened. Never the caller's bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{type(value).__name__} of length {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


class ConfigurationError(AudioStoreError, ValueError):
    """No store is configured, or the configured value does not name a store."""


class CredentialsError(AudioStoreError, PermissionError):
    """No credentials for the bucket were found, or they cannot be refreshed."""


class InvalidAudioIdError(AudioStoreError, ValueError):
    """The audio id is not a UUID in its canonical text form."""


class InvalidMetadataError(AudioStoreError, ValueError):
    """The caller's metadata is not text, too large, or uses a key of audiostore's own."""


class UnsupportedFormatError(AudioStoreError, ValueError):
    """The file's format is not supported, or its extension does not fit its content."""


class InvalidSourceError(AudioStoreError, ValueError):
    """The path is not a regular file, or the file is empty."""


class UnplayableAudioError(AudioStoreError, ValueError):
    """The audio file is cut short, damaged or has no sound; the message says what and where."""


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


class PreconditionFailedError(AudioStoreError, RuntimeError):
    """The object does not have the generation or metageneration that the request requires."""


class HeldError(AudioStoreError, PermissionError):
    """A hold, or the store's retention period, forbids deleting or overwriting the object."""


class UnsupportedByStoreError(AudioStoreError, NotImplementedError):
    """This kind of store cannot do it, or its settings do not allow it."""


class ProcessDiedError(AudioStoreError, RuntimeError):
    """A worker process has died: out of memory, killed, or crashed in a library."""


class StoreConnectionError(AudioStoreError, ConnectionError):
    """The connection to the store failed or broke."""


class StoreTimeoutError(AudioStoreError, TimeoutError):
    """The store did not respond, or a transfer made no progress, in time."""
