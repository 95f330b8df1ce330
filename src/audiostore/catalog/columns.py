"""An asset as one flat row: the columns of an export, the same in every format.

=====================  =========  ==================================================================
column                 type       content
=====================  =========  ==================================================================
audio_id               text
audio_path             text       URI of the audio object
thumbnail_path         text       URI of the artwork, if any
format                 text       mp3, flac … (as the object's name ends)
content_type           text
size_bytes             integer    of the audio
crc32c                 text       base64, as Google Cloud Storage writes it; none if it is not told
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
title, artist, album   text       from the tags, unless the caller set them
has_thumbnail          truth
artwork_is_missing     truth      there should be artwork, but it is missing
thumbnail_type         text       content type of the artwork
thumbnail_size_bytes   integer
thumbnail_crc32c       text
supersedes             text       id of the asset that it replaces
superseded_by          text       id of the asset that replaces it
held                   truth
custom_time            time       when the asset expires
metadata               text       other custom metadata: a JSON object
=====================  =========  ==================================================================

A missing value is null; in CSV, an empty field, like an empty text.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from audiostore.catalog.query import artwork_is_missing
from audiostore.values import TAG_KEYS, StorageResult

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
    """Return an asset as a row with its columns in order; None for artwork without its audio."""
    audio, thumbnail = asset.audio, asset.thumbnail
    if audio is None:
        return None
    others = {key: value for key, value in sorted(asset.custom.items()) if key not in TAG_KEYS}
    return {
        "audio_id": asset.audio_id,
        "audio_path": asset.audio_path,
        "thumbnail_path": asset.thumbnail_path,
        "format": asset.format,
        "content_type": audio.content_type,
        "size_bytes": audio.size_bytes,
        "crc32c": audio.crc32c,
        "md5_hash": audio.md5_hash,
        "generation": audio.generation,
        "metageneration": audio.metageneration,
        "storage_class": audio.storage_class,
        "created_at": audio.created_at.astimezone(UTC),
        "original_filename": asset.original_filename,
        "duration_s": asset.duration_s,
        "codec": asset.codec,
        "sample_rate_hz": asset.sample_rate_hz,
        "channels": asset.channels,
        "bitrate_bps": asset.bitrate_bps,
        "title": asset.title,
        "artist": asset.artist,
        "album": asset.album,
        "has_thumbnail": asset.has_thumbnail,
        "artwork_is_missing": artwork_is_missing(asset),
        "thumbnail_type": thumbnail.content_type if thumbnail else None,
        "thumbnail_size_bytes": thumbnail.size_bytes if thumbnail else None,
        "thumbnail_crc32c": thumbnail.crc32c if thumbnail else None,
        "supersedes": asset.supersedes,
        "superseded_by": asset.superseded_by,
        "held": audio.is_held,
        "custom_time": audio.custom_time.astimezone(UTC) if audio.custom_time else None,
        "metadata": json.dumps(others, ensure_ascii=False),
    }
