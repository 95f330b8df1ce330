"""The input and the outcomes of bulk runs, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audiostore.values import StorageResult


@dataclass(frozen=True, slots=True)
class BulkItem:
    """An asset to upload."""

    audio: Path
    thumbnail: Path | None = None
    """None: artwork embedded in the audio file is used, if there is any."""
    audio_id: str | None = None
    """The id to store it under, a UUID; None: a new one."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Custom metadata, stored with the audio."""
    origin: str = ""
    """Where the item comes from, for messages: ``songs.csv, line 17``."""
    keeps_thumbnail: bool = False
    """The thumbnail is shared with other items: cleaning up deletes the audio file only."""
    source_path: str | None = None
    """Where the audio file is, relative to the directory or manifest that was named, with ``/``."""


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """The outcome of one item of a bulk upload: a result or an error."""

    index: int
    """Position of the item in the input, from 0."""
    item: BulkItem
    audio_id: str | None
    """The id that it is, or would be, stored under."""
    result: StorageResult | None
    """The stored asset; None if it failed, or if this run did not upload it."""
    error: Exception | None
    skipped: bool = False
    """Its audio was already in the store, under `audio_id` (see `skip_stored`)."""
    elapsed_s: float = 0.0
    """How long the upload took."""
    done_before: bool = False
    """According to the journal, an earlier run stored it under this id (or this run did, for an
    item that is given twice). The store was not asked, so `result` is None."""

    @property
    def size_bytes(self) -> int:
        """How many bytes of it are stored by this run."""
        blobs = (self.result.audio, self.result.thumbnail) if self.result else ()
        return sum(blob.size_bytes for blob in blobs if blob is not None)


@dataclass(frozen=True, slots=True)
class DownloadOutcome:
    """The outcome of one asset of a bulk download: a verified file or an error."""

    index: int
    """Position of the asset in the input, from 0."""
    audio_id: str
    path: Path | None
    """The file; None if it failed."""
    error: Exception | None
    skipped: bool = False
    """The file was already there, with the right size and crc32c."""
    size_bytes: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """The outcome of one asset of a bulk copy."""

    index: int
    """Position of the asset in the input, from 0."""
    audio_id: str
    error: Exception | None
    skipped: bool = False
    """It was already in the target store."""
    size_bytes: int = 0
    elapsed_s: float = 0.0
