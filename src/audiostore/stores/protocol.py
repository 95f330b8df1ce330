"""The protocol of a store: what audiostore needs from a place that keeps objects.

A store implements `ObjectStore`, the core verbs, and the protocols in `capabilities` that it can.
It passes the conformance suite (`audiostore.stores.testing`). A store makes each request once:
retries are decided above it, in one layer (`stores.retrying`).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Literal, Protocol

from audiostore.dataclass import dataclass, field
from audiostore.sources import Source
from audiostore.values import BlobInfo

StorageClass = Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]
"""In the order of falling prices for storage, and rising prices for access."""


@dataclass(frozen=True, slots=True)
class BlobSpec:
    """The description of an object to store: name, metadata, and headers to serve it with."""

    name: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Custom metadata: any keys and values."""
    cache_control: str | None = None
    content_disposition: str | None = None
    custom_time: datetime | None = None
    storage_class: str | None = None
    """Such as a `StorageClass`; None for the store's default."""
    kms_key: str | None = None
    """The Cloud KMS key to encrypt it with, ``projects/…/cryptoKeys/…``; None for the default."""


def spec_of(blob: BlobInfo, name: str) -> BlobSpec:
    """Return the spec of a copy of an object under another name."""
    return BlobSpec(
        name,
        blob.content_type,
        blob.metadata,
        blob.cache_control,
        blob.content_disposition,
        blob.custom_time,
        blob.storage_class,
        blob.kms_key,
    )


@dataclass(frozen=True, slots=True)
class Transferred:
    """Progress of writing one object, in bytes from its start."""

    sent_bytes: int
    accepted_bytes: int
    """The number of bytes that the store keeps even if this attempt fails."""


TransferListener = Callable[[Transferred], None]


class BlobReader(Protocol):
    """The bytes of one generation of an object, in order."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes: at least one, or b"" at the end."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class ObjectStore(Protocol):
    """Named objects, each with metadata and a generation number that is never used again.

    An object becomes visible whole, bytes and metadata in one step, or not at all. Every reader
    sees a write or a deletion immediately (strong consistency). A method that acts on an existing
    object takes the BlobInfo of the generation that it is to act on. An object whose checksum the
    store cannot tell is described all the same (`BlobInfo.unreadable`). Every method may raise
    StoreConnectionError, StoreTimeoutError, OSError, or an AudioStoreError with an HTTP `status`.
    """

    @property
    def url(self) -> str:
        """URL of the store, such as ``gs://bucket`` or ``file:///directory``."""
        ...

    def uri(self, name: str) -> str:
        """Return the URI of an object: `url`, a slash, the name (encoded, if the scheme does)."""
        ...

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object whole and return its description.

        Args:
            spec: its name, content type and metadata.
            source: its bytes. A store with `SupportsServerCopy` copies a `StoredSource` of its own
                service without reading it; any other is read.
            if_generation_match: 0 to create it; else the generation to replace.
            on_transfer: called with the progress from time to time.

        Raises:
            PreconditionFailedError: the object has another generation, exists, or does not.
            SourceChangedError: the source has changed; nothing was stored.
            IntegrityError: the bytes that arrived do not have the source's crc32c; nothing was
                stored.
            UnsupportedByStoreError: the store has no Cloud KMS keys, and `spec` names one.
        """
        ...

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read the generation of an object that `blob` describes, from byte `start` up to `stop`.

        Args:
            blob: the object.
            start: offset of the first byte; at or after the end of the object, nothing is read.
            stop: offset after the last byte; None for the end of the object.

        Raises:
            BlobNotFoundError: the object, or this generation of it, does not exist.
        """
        ...

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description.

        Raises:
            BlobNotFoundError: no such object.
        """
        ...

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects whose names begin with `prefix` and sort after `start_after`.

        In the order of the names' UTF-8 bytes, page by page.
        """
        ...

    def update(
        self,
        blob: BlobInfo,
        metadata: Mapping[str, str | None],
        *,
        content_type: str | None = None,
        temporary_hold: bool | None = None,
        custom_time: datetime | None = None,
    ) -> BlobInfo:
        """Change an object's metadata; its bytes and its generation stay the same.

        Args:
            blob: the object.
            metadata: custom metadata keys to set; None removes a key.
            content_type: the new content type; None leaves it unchanged.
            temporary_hold: whether it is under a hold; None leaves it unchanged.
            custom_time: the new custom time, with a time zone; None leaves it unchanged.

        Raises:
            BlobNotFoundError: no such object.
            PreconditionFailedError: the object no longer has the generation and metageneration of
                `blob`.
            ValueError: `custom_time` would move earlier, or has no time zone.
        """
        ...

    def copy(
        self,
        source: BlobInfo,
        target: str,
        *,
        if_generation_match: int = 0,
        storage_class: StorageClass | None = None,
    ) -> BlobInfo:
        """Copy an object with its metadata within the store, under a precondition on the target.

        A store with `SupportsVersions` copies a noncurrent version as well.

        A copy onto its own name (`if_generation_match` being its generation) changes the object's
        storage class; the copy gets a new generation. Its encryption key stays, holds and access
        control lists are not copied.

        Args:
            source: the object.
            target: the name of the copy.
            if_generation_match: 0 to create the target; else its generation to replace.
            storage_class: of the copy; None for the source's.

        Raises:
            BlobNotFoundError: the source is gone, or has another generation.
            PreconditionFailedError: the target has another generation, exists, or does not.
            HeldError: the object to replace is under a hold.
            UnreadableBlobError: the source is encrypted with a key that the store does not have.
        """
        ...

    def delete(self, blob: BlobInfo, *, if_unchanged: bool = False) -> None:
        """Delete the generation of an object that `blob` describes: nobody can read it any more.

        A store with `SupportsSoftDelete` keeps deleted and overwritten objects for
        `StoreSettings.soft_delete_s` seconds. A store with `SupportsVersions` also deletes a
        generation that has become noncurrent meanwhile.

        Args:
            blob: the object.
            if_unchanged: delete it only if it still has the metageneration of `blob`, too.

        Raises:
            BlobNotFoundError: no such object, or (in a bucket) no such generation of it.
            PreconditionFailedError: the object has another generation; or another metageneration,
                and `if_unchanged` is given.
            HeldError: a hold, or the store's retention period, forbids it.
        """
        ...

    def close(self) -> None:
        """Release connections; the store must not be used afterwards."""
        ...
