"""What can be wrong with a store, and how it is repaired: frozen values."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from audiostore.dataclass import dataclass, field
from audiostore.stores import ForeignFile
from audiostore.values import BlobInfo

GRACE = timedelta(hours=24)
"""What is younger may be part of an unfinished upload, and is never touched."""


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete a generation of an object."""

    blob: BlobInfo

    @property
    def description(self) -> str:
        """What is done."""
        return f"delete {self.blob.name} (generation {self.blob.generation})"


@dataclass(frozen=True, slots=True)
class UpdateObject:
    """Change the metadata of an object, if it still has this generation and metageneration."""

    blob: BlobInfo
    purpose: str
    metadata: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """Keys to set; None removes one."""
    content_type: str | None = None
    custom_time: datetime | None = None

    @property
    def description(self) -> str:
        """What is done."""
        return f"{self.purpose} ({self.blob.name})"


@dataclass(frozen=True, slots=True)
class RestoreAsset:
    """Restore an asset, or the part of it that is missing, from the trash."""

    audio_id: str
    blob: BlobInfo
    """The deleted object that is missing."""

    @property
    def description(self) -> str:
        """What is done."""
        return f"restore {self.blob.name} from the trash"


@dataclass(frozen=True, slots=True)
class RemoveForeignFile:
    """Remove a file or a folder that is not an object and holds no data."""

    file: ForeignFile

    @property
    def description(self) -> str:
        """What is done."""
        return f"remove {self.file.path}"


Repair = DeleteObject | UpdateObject | RestoreAsset | RemoveForeignFile


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a store."""

    kind: str
    """A fixed name such as ``orphan-thumbnail``; docs/checking.md lists them all."""
    audio_id: str | None
    """None for what belongs to no asset."""
    name: str
    """Of the object, or the path of a file that is not one."""
    message: str
    """What is wrong."""
    hint: str
    """What to do about it."""
    repair: Repair | None = None
    """What `Audit.repair` would do; None where only a person can decide."""
    changed_at: datetime | None = None
    """When the object was created; a repair waits until that is long enough ago."""

    def is_too_young(self, now: datetime, grace: timedelta = GRACE) -> bool:
        """Say whether it may be part of an unfinished upload or deletion."""
        return self.changed_at is not None and now - self.changed_at < grace

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "kind": self.kind,
            "audio_id": self.audio_id,
            "name": self.name,
            "message": self.message,
            "hint": self.hint,
            "repair": self.repair.description if self.repair else None,
        }


def problem_of(
    audio_id: str | None,
    blob: BlobInfo,
    kind: str,
    message: str,
    hint: str,
    *,
    repair: Repair | None = None,
    young: BlobInfo | None = None,
) -> Problem:
    """Return a problem of an object.

    Args:
        audio_id: its asset.
        blob: the object.
        kind: see docs/checking.md.
        message: what is wrong.
        hint: what to do about it.
        repair: how a program repairs it.
        young: another object that may be part of an unfinished upload, too.
    """
    changed_at = max(blob.created_at, (young or blob).created_at)
    return Problem(kind, audio_id, blob.name, message, hint, repair, changed_at)
