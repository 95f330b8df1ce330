"""What audiostore hands back: frozen values, ready for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored object, as its store describes it."""

    name: str
    size_bytes: int
    content_type: str
    crc32c: str
    """Base64 of the big-endian CRC-32C, as Google Cloud Storage writes it."""
    generation: int
    metageneration: int
    storage_class: str
    created_at: datetime
    md5_hash: str | None = None
    """Base64; None for objects that the store keeps no MD5 of (composite objects)."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    cache_control: str | None = None
    content_disposition: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; times in ISO 8601."""
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "content_type": self.content_type,
            "crc32c": self.crc32c,
            "generation": self.generation,
            "metageneration": self.metageneration,
            "storage_class": self.storage_class,
            "created_at": self.created_at.isoformat(),
            "md5_hash": self.md5_hash,
            "metadata": dict(self.metadata),
            "cache_control": self.cache_control,
            "content_disposition": self.content_disposition,
        }


def with_metadata(blob: BlobInfo, changes: Mapping[str, str | None]) -> BlobInfo:
    """Return the description of an object after its custom metadata was changed.

    Keys whose value is None are removed; the metageneration is one higher.
    """
    merged = {**blob.metadata, **changes}
    return replace(
        blob,
        metageneration=blob.metageneration + 1,
        metadata={k: v for k, v in merged.items() if v is not None},
    )


@dataclass(frozen=True, slots=True)
class StorageResult:
    """One asset: what an upload stored, or what `get` and `list` found.

    `audio` is None only for artwork that was uploaded ahead of its audio.
    """

    audio_id: str
    audio: BlobInfo | None
    thumbnail: BlobInfo | None
    audio_path: str | None
    """URI of the audio object: ``gs://…`` or ``file://…``."""
    thumbnail_path: str | None
    created: bool = True
    """False when an earlier attempt, or an earlier upload, had stored the same content."""
    warnings: tuple[str, ...] = ()

    @property
    def metadata(self) -> Mapping[str, object]:
        """The facts of the asset's main object: the audio, or artwork that waits for it.

        Keys: size (bytes), content_type, md5_hash, crc32c, generation, storage_class,
        created_at (ISO 8601), has_thumbnail, original_filename, custom (all custom metadata).
        """
        blob = self.audio or self.thumbnail
        if blob is None:
            return {"has_thumbnail": False}
        return {
            "size": blob.size_bytes,
            "content_type": blob.content_type,
            "md5_hash": blob.md5_hash,
            "crc32c": blob.crc32c,
            "generation": blob.generation,
            "storage_class": blob.storage_class,
            "created_at": blob.created_at.isoformat(),
            "has_thumbnail": self.thumbnail is not None,
            "original_filename": blob.metadata.get("original_filename"),
            "custom": dict(blob.metadata),
        }

    def to_dict(self) -> dict[str, object]:
        """Return the whole result as JSON types."""
        return {
            "audio_id": self.audio_id,
            "audio_path": self.audio_path,
            "thumbnail_path": self.thumbnail_path,
            "audio": self.audio.to_dict() if self.audio else None,
            "thumbnail": self.thumbnail.to_dict() if self.thumbnail else None,
            "metadata": dict(self.metadata),
            "created": self.created,
            "warnings": list(self.warnings),
        }
