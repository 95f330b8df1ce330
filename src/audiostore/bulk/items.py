"""What a bulk run is given, and what it gives back: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audiostore.values import StorageResult


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One asset that is to be stored."""

    audio: Path
    thumbnail: Path | None = None
    """None: embedded artwork is used, if there is any."""
    audio_id: str | None = None
    """None: a new one."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    origin: str = ""
    """Where it was asked for, for messages: ``songs.csv, line 17``."""
    keeps_thumbnail: bool = False
    """The thumbnail serves others as well: cleaning up deletes the audio file alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: a result or an error."""

    index: int
    """Position of the item in the input, from 0."""
    item: BulkItem
    audio_id: str | None
    """The id that it is, or would be, stored under; None if it was refused before it got one."""
    result: StorageResult | None
    error: Exception | None
    skipped: bool = False
    """The audio was in the store already, under this id (see `skip_stored`)."""
    elapsed_s: float = 0.0
    """How long its worker was busy with it."""
    done_before: bool = False
    """The journal says that it was stored under this id in an earlier run (or earlier in this
    one, for an item that is given twice); `result` is None, as the store was not asked."""

    @property
    def size_bytes(self) -> int:
        """How much of it is in the store by this run."""
        blobs = (self.result.audio, self.result.thumbnail) if self.result else ()
        return sum(blob.size_bytes for blob in blobs if blob is not None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one asset that was to be downloaded: a verified file or an error."""

    index: int
    """Position of the id in the input, from 0."""
    audio_id: str
    path: Path | None
    """The file; None if there is none."""
    error: Exception | None
    skipped: bool = False
    """It was there already, with the right size and crc32c."""
    size_bytes: int = 0
    elapsed_s: float = 0.0
