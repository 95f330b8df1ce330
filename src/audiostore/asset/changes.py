"""What may change of a stored asset: what it says of itself, its class, how long it is kept.

Of the two objects of an asset the audio is changed first: a writer that replaces its artwork has it
name the new one, and so sees the change. Each of these, killed in the middle, is finished by doing
it again.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from audiostore.asset import record
from audiostore.asset.attach import reconciled
from audiostore.asset.reading import find_asset, require_asset
from audiostore.asset.record import Asset
from audiostore.errors import (
    AssetConflictError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
    shown,
)
from audiostore.stores import ObjectStore, StorageClass
from audiostore.values import BlobInfo, changed

STORAGE_CLASSES: tuple[StorageClass, ...] = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_RACES = 8


class Changes:
    """Changes of single assets in a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def update_metadata(
        self,
        audio_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        if_metageneration_match: int | None,
    ) -> Asset:
        """Set, and remove (None), the caller's keys (see `AudioStorageManager.update_metadata`)."""
        was_sent = False

        def apply(audio: BlobInfo) -> BlobInfo:
            nonlocal was_sent
            settled = record.changed_metadata(audio.metadata, changes, replace=replace)
            if was_sent and not settled:
                return audio  # it was done, and its answer lost
            if if_metageneration_match not in (None, audio.metageneration):
                raise AssetConflictError(
                    f"asset {audio_id} has metageneration {audio.metageneration}, not "
                    f"{if_metageneration_match}: it was changed meanwhile; look at it again"
                )
            was_sent = True
            return self._store.update(audio, settled) if settled else audio

        return self._changed_audio(audio_id, apply)

    def require_supersedable(self, old_id: str, new_id: str) -> None:
        """Refuse what cannot be superseded by this asset.

        Raises:
            AssetNotFoundError: the asset does not exist.
            AssetConflictError: another one has taken its place, or it is this very one.
        """
        new = find_asset(self._store, new_id)
        if new is not None and new.audio.metadata.get("supersedes") == old_id:
            return  # taken up again: the old one may be in the trash by now
        by = require_asset(self._store, old_id).audio.metadata.get("superseded_by")
        if old_id == new_id or by not in (None, new_id):
            raise AssetConflictError(
                f"asset {old_id} cannot be superseded by {new_id}: "
                + ("it is the same" if old_id == new_id else f"{by} supersedes it already")
            )

    def require_not_held(self, audio_id: str) -> None:
        """Refuse what cannot be deleted, if it is there.

        Raises:
            HeldError: it is under a hold.
        """
        asset = find_asset(self._store, audio_id)
        if asset is not None and any(blob.temporary_hold for blob in asset.parts.values()):
            raise HeldError(
                f"asset {audio_id} in {self._store.url} is under a hold: it cannot be deleted. "
                "Release it first"
            )

    def link_superseded(self, old_id: str, new_id: str, *, instead_of: str | None = None) -> Asset:
        """Have an asset say which one has taken its place.

        Args:
            old_id: the asset.
            new_id: the one that has taken its place.
            instead_of: what it may have said before; None: nothing.

        Raises:
            AssetConflictError: another one has.
        """

        def apply(audio: BlobInfo) -> BlobInfo:
            by = audio.metadata.get("superseded_by")
            if by == new_id:
                return audio
            if by not in (None, instead_of):
                raise AssetConflictError(
                    f"asset {old_id} is superseded by {by} already: supersede that one"
                )
            return self._store.update(audio, {"superseded_by": new_id})

        return self._changed_audio(old_id, apply)

    def hold(self, audio_id: str) -> Asset:
        """Protect an asset from deletion, and its artwork from replacement."""
        return self._all(
            audio_id,
            is_done=lambda b: b.temporary_hold,
            update=lambda b: self._store.update(b, {}, temporary_hold=True),
        )

    def release(self, audio_id: str) -> Asset:
        """Undo `hold`."""
        return self._all(
            audio_id,
            is_done=lambda b: not b.temporary_hold,
            update=lambda b: self._store.update(b, {}, temporary_hold=False),
        )

    def expire(self, audio_id: str, on: datetime) -> Asset:
        """Set the custom time of an asset, at which the store's rule deletes it.

        Raises:
            ValueError: it would move earlier; nothing was changed.
        """
        if on.tzinfo is None:
            raise ValueError(f"the time {on} has no time zone: give one, such as UTC")
        moment = on.astimezone(UTC)
        asset = require_asset(self._store, audio_id)
        for blob in asset.parts.values():
            changed(blob, {}, custom_time=moment)
        return self._all(
            audio_id,
            is_done=lambda b: b.custom_time == moment,
            update=lambda b: self._store.update(b, {}, custom_time=moment),
        )

    def set_class(self, audio_id: str, storage_class: StorageClass) -> Asset:
        """Move the audio of an asset to another storage class; its artwork stays where it is.

        Raises:
            ValueError: it is not a storage class.
            HeldError: the asset is under a hold.
        """
        if storage_class not in STORAGE_CLASSES:
            known = ", ".join(STORAGE_CLASSES)
            raise ValueError(f"storage class is {shown(storage_class)}: it must be one of {known}")
        asset = reconciled(self._store, require_asset(self._store, audio_id))
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
                asset = reconciled(self._store, require_asset(self._store, audio_id))
                continue
            return replace(asset, audio=moved)
        raise self._restless(audio_id)

    def _changed_audio(self, audio_id: str, apply: Callable[[BlobInfo], BlobInfo]) -> Asset:
        asset = require_asset(self._store, audio_id)
        for _ in range(_RACES):
            try:
                audio = apply(asset.audio)
            except (PreconditionFailedError, BlobNotFoundError):
                asset = require_asset(self._store, audio_id)
                continue
            return replace(asset, audio=audio)
        raise self._restless(audio_id)

    def _all(
        self,
        audio_id: str,
        *,
        is_done: Callable[[BlobInfo], bool],
        update: Callable[[BlobInfo], BlobInfo],
    ) -> Asset:
        """Update what is not done yet: the audio, then the other parts that it has by then."""
        for _ in range(_RACES):
            asset = require_asset(self._store, audio_id)
            blob = next((b for b in asset.parts.values() if not is_done(b)), None)
            if blob is None:
                return asset
            with suppress(PreconditionFailedError, BlobNotFoundError):  # the next look tells
                update(blob)
        raise self._restless(audio_id)

    def _restless(self, what: str) -> AssetConflictError:
        return AssetConflictError(
            f"{what} in {self._store.url} is being changed by others again and again: try later"
        )
