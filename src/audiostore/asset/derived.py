"""Derived and attached parts: stored next to an asset, and removed.

The audio object never names them, so they can be stored, replaced and removed at any time. Each is
written with its mark, under a precondition on what has its name; then the folder is listed again.
If the audio was deleted or replaced meanwhile, what was written is removed. A kill before that
leaves an object that no reader believes, as its mark names other audio, or none is there; a check
finds it. See `marks`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath

from audiostore.asset import record
from audiostore.asset.drafts import Draft, Writer, remove_replaced
from audiostore.asset.known import cache_scope
from audiostore.asset.layout import AUDIO, DATA_TYPES, Part, blob_name, part_of
from audiostore.asset.marks import has_mark, mark
from audiostore.asset.reading import find_asset, require_asset
from audiostore.asset.record import Asset
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStoreError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
    UnsupportedFormatError,
    shown,
)
from audiostore.notify import Notifier
from audiostore.sources import Source
from audiostore.stores import (
    BlobSpec,
    CacheScope,
    ObjectStore,
    Written,
    content_disposition,
    has_content,
    require_checksum,
    require_free,
)
from audiostore.values import BlobInfo, same_bytes

_RACES = 5


@dataclass(frozen=True, slots=True)
class MarkedFile:
    """The content of a derived or an attached part, ready to be stored.

    Example::

        MarkedFile(WAVEFORM, source, ".dat", maker="waveform/1")

    Raises:
        ValueError: it is derived, and has no maker; or the other way around.
        UnsupportedFormatError: the part does not have this extension.
    """

    part: Part
    source: Source
    extension: str
    """One of those of the part, such as ``.dat``."""
    maker: str | None = None
    """The name and the version of what computed it, such as ``waveform/1``: with another one, it is
    computed again. None if the user supplies it."""
    filename: str | None = None
    """Its file's name; None for that of the audio, with its own extension."""
    content_type: str | None = None
    """None for that of its extension."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """More metadata of audiostore's own keys, such as `codec`."""

    def __post_init__(self) -> None:
        """Require what its part demands."""
        if self.part.is_derived == (self.maker is None):
            raise ValueError(
                f"the maker of this {self.part.name} is not valid: {shown(self.maker)}"
            )
        if self.extension not in self.part.extensions:
            raise UnsupportedFormatError(
                f"a {self.part.name} cannot be a file with the extension {shown(self.extension)}, "
                f"only with {', '.join(self.part.extensions)}"
            )


@dataclass(frozen=True, slots=True)
class MarkedOutcome:
    """The outcome of storing a derived or an attached part."""

    asset: Asset
    blob: BlobInfo
    """The object of the part."""
    created: bool
    """False if the same was stored already."""


def marked_draft(
    audio_id: str,
    file: MarkedFile,
    audio: BlobInfo | Source,
    *,
    filename: str,
    cache: CacheScope = "private",
    kms_key: str | None = None,
    custom_time: datetime | None = None,
) -> Draft:
    """Return the draft of a derived or an attached part.

    Args:
        audio_id: the asset's id.
        file: what to store.
        audio: the audio that it is of, stored or about to be.
        filename: the name of the file of the audio.
        cache: who may cache what is served.
        kms_key: the Cloud KMS key of its object; None for the store's default.
        custom_time: when the audio expires, if it does.
    """
    name = file.filename or f"{PurePath(filename).stem}{file.extension}"
    own = mark(audio, file.maker)
    metadata = record.file_metadata(
        audio_id, file.part.name, name, file.source, {}, facts=file.facts, own=own
    )
    spec = BlobSpec(
        name=blob_name(audio_id, file.part.name, file.extension),
        content_type=file.content_type or _content_type(file),
        metadata=metadata,
        cache_control=file.part.cache_control(cache),
        content_disposition=content_disposition(name),
        custom_time=custom_time,
        kms_key=kms_key,
    )
    return Draft(spec, file.source, is_ours=lambda found, _: own.items() <= found.metadata.items())


def write_marked(store: ObjectStore, writer: Writer, audio_id: str, draft: Draft) -> Written:
    """Write the draft of a derived or an attached part for audio that is about to be stored.

    What another writer has stored of the same audio is as good. What was left under its name by an
    upload that never ended, or by a deleted asset, is replaced.

    Raises:
        AssetConflictError: an asset with other audio has appeared under the id, or other writers
            keep replacing the object.
        HeldError: a hold protects what has the name.
    """
    there: BlobInfo | None = None
    for _ in range(_RACES):
        try:
            return writer.write(draft.replacing(there))
        except (AssetConflictError, PreconditionFailedError):
            there = None
            with suppress(BlobNotFoundError):
                there = store.stat(draft.spec.name)
        if there is None:
            continue
        asset = find_asset(store, audio_id)
        is_same = asset is None or mark(asset.audio).items() <= draft.spec.metadata.items()
        if not is_same:
            break
        if asset is not None or (has_mark(there) and draft.is_ours(there, draft.spec)):
            return Written(there, created=False, is_sent=False)
    raise AssetConflictError(
        f"cannot store {store.uri(draft.spec.name)}: other writers use the id {audio_id}",
        audio_id=audio_id,
    )


class MarkedParts:
    """Stores and removes the derived and attached parts of the assets of a store."""

    def __init__(self, store: ObjectStore, notify: Notifier) -> None:
        self._store = store
        self._writer = Writer(store, notify)

    def store(
        self, audio_id: str, file: MarkedFile, *, of: BlobInfo | None = None
    ) -> MarkedOutcome:
        """Store a derived or an attached part of an asset, instead of the one that it has.

        Args:
            audio_id: the asset.
            file: what to store.
            of: the audio that it was made of, as it was read; None for the one that is there now.

        Returns:
            the asset with the part; `created` is False if the same is stored already, or another
            writer has stored what the same maker has made of the same audio.

        Raises:
            AssetNotFoundError: the asset does not exist, or was deleted meanwhile.
            AssetConflictError: its audio is not the one that `file` was made of, or was replaced
                meanwhile; or another writer attached a file at the same time. Nothing was stored.
            HeldError: it would replace an object, and the asset is under a hold. Nothing was
                stored.
            UnreadableBlobError: the store does not tell the checksum of the audio.
            IntegrityError: the stored bytes do not match the checksum; they were removed.
        """
        for is_race in (False, *(True,) * _RACES):
            asset = require_asset(self._store, audio_id)
            audio = asset.audio
            require_checksum(self._store, audio)
            if of is not None and not same_bytes(of, audio):
                raise AssetConflictError(
                    f"asset {audio_id} in {self._store.url} has other audio than this "
                    f"{file.part.name} belongs to: nothing was stored",
                    audio_id=audio_id,
                )
            draft = _draft_for(asset, file)
            present = asset.marked.get(file.part.name)
            if present is not None and _is_stored(present, draft, file, is_race=is_race):
                asset = self._confirmed(asset, present, created=False)
                return MarkedOutcome(asset, present, created=False)
            if is_race and file.part.is_attached and present is not None:
                break
            there = next((b for b in asset.blobs if b.name == draft.spec.name), None)
            for blob in filter(None, (there, present)):
                self._require_replaceable(asset, blob)
            try:
                written = self._writer.write(_marked_as_replacing(draft, there))
            except (AssetConflictError, PreconditionFailedError):
                continue  # another writer was faster: look again
            asset = self._confirmed(asset, written.blob, created=written.created)
            return MarkedOutcome(asset, written.blob, written.created)
        raise AssetConflictError(
            f"cannot store the {file.part.name} of {audio_id} in {self._store.url}: it was "
            "replaced at the same time; try again",
            audio_id=audio_id,
        )

    def remove(self, audio_id: str, part: Part) -> Asset:
        """Delete a derived or an attached part of an asset, current or stale.

        Raises:
            ValueError: the part is neither derived nor attached.
            AssetNotFoundError: the asset does not exist, or does not have this part.
            HeldError: it is under a hold; nothing was deleted.
        """
        if not part.is_marked:
            raise ValueError(f"the {part.name} of an asset cannot be removed from it")
        asset = require_asset(self._store, audio_id)
        blobs = [blob for blob in asset.blobs if part_of(blob.name) is part]
        if not blobs:
            raise AssetNotFoundError(
                f"asset {audio_id} in {self._store.url} has no {part.name}", audio_id=audio_id
            )
        for blob in blobs:
            self._require_replaceable(asset, blob)
        for blob in blobs:
            with suppress(BlobNotFoundError, PreconditionFailedError):  # replaced meanwhile: stays
                self._store.delete(blob)
        return require_asset(self._store, audio_id)

    def _confirmed(self, before: Asset, blob: BlobInfo, *, created: bool) -> Asset:
        """Return the asset as it is after a part was written, without what that replaces.

        Args:
            before: the asset, before the part was written.
            blob: the object of the part.
            created: whether this call has written it.

        Raises:
            AssetNotFoundError, AssetConflictError: the audio is not there any more; what was
                written was removed.
        """
        part = part_of(blob.name)
        asset = find_asset(self._store, before.audio_id)
        if asset is None or not same_bytes(asset.audio, before.audio):
            if created:
                self._writer.remove(blob)
            raise self._no_such_audio(before.audio_id, asset, blob)
        replaced = [
            other
            for other in asset.stale
            if part_of(other.name) is part
            and other.name != blob.name
            and (other in before.blobs or _age(other) < _age(blob))
        ]
        try:
            for other in replaced:
                with suppress(BlobNotFoundError, PreconditionFailedError):
                    self._store.delete(other)
        except HeldError:
            # Put under a hold meanwhile, which keeps what there was; perhaps the new object, too.
            if created and self._is_removed(blob):
                raise
            replaced = []
        earlier = record.replaced_by(blob)
        if earlier is not None:
            remove_replaced(self._store, earlier)
        kept = [other for other in asset.stale if other not in replaced]
        marked = {
            name: self._treated_alike(asset.audio, each) if each.name == blob.name else each
            for name, each in asset.marked.items()
        }
        return replace(asset, marked=marked, stale=tuple(kept))

    def _is_removed(self, blob: BlobInfo) -> bool:
        """Delete an object again; say whether nothing has forbidden it."""
        try:
            with suppress(BlobNotFoundError, PreconditionFailedError):
                self._store.delete(blob)
        except HeldError:
            return False
        return True

    def _treated_alike(self, audio: BlobInfo, blob: BlobInfo) -> BlobInfo:
        """Give an object the hold and the expiry time of its audio."""
        due = audio.custom_time
        expires = None if blob.custom_time and due and blob.custom_time >= due else due
        is_held = audio.temporary_hold and not blob.temporary_hold
        if expires is None and not is_held:
            return blob
        try:
            return self._store.update(blob, {}, temporary_hold=is_held or None, custom_time=expires)
        except (BlobNotFoundError, PreconditionFailedError):
            return blob  # the writer that changed or deleted it has seen the audio

    def _require_replaceable(self, asset: Asset, blob: BlobInfo) -> None:
        """Require that an object can be replaced or deleted: not if the whole asset is held.

        Raises:
            HeldError: a hold or a retention period forbids it.
        """
        held = [blob, asset.audio] if asset.audio.temporary_hold else [blob]
        part = part_of(blob.name)
        outcome = f"the {part.name if part else blob.name} of {asset.audio_id} was not touched"
        require_free(self._store, held, outcome, audio_id=asset.audio_id)

    def _no_such_audio(self, audio_id: str, asset: Asset | None, blob: BlobInfo) -> AudioStoreError:
        if asset is None:
            return AssetNotFoundError(
                f"asset {audio_id} in {self._store.url} was deleted while {blob.name} was being "
                f"stored, so that was not kept",
                audio_id=audio_id,
            )
        return AssetConflictError(
            f"asset {audio_id} in {self._store.url} has other audio than {blob.name} belongs to, "
            f"so that was not kept",
            audio_id=audio_id,
        )


def _marked_as_replacing(draft: Draft, there: BlobInfo | None) -> Draft:
    """Return the draft of what replaces an object.

    It names that, so that a later call knows which generation a versioned bucket has kept, if this
    one is killed before it deletes that.
    """
    if there is None:
        return draft
    return draft.replacing(there).adding({"replaces_generation": str(there.generation)})


def _draft_for(asset: Asset, file: MarkedFile) -> Draft:
    """Return the draft of a part of a stored asset, which is served and encrypted as its audio."""
    audio = asset.audio
    return marked_draft(
        asset.audio_id,
        file,
        audio,
        filename=audio.metadata.get("original_filename", AUDIO.name),
        cache=cache_scope(audio),
        kms_key=audio.kms_key,
        custom_time=audio.custom_time,
    )


def _content_type(file: MarkedFile) -> str:
    if file.part.holds == "data":
        return DATA_TYPES[file.extension]
    from audiostore.media import format_of  # noqa: PLC0415  (listing needs no formats)

    found = format_of(f"{file.part.name}{file.extension}", file.part.holds)
    if found is None:
        raise UnsupportedFormatError(f"no format has the extension {shown(file.extension)}")
    return found.content_type


def _is_stored(present: BlobInfo, draft: Draft, file: MarkedFile, *, is_race: bool) -> bool:
    """Say whether a part is stored correctly.

    What another writer stored meanwhile, made of the same audio by the same maker, is as good.
    """
    return (
        present.name == draft.spec.name
        and draft.is_ours(present, draft.spec)
        and (has_content(present, file.source) or (is_race and file.part.is_derived))
    )


def _age(blob: BlobInfo) -> tuple[int, str]:
    return blob.generation, blob.name
