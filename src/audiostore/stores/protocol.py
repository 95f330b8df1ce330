"""The seam: what audiostore asks of a place that keeps objects.

Every store passes the same conformance suite (tests/conformance). A store makes each request
once: whether to try again is decided above it, in one layer (`stores.retrying`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from audiostore.sources import Source
from audiostore.values import BlobInfo, DeletedBlob

StorageClass = Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]
"""From the dearest to store and cheapest to read, to the reverse."""


@dataclass(frozen=True, slots=True)
class BlobSpec:
    """What an object is to be called, to say of itself, and to be served with."""

    name: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    cache_control: str | None = None
    content_disposition: str | None = None
    custom_time: datetime | None = None


def spec_of(blob: BlobInfo, name: str) -> BlobSpec:
    """Return what a copy of an object, under another name, is to be like."""
    return BlobSpec(
        name,
        blob.content_type,
        blob.metadata,
        blob.cache_control,
        blob.content_disposition,
        blob.custom_time,
    )


@dataclass(frozen=True, slots=True)
class Transferred:
    """How far the writing of one object has come, in bytes from its start."""

    sent_bytes: int
    accepted_bytes: int
    """What the store has said it keeps, even should this attempt fail."""


TransferListener = Callable[[Transferred], None]


class BlobReader(Protocol):
    """The bytes of one generation of an object, front to back."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes (at least one, unless at the end: b"")."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class ObjectStore(Protocol):
    """Named objects, each with metadata and a generation that no other content ever has.

    An object becomes visible whole, bytes and metadata in one step, or not at all. What was
    written or deleted is seen at once by all (strong consistency). What is done to an existing
    object takes the BlobInfo that says which generation is meant. Every method may raise
    StoreConnectionError, StoreTimeoutError, OSError, or a `google.api_core.exceptions` error.
    """

    @property
    def url(self) -> str:
        """``gs://bucket`` or ``file:///directory``."""
        ...

    def uri(self, name: str) -> str:
        """Return the URI of an object."""
        ...

    def put(
        self,
        spec: BlobSpec,
        source: Source,
        *,
        if_generation_match: int = 0,
        on_transfer: TransferListener | None = None,
    ) -> BlobInfo:
        """Write an object whole and return it as the store describes it.

        Args:
            spec: its name, content type and metadata.
            source: its bytes.
            if_generation_match: 0 to create it; else the generation that is to be replaced.
            on_transfer: told from time to time how far it is.

        Raises:
            PreconditionFailedError: the object is of another generation, exists, or does not.
            SourceChangedError: the source is not what it was; nothing was committed.
        """
        ...

    def open(self, blob: BlobInfo, *, start: int = 0, stop: int | None = None) -> BlobReader:
        """Read the generation of an object that `blob` describes, from byte `start` up to `stop`.

        Args:
            blob: the object.
            start: offset of the first byte; at or behind the end, there are none.
            stop: offset behind the last byte; None for the end.

        Raises:
            BlobNotFoundError: there is no such object, or not of this generation any more.
        """
        ...

    def stat(self, name: str) -> BlobInfo:
        """Return the object's description.

        Raises:
            BlobNotFoundError: there is none.
        """
        ...

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        """Yield the objects whose names begin with `prefix` and sort behind `start_after`.

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
        """Change what an object says of itself; its bytes and its generation stay.

        Args:
            blob: the object.
            metadata: custom metadata keys to set; None removes one.
            content_type: None leaves it.
            temporary_hold: None leaves it.
            custom_time: with a time zone; None leaves it.

        Raises:
            BlobNotFoundError: there is no such object.
            PreconditionFailedError: it is not, or no longer, as `blob` describes it (generation
                and metageneration).
            ValueError: `custom_time` would move earlier.
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

        A copy onto its own name (`if_generation_match` being its generation) is how an object
        changes its storage class; the copy has a generation of its own. Holds are not copied.

        Args:
            source: the object.
            target: the name of the copy.
            if_generation_match: as in `put`.
            storage_class: of the copy; None for that of the source.

        Raises:
            BlobNotFoundError: the source is gone, or of another generation by now.
            PreconditionFailedError: as `put`.
            HeldError: the object that is to be replaced is under a hold.
        """
        ...

    def delete(self, blob: BlobInfo) -> None:
        """Delete the generation of an object that `blob` describes.

        A store that keeps what is deleted (`StoreSettings.soft_delete_s`) gives it back for that
        long; so it does with what is overwritten.

        Raises:
            BlobNotFoundError: there is no such object.
            PreconditionFailedError: it is of another generation by now.
            HeldError: a hold, or the store's time to keep, forbids it.
        """
        ...

    def list_deleted(self, prefix: str) -> Iterator[DeletedBlob]:
        """Yield what was deleted or overwritten and can still be restored.

        In the order of the names' UTF-8 bytes, then of generations. A store that keeps nothing
        yields nothing.
        """
        ...

    def restore(self, deleted: DeletedBlob, *, if_generation_match: int = 0) -> BlobInfo:
        """Make a deleted generation live again: its bytes and metadata, as a new generation.

        Raises:
            BlobNotFoundError: it is gone for good.
            PreconditionFailedError: the name is taken (by another generation than asked for).
        """
        ...

    def purge(self, deleted: DeletedBlob) -> None:
        """Let a deleted generation go for good, before its time.

        Raises:
            BlobNotFoundError: it is gone already.
            UnsupportedByStoreError: the store keeps it until `gone_at`, whatever anyone says.
        """
        ...

    def close(self) -> None:
        """Release connections; the store is not used after this."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at in a store, and what to do if it is not as it should be."""

    subject: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What a store does of itself with what it keeps."""

    metageneration: int
    """Counts the changes of these settings."""
    location: str
    storage_class: str
    """Of objects that ask for none."""
    soft_delete_s: int = 0
    """How long what is deleted or overwritten can be restored; 0: it cannot."""
    versioning: bool = False
    uniform_access: bool = True
    """Access is granted on the bucket alone, not object by object."""
    retention_s: int = 0
    """How long no object can be deleted or overwritten after it was stored."""
    retention_is_locked: bool = False
    cors: tuple[Mapping[str, object], ...] = field(default=(), hash=False)
    """As in the JSON API's bucket resource."""
    lifecycle_rules: tuple[Mapping[str, object], ...] = field(default=(), hash=False)
    """As in the JSON API's bucket resource: ``{"action": {…}, "condition": {…}}``."""


@dataclass(frozen=True, slots=True)
class Stray:
    """Something that lies where objects are, and is none."""

    path: str
    words: str
    """What it is."""
    is_removable: bool
    """It holds nothing of anybody's: an empty folder, metadata of an object that is gone."""
    changed_at: datetime


class BucketAdmin(Protocol):
    """The settings of a store, beside its objects."""

    def diagnose(self) -> Iterator[Finding]:
        """Try, one after the other, all that storing needs; leave nothing behind."""
        ...

    def settings(self) -> StoreSettings:
        """Return what the store does of itself."""
        ...

    def change_settings(
        self,
        present: StoreSettings,
        *,
        lifecycle_rules: tuple[Mapping[str, object], ...] | None = None,
        soft_delete_s: int | None = None,
        retention_s: int | None = None,
    ) -> StoreSettings:
        """Change settings of the store; None leaves one as it is.

        Raises:
            PreconditionFailedError: the settings are not, or no longer, as `present` says.
            ValueError: the store takes no such setting.
        """
        ...

    def reclass(self, blob: BlobInfo, storage_class: StorageClass) -> BlobInfo:
        """Change an object's storage class in place, as a bucket's own lifecycle rules do.

        Bytes, generation and time of creation stay; `class_changed_at` becomes now.

        Raises:
            BlobNotFoundError, PreconditionFailedError: as `ObjectStore.update`.
            UnsupportedByStoreError: only the store itself does this (`ObjectStore.copy` makes a
                new generation).
        """
        ...

    def strays(self, prefix: str) -> Iterator[Stray]:
        """Yield what lies under a prefix and is no object; nothing, in a bucket."""
        ...

    def remove_stray(self, stray: Stray) -> None:
        """Remove something that `strays` found, if it still is what it was.

        Raises:
            BlobNotFoundError: it is gone, or has become something else.
            ValueError: it is not removable.
        """
        ...

    def granted(self, permissions: Sequence[str]) -> frozenset[str]:
        """Return which of these permissions (``storage.objects.create`` …) the caller has."""
        ...

    def signed_url(
        self,
        blob: BlobInfo,
        *,
        expires_s: int,
        download_as: str | None = None,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Return a URL by which anybody can read this generation of an object for a while.

        Args:
            blob: the object.
            expires_s: for how many seconds from now: 1 to 604,800 (seven days).
            download_as: the file name that browsers save it under; None: they play it.
            method: of the request that the URL is for.

        Raises:
            UnsupportedByStoreError: the store has no such URLs.
            CredentialsError: these credentials cannot sign; it says what to do.
            ValueError: `expires_s` is out of range.
        """
        ...


class Store(ObjectStore, BucketAdmin, Protocol):
    """A store with its settings."""
