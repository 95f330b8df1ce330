"""What readers get: stored assets as public values."""

from audiostore.asset.record import Asset
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo, StorageResult


def result_of(
    store: ObjectStore, asset: Asset, *, created: bool = False, warnings: tuple[str, ...] = ()
) -> StorageResult:
    """Return the public value that describes an asset."""
    if asset.thumbnail_missing:
        warnings = (*warnings, "the artwork that the audio names is missing")
    return StorageResult(
        audio_id=asset.audio_id,
        audio=asset.audio,
        thumbnail=asset.thumbnail,
        audio_path=store.uri(asset.audio.name),
        thumbnail_path=store.uri(asset.thumbnail.name) if asset.thumbnail else None,
        created=created,
        warnings=warnings,
        derived=asset.derived,
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
