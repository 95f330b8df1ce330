"""An asset as one flat row: what `export` writes, the same in every format.

=====================  =========  ==================================================================
column                 type       what it says
=====================  =========  ==================================================================
audio_id               text
audio_path             text       URI of the audio object
thumbnail_path         text       URI of the artwork; none without
format                 text       mp3, flac … (as the object's name ends)
content_type           text
size_bytes             integer    of the audio
crc32c                 text       base64, as Google Cloud Storage writes it
md5_hash               text       base64; none for composite objects
generation             integer
metageneration         integer
storage_class          text
created_at             time       UTC; in text as 2026-01-31T12:00:00.123456+00:00
original_filename      text
duration_s             real       seconds
codec                  text
sample_rate_hz         integer
channels               integer
bitrate_bps            integer    bit/s
title, artist, album   text       tags, or what the caller said instead
has_thumbnail          truth
artwork_is_missing     truth      the audio names artwork that is not there
thumbnail_type         text       content type of the artwork
thumbnail_size_bytes   integer
thumbnail_crc32c       text
supersedes             text       id of the asset whose place it takes
superseded_by          text       id of the asset that took its place
held                   truth
custom_time            time       when a lifecycle rule may count from
metadata               text       all other custom metadata: a JSON object
=====================  =========  ==================================================================

What there is none of is null; in CSV, an empty field, as an empty text is.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from audiostore.catalog.query import artwork_is_missing, format_of, number_in
from audiostore.values import OWN_KEYS, TAG_KEYS, StorageResult

Kind = Literal["text", "integer", "real", "truth", "time"]
Value = str | int | float | bool | datetime | None
Row = dict[str, Value]

COLUMNS: Mapping[str, Kind] = MappingProxyType(
    {
        "audio_id": "text",
        "audio_path": "text",
        "thumbnail_path": "text",
        "format": "text",
        "content_type": "text",
        "size_bytes": "integer",
        "crc32c": "text",
        "md5_hash": "text",
        "generation": "integer",
        "metageneration": "integer",
        "storage_class": "text",
        "created_at": "time",
        "original_filename": "text",
        "duration_s": "real",
        "codec": "text",
        "sample_rate_hz": "integer",
        "channels": "integer",
        "bitrate_bps": "integer",
        "title": "text",
        "artist": "text",
        "album": "text",
        "has_thumbnail": "truth",
        "artwork_is_missing": "truth",
        "thumbnail_type": "text",
        "thumbnail_size_bytes": "integer",
        "thumbnail_crc32c": "text",
        "supersedes": "text",
        "superseded_by": "text",
        "held": "truth",
        "custom_time": "time",
        "metadata": "text",
    }
)


def row_of(asset: StorageResult) -> Row | None:
    """Return an asset as a row, its columns in order; None for artwork that waits for its audio."""
    audio, thumbnail = asset.audio, asset.thumbnail
    if audio is None:
        return None
    metadata = audio.metadata
    others = {k: v for k, v in sorted(metadata.items()) if k not in OWN_KEYS and k not in TAG_KEYS}
    return {
        "audio_id": asset.audio_id,
        "audio_path": asset.audio_path,
        "thumbnail_path": asset.thumbnail_path,
        "format": format_of(audio),
        "content_type": audio.content_type,
        "size_bytes": audio.size_bytes,
        "crc32c": audio.crc32c,
        "md5_hash": audio.md5_hash,
        "generation": audio.generation,
        "metageneration": audio.metageneration,
        "storage_class": audio.storage_class,
        "created_at": audio.created_at.astimezone(UTC),
        "original_filename": metadata.get("original_filename"),
        "duration_s": number_in(metadata, "duration_s"),
        "codec": metadata.get("codec"),
        "sample_rate_hz": _whole(metadata, "sample_rate_hz"),
        "channels": _whole(metadata, "channels"),
        "bitrate_bps": _whole(metadata, "bitrate_bps"),
        "title": metadata.get("title"),
        "artist": metadata.get("artist"),
        "album": metadata.get("album"),
        "has_thumbnail": thumbnail is not None,
        "artwork_is_missing": artwork_is_missing(asset),
        "thumbnail_type": thumbnail.content_type if thumbnail else None,
        "thumbnail_size_bytes": thumbnail.size_bytes if thumbnail else None,
        "thumbnail_crc32c": thumbnail.crc32c if thumbnail else None,
        "supersedes": metadata.get("supersedes"),
        "superseded_by": metadata.get("superseded_by"),
        "held": audio.temporary_hold,
        "custom_time": audio.custom_time.astimezone(UTC) if audio.custom_time else None,
        "metadata": json.dumps(others, ensure_ascii=False),
    }


def _whole(metadata: Mapping[str, str], key: str) -> int | None:
    number = number_in(metadata, key)
    return None if number is None else round(number)
