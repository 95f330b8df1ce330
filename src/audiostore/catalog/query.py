"""Which assets are meant: what a question about them can ask."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audiostore.values import BlobInfo, StorageResult


@dataclass(frozen=True, slots=True)
class Query:
    """What an asset must be like; all that is given must hold, and nothing given means any.

    Example::

        Query(formats=frozenset({"flac"}), containing={"artist": "simone"}, held=False)
    """

    formats: frozenset[str] = frozenset()
    """Any of these, as the object's name ends: "mp3", "flac", "ogg" …"""
    equal: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata keys (title, artist, album, codec, your own …) and their exact values."""
    containing: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata keys, and text that occurs in their values; upper and lower case are one."""
    min_duration_s: float | None = None
    """Seconds; an asset whose duration is not known is neither longer nor shorter."""
    max_duration_s: float | None = None
    min_size_bytes: int | None = None
    """Of the audio."""
    max_size_bytes: int | None = None
    created_from: datetime | None = None
    """At this moment or later; with a time zone."""
    created_before: datetime | None = None
    storage_classes: frozenset[str] = frozenset()
    """Any of these; of the audio."""
    has_thumbnail: bool | None = None
    artwork_is_missing: bool | None = None
    """Whether it names artwork that is not there."""
    superseded: bool | None = None
    """Whether another asset has taken its place."""
    held: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what can hold for no asset.

        Raises:
            ValueError: an unknown format, a time without a zone, an empty range.
        """
        if self.formats:
            _check_formats(self.formats)
        for moment in (self.created_from, self.created_before):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"the time {moment.isoformat()} has no time zone: give it one")
        _require_range("duration", self.min_duration_s, self.max_duration_s)
        _require_range("size", self.min_size_bytes, self.max_size_bytes)
        if self.created_from and self.created_before and self.created_from >= self.created_before:
            raise ValueError(
                f"nothing is created from {self.created_from.isoformat()} on and before "
                f"{self.created_before.isoformat()}"
            )

    def matches(self, asset: StorageResult) -> bool:
        """Say whether an asset is among those that are meant."""
        audio = asset.audio
        return (
            audio is not None
            and (not self.formats or format_of(audio) in self.formats)
            and (not self.storage_classes or audio.storage_class in self.storage_classes)
            and _is_within(audio.size_bytes, self.min_size_bytes, self.max_size_bytes)
            and (self.created_from is None or audio.created_at >= self.created_from)
            and (self.created_before is None or audio.created_at < self.created_before)
            and self._matches_metadata(audio.metadata)
            and self._matches_state(asset, audio)
        )

    def _matches_metadata(self, metadata: Mapping[str, str]) -> bool:
        if self.min_duration_s is not None or self.max_duration_s is not None:
            duration_s = duration_of(metadata)
            if duration_s is None or not _is_within(
                duration_s, self.min_duration_s, self.max_duration_s
            ):
                return False
        return all(metadata.get(k) == v for k, v in self.equal.items()) and all(
            k in metadata and folded(v) in folded(metadata[k]) for k, v in self.containing.items()
        )

    def _matches_state(self, asset: StorageResult, audio: BlobInfo) -> bool:
        return (
            _agree(self.has_thumbnail, asset.thumbnail is not None)
            and _agree(self.artwork_is_missing, artwork_is_missing(asset))
            and _agree(self.superseded, "superseded_by" in audio.metadata)
            and _agree(self.held, audio.temporary_hold)
        )


def _check_formats(names: frozenset[str]) -> None:
    # Loads all formats: a query that names none must stay cheap.
    from audiostore.media import AUDIO_FORMATS  # noqa: PLC0415  (file inspection)

    known = [extension[1:] for each in AUDIO_FORMATS for extension in each.extensions]
    for name in sorted(names):
        if name not in known:
            raise ValueError(f"no format is called {name!r}: there are {', '.join(known)}")


def format_of(audio: BlobInfo) -> str:
    """Return what the name of an audio object ends in, such as "mp3"."""
    return audio.name.rpartition(".")[2]


def duration_of(metadata: Mapping[str, str]) -> float | None:
    """Return how long an audio object plays, in seconds; None if it does not say."""
    return number_in(metadata, "duration_s")


def number_in(metadata: Mapping[str, str], key: str) -> float | None:
    """Return a number that metadata hold; None for none, and for what is no finite number."""
    try:
        number = float(metadata[key])
    except (KeyError, ValueError):
        return None
    return number if abs(number) < float("inf") else None


def artwork_is_missing(asset: StorageResult) -> bool:
    """Say whether an asset names artwork that is not there."""
    return (
        asset.thumbnail is None
        and asset.audio is not None
        and "thumbnail_name" in asset.audio.metadata
    )


def folded(text: str) -> str:
    """Return text such that what reads the same, but for upper and lower case, is the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _agree(wanted: bool | None, found: bool) -> bool:
    return wanted is None or wanted == found


def _is_within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _require_range(what: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise ValueError(f"no {what} is at least {least} and at most {most}")
