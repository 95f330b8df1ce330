"""How much a store holds."""

from collections.abc import Iterable, Iterator, Mapping

from audiostore.asset import part_of
from audiostore.dataclass import dataclass, field
from audiostore.values import BlobInfo, StorageResult


@dataclass(frozen=True, slots=True)
class Tally:
    """How much there is of something."""

    assets: int = 0
    audio_bytes: int = 0
    artwork_bytes: int = 0
    duration_s: float = 0.0
    """Of the assets whose duration is known, or estimated."""
    estimated_duration_s: float = 0.0
    """How much of that are estimates."""
    derived_bytes: int = 0
    """Of derived parts, such as waveforms; also of those that are stale."""
    attached_bytes: int = 0
    """Of attached parts, such as transcripts; also of those that are stale."""

    @property
    def size_bytes(self) -> int:
        """Audio, artwork and all other parts together."""
        return self.audio_bytes + self.artwork_bytes + self.derived_bytes + self.attached_bytes

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types, and `hours`."""
        return {
            "assets": self.assets,
            "audio_bytes": self.audio_bytes,
            "artwork_bytes": self.artwork_bytes,
            "derived_bytes": self.derived_bytes,
            "attached_bytes": self.attached_bytes,
            "duration_s": round(self.duration_s, 3),
            "hours": round(self.duration_s / 3600, 3),
            "estimated_duration_s": round(self.estimated_duration_s, 3),
        }


@dataclass(frozen=True, slots=True)
class Statistics:
    """The totals of a number of assets; the keys are sorted."""

    total: Tally
    unknown_durations: int
    """Assets of unknown duration."""
    unverified: int
    """Assets of which the store does not tell every checksum."""
    by_format: Mapping[str, Tally] = field(hash=False)
    by_month: Mapping[str, Tally] = field(hash=False)
    """By the month in which they were stored (UTC): "2026-01"."""
    by_storage_class: Mapping[str, Tally] = field(hash=False)
    """An asset counts in the class of its audio; the bytes of its other parts in their own."""

    @classmethod
    def of_parts(cls, parts: Iterable["Statistics"]) -> "Statistics":
        """Return the statistics of the whole: exactly those of all assets counted together."""
        total = _Sum()
        unknown_durations = unverified = 0
        by: tuple[dict[str, _Sum], ...] = ({}, {}, {})
        for part in parts:
            total.add(part.total)
            unknown_durations += part.unknown_durations
            unverified += part.unverified
            tallies = (part.by_format, part.by_month, part.by_storage_class)
            for sums, tally_of in zip(by, tallies, strict=True):
                for key, tally in tally_of.items():
                    sums.setdefault(key, _Sum()).add(tally)
        return _statistics(total, unknown_durations, unverified, *by)

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            **self.total.to_dict(),
            "unknown_durations": self.unknown_durations,
            "unverified": self.unverified,
            "by_format": {k: t.to_dict() for k, t in self.by_format.items()},
            "by_month": {k: t.to_dict() for k, t in self.by_month.items()},
            "by_storage_class": {k: t.to_dict() for k, t in self.by_storage_class.items()},
        }


def summarise(assets: Iterable[StorageResult]) -> Statistics:
    """Count assets in constant memory."""
    total = _Sum()
    unknown_durations = unverified = 0
    by_format: dict[str, _Sum] = {}
    by_month: dict[str, _Sum] = {}
    by_class: dict[str, _Sum] = {}
    for asset in assets:
        audio, thumbnail = asset.audio, asset.thumbnail
        if audio is None:
            continue
        duration_s = asset.duration_s
        if duration_s is None:
            unknown_durations += 1
        duration_ms = round((duration_s or 0.0) * 1000)  # so that sums depend on no order
        estimated_ms = 0 if asset.duration_is_exact else duration_ms
        unverified += any(blob.crc32c is None for blob in asset.parts.values())
        created = audio.created_at
        of_class = by_class.setdefault(audio.storage_class, _Sum())
        sums = (
            total,
            by_format.setdefault(asset.format, _Sum()),
            by_month.setdefault(f"{created.year}-{created.month:02}", _Sum()),
        )
        for each in (*sums, of_class):
            each.assets += 1
            each.audio_bytes += audio.size_bytes
            each.duration_ms += duration_ms
            each.estimated_ms += estimated_ms
        if thumbnail is not None:
            of_class = by_class.setdefault(thumbnail.storage_class, _Sum())
            for each in (*sums, of_class):
                each.artwork_bytes += thumbnail.size_bytes
        for is_derived, blob in _others(asset):
            of_class = by_class.setdefault(blob.storage_class, _Sum())
            for each in (*sums, of_class):
                each.derived_bytes += blob.size_bytes if is_derived else 0
                each.attached_bytes += 0 if is_derived else blob.size_bytes
    return _statistics(total, unknown_durations, unverified, by_format, by_month, by_class)


def _others(asset: StorageResult) -> Iterator[tuple[bool, BlobInfo]]:
    """Yield the objects that the audio does not need, and whether each is derived from it."""
    yield from ((True, blob) for blob in asset.derived.values())
    yield from ((False, blob) for blob in asset.attached.values())
    for blob in asset.stale:
        part = part_of(blob.name)
        yield part is not None and part.is_derived, blob


def _statistics(
    total: "_Sum", unknown_durations: int, unverified: int, *sums: "dict[str, _Sum]"
) -> Statistics:
    by_format, by_month, by_class = (
        {key: each[key].tally() for key in sorted(each)} for each in sums
    )
    return Statistics(total.tally(), unknown_durations, unverified, by_format, by_month, by_class)


@dataclass(slots=True)
class _Sum:
    assets: int = 0
    audio_bytes: int = 0
    artwork_bytes: int = 0
    duration_ms: int = 0
    estimated_ms: int = 0
    derived_bytes: int = 0
    attached_bytes: int = 0

    def add(self, tally: Tally) -> None:
        self.assets += tally.assets
        self.audio_bytes += tally.audio_bytes
        self.artwork_bytes += tally.artwork_bytes
        self.duration_ms += round(tally.duration_s * 1000)
        self.estimated_ms += round(tally.estimated_duration_s * 1000)
        self.derived_bytes += tally.derived_bytes
        self.attached_bytes += tally.attached_bytes

    def tally(self) -> Tally:
        return Tally(
            self.assets,
            self.audio_bytes,
            self.artwork_bytes,
            self.duration_ms / 1000,
            self.estimated_ms / 1000,
            self.derived_bytes,
            self.attached_bytes,
        )
