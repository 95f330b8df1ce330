"""Queries: which assets are meant."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from audiostore.dataclass import dataclass, field
from audiostore.values import EXACT_KEY, BlobInfo, StorageResult, number_in

SEARCHED_KEYS = ("title", "artist", "album", "album_artist", "original_filename", "source_path")
"""The metadata keys that `Query.text` searches."""


@dataclass(frozen=True, slots=True)
class Query:
    """The conditions that an asset must meet, all of them; without any, all assets match.

    Example::

        Query(formats=frozenset({"flac"}), containing={"artist": "simone"}, held=False)
    """

    formats: frozenset[str] = frozenset()
    """Any of these file name extensions: "mp3", "flac", "ogg" …"""
    equal: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata keys (title, artist, album, codec, custom ones …) and their exact values. The keys
    track, track_total, disc, disc_total and year also match by their numbers: "3" is "03"."""
    containing: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata keys, and text that occurs in their values, ignoring case."""
    text: str | None = None
    """Words that all occur in title, artist, album, album artist, file name or source path, each
    in any of them; ignoring case, and how accents are encoded."""
    min_duration_s: float | None = None
    """Seconds; an asset of unknown duration does not match. An estimate counts as it is: `equal`
    with duration_is_exact as "true" or "false" tells them apart."""
    max_duration_s: float | None = None
    min_size_bytes: int | None = None
    """Of the audio."""
    max_size_bytes: int | None = None
    created_from: datetime | None = None
    """At this time or later; with a time zone."""
    created_before: datetime | None = None
    storage_classes: frozenset[str] = frozenset()
    """Any of these; of the audio."""
    has_thumbnail: bool | None = None
    artwork_is_missing: bool | None = None
    """Whether its artwork should be there, but is not."""
    superseded: bool | None = None
    """Whether another asset supersedes it."""
    held: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no asset can match.

        Raises:
            ValueError: an unknown format, a text without words, a time without a time zone, an
                empty range.
        """
        if self.text is not None and not self.text.split():
            raise ValueError(f"the text {self.text!r} has no words to search for")
        if self.formats:
            _require_formats(self.formats)
        for moment in (self.created_from, self.created_before):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"the time {moment.isoformat()} has no time zone: add one")
        _require_range("duration", self.min_duration_s, self.max_duration_s)
        _require_range("size", self.min_size_bytes, self.max_size_bytes)
        if self.created_from and self.created_before and self.created_from >= self.created_before:
            raise ValueError(
                f"created_from {self.created_from.isoformat()} is not earlier than "
                f"created_before {self.created_before.isoformat()}"
            )

    def matches(self, asset: StorageResult) -> bool:
        """Say whether an asset meets all conditions."""
        audio = asset.audio
        return (
            audio is not None
            and (not self.formats or asset.format in self.formats)
            and (not self.storage_classes or audio.storage_class in self.storage_classes)
            and _is_within(audio.size_bytes, self.min_size_bytes, self.max_size_bytes)
            and (self.created_from is None or audio.created_at >= self.created_from)
            and (self.created_before is None or audio.created_at < self.created_before)
            and self._matches_duration(asset.duration_s)
            and self._matches_metadata(audio.metadata)
            and self._matches_state(asset, audio)
        )

    def _matches_duration(self, duration_s: float | None) -> bool:
        if self.min_duration_s is None and self.max_duration_s is None:
            return True
        return duration_s is not None and _is_within(
            duration_s, self.min_duration_s, self.max_duration_s
        )

    def _matches_metadata(self, metadata: Mapping[str, str]) -> bool:
        return (
            all(_has_value(metadata, k, v) for k, v in self.equal.items())
            and all(
                k in metadata and folded(v) in folded(metadata[k])
                for k, v in self.containing.items()
            )
            and (self.text is None or _has_words(metadata, self.text))
        )

    def _matches_state(self, asset: StorageResult, audio: BlobInfo) -> bool:
        return (
            _agree(self.has_thumbnail, asset.thumbnail is not None)
            and _agree(self.artwork_is_missing, artwork_is_missing(asset))
            and _agree(self.superseded, "superseded_by" in audio.metadata)
            and _agree(self.held, audio.is_held)
        )


def _has_value(metadata: Mapping[str, str], key: str, value: str) -> bool:
    if metadata.get(key) == value:
        return True
    if key == EXACT_KEY and value == "true":
        return "duration_s" in metadata and key not in metadata
    wanted = number_in({key: value}, key)
    return wanted is not None and wanted == number_in(metadata, key)


def artwork_is_missing(asset: StorageResult) -> bool:
    """Say whether the artwork of an asset should be there, but is not."""
    return (
        asset.thumbnail is None
        and asset.audio is not None
        and "thumbnail_name" in asset.audio.metadata
    )


def _has_words(metadata: Mapping[str, str], text: str) -> bool:
    searched = folded("\n".join(metadata.get(key, "") for key in SEARCHED_KEYS))
    return all(word in searched for word in _folded_words(text))


@lru_cache(maxsize=16)
def _folded_words(text: str) -> tuple[str, ...]:
    return tuple(folded(text).split())


def folded(text: str) -> str:
    """Return text in a form in which texts that differ only in case or encoding are equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _require_formats(names: frozenset[str]) -> None:
    from audiostore.media import AUDIO_FORMATS  # noqa: PLC0415  (imports every format)

    known = [extension[1:] for each in AUDIO_FORMATS for extension in each.extensions]
    for name in sorted(names):
        if name not in known:
            raise ValueError(f"unknown format {name!r}: known are {', '.join(known)}")


def _agree(wanted: bool | None, found: bool) -> bool:
    return wanted is None or wanted == found


def _is_within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _require_range(what: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise ValueError(f"the minimum {what} {least} exceeds the maximum {most}")
