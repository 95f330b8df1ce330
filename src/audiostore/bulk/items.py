"""The input and the outcomes of bulk runs, as frozen values."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from audiostore.dataclass import dataclass, field, replace
from audiostore.values import PathLike, StorageResult

if TYPE_CHECKING:
    from audiostore.remotefiles import RemoteFile

UploadStatus = Literal["stored", "stored before", "changed", "skipped", "deleted", "failed"]
"""What became of an item.

- "stored": this run stored it;
- "stored before": an earlier run did, and the store still has it;
- "changed": this run updated or superseded what was stored of it;
- "skipped": its audio was already in the store, under another id (`skip_stored`);
- "deleted": its asset is in the trash, and was not stored again;
- "failed": see the error.
"""
UploadReason = Literal[
    "new",
    "changed",
    "resumed",
    "gone",
    "again",
    "retagged",
    "moved",
    "superseded",
    "stored",
    "deleted",
    "lost",
    "busy",
]
"""Why an item is stored, or not.

To be stored:

- "new": the journal, if there is one, does not know it;
- "changed": its files have changed since they were stored;
- "resumed": an earlier attempt failed or was interrupted;
- "gone": it was stored, and is neither in the store nor in its trash any more;
- "again": it is in the trash, and is to be stored in spite of that.

With `update`, what is stored is changed:

- "retagged": the file has other tags or artwork, and the same audio: the asset gets these;
- "moved": the file has another path, and perhaps other tags: the asset gets these;
- "superseded": the file has other audio: a new asset supersedes the one that was stored.

Not to be stored:

- "stored": the store has it;
- "deleted": it is in the trash: somebody has deleted it;
- "lost": neither the store nor the local disk has it;
- "busy": another run is storing it right now.
"""


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
    supersedes: str | None = None
    """The id of the asset that it replaces: each of the two will name the other."""
    id_is_new: bool | None = None
    """Whether nothing is stored under `audio_id`, and nobody else uses it (see `UploadOptions`);
    None: the run finds out, or `UploadOptions.id_is_new` says so."""
    remote_audio: "RemoteFile | None" = None
    """Where the audio is fetched from; `audio` is then no more than its name."""
    remote_thumbnail: "RemoteFile | None" = None
    """Where the artwork is fetched from, instead of `thumbnail`."""

    @classmethod
    def of(
        cls,
        audio: PathLike,
        thumbnail: PathLike | None = None,
        *,
        audio_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Self:
        """Return an item of files that are paths, or URLs: ``gs://bucket/object``, ``https://…``.

        Raises:
            InvalidSourceError: a URL is not valid (see `RemoteFile`).
        """
        from audiostore.remotefiles import RemoteFile  # noqa: PLC0415  (few items need it)

        remote = RemoteFile.of(audio)
        cover = None if thumbnail is None else RemoteFile.of(thumbnail)
        return cls(
            Path(audio if remote is None else remote.name),
            None if thumbnail is None or cover is not None else Path(thumbnail),
            audio_id,
            metadata or {},
            source_path=None if remote is None else remote.source_path,
            remote_audio=remote,
            remote_thumbnail=cover,
        )

    @property
    def audio_place(self) -> str:
        """The path or URL of the audio file, for messages."""
        return str(self.audio if self.remote_audio is None else self.remote_audio)

    @property
    def thumbnail_place(self) -> str | None:
        """The path or URL of the artwork, for messages; None without any."""
        place = self.thumbnail if self.remote_thumbnail is None else self.remote_thumbnail
        return None if place is None else str(place)

    @property
    def is_remote(self) -> bool:
        """Whether a file of it is fetched."""
        return not (self.remote_audio is None and self.remote_thumbnail is None)

    @property
    def has_thumbnail(self) -> bool:
        """Whether artwork is given."""
        return not (self.thumbnail is None and self.remote_thumbnail is None)


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """The outcome of one item of a bulk upload: a result or an error."""

    index: int
    """Position of the item in the input, from 0."""
    item: BulkItem
    audio_id: str | None
    """The id that it is, or would be, stored under."""
    result: StorageResult | None
    """The stored asset, if this run uploaded it, or examined or cleaned up its local files."""
    error: Exception | None
    skipped: bool = False
    """Its audio was already in the store, under `audio_id` (see `skip_stored`)."""
    elapsed_s: float = 0.0
    """How long the upload took."""
    reason: UploadReason = "new"
    """Why it was stored, or not."""
    has_artwork: bool | None = None
    """Whether the stored asset has artwork; None if nothing is stored, or it is not known."""

    @property
    def status(self) -> UploadStatus:
        """What became of it."""
        return status_of(self.reason, self.error, skipped=self.skipped)

    @property
    def done_before(self) -> bool:
        """Whether an earlier run stored it, under `audio_id`, and the store still has it.

        Or this run did, for an item that is given twice.
        """
        return self.status == "stored before"

    @property
    def size_bytes(self) -> int:
        """How many bytes of it are stored by this run."""
        is_sent = self.status == "stored" or (self.reason == "superseded" and not self.error)
        result = self.result if is_sent else None
        blobs = (result.audio, result.thumbnail) if result else ()
        return sum(blob.size_bytes for blob in blobs if blob is not None)


def status_of(reason: UploadReason, error: Exception | None, *, skipped: bool) -> UploadStatus:
    """Return what became of an item."""
    if error is not None:
        return "failed"
    if skipped:
        return "skipped"
    if reason == "deleted":
        return "deleted"
    if reason in ("retagged", "moved", "superseded"):
        return "changed"
    return "stored before" if reason in ("stored", "busy") else "stored"


def with_metadata(items: Iterable[BulkItem], common: Mapping[str, str]) -> Iterator[BulkItem]:
    """Add metadata to items before they are decided on: the journal identifies them by it."""
    for item in items:
        yield replace(item, metadata={**common, **item.metadata}) if common else item


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
    warnings: tuple[str, ...] = ()
    """Why the file does not have the name that was asked for."""


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
