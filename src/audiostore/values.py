"""The values that audiostore returns: frozen, and ready for JSON."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TypeAlias

from audiostore.analysis import ANALYSIS_KEYS
from audiostore.dataclass import dataclass, field, replace
from audiostore.patterns import pattern
from audiostore.sourcepaths import FILENAME_BYTES_KEY, SOURCE_PATH_KEYS, source_path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.analysis import Analysis, Loudness

PathLike = str | os.PathLike[str]
"""A path of a local file."""

REFERENCE_KEYS = ("thumbnail_name", "thumbnail_generation", "thumbnail_crc32c")
"""Custom metadata by which an audio object names its thumbnail."""
MARK_KEYS = ("audio_crc32c", "audio_file_size", "derived_by")
"""Custom metadata by which an object names the audio that it is of, and what computed it."""
EXACT_KEY = "duration_is_exact"
"""Custom metadata that is "false" where `duration_s` is an estimate; else there is no such key."""
FACT_KEYS = ("duration_s", EXACT_KEY, "codec", "sample_rate_hz", "channels", "bitrate_bps")
"""Custom metadata with the facts that inspection found in an audio file."""
AUDIO_DATA_KEYS = ("audio_data_size", "audio_data_crc32c")
"""Custom metadata that identifies the audio itself, without tags and artwork."""
TAGS_KEY = "tag_keys"
"""Names, with commas, the custom metadata that comes from the tags of the file."""
SHARE_EPOCH_KEY = "share_epoch"
"""Custom metadata that counts how often the share links of an asset were revoked."""
OWN_KEYS = frozenset(
    {
        "audio_id",
        "original_filename",
        FILENAME_BYTES_KEY,
        "file_size",
        "file_type",
        "crc32c",
        *REFERENCE_KEYS,
        *MARK_KEYS,
        "audio_generation",
        "replaces_generation",
        "supersedes",
        "superseded_by",
        *FACT_KEYS,
        *SOURCE_PATH_KEYS,
        TAGS_KEY,
        "embedded",
        SHARE_EPOCH_KEY,
        *AUDIO_DATA_KEYS,
        *ANALYSIS_KEYS,
    }
)
"""Custom metadata that audiostore writes itself, and callers cannot."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored object, as its store describes it."""

    name: str
    size_bytes: int
    content_type: str
    crc32c: str | None
    """Base64 of the big-endian CRC-32C, as Google Cloud Storage writes it.

    None where the store does not tell it (see `unreadable`): unknown checksums are never equal."""
    generation: int
    metageneration: int
    storage_class: str
    created_at: datetime
    md5_hash: str | None = None
    """Base64; None for objects without an MD5: composite ones, and those of directories."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    cache_control: str | None = None
    content_disposition: str | None = None
    temporary_hold: bool = False
    """Whether a hold, as `hold` sets it, protects the object from deletion and replacement."""
    custom_time: datetime | None = None
    """A time from which lifecycle rules can count days; once set, it can only move later."""
    class_changed_at: datetime | None = None
    """When its storage class was last changed; None if never."""
    event_based_hold: bool = False
    """Whether a hold of the bucket's owner protects the object, as the bucket may set it on every
    new object. Where a retention period applies, it starts when this hold ends."""
    retained_until: datetime | None = None
    """When the retention period ends that protects the object; None without one, or once it is
    over."""
    retention_mode: str | None = None
    """"Locked" or "Unlocked", for a retention period of the object's own."""
    unreadable: str | None = None
    """Why its checksum is not known, and its bytes may not be readable, if so."""
    kms_key: str | None = None
    """The Cloud KMS key that encrypts it, without a version; None for Google's own keys."""

    @property
    def is_held(self) -> bool:
        """Whether the object is under a hold of any kind."""
        return self.temporary_hold or self.event_based_hold

    @property
    def kept_by(self) -> str:
        """What forbids deleting and replacing the object, in words; "" if nothing does."""
        reasons = ["a temporary hold"] if self.temporary_hold else []
        if self.event_based_hold:
            reasons.append("an event-based hold")
        if self.retained_until is not None:
            until = self.retained_until.astimezone(UTC)
            reasons.append(f"its retention period, until {until:%Y-%m-%d %H:%M:%S} UTC")
        return " and ".join(reasons)

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
            "temporary_hold": self.temporary_hold,
            "custom_time": _iso(self.custom_time),
            "class_changed_at": _iso(self.class_changed_at),
            "event_based_hold": self.event_based_hold,
            "retained_until": _iso(self.retained_until),
            "retention_mode": self.retention_mode,
            "unreadable": self.unreadable,
            "kms_key": self.kms_key,
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def same_bytes(blob: BlobInfo | None, other: BlobInfo | None) -> bool:
    """Say whether two objects are known to have the same bytes, or neither exists."""
    if blob is None or other is None:
        return blob is other
    return blob.crc32c is not None and (
        (blob.size_bytes, blob.crc32c) == (other.size_bytes, other.crc32c)
    )


Version: TypeAlias = tuple[int, int]
"""Generation and metageneration of an object."""


def version_of(blob: BlobInfo) -> Version:
    """Return the version of an object."""
    return blob.generation, blob.metageneration


def same_version(blob: BlobInfo, other: BlobInfo) -> bool:
    """Say whether two descriptions are of one version of an object, bytes and metadata."""
    return (blob.name, blob.generation, blob.metageneration) == (
        other.name,
        other.generation,
        other.metageneration,
    )


@dataclass(frozen=True, slots=True)
class DeletedBlob:
    """A generation of an object that was deleted or overwritten, and can be restored."""

    blob: BlobInfo
    deleted_at: datetime
    gone_at: datetime
    """When the store deletes it permanently."""


def changed(
    blob: BlobInfo,
    metadata: Mapping[str, str | None],
    *,
    content_type: str | None = None,
    temporary_hold: bool | None = None,
    custom_time: datetime | None = None,
) -> BlobInfo:
    """Return the description of an object after a change (see `ObjectStore.update`).

    Keys whose value is None are removed; the metageneration is one higher.

    Raises:
        ValueError: the custom time has no time zone, or would move earlier.
    """
    if custom_time is not None and custom_time.tzinfo is None:
        raise ValueError(f"custom time {custom_time} has no time zone: give one, such as UTC")
    if custom_time and blob.custom_time and custom_time < blob.custom_time:
        raise ValueError(
            f"the custom time of {blob.name} is {blob.custom_time:%Y-%m-%d %H:%M:%S %Z}: it can "
            f"move later, but never earlier ({custom_time:%Y-%m-%d %H:%M:%S %Z})"
        )
    merged = {**blob.metadata, **metadata}
    return replace(
        blob,
        metageneration=blob.metageneration + 1,
        metadata={k: v for k, v in merged.items() if v is not None},
        content_type=blob.content_type if content_type is None else content_type,
        temporary_hold=blob.temporary_hold if temporary_hold is None else temporary_hold,
        custom_time=blob.custom_time if custom_time is None else custom_time,
    )


def tag_keys(metadata: Mapping[str, str]) -> list[str]:
    """Return which keys of metadata come from the tags of the file, in order of importance."""
    named = metadata.get(TAGS_KEY, "").split(",")
    return [key for key in named if key in metadata and key not in OWN_KEYS]


NUMBER_KEYS = ("track", "track_total", "disc", "disc_total", "year")
"""Metadata whose values are also compared as numbers (see `number_in`)."""
_LEADING_NUMBER = pattern(r"\s*([0-9]{1,9})(?![0-9])")
_TOTAL = pattern(r"[^/]*/\s*([0-9]{1,9})(?![0-9])")
_YEAR = pattern(r"(?<![0-9])[0-9]{4}(?![0-9])")


def number_in(metadata: Mapping[str, str], key: str) -> int | None:
    """Return the number that metadata has for a key; None without one.

    The key is "track", "disc", "track_total", "disc_total" (also of ``3/12``), or "year" (also that
    of the date); any other has none.
    """
    if key not in NUMBER_KEYS:
        return None
    found = _LEADING_NUMBER.match(metadata.get(key, ""))
    if found is None and key.endswith("_total"):
        found = _TOTAL.match(metadata.get(key.removesuffix("_total"), ""))
    if found is not None:
        return int(found[1])
    year = _YEAR.search(metadata.get("date", "")) if key == "year" else None
    return int(year[0]) if year else None


@dataclass(frozen=True, slots=True)
class StorageResult:
    """An asset, as returned by an upload, `get` or `list`.

    Its facts are those of the audio object or, if the artwork waits for its audio, of the artwork.
    """

    audio_id: str
    audio: BlobInfo | None
    """None only if the artwork was uploaded ahead of its audio."""
    thumbnail: BlobInfo | None
    audio_path: str | None
    """URI of the audio object: ``gs://…`` or ``file://…``."""
    thumbnail_path: str | None
    """URI of the thumbnail object."""
    created: bool = True
    """False if an earlier attempt, or an earlier upload, had already stored the same content."""
    warnings: tuple[str, ...] = ()
    derived: Mapping[str, BlobInfo] = field(default_factory=dict, hash=False)
    """The derived parts, computed from this very audio and stored next to it, by name."""
    attached: Mapping[str, BlobInfo] = field(default_factory=dict, hash=False)
    """The attached parts, such as a transcript, supplied for this very audio, by name."""
    stale: tuple[BlobInfo, ...] = ()
    """Objects of derived and attached parts that do not count: they are of other audio, have no
    valid mark, or were replaced. A check reports them."""

    @property
    def parts(self) -> dict[str, BlobInfo]:
        """The asset's objects by the names of their parts, the audio first."""
        committed = {"audio": self.audio, "thumbnail": self.thumbnail}
        present = {name: blob for name, blob in committed.items() if blob is not None}
        return {**present, **self.derived, **self.attached}

    @property
    def size_bytes(self) -> int:
        """The size of the audio in bytes."""
        return self._main.size_bytes

    @property
    def content_type(self) -> str:
        """The media type with which the audio is served, such as ``audio/mpeg``."""
        return self._main.content_type

    @property
    def created_at(self) -> datetime:
        """When the audio was stored, with a time zone."""
        return self._main.created_at

    @property
    def original_filename(self) -> str | None:
        """The name of the local file; None if it is not known."""
        return self._main.metadata.get("original_filename")

    @property
    def source_path(self) -> str | None:
        """Where the file was, relative to the directory or manifest that was stored, with ``/``.

        Bytes that are not UTF-8 are surrogates, as in all paths of Python. No part of it is empty,
        ``.`` or ``..``. None for a file that was named by itself.
        """
        return source_path_of(self._main.metadata)

    @property
    def has_thumbnail(self) -> bool:
        """Whether the asset has artwork."""
        return self.thumbnail is not None

    @property
    def format(self) -> str:
        """The extension of the audio object without its dot, such as ``mp3``."""
        return self._main.name.rpartition(".")[2]

    @property
    def title(self) -> str | None:
        """The title: the caller's, or that of the file's tags."""
        return self._main.metadata.get("title")

    @property
    def artist(self) -> str | None:
        """The artist: the caller's, or that of the file's tags."""
        return self._main.metadata.get("artist")

    @property
    def album(self) -> str | None:
        """The album: the caller's, or that of the file's tags."""
        return self._main.metadata.get("album")

    @property
    def album_artist(self) -> str | None:
        """The artist of the whole album: the caller's, or that of the file's tags."""
        return self._main.metadata.get("album_artist")

    @property
    def track(self) -> int | None:
        """The number of the track on its disc; None if it is not known, or not a number."""
        return number_in(self._main.metadata, "track")

    @property
    def track_total(self) -> int | None:
        """How many tracks the disc has."""
        return number_in(self._main.metadata, "track_total")

    @property
    def disc(self) -> int | None:
        """The number of the disc in its set."""
        return number_in(self._main.metadata, "disc")

    @property
    def disc_total(self) -> int | None:
        """How many discs the set has."""
        return number_in(self._main.metadata, "disc_total")

    @property
    def date(self) -> str | None:
        """When it was released or recorded, as the tags have it: ``1965``, ``1965-10-01``."""
        return self._main.metadata.get("date")

    @property
    def year(self) -> int | None:
        """The year: the caller's, or the one in `date`."""
        return number_in(self._main.metadata, "year")

    @property
    def genre(self) -> str | None:
        """The genre: the caller's, or that of the file's tags."""
        return self._main.metadata.get("genre")

    @property
    def composer(self) -> str | None:
        """The composer: the caller's, or that of the file's tags."""
        return self._main.metadata.get("composer")

    @property
    def is_compilation(self) -> bool:
        """Whether its album is a compilation of several artists."""
        return self._main.metadata.get("compilation", "").lower() in ("1", "true", "yes")

    @property
    def isrc(self) -> str | None:
        """The International Standard Recording Code (ISO 3901)."""
        return self._main.metadata.get("isrc")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the file, by names that are the same for every format.

        Without those that the caller has given instead.
        """
        return {k: self._main.metadata[k] for k in tag_keys(self._main.metadata)}

    @property
    def duration_s(self) -> float | None:
        """How long the audio plays, in seconds; None if the file was not inspected."""
        return self._number("duration_s")

    @property
    def duration_is_exact(self) -> bool | None:
        """Whether `duration_s` is no estimate; None if the duration is not known.

        An estimate is from the bit rate of a file that does not say how long it is. Earlier
        versions stored estimates without saying so: a deep check finds them.
        """
        if self.duration_s is None:
            return None
        return self._main.metadata.get(EXACT_KEY) != "false"

    @property
    def codec(self) -> str | None:
        """The codec, such as ``mp3``; None if the file was not inspected."""
        return self._main.metadata.get("codec")

    @property
    def sample_rate_hz(self) -> int | None:
        """The sample rate in Hz; None if the file was not inspected."""
        return self._whole("sample_rate_hz")

    @property
    def channels(self) -> int | None:
        """The number of channels; None if the file was not inspected."""
        return self._whole("channels")

    @property
    def bitrate_bps(self) -> int | None:
        """The bit rate in bit/s; None if it is not known."""
        return self._whole("bitrate_bps")

    @property
    def audio_data_size_bytes(self) -> int | None:
        """The size of the audio itself, without tags and artwork; None if it is not known."""
        size = self._main.metadata.get("audio_data_size", "")
        return int(size) if size.isascii() and size.isdigit() else None

    @property
    def audio_data_crc32c(self) -> str | None:
        """The CRC-32C of the audio itself, base64 of the big-endian value; None if not known.

        With `audio_data_size_bytes`, it stays the same when a file is given other tags or artwork.
        """
        return self._main.metadata.get("audio_data_crc32c")

    @property
    def loudness(self) -> "Loudness | None":
        """How loud it is; None if it was not analysed."""
        found = self._analysis
        return None if found is None else found.loudness

    @property
    def overview(self) -> tuple[int, ...] | None:
        """Its waveform as 200 bars, each from 0 (silence) to 63; None if it was not analysed."""
        found = self._analysis
        return None if found is None else found.overview

    @property
    def supersedes(self) -> str | None:
        """The id of the asset that this one replaces, if any."""
        return self._main.metadata.get("supersedes")

    @property
    def superseded_by(self) -> str | None:
        """The id of the asset that replaces this one, if any."""
        return self._main.metadata.get("superseded_by")

    @property
    def custom(self) -> dict[str, str]:
        """The caller's metadata, which `update_metadata` changes.

        Without the tags of the file, and the keys that audiostore writes itself.
        """
        metadata = self._main.metadata
        others = OWN_KEYS.union(tag_keys(metadata))
        return {k: v for k, v in metadata.items() if k not in others}

    @property
    def metadata(self) -> Mapping[str, object]:
        """The facts as a mapping that is ready for JSON.

        Keys: size (bytes), content_type, md5_hash, crc32c, generation, storage_class,
        created_at (ISO 8601), has_thumbnail, original_filename, source_path, duration_s,
        duration_is_exact, loudness (None if it was not analysed), tags (of the file),
        custom (the caller's metadata).
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
            "has_thumbnail": self.has_thumbnail,
            "original_filename": self.original_filename,
            "source_path": self.source_path,
            "duration_s": self.duration_s,
            "duration_is_exact": self.duration_is_exact,
            "loudness": None if self.loudness is None else self.loudness.to_dict(),
            "tags": self.tags,
            "custom": self.custom,
        }

    def to_dict(self) -> dict[str, object]:
        """Return the whole result as JSON types."""
        return {
            "audio_id": self.audio_id,
            "audio_path": self.audio_path,
            "thumbnail_path": self.thumbnail_path,
            "audio": self.audio.to_dict() if self.audio else None,
            "thumbnail": self.thumbnail.to_dict() if self.thumbnail else None,
            "derived": {name: blob.to_dict() for name, blob in self.derived.items()},
            "attached": {name: blob.to_dict() for name, blob in self.attached.items()},
            "stale": [blob.to_dict() for blob in self.stale],
            "metadata": dict(self.metadata),
            "created": self.created,
            "warnings": list(self.warnings),
        }

    @property
    def _main(self) -> BlobInfo:
        blob = self.audio or self.thumbnail
        if blob is None:
            raise ValueError(f"the result of {self.audio_id} describes no object")
        return blob

    @property
    def _analysis(self) -> "Analysis | None":
        from audiostore.analysis import Analysis  # noqa: PLC0415  (few results are asked for it)

        return Analysis.from_metadata(self._main.metadata)

    def _number(self, key: str) -> float | None:
        try:
            number = float(self._main.metadata[key])
        except (KeyError, ValueError):
            return None
        return number if isfinite(number) else None

    def _whole(self, key: str) -> int | None:
        number = self._number(key)
        return None if number is None else round(number)
