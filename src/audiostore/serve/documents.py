"""Assets as JSON documents, and their entity tags."""

import json
from datetime import datetime
from typing import Any, Final

from audiostore.analysis import overview_text
from audiostore.asset import TrashedAsset
from audiostore.catalog import row_of
from audiostore.patterns import pattern
from audiostore.sources import decode_crc32c
from audiostore.values import BlobInfo, StorageResult, Version, version_of

_VERSION: Final = pattern(r"\b([0-9]{1,19})\.([0-9]{1,19})\b")
LEFT_OUT: Final = ("audio_path", "thumbnail_path", "metadata")
"""Columns of an export that are left out: paths of objects, and metadata, which is split here."""


def etag_of(asset: StorageResult) -> str:
    """Return the entity tag of an asset: it changes with any of its objects, metadata included."""
    versions = ("{}.{}".format(*version_of(blob)) for blob in asset.parts.values())
    return f'"{"-".join(versions)}"'


def versions_in(etag: str) -> list[Version]:
    """Return the versions that the entity tag of an asset names, that of its audio first."""
    return [(int(one), int(other)) for one, other in _VERSION.findall(etag)]


def content_etag(blob: BlobInfo) -> str:
    """Return the entity tag of an object's bytes: their crc32c and their number.

    Not the generation: that changes with the storage class, while the bytes stay the same. Without
    a checksum, it is the generation.
    """
    if blob.crc32c is None:
        return f'"g{blob.generation}"'
    return f'"{decode_crc32c(blob.crc32c):08x}-{blob.size_bytes}"'


def asset_document(asset: StorageResult, root: str = "") -> dict[str, Any]:
    """Return an asset as the service shows it: the columns of an export, and more.

    Args:
        asset: a complete one.
        root: the path under which the service is mounted.
    """
    row = row_of(asset) or {}
    found: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in LEFT_OUT
    }
    base = f"{root}/v1/assets/{asset.audio_id}"
    links = {"self": base} | {part: f"{base}/{part}" for part in asset.parts}
    return {
        **found,
        "etag": etag_of(asset),
        "loudness": None if asset.loudness is None else asset.loudness.to_dict(),
        "overview": None if asset.overview is None else overview_text(asset.overview),
        "tags": asset.tags,
        "custom": asset.custom,
        "warnings": list(asset.warnings),
        "links": links,
    }


def asset_text(asset: StorageResult, root: str = "") -> str:
    """Return the document of an asset as JSON."""
    return json_text(asset_document(asset, root))


def json_text(value: object) -> str:
    """Return a value as JSON, without spaces."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def trashed_document(trashed: TrashedAsset) -> dict[str, Any]:
    """Return a deleted asset as the service shows it."""
    audio = trashed.audio.blob
    return {
        "audio_id": trashed.audio_id,
        "deleted_at": trashed.deleted_at.isoformat(),
        "gone_at": trashed.gone_at.isoformat(),
        "size_bytes": audio.size_bytes,
        "content_type": audio.content_type,
        "original_filename": audio.metadata.get("original_filename"),
        "title": audio.metadata.get("title"),
        "artist": audio.metadata.get("artist"),
        "has_thumbnail": trashed.thumbnail is not None,
    }
