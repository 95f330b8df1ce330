"""Deleted assets, and the way back.

A store keeps what is deleted for a while (`StoreSettings.soft_delete_s`). An asset comes back as
it was stored: the artwork first, the audio last, so that nobody sees half of it; then the audio
object is told the new generation of its artwork. Killed in between, restoring again finishes it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from audiostore.asset import record
from audiostore.asset.commit import Assets
from audiostore.asset.layout import (
    FilenameGenerator,
    FileOrganizer,
    derived_parts,
    folder_prefix,
    require_audio_id,
)
from audiostore.asset.record import Asset
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    PreconditionFailedError,
)
from audiostore.stores import Store
from audiostore.values import BlobInfo, DeletedBlob

_RACES = 5


@dataclass(frozen=True, slots=True)
class TrashedAsset:
    """A deleted asset that can be restored."""

    audio_id: str
    audio: DeletedBlob
    thumbnail: DeletedBlob | None
    derived: Mapping[str, DeletedBlob] = field(default_factory=dict, hash=False)
    """What was computed from the audio, by the names of the parts."""

    @property
    def deleted_at(self) -> datetime:
        """When its audio was deleted."""
        return self.audio.deleted_at

    @property
    def gone_at(self) -> datetime:
        """When it is gone for good."""
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
        }


class Trash:
    """The deleted assets of a store."""

    def __init__(self, store: Store, assets: Assets) -> None:
        self._store = store
        self._assets = assets

    def list(self) -> Iterator[TrashedAsset]:
        """Yield the assets that can be restored, in the order of their ids.

        An asset that was restored is not in the trash, even while the store keeps what was
        deleted.
        """
        root = f"{FileOrganizer.AUDIO_ROOT}/"
        deleted = self._store.list_deleted(root)
        for folder, blobs in groupby(deleted, lambda d: d.blob.name.split("/")[1]):
            if not FilenameGenerator.validate_uuid(folder):
                continue
            trashed = _assemble(folder, blobs)
            if trashed is not None and self._assets.find(folder) is None:
                yield trashed

    def get(self, audio_id: str) -> TrashedAsset:
        """Return the deleted asset under an id.

        Raises:
            AssetNotFoundError: there is none, or not any more.
        """
        trashed = _assemble(audio_id, self._deleted(audio_id))
        if trashed is None:
            raise AssetNotFoundError(
                f"no deleted asset {audio_id} in {self._store.url}: it was never there, is gone "
                "for good, or the store keeps nothing that is deleted"
            )
        return trashed

    def restore(self, audio_id: str) -> Asset:
        """Bring a deleted asset back, complete; or the artwork alone, if only that is missing.

        Raises:
            AssetNotFoundError: it is not in the trash.
            AssetConflictError: its names have been used for something else since.
        """
        present = self._assets.find(require_audio_id(audio_id))
        for _ in range(_RACES):
            if present is not None and not present.thumbnail_missing:
                return self._assets.settled(present)
            try:
                self._restore_missing(audio_id, present)
            except BlobNotFoundError:
                pass  # restored by another, or deleted again: the next look tells
            except AssetNotFoundError:
                found = self._assets.find(audio_id)
                if found == present:
                    raise
                present = found  # another was quicker
                continue
            present = self._assets.find(audio_id)
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being changed by others again and again: "
            "try later"
        )

    def purge(self, audio_id: str) -> int:
        """Let everything deleted under an id go for good; return how many objects that were.

        Raises:
            AssetNotFoundError: nothing deleted is under the id.
            UnsupportedByStoreError: the store keeps it for its time.
        """
        count = 0
        for deleted in self._deleted(require_audio_id(audio_id)):
            with suppress(BlobNotFoundError):  # its time came just now
                self._store.purge(deleted)
            count += 1
        if not count:
            raise AssetNotFoundError(f"nothing deleted of {audio_id} is kept in {self._store.url}")
        return count

    def _restore_missing(self, audio_id: str, present: Asset | None) -> None:
        if present is not None:  # an attempt that was killed may have come so far
            self._restore(self._missing_thumbnail(present))
            return
        trashed = self.get(audio_id)
        if trashed.thumbnail is not None:
            self._restore(trashed.thumbnail)
        for deleted in trashed.derived.values():
            # A deletion that was killed may have left a newer one, which counts.
            with suppress(AssetConflictError, BlobNotFoundError):
                self._restore(deleted)
        self._restore(trashed.audio)

    def _missing_thumbnail(self, asset: Asset) -> DeletedBlob:
        found = _newest(
            d for d in self._deleted(asset.audio_id) if record.is_thumbnail_of(asset.audio, d.blob)
        )
        if found is None:
            raise AssetNotFoundError(
                f"the artwork of {asset.audio_id} is not in the trash of {self._store.url}"
            )
        return found

    def _restore(self, deleted: DeletedBlob) -> BlobInfo:
        """Make a deleted object live, unless the very same is.

        Raises:
            BlobNotFoundError: it is not in the trash any more, or was live and is deleted again.
        """
        try:
            return self._store.restore(deleted)
        except PreconditionFailedError as error:
            live = self._store.stat(deleted.blob.name)
            if (live.size_bytes, live.crc32c) == (deleted.blob.size_bytes, deleted.blob.crc32c):
                return live
            raise AssetConflictError(
                f"cannot restore {self._store.uri(deleted.blob.name)}: the name has been used for "
                "something else since, which was not touched"
            ) from error

    def _deleted(self, audio_id: str) -> Iterator[DeletedBlob]:
        return self._store.list_deleted(folder_prefix(audio_id))


def _assemble(audio_id: str, deleted: Iterable[DeletedBlob]) -> TrashedAsset | None:
    """Return the asset that was deleted last in a folder."""
    folder = list(deleted)
    audio = _newest(d for d in folder if record.is_committed_audio(d.blob))
    if audio is None:
        return None
    cover = _newest(d for d in folder if record.is_thumbnail_of(audio.blob, d.blob))
    derived: dict[str, DeletedBlob] = {}
    for each in sorted(folder, key=_age):  # of each part the one that was deleted last
        derived |= dict.fromkeys(derived_parts([each.blob]), each)
    return TrashedAsset(audio_id, audio, cover, derived)


def _newest(deleted: Iterable[DeletedBlob]) -> DeletedBlob | None:
    return max(deleted, key=_age, default=None)


def _age(deleted: DeletedBlob) -> tuple[datetime, int]:
    return deleted.deleted_at, deleted.blob.generation
