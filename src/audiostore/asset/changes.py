"""Changes to a stored asset: its metadata, storage class, holds and expiry.

The audio object is changed before the other parts: a writer that replaces the artwork must update
the audio object, and so sees the change. A change that was killed is completed by repeating it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from audiostore.analysis import Analysis
from audiostore.asset import record
from audiostore.asset.attach import reconciled
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import changed_meanwhile, find_asset, require_asset
from audiostore.asset.record import Asset
from audiostore.dataclass import replace
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStoreError,
    BlobNotFoundError,
    PreconditionFailedError,
    UnsupportedByStoreError,
    shown,
)
from audiostore.sourcepaths import source_path_of
from audiostore.stores import StorageClass, Store, SupportsSettings, has_content, require_free
from audiostore.values import SHARE_EPOCH_KEY, BlobInfo, changed, same_bytes, same_version

STORAGE_CLASSES: tuple[StorageClass, ...] = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_RACES = 8
_UNSEEN = (403, 404, 501)
"""Without storage.buckets.get; an emulator that does not show settings."""
_AUTOCLASS = "the bucket decides on the storage class of each object itself (Autoclass)"


class Changes:
    """Changes single assets in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def update_metadata(
        self,
        audio_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        if_unchanged: BlobInfo | None,
    ) -> Asset:
        """Set the caller's keys, and remove those whose value is None.

        Raises:
            AssetConflictError: the audio object is not as `if_unchanged` describes it.
        """
        was_sent = False

        def apply(audio: BlobInfo) -> BlobInfo:
            nonlocal was_sent
            update = record.changed_metadata(audio.metadata, changes, replace=replace)
            if was_sent and not update:
                return audio  # an earlier attempt succeeded, and its response was lost
            if if_unchanged is not None and not same_version(audio, if_unchanged):
                raise changed_meanwhile(self._store, audio_id)
            was_sent = True
            return self._store.update(audio, update) if update else audio

        return self._changed_audio(audio_id, apply)

    def revoke_shares(self, audio_id: str) -> Asset:
        """Revoke all share links of an asset that were made so far."""

        def apply(audio: BlobInfo) -> BlobInfo:
            epoch = record.share_epoch(audio)
            if epoch == record.MOST_SHARE_EPOCH:
                return audio
            return self._store.update(audio, {SHARE_EPOCH_KEY: str(epoch + 1)})

        return self._changed_audio(audio_id, apply)

    def set_analysis(self, audio_id: str, analysis: Analysis, *, of: BlobInfo) -> Asset:
        """Store what an analysis has found with the audio, instead of what an earlier one did.

        Args:
            audio_id: the asset.
            analysis: what was found.
            of: the audio that was analysed.

        Raises:
            AssetConflictError: the asset has other audio now.
            InvalidMetadataError: the metadata of the audio has no room for it.
        """

        def apply(audio: BlobInfo) -> BlobInfo:
            if not same_bytes(audio, of):
                raise AssetConflictError(
                    f"asset {audio_id} in {self._store.url} has other audio than was analysed",
                    audio_id=audio_id,
                )
            update = record.analysed_metadata(audio.metadata, analysis)
            return self._store.update(audio, update) if update else audio

        return self._changed_audio(audio_id, apply)

    def refresh(
        self,
        audio_id: str,
        file: PreparedFile,
        custom: Mapping[str, str],
        *,
        source_path: str | None,
        makes_current: bool,
        supersedes: str | None = None,
    ) -> Asset:
        """Replace the tags of an asset by those of a file with the same audio.

        Args:
            audio_id: the asset.
            file: the file.
            custom: the caller's metadata, which is set as well.
            source_path: where the file is now; None: where it was.
            makes_current: remove that another asset supersedes this one, as its file still exists.
            supersedes: the asset that this one supersedes, unless it supersedes another one.
        """
        successor: str | None = None

        def apply(audio: BlobInfo) -> BlobInfo:
            nonlocal successor
            successor = audio.metadata.get("superseded_by", successor)
            update = record.refreshed_metadata(
                audio.metadata, file, custom, source_path=source_path, makes_current=makes_current
            )
            if supersedes is not None and "supersedes" not in audio.metadata:
                update["supersedes"] = supersedes
            return self._store.update(audio, update) if update else audio

        asset = self._changed_audio(audio_id, apply)
        if makes_current and successor is not None:
            with suppress(AssetNotFoundError):
                self.unlink(audio_id, successor)
        return asset

    def set_origin(self, audio_id: str, cover: PreparedFile, source_path: str | None) -> Asset:
        """Record where the artwork of an asset is now, if it still has that picture.

        Args:
            audio_id: the asset.
            cover: the picture.
            source_path: where its file is; None: not known, or in the audio file.
        """
        for _ in range(_RACES):
            asset = require_asset(self._store, audio_id)
            thumbnail = asset.thumbnail
            if thumbnail is None or not has_content(thumbnail, cover.source):
                return asset
            changes = record.origin_changes(thumbnail, cover, source_path)
            if not changes:
                return asset
            with suppress(PreconditionFailedError, BlobNotFoundError):  # read again
                self._store.update(thumbnail, changes)
        raise self._contended(audio_id)

    def unlink(self, old_id: str, new_id: str) -> None:
        """Remove from an asset that it supersedes another one.

        Raises:
            AssetNotFoundError: it does not exist.
        """

        def apply(audio: BlobInfo) -> BlobInfo:
            is_named = audio.metadata.get("supersedes") == old_id
            return self._store.update(audio, {"supersedes": None}) if is_named else audio

        self._changed_audio(new_id, apply)

    def require_supersedable(self, old_id: str, new_id: str) -> None:
        """Require that one asset can be superseded by another.

        Raises:
            AssetNotFoundError: the old asset does not exist.
            AssetConflictError: it is superseded by a third asset already, or the ids are the same.
        """
        new = find_asset(self._store, new_id)
        if new is not None and new.audio.metadata.get("supersedes") == old_id:
            return  # a resumed upload: the old asset may be in the trash already
        by = require_asset(self._store, old_id).audio.metadata.get("superseded_by")
        if old_id == new_id or by not in (None, new_id):
            raise AssetConflictError(
                f"asset {old_id} cannot be superseded by {new_id}: "
                + ("the ids are the same" if old_id == new_id else f"{by} supersedes it already"),
                audio_id=old_id,
            )

    def require_not_held(self, audio_id: str) -> None:
        """Require that an asset, if it exists, can be deleted.

        Raises:
            HeldError: a hold or a retention period protects it.
        """
        asset = find_asset(self._store, audio_id)
        if asset is not None:
            require_free(
                self._store,
                asset.blobs,
                f"{audio_id} cannot be deleted",
                audio_id=audio_id,
            )

    def link_superseded(
        self,
        old_id: str,
        new_id: str,
        *,
        instead_of: str | None = None,
        if_source_path: str | None = None,
    ) -> bool:
        """Record in an asset which one supersedes it; return whether it does.

        Args:
            old_id: the superseded asset.
            new_id: the asset that supersedes it.
            instead_of: the id that it may name now; None if it may name none.
            if_source_path: leave it alone if it has another source path: its file was moved, and
                something else is at its old path. None: whatever its source path is.

        Raises:
            AssetNotFoundError: the old asset does not exist.
            AssetConflictError: it is superseded by a third asset already.
        """

        def apply(audio: BlobInfo) -> BlobInfo:
            by = audio.metadata.get("superseded_by")
            is_moved = if_source_path not in (None, source_path_of(audio.metadata))
            if by == new_id or is_moved:
                return audio
            if by not in (None, instead_of):
                raise AssetConflictError(
                    f"asset {old_id} is superseded by {by} already: supersede that one",
                    audio_id=old_id,
                )
            return self._store.update(audio, {"superseded_by": new_id})

        changed = self._changed_audio(old_id, apply).audio
        return changed.metadata.get("superseded_by") == new_id

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
        """Set the custom time of an asset, at which a lifecycle rule deletes it.

        Raises:
            ValueError: the time has no time zone, or is earlier than the present custom time or
                than the asset was stored; nothing was changed.
        """
        if on.tzinfo is None:
            raise ValueError(f"the time {on} has no time zone: give one, such as UTC")
        moment = on.astimezone(UTC)
        asset = require_asset(self._store, audio_id)
        if moment < asset.audio.created_at:
            raise ValueError(
                f"{moment:%Y-%m-%d %H:%M} UTC is before asset {audio_id} was stored: give a future "
                "time, or delete the asset"
            )
        for blob in asset.blobs:
            changed(blob, {}, custom_time=moment)
        return self._all(
            audio_id,
            is_done=lambda b: b.custom_time == moment,
            update=lambda b: self._store.update(b, {}, custom_time=moment),
        )

    def set_class(self, audio_id: str, storage_class: StorageClass) -> Asset:
        """Move the audio of an asset to another storage class; its other parts keep theirs.

        Raises:
            ValueError: `storage_class` is not a storage class.
            HeldError: the asset is under a hold.
            UnsupportedByStoreError: the store decides on storage classes itself.
        """
        if storage_class not in STORAGE_CLASSES:
            known = ", ".join(STORAGE_CLASSES)
            raise ValueError(f"storage class is {shown(storage_class)}: it must be one of {known}")
        asset = reconciled(self._store, require_asset(self._store, audio_id))
        for _ in range(_RACES):
            audio = asset.audio
            if audio.storage_class == storage_class:
                self._delete_old_copies(audio)
                return asset
            require_own_classes(self._store, audio_id)
            try:
                moved = self._store.copy(
                    audio,
                    audio.name,
                    if_generation_match=audio.generation,
                    storage_class=storage_class,
                )
            except (PreconditionFailedError, BlobNotFoundError):
                # Changed at the same time, or moved by an attempt whose response was lost.
                asset = reconciled(self._store, require_asset(self._store, audio_id))
                continue
            self._delete_old_copies(moved)
            if moved.storage_class != storage_class:
                raise UnsupportedByStoreError(
                    f"{self._store.uri(moved.name)} stays {moved.storage_class}: {_AUTOCLASS}. It "
                    "has a new generation",
                    audio_id=audio_id,
                )
            return replace(asset, audio=moved)
        raise self._contended(audio_id)

    def _delete_old_copies(self, audio: BlobInfo) -> None:
        """Delete the noncurrent versions with the same bytes, so that no link reads them."""
        for old in self._store.noncurrent(audio.name):
            if same_bytes(old, audio):
                with suppress(BlobNotFoundError, PreconditionFailedError):
                    self._store.delete(old)

    def _changed_audio(self, audio_id: str, apply: Callable[[BlobInfo], BlobInfo]) -> Asset:
        asset = require_asset(self._store, audio_id)
        for _ in range(_RACES):
            try:
                audio = apply(asset.audio)
            except (PreconditionFailedError, BlobNotFoundError):
                asset = require_asset(self._store, audio_id)
                continue
            return replace(asset, audio=audio)
        raise self._contended(audio_id)

    def _all(
        self,
        audio_id: str,
        *,
        is_done: Callable[[BlobInfo], bool],
        update: Callable[[BlobInfo], BlobInfo],
    ) -> Asset:
        """Update the audio first, then each other part that the asset has by then."""
        for _ in range(_RACES):
            asset = require_asset(self._store, audio_id)
            blob = next((b for b in asset.blobs if not is_done(b)), None)
            if blob is None:
                return asset
            with suppress(PreconditionFailedError, BlobNotFoundError):  # read again
                update(blob)
        raise self._contended(audio_id)

    def _contended(self, audio_id: str) -> AssetConflictError:
        return AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being changed by other writers: try again "
            "later",
            audio_id=audio_id,
        )


def require_own_classes(store: SupportsSettings, audio_id: str) -> None:
    """Require that storage classes can be set in a store, as far as its settings tell.

    Args:
        store: the store.
        audio_id: the asset whose class is to be set.

    Raises:
        UnsupportedByStoreError: the store decides on them itself.
    """
    try:
        settings = store.settings()
    except AudioStoreError as error:
        if error.status not in _UNSEEN:
            raise
        return  # only a rewrite can show it
    if settings.autoclass:
        raise UnsupportedByStoreError(
            f"cannot set the storage class of {audio_id}: {_AUTOCLASS}. Nothing was changed",
            audio_id=audio_id,
        )
