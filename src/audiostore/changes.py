"""What may change of a stored asset: what it says of itself, its class, how long it is kept.

The audio object is changed first where it protects (a hold), and last where it commits. Each of
these, killed in the middle, is finished by doing it again.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from audiostore import record
from audiostore.assets import Assets
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.model import BlobInfo
from audiostore.naming import require_audio_id
from audiostore.record import Asset
from audiostore.store import ObjectStore, StorageClass

STORAGE_CLASSES: tuple[StorageClass, ...] = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_RACES = 5


class Changes:
    """Changes of single assets in a store."""

    def __init__(self, store: ObjectStore, assets: Assets) -> None:
        self._store = store
        self._assets = assets

    def require(self, audio_id: str) -> Asset:
        """Return the asset under an id.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: there is none.
        """
        asset = self._assets.find(require_audio_id(audio_id))
        if asset is None:
            raise AssetNotFoundError(f"no asset {audio_id} in {self._store.url}")
        return asset

    def update_metadata(
        self,
        audio_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        if_metageneration_match: int | None,
    ) -> Asset:
        """Set, and remove (None), the caller's keys (see `AudioStorageManager.update_metadata`)."""

        def apply(audio: BlobInfo) -> BlobInfo:
            if if_metageneration_match not in (None, audio.metageneration):
                raise AssetConflictError(
                    f"asset {audio_id} has metageneration {audio.metageneration}, not "
                    f"{if_metageneration_match}: it was changed meanwhile; look at it again"
                )
            settled = record.changed_metadata(audio.metadata, changes, replace=replace)
            return self._store.update(audio, settled) if settled else audio

        return self._changed_audio(audio_id, apply)

    def require_supersedable(self, old_id: str, new_id: str) -> None:
        """Refuse what cannot be superseded by this asset.

        Raises:
            AssetNotFoundError: there is no such asset.
            AssetConflictError: another one has taken its place, or it is this very one.
        """
        new = self._assets.find(new_id)
        if new is not None and new.audio.metadata.get("supersedes") == old_id:
            return  # taken up again: the old one may be in the trash by now
        by = self.require(old_id).audio.metadata.get("superseded_by")
        if old_id == new_id or by not in (None, new_id):
            raise AssetConflictError(
                f"asset {old_id} cannot be superseded by {new_id}: "
                + ("it is the same" if old_id == new_id else f"{by} supersedes it already")
            )

    def link_superseded(self, old_id: str, new_id: str) -> Asset:
        """Have an asset say which one has taken its place.

        Raises:
            AssetConflictError: another one has.
        """

        def apply(audio: BlobInfo) -> BlobInfo:
            by = audio.metadata.get("superseded_by")
            if by == new_id:
                return audio
            if by is not None:
                raise AssetConflictError(
                    f"asset {old_id} is superseded by {by} already: supersede that one"
                )
            return self._store.update(audio, {"superseded_by": new_id})

        return self._changed_audio(old_id, apply)

    def hold(self, audio_id: str) -> Asset:
        """Protect an asset from deletion, and its artwork from replacement."""
        asset = self.require(audio_id)
        audio = self._with_hold(asset.audio, held=True)
        cover = self._with_hold(asset.thumbnail, held=True) if asset.thumbnail else None
        return Asset(audio_id, audio, cover, asset.thumbnail_missing)

    def release(self, audio_id: str) -> Asset:
        """Undo `hold`."""
        asset = self.require(audio_id)
        cover = self._with_hold(asset.thumbnail, held=False) if asset.thumbnail else None
        audio = self._with_hold(asset.audio, held=False)
        return Asset(audio_id, audio, cover, asset.thumbnail_missing)

    def expire(self, audio_id: str, on: datetime) -> Asset:
        """Set the custom time of an asset, at which the store's rule deletes it.

        Raises:
            ValueError: it would move earlier.
        """
        asset = self.require(audio_id)
        cover = self._with_custom_time(asset.thumbnail, on) if asset.thumbnail else None
        audio = self._with_custom_time(asset.audio, on)
        return Asset(audio_id, audio, cover, asset.thumbnail_missing)

    def set_class(self, audio_id: str, storage_class: StorageClass) -> Asset:
        """Move the audio of an asset to another storage class; its artwork stays where it is.

        Raises:
            ValueError: there is no such class.
            HeldError: the asset is under a hold.
        """
        if storage_class not in STORAGE_CLASSES:
            known = ", ".join(STORAGE_CLASSES)
            raise ValueError(f"storage class is {storage_class!r}: it must be one of {known}")
        asset = self._assets.settled(self.require(audio_id))
        for _ in range(_RACES):
            audio = asset.audio
            if audio.storage_class == storage_class:
                return asset
            try:
                moved = self._store.copy(
                    audio,
                    audio.name,
                    if_generation_match=audio.generation,
                    storage_class=storage_class,
                )
            except (PreconditionFailedError, BlobNotFoundError):
                # Changed at the same moment, or moved by an attempt whose answer was lost.
                asset = self._assets.settled(self.require(audio_id))
                continue
            return Asset(audio_id, moved, asset.thumbnail, asset.thumbnail_missing)
        raise self._restless(audio_id)

    def _changed_audio(self, audio_id: str, apply: Callable[[BlobInfo], BlobInfo]) -> Asset:
        asset = self.require(audio_id)
        for _ in range(_RACES):
            try:
                audio = apply(asset.audio)
            except PreconditionFailedError:
                asset = self.require(audio_id)
                continue
            return Asset(audio_id, audio, asset.thumbnail, asset.thumbnail_missing)
        raise self._restless(audio_id)

    def _with_hold(self, blob: BlobInfo, *, held: bool) -> BlobInfo:
        return self._updated(
            blob,
            is_done=lambda b: b.temporary_hold == held,
            update=lambda b: self._store.update(b, {}, temporary_hold=held),
        )

    def _with_custom_time(self, blob: BlobInfo, on: datetime) -> BlobInfo:
        if on.tzinfo is None:
            raise ValueError(f"the time {on} has no time zone: give one, such as UTC")
        moment = on.astimezone(UTC)
        return self._updated(
            blob,
            is_done=lambda b: b.custom_time == moment,
            update=lambda b: self._store.update(b, {}, custom_time=moment),
        )

    def _updated(
        self,
        blob: BlobInfo,
        *,
        is_done: Callable[[BlobInfo], bool],
        update: Callable[[BlobInfo], BlobInfo],
    ) -> BlobInfo:
        for _ in range(_RACES):
            if is_done(blob):
                return blob
            try:
                return update(blob)
            except PreconditionFailedError:
                blob = self._store.stat(blob.name)
        raise self._restless(blob.name)

    def _restless(self, what: str) -> AssetConflictError:
        return AssetConflictError(
            f"{what} in {self._store.url} is being changed by others again and again: try later"
        )
