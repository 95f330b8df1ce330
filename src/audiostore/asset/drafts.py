"""Drafts: objects ready to be written, each with a way to recognise it once it is stored."""

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import TypeAlias, TypeVar

from audiostore.asset import record
from audiostore.asset.layout import Part, blob_name
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.record import Asset
from audiostore.dataclass import dataclass, replace
from audiostore.errors import BlobNotFoundError, HeldError, PreconditionFailedError
from audiostore.events import Progress
from audiostore.notify import Notifier
from audiostore.sources import Source
from audiostore.stores import (
    BlobSpec,
    CacheScope,
    ObjectStore,
    SupportsVersions,
    TransferListener,
    Transferred,
    Written,
    content_disposition,
    put_checked,
)
from audiostore.values import BlobInfo


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of storing an asset or artwork."""

    stored: Asset | BlobInfo
    """The asset, or artwork that waits for its audio."""
    created: bool
    sent: tuple[BlobInfo, ...] = ()
    """The objects all of whose bytes this call has sent."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """An object that is ready to be written."""

    spec: BlobSpec
    source: Source
    is_ours: Callable[[BlobInfo, BlobSpec], bool]
    """Whether an object found under the name, with the same content, is what this `spec` describes
    (an earlier response was lost), rather than another writer's."""
    if_generation_match: int = 0
    """0 to create the object; else the generation to replace."""

    def adding(self, metadata: Mapping[str, str]) -> "Draft":
        """Return the draft with additional metadata."""
        merged = {**self.spec.metadata, **metadata}
        return replace(self, spec=replace(self.spec, metadata=merged))

    def replacing(self, there: BlobInfo | None) -> "Draft":
        """Return the draft of what replaces this object; with None, of a new one."""
        return replace(self, if_generation_match=there.generation if there else 0)


T = TypeVar("T")

Steps: TypeAlias = Generator[Draft, Written, T]
"""Something that is done in steps: it yields each object to be written, and is sent what was
written, or the error. The caller decides how they are written: one after another by `carry_out`, or
those of many assets by one thread."""


def carry_out(steps: Steps[T], write: Callable[[Draft], Written]) -> T:
    """Do all steps, one after another; return what comes of them."""
    try:
        draft = next(steps)
        while True:
            try:
                written = write(draft)
            except BaseException as error:  # noqa: BLE001  (the steps know what it means)
                draft = steps.throw(error)
            else:
                draft = steps.send(written)
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def draft_of(
    audio_id: str,
    part: Part,
    file: PreparedFile,
    custom: Mapping[str, str],
    *,
    cache: CacheScope,
    own: Mapping[str, str],
    is_ours: Callable[[BlobInfo, BlobSpec], bool],
) -> Draft:
    """Return the draft of a part of an asset.

    Args:
        audio_id: the asset's id.
        part: which part.
        file: what to store.
        custom: the caller's metadata.
        cache: who may cache what is served.
        own: more of audiostore's own keys.
        is_ours: whether an object found under the name is this one (see `Draft`).

    Raises:
        InvalidMetadataError: the metadata is too large.
        UnsupportedFormatError: the file's extension cannot be used in an object's name.
    """
    metadata = record.file_metadata(
        audio_id, part.name, file.filename, file.source, custom, facts=file.facts, own=own
    )
    spec = BlobSpec(
        name=blob_name(audio_id, part.name, file.extension),
        content_type=file.content_type,
        metadata=metadata,
        cache_control=part.cache_control(cache),
        content_disposition=content_disposition(file.served_as),
        storage_class=file.storage_class,
        kms_key=file.kms_key,
    )
    return Draft(spec, file.source, is_ours)


class Writer:
    """Writes drafts to a store, and removes objects that are no longer needed."""

    def __init__(self, store: ObjectStore, notify: Notifier) -> None:
        self._store = store
        self._notify = notify

    def write(self, draft: Draft) -> Written:
        """Write an object, and compare what the store reports with the source.

        Raises:
            AssetConflictError: another object has the name; it was not touched.
            PreconditionFailedError: the generation to replace was replaced or deleted.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
        """
        spec = draft.spec
        return put_checked(
            self._store,
            spec,
            draft.source,
            is_ours=lambda found: draft.is_ours(found, spec),
            if_generation_match=draft.if_generation_match,
            on_transfer=self._progress(spec.name, draft.source.size_bytes),
        )

    def remove(self, blob: BlobInfo) -> None:
        """Delete a generation, unless it is gone, was replaced, or must stay."""
        with suppress(BlobNotFoundError, HeldError, PreconditionFailedError):
            self._store.delete(blob)

    def _progress(self, name: str, total_bytes: int) -> TransferListener:
        def report(transferred: Transferred) -> None:
            if self._notify.is_heard:
                self._notify(Progress(name, transferred.sent_bytes, total_bytes))

        return report


def remove_replaced(store: ObjectStore, blob: BlobInfo) -> None:
    """Delete a generation that another one has replaced, where Object Versioning has kept it.

    It is looked for first: emulators ignore the generation of a DELETE, and would delete the live
    object.
    """
    if isinstance(store, SupportsVersions):
        for version in store.noncurrent(blob.name):
            if (version.name, version.generation) == (blob.name, blob.generation):
                with suppress(BlobNotFoundError, HeldError, PreconditionFailedError):
                    store.delete(version)
