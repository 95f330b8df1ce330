"""Finds assets: what readers see of the objects in a store."""

from audiostore.asset import record
from audiostore.asset.layout import folder_prefix, require_audio_id
from audiostore.asset.record import Asset
from audiostore.errors import AssetConflictError, AssetNotFoundError
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo, StorageResult


def objects_of(store: ObjectStore, audio_id: str) -> list[BlobInfo]:
    """Return all objects in the folder of an asset."""
    return list(store.list(folder_prefix(audio_id)))


def find_asset(store: ObjectStore, audio_id: str) -> Asset | None:
    """Return the complete asset under an id; None if it does not exist."""
    asset = record.assemble(audio_id, objects_of(store, audio_id))
    if asset is not None and asset.thumbnail_missing:
        # The artwork may have been replaced during the listing.
        asset = record.assemble(audio_id, objects_of(store, audio_id))
    return asset


def require_asset(store: ObjectStore, audio_id: str) -> Asset:
    """Return the complete asset under an id.

    Raises:
        InvalidAudioIdError: the id is malformed.
        AssetNotFoundError: no complete asset is under it.
    """
    asset = find_asset(store, require_audio_id(audio_id))
    if asset is None:
        raise AssetNotFoundError(f"no asset {audio_id} in {store.url}", audio_id=audio_id)
    return asset


def changed_meanwhile(store: ObjectStore, audio_id: str) -> AssetConflictError:
    """Return the error that an asset is not as the caller has read it."""
    return AssetConflictError(
        f"asset {audio_id} in {store.url} was changed meanwhile: read it again, then repeat the "
        f"change",
        audio_id=audio_id,
    )


def result_of(
    store: ObjectStore, asset: Asset, *, created: bool = False, warnings: tuple[str, ...] = ()
) -> StorageResult:
    """Return the public value that describes an asset."""
    if asset.thumbnail_missing:
        warnings = (*warnings, "the artwork that the audio names is missing")
    unreadable = [blob for blob in asset.parts.values() if blob.crc32c is None]
    if unreadable:
        names = " and ".join(blob.name for blob in unreadable)
        warnings = (*warnings, f"{names} cannot be verified: {unreadable[0].unreadable}")
    return StorageResult(
        audio_id=asset.audio_id,
        audio=asset.audio,
        thumbnail=asset.thumbnail,
        audio_path=store.uri(asset.audio.name),
        thumbnail_path=store.uri(asset.thumbnail.name) if asset.thumbnail else None,
        created=created,
        warnings=warnings,
        derived=asset.derived,
        attached=asset.attached,
        stale=asset.stale,
    )


def waiting_result(
    store: ObjectStore,
    audio_id: str,
    thumbnail: BlobInfo,
    *,
    created: bool,
    warnings: tuple[str, ...],
) -> StorageResult:
    """Return the public value that describes artwork without its audio."""
    return StorageResult(
        audio_id=audio_id,
        audio=None,
        thumbnail=thumbnail,
        audio_path=None,
        thumbnail_path=store.uri(thumbnail.name),
        created=created,
        warnings=warnings,
    )
