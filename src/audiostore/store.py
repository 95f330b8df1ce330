"""The seam: what audiostore asks of a place that keeps objects.

Every store passes the same conformance suite (tests/conformance). A store makes each request
once: whether to try again is decided above it, in one layer (`stores.retrying`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from audiostore.model import BlobInfo
from audiostore.source import Source


@dataclass(frozen=True, slots=True)
class BlobSpec:
    """What an object is to be called, to say of itself, and to be served with."""

    name: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    cache_control: str | None = None
    content_disposition: str | None = None


def spec_of(blob: BlobInfo, name: str) -> BlobSpec:
    """Return what a copy of an object, under another name, is to be like."""
    return BlobSpec(
        name, blob.content_type, blob.metadata, blob.cache_control, blob.content_disposition
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

    def open(self, blob: BlobInfo, *, start: int = 0) -> BlobReader:
        """Read the generation of an object that `blob` describes, from byte `start` on.

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

    def update(self, blob: BlobInfo, metadata: Mapping[str, str | None]) -> BlobInfo:
        """Set custom metadata keys of an object (None removes one); its bytes stay.

        Raises:
            BlobNotFoundError: there is no such object.
            PreconditionFailedError: it is not, or no longer, as `blob` describes it (generation
                and metageneration).
        """
        ...

    def copy(self, source: BlobInfo, target: str, *, if_generation_match: int = 0) -> BlobInfo:
        """Copy an object with its metadata within the store, under a precondition on the target.

        Raises:
            BlobNotFoundError: the source is gone, or of another generation by now.
            PreconditionFailedError: as `put`.
        """
        ...

    def delete(self, blob: BlobInfo) -> None:
        """Delete the generation of an object that `blob` describes.

        Raises:
            BlobNotFoundError: there is no such object.
            PreconditionFailedError: it is of another generation by now.
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


class BucketAdmin(Protocol):
    """The settings of a store, beside its objects."""

    def diagnose(self) -> Iterator[Finding]:
        """Try, one after the other, all that storing needs; leave nothing behind."""
        ...
