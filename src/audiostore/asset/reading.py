"""What readers get: stored assets as public values."""

from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo, StorageResult


def result_of(
    store: ObjectStore,
    audio_id: str,
    audio: BlobInfo | None,
    thumbnail: BlobInfo | None,
    *,
    created: bool,
    warnings: tuple[str, ...],
) -> StorageResult:
    """Return the public value that describes an asset."""
    return StorageResult(
        audio_id=audio_id,
        audio=audio,
        thumbnail=thumbnail,
        audio_path=store.uri(audio.name) if audio else None,
        thumbnail_path=store.uri(thumbnail.name) if thumbnail else None,
        created=created,
        warnings=warnings,
    )
