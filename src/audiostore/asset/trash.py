"""Deletes and restores assets.

The audio object is deleted first: from then on, no reader sees the asset. A store keeps deleted
objects for a while (`StoreSettings.soft_delete_s`). Nothing that was deleted stays readable, not
even in a bucket with Object Versioning: each deletion names a generation. An asset is restored in
the order in which it was committed, the audio last, so that no reader sees half of it; then the
audio object is updated to name the new generation of its artwork. A call that was killed is
completed by repeating it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import groupby

from audiostore.asset import record
from audiostore.asset.attach import reconciled
from audiostore.asset.known import require_servable
from audiostore.asset.layout import (
    AUDIO,
    AudioId,
    FilenameGenerator,
    FileOrganizer,
    folder_prefix,
    part_of,
    require_audio_id,
)
from audiostore.asset.marks import current_and_stale, is_current, marked_blobs
from audiostore.asset.reading import changed_meanwhile, find_asset, objects_of
from audiostore.asset.record import Asset
from audiostore.asset.resolving import resolve_deleted_id
from audiostore.dataclass import dataclass, field
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.stores import Store, require_free
from audiostore.values import BlobInfo, DeletedBlob, Version, same_bytes, version_of

_RACES = 5
_ROUNDS = 10
"""Of a deletion: six delete everything, of a bucket with old versions, too."""


@dataclass(frozen=True, slots=True)
class TrashedAsset:
    """A deleted asset that can be restored."""

    audio_id: str
    audio: DeletedBlob
    thumbnail: DeletedBlob | None
    derived: Mapping[str, DeletedBlob] = field(default_factory=dict, hash=False)
    """Its derived parts, by name."""
    attached: Mapping[str, DeletedBlob] = field(default_factory=dict, hash=False)
    """Its attached parts, by name."""

    @property
    def deleted_at(self) -> datetime:
        """When its audio was deleted."""
        return self.audio.deleted_at

    @property
    def gone_at(self) -> datetime:
        """When it can no longer be restored."""
        parts = [self.audio, *([self.thumbnail] if self.thumbnail else [])]
        return min(part.gone_at for part in parts)

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "audio_id": self.audio_id,
            "deleted_at": self.deleted_at.isoformat(),
            "gone_at": self.gone_at.isoformat(),
            "audio": self.audio.blob.to_dict(),
            "thumbnail": self.thumbnail.blob.to_dict() if self.thumbnail else None,
            "derived": {name: part.blob.to_dict() for name, part in self.derived.items()},
            "attached": {name: part.blob.to_dict() for name, part in self.attached.items()},
        }


class Trash:
    """The deleted assets of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> Iterator[TrashedAsset]:
        """Yield the assets that can be restored, in the order of their ids.

        A restored asset is not listed, even while the store still keeps its deleted objects.
        """
        root = f"{FileOrganizer.AUDIO_ROOT}/"
        deleted = self._store.list_deleted(root)
        for folder, blobs in groupby(deleted, lambda d: d.blob.name.split("/")[1]):
            if not FilenameGenerator.validate_uuid(folder):
                continue
            trashed = _assemble(folder, blobs)
            if trashed is not None and find_asset(self._store, folder) is None:
                yield trashed

    def get(self, audio_id: AudioId) -> TrashedAsset:
        """Return the deleted asset under an id.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: it never existed, or was permanently deleted.
        """
        audio_id = require_audio_id(audio_id)
        trashed = _assemble(audio_id, self._deleted(audio_id))
        if trashed is None:
            raise AssetNotFoundError(
                f"no deleted asset {audio_id} in {self._store.url}: it never existed, was "
                "permanently deleted, or the store keeps no deleted objects",
                audio_id=audio_id,
            )
        return trashed

    def resolve(self, prefix: str) -> str:
        """Return the full id of the deleted asset whose id begins with a prefix.

        Where nothing deleted has such an id, a stored asset is found: its artwork may be missing.

        Args:
            prefix: at least four characters, in lower or upper case, with or without hyphens. A
                full id is returned without a request, whether it exists or not.

        Raises:
            InvalidAudioIdError: it is not the beginning of an id.
            AmbiguousAudioIdError: several deleted assets have such an id.
            AssetNotFoundError: none has.
        """
        return resolve_deleted_id(self._store, prefix)

    def restore(self, audio_id: AudioId) -> Asset:
        """Restore a deleted asset, complete; or its artwork, if only that is missing.

        Where the trash does not have it, noncurrent versions are restored: of an asset that another
        program deleted in a bucket with Object Versioning.

        Raises:
            AssetNotFoundError: it is neither in the trash nor noncurrent.
            AssetConflictError: its object names have been used for other content since.
            UnsupportedFormatError: a file of it is of no format of audiostore, by its extension or
                content type.
        """
        audio_id = require_audio_id(audio_id)
        present = find_asset(self._store, audio_id)
        for _ in range(_RACES):
            if present is not None and not present.thumbnail_missing:
                return reconciled(self._store, present)
            try:
                self._restore_missing(audio_id, present)
            except BlobNotFoundError:
                pass  # restored by another process, or deleted again: look again
            except AssetNotFoundError:
                found = find_asset(self._store, audio_id)
                if found == present:
                    raise
                present = found  # another process was faster
                continue
            present = find_asset(self._store, audio_id)
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being changed by other writers: try "
            "again later",
            audio_id=audio_id,
        )

    def purge(self, audio_id: AudioId) -> int:
        """Permanently delete what is in the trash under an id; return the number of objects.

        Raises:
            InvalidAudioIdError: the id is malformed.
            AssetNotFoundError: the trash holds nothing under the id.
            UnsupportedByStoreError: the store keeps deleted objects for a set time.
        """
        count, audio_id = 0, require_audio_id(audio_id)
        for deleted in self._deleted(audio_id):
            with suppress(BlobNotFoundError):  # it expired meanwhile
                self._store.purge(deleted)
            count += 1
        if not count:
            raise AssetNotFoundError(
                f"no deleted objects of {audio_id} in {self._store.url}", audio_id=audio_id
            )
        return count

    def _restore_missing(self, audio_id: str, present: Asset | None) -> None:
        try:
            if present is not None:  # an earlier attempt may have been killed here
                self._restore(self._missing_thumbnail(present))
                return
            trashed = self.get(audio_id)
        except AssetNotFoundError:
            if self._restore_versions(audio_id, present.audio if present else None):
                return
            raise
        marked = (*trashed.derived.values(), *trashed.attached.values())
        for deleted in (trashed.audio, trashed.thumbnail, *marked):
            if deleted is not None:
                require_servable(deleted.blob)
        if trashed.thumbnail is not None:
            self._restore(trashed.thumbnail)
        for deleted in marked:
            # A deletion that was killed may have left a newer object, which counts.
            with suppress(AssetConflictError, BlobNotFoundError):
                self._restore(deleted)
        self._restore(trashed.audio)

    def _restore_versions(self, audio_id: str, live: BlobInfo | None) -> bool:
        """Make the latest versions of an asset live again; return False if there are none.

        Args:
            audio_id: the asset's id.
            live: its audio, if only its artwork is missing.
        """
        versions = sorted(
            self._store.noncurrent(folder_prefix(audio_id)), key=lambda blob: -blob.generation
        )
        audio = live or next(filter(record.is_committed_audio, versions), None)
        if audio is None:
            return False
        cover = next((blob for blob in versions if record.is_thumbnail_of(audio, blob)), None)
        marked = {} if live else current_and_stale(audio, versions)[0]
        missing = [blob for blob in (cover, None if live else audio) if blob is not None]
        for blob in (*marked.values(), *missing):
            require_servable(blob)
        for blob in marked.values():
            with suppress(AssetConflictError):  # a newer object counts
                self._unless_live(blob, partial(self._store.copy, blob, blob.name))
        for blob in missing:
            self._unless_live(blob, partial(self._store.copy, blob, blob.name))
        return bool(missing)

    def _missing_thumbnail(self, asset: Asset) -> DeletedBlob:
        found = _newest(
            d for d in self._deleted(asset.audio_id) if record.is_thumbnail_of(asset.audio, d.blob)
        )
        if found is None:
            raise AssetNotFoundError(
                f"the artwork of {asset.audio_id} is not in the trash of {self._store.url}",
                audio_id=asset.audio_id,
            )
        return found

    def _restore(self, deleted: DeletedBlob) -> None:
        self._unless_live(deleted.blob, partial(self._store.restore, deleted))

    def _unless_live(self, blob: BlobInfo, restore: Callable[[], object]) -> None:
        """Make an object live again, unless a live one has the same content.

        Raises:
            AssetConflictError: a live object of that name has other content.
            UnsupportedFormatError: it is of no format of ours, or served as another kind.
            BlobNotFoundError: it is gone meanwhile, or the live object was deleted again.
        """
        require_servable(blob)
        try:
            restore()
        except PreconditionFailedError as error:
            live = self._store.stat(blob.name)
            if not same_bytes(live, blob):
                raise AssetConflictError(
                    f"cannot restore {self._store.uri(blob.name)}: the name has been used for "
                    f"{'other content' if live.crc32c else 'content that cannot be read'} since, "
                    "which was not touched"
                ) from error

    def _deleted(self, audio_id: str) -> Iterator[DeletedBlob]:
        return self._store.list_deleted(folder_prefix(audio_id))


def delete_asset(
    store: Store, audio_id: str, *, if_unchanged: Sequence[BlobInfo] | None = None
) -> None:
    """Delete an asset: the audio object first, then the rest of its folder, all versions of it.

    Args:
        store: where it is.
        audio_id: its id.
        if_unchanged: its objects as they were read, the audio first. The audio must still be so, or
            be gone while others are left; what is stored under the id meanwhile is then left alone.

    Raises:
        InvalidAudioIdError: the id is malformed.
        AssetNotFoundError: no objects exist under the id.
        HeldError: it is under a hold; nothing was deleted, unless a note says so.
        AssetConflictError: other writers keep writing to it; or it is not as `if_unchanged`
            describes it, and nothing was deleted.
    """
    is_begun = False
    doomed: set[tuple[str, int]] = set()
    for _ in range(_ROUNDS):
        live = objects_of(store, audio_id)
        folder = live or list(store.noncurrent(folder_prefix(audio_id)))
        if not folder:
            if is_begun:
                return
            _remove_empty_folders(store, audio_id)
            raise AssetNotFoundError(f"no asset {audio_id} in {store.url}", audio_id=audio_id)
        if not is_begun:
            nothing = f"nothing of {audio_id} was deleted"
            require_free(store, folder, nothing, audio_id=audio_id)
            if if_unchanged is not None:
                audio, *others = if_unchanged
                is_rest = live and not _audios(live)
                if is_rest and delete_rest(store, audio_id, map(version_of, others)):
                    return
                doomed = {(blob.name, blob.generation) for blob in folder}
                _delete_unchanged(store, audio_id, audio)
                is_begun = True
                continue
        # The others only once no audio is left: if it has a new generation, it needs its artwork.
        audios = _audios(folder)
        if if_unchanged is not None and live and _any_newer(audios, doomed):
            return
        for blob in audios or folder:
            try:
                with suppress(BlobNotFoundError, PreconditionFailedError):  # look again
                    store.delete(blob)
            except HeldError as error:
                if is_begun:
                    error.add_note(
                        f"{audio_id} is deleted except for this object: delete it again later"
                    )
                raise
            is_begun = True
    raise AssetConflictError(
        f"asset {audio_id} in {store.url} is being written to: delete it again later",
        audio_id=audio_id,
    )


def delete_rest(store: Store, audio_id: str, versions: Iterable[Version]) -> bool:
    """Finish the deletion of one version of an asset that was killed once its audio was deleted.

    Args:
        store: where it was.
        audio_id: its id.
        versions: those of its other objects. What else is there may be part of an upload.

    Returns:
        Whether anything was left of it, and no audio was there.

    Raises:
        InvalidAudioIdError: the id is malformed.
        HeldError: an object is under a hold.
    """
    folder, doomed = objects_of(store, audio_id), set(versions)
    if _audios(folder):
        return False
    rest = [blob for blob in folder if version_of(blob) in doomed]
    for blob in rest:
        with suppress(BlobNotFoundError, PreconditionFailedError):  # another one's deletion, or use
            store.delete(blob, if_unchanged=True)
    if rest:
        _remove_empty_folders(store, audio_id)
    return bool(rest)


def _delete_unchanged(store: Store, audio_id: str, audio: BlobInfo) -> None:
    try:
        store.delete(audio, if_unchanged=True)
    except (BlobNotFoundError, PreconditionFailedError) as error:
        raise changed_meanwhile(store, audio_id) from error


def _audios(folder: Iterable[BlobInfo]) -> list[BlobInfo]:
    return [blob for blob in folder if part_of(blob.name) is AUDIO]


def _any_newer(audios: Iterable[BlobInfo], doomed: Set[tuple[str, int]]) -> bool:
    """Say whether one of the objects was stored after a deletion had begun."""
    return any((blob.name, blob.generation) not in doomed for blob in audios)


def _remove_empty_folders(store: Store, audio_id: str) -> None:
    """Remove what a deletion left that was killed between an asset's last object and its folder."""
    for file in store.foreign_files(folder_prefix(audio_id)):
        if file.is_removable:
            with suppress(BlobNotFoundError):
                store.remove_foreign_file(file)


def _assemble(audio_id: str, deleted: Iterable[DeletedBlob]) -> TrashedAsset | None:
    """Return the most recently deleted asset of a folder."""
    folder = list(deleted)
    audio = _newest(d for d in folder if record.is_committed_audio(d.blob))
    if audio is None:
        return None
    cover = _newest(d for d in folder if record.is_thumbnail_of(audio.blob, d.blob))
    derived: dict[str, DeletedBlob] = {}
    attached: dict[str, DeletedBlob] = {}
    for each in sorted(folder, key=_age):  # the newest of each part
        for part, blob in marked_blobs([each.blob]):
            # A deletion begins with the audio: what was deleted before was replaced, or removed.
            if is_current(blob, audio.blob) and each.deleted_at >= audio.deleted_at:
                (derived if part.is_derived else attached)[part.name] = each
    return TrashedAsset(audio_id, audio, cover, derived, attached)


def _newest(deleted: Iterable[DeletedBlob]) -> DeletedBlob | None:
    return max(deleted, key=_age, default=None)


def _age(deleted: DeletedBlob) -> tuple[int, datetime]:
    """Order by generation: an old version may have been deleted after the one that replaced it."""
    return deleted.blob.generation, deleted.deleted_at
