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
crc32c                 text       base64, as Google Cloud Storage writes it; none if it is unknown
md5_hash               text       base64; none for composite objects, and in directories
generation             integer
metageneration         integer
storage_class          text
created_at             time       UTC; in text as 2026-01-31T12:00:00.123456+00:00
original_filename      text
duration_s             real       seconds
duration_is_exact      truth      false for an estimate
codec                  text
sample_rate_hz         integer
channels               integer
bitrate_bps            integer    bit/s
loudness_lufs          real       of what was analysed: see docs/analysis.md; so are the next
loudness_range_lu      real
sample_peak_dbfs       real
true_peak_dbtp         real
title, artist, album   text       from the tags, unless the caller set them; so are the next
album_artist           text
track, track_total     integer
disc, disc_total       integer
date                   text       as the tags have it
year                   integer
genre, composer, isrc  text
is_compilation         truth
source_path            text       relative to the directory that was stored
has_thumbnail          truth
artwork_is_missing     truth      there should be artwork, but it is missing
thumbnail_type         text       content type of the artwork
thumbnail_size_bytes   integer
thumbnail_crc32c       text
supersedes             text       id of the asset that it replaces
superseded_by          text       id of the asset that replaces it
held                   truth
custom_time            time       when the asset expires
metadata               text       other tags and custom metadata: a JSON object
=====================  =========  ==================================================================

A missing value is null; in CSV, an empty field, like an empty text.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from types import MappingProxyType
from typing import Literal

from audiostore.analysis import LOUDNESS_KEYS
from audiostore.catalog.query import artwork_is_missing
from audiostore.values import OWN_KEYS, BlobInfo, StorageResult

Kind = Literal["text", "integer", "real", "truth", "time"]
Value = str | int | float | bool | datetime | None
Row = dict[str, Value]
Getter = Callable[[StorageResult, BlobInfo], Value]
"""Returns the value of an asset with this audio."""

_TOLD = OWN_KEYS.union(
    ("title", "artist", "album", "album_artist", "date", "genre", "composer", "isrc")
)
"""Metadata that has a column with the same text; a number in a column may be less than its text."""


def _metadata(_: StorageResult, audio: BlobInfo) -> str:
    others = {key: value for key, value in sorted(audio.metadata.items()) if key not in _TOLD}
    return json.dumps(others, ensure_ascii=False)


def _figure(key: str) -> Getter:
    def of(_: StorageResult, audio: BlobInfo) -> float | None:
        try:
            figure = float(audio.metadata[key])
        except (KeyError, ValueError):
            return None
        return figure if isfinite(figure) else None

    return of


_COLUMNS: Mapping[str, tuple[Kind, Getter]] = {
    "audio_id": ("text", lambda asset, _: asset.audio_id),
    "audio_path": ("text", lambda asset, _: asset.audio_path),
    "thumbnail_path": ("text", lambda asset, _: asset.thumbnail_path),
    "format": ("text", lambda asset, _: asset.format),
    "content_type": ("text", lambda _, audio: audio.content_type),
    "size_bytes": ("integer", lambda _, audio: audio.size_bytes),
    "crc32c": ("text", lambda _, audio: audio.crc32c),
    "md5_hash": ("text", lambda _, audio: audio.md5_hash),
    "generation": ("integer", lambda _, audio: audio.generation),
    "metageneration": ("integer", lambda _, audio: audio.metageneration),
    "storage_class": ("text", lambda _, audio: audio.storage_class),
    "created_at": ("time", lambda _, audio: audio.created_at.astimezone(UTC)),
    "original_filename": ("text", lambda asset, _: asset.original_filename),
    "duration_s": ("real", lambda asset, _: asset.duration_s),
    "duration_is_exact": ("truth", lambda asset, _: asset.duration_is_exact),
    "codec": ("text", lambda asset, _: asset.codec),
    "sample_rate_hz": ("integer", lambda asset, _: asset.sample_rate_hz),
    "channels": ("integer", lambda asset, _: asset.channels),
    "bitrate_bps": ("integer", lambda asset, _: asset.bitrate_bps),
    **{key: ("real", _figure(key)) for key in LOUDNESS_KEYS},
    "title": ("text", lambda asset, _: asset.title),
    "artist": ("text", lambda asset, _: asset.artist),
    "album": ("text", lambda asset, _: asset.album),
    "album_artist": ("text", lambda asset, _: asset.album_artist),
    "track": ("integer", lambda asset, _: asset.track),
    "track_total": ("integer", lambda asset, _: asset.track_total),
    "disc": ("integer", lambda asset, _: asset.disc),
    "disc_total": ("integer", lambda asset, _: asset.disc_total),
    "date": ("text", lambda asset, _: asset.date),
    "year": ("integer", lambda asset, _: asset.year),
    "genre": ("text", lambda asset, _: asset.genre),
    "composer": ("text", lambda asset, _: asset.composer),
    "isrc": ("text", lambda asset, _: asset.isrc),
    "is_compilation": ("truth", lambda asset, _: asset.is_compilation),
    "source_path": (
        "text",
        lambda asset, audio: audio.metadata.get("source_path") if asset.source_path else None,
    ),
    "has_thumbnail": ("truth", lambda asset, _: asset.has_thumbnail),
    "artwork_is_missing": ("truth", lambda asset, _: artwork_is_missing(asset)),
    "thumbnail_type": (
        "text",
        lambda asset, _: asset.thumbnail.content_type if asset.thumbnail else None,
    ),
    "thumbnail_size_bytes": (
        "integer",
        lambda asset, _: asset.thumbnail.size_bytes if asset.thumbnail else None,
    ),
    "thumbnail_crc32c": (
        "text",
        lambda asset, _: asset.thumbnail.crc32c if asset.thumbnail else None,
    ),
    "supersedes": ("text", lambda asset, _: asset.supersedes),
    "superseded_by": ("text", lambda asset, _: asset.superseded_by),
    "held": ("truth", lambda _, audio: audio.is_held),
    "custom_time": (
        "time",
        lambda _, audio: audio.custom_time.astimezone(UTC) if audio.custom_time else None,
    ),
    "metadata": ("text", _metadata),
}
COLUMNS: Mapping[str, Kind] = MappingProxyType({name: kind for name, (kind, _) in _COLUMNS.items()})
GETTERS: Mapping[str, Getter] = MappingProxyType({name: get for name, (_, get) in _COLUMNS.items()})


def row_of(asset: StorageResult) -> Row | None:
    """Return an asset as a row with its columns in order; None for artwork without its audio."""
    audio = asset.audio
    return None if audio is None else {name: get(asset, audio) for name, get in GETTERS.items()}
