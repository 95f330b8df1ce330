"""The errors of audiostore: one base, and each also the builtin that it refines.

::

    AudioStoreError
    ├── ConfigurationError        (ValueError)       no store configured, or not a store's URL
    ├── CredentialsError          (PermissionError)  no credentials, or they cannot be refreshed
    ├── InvalidAudioIdError       (ValueError)       not a canonical UUID
    ├── InvalidMetadataError      (ValueError)       not text, too large, or one of our own keys
    ├── UnsupportedFormatError    (ValueError)       unknown extension, or content of another kind
    ├── InvalidSourceError        (ValueError)       a directory, a device, an empty file
    ├── UnplayableAudioError      (ValueError)       cut short, corrupt, without sound
    ├── InvalidImageError         (ValueError)       not to be decoded, or too large
    ├── SourceNotFoundError       (FileNotFoundError)
    ├── SourceChangedError        (RuntimeError)     a local file changed while it was being stored
    ├── AssetNotFoundError        (LookupError)      no complete asset under this id
    ├── AssetConflictError        (FileExistsError)  the id holds other content
    ├── IntegrityError            (RuntimeError)     stored or received bytes are not the right ones
    ├── BlobNotFoundError         (LookupError)      a store has no such object (generation)
    ├── PreconditionFailedError   (RuntimeError)     a store's object is of another generation
    ├── HeldError                 (PermissionError)  a hold, or a time to keep, forbids it
    ├── UnsupportedByStoreError   (NotImplementedError)  this kind of store, or its settings, cannot
    ├── ProcessDiedError          (RuntimeError)     a process that did part of the work has died
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
    """Base of every error that audiostore raises.

    Its text says what failed, on what, and what to do. The attributes carry the same for programs.
    """

    audio_id: str | None = None
    """The asset that it is about, where it is about one."""
    path: Path | None = None
    """The local file that it is about, where it is about one."""
    status: int | None = None
    """The HTTP status of a bucket's response, where it comes from one."""

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
    """Return a value as an error shows it: its `repr`, cut short. Never a caller's bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{type(value).__name__} of length {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


class ConfigurationError(AudioStoreError, ValueError):
    """No store is configured, or what is configured is not a store."""


class CredentialsError(AudioStoreError, PermissionError):
    """There are no credentials for the bucket, or they cannot be refreshed."""


class InvalidAudioIdError(AudioStoreError, ValueError):
    """The audio id is not a UUID in its canonical text form."""


class InvalidMetadataError(AudioStoreError, ValueError):
    """The caller's metadata is not text, too large, or uses a key that is ours."""


class UnsupportedFormatError(AudioStoreError, ValueError):
    """The file's extension is not one we store, or its first bytes are something else."""


class InvalidSourceError(AudioStoreError, ValueError):
    """The path is no regular file, or the file is empty."""


class UnplayableAudioError(AudioStoreError, ValueError):
    """The audio file is cut short, corrupt or holds no sound; it says what is wrong and where."""


class InvalidImageError(AudioStoreError, ValueError):
    """The image cannot be decoded, or has more bytes or pixels than we take."""


class SourceNotFoundError(AudioStoreError, FileNotFoundError):
    """There is no file at the path."""


class SourceChangedError(AudioStoreError, RuntimeError):
    """The local file is no longer the one that was examined; nothing was committed."""


class AssetNotFoundError(AudioStoreError, LookupError):
    """The store holds no complete asset under this id (or not the part asked for)."""


class AssetConflictError(AudioStoreError, FileExistsError):
    """The id is taken by other content, which was left untouched."""


class IntegrityError(AudioStoreError, RuntimeError):
    """Size or crc32c of stored or received bytes differ from what they must be."""


class BlobNotFoundError(AudioStoreError, LookupError):
    """The store has no object of this name (and generation)."""


class PreconditionFailedError(AudioStoreError, RuntimeError):
    """The object's generation or metageneration is not the one that was demanded."""


class HeldError(AudioStoreError, PermissionError):
    """A hold, or a time for which the store keeps everything, forbids to delete or overwrite."""


class UnsupportedByStoreError(AudioStoreError, NotImplementedError):
    """What was asked for is beyond this kind of store, or switched off in its settings."""


class ProcessDiedError(AudioStoreError, RuntimeError):
    """A process that did part of the work has died: out of memory, killed, a crash in a library."""


class StoreConnectionError(AudioStoreError, ConnectionError):
    """The connection to the store could not be made, or broke."""


class StoreTimeoutError(AudioStoreError, TimeoutError):
    """The store did not answer, or a transfer made no progress, in time."""
