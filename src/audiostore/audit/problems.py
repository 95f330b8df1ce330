"""What can be wrong with what is stored, and what mends it: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audiostore.stores import ForeignFile
from audiostore.values import BlobInfo

GRACE = timedelta(hours=24)
"""What is younger may be part of an upload that is under way: it is never touched."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object, by its generation."""

    blob: BlobInfo

    @property
    def words(self) -> str:
        """What is done."""
        return f"delete {self.blob.name} (generation {self.blob.generation})"


@dataclass(frozen=True, slots=True)
class Update:
    """Change what an object says of itself, by its generation and metageneration."""

    blob: BlobInfo
    why: str
    metadata: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    content_type: str | None = None
    custom_time: datetime | None = None

    @property
    def words(self) -> str:
        """What is done."""
        return f"{self.why} ({self.blob.name})"


@dataclass(frozen=True, slots=True)
class Restore:
    """Bring an asset, or the part of it that is missing, back from the trash."""

    audio_id: str
    blob: BlobInfo
    """What is to come back, as it was."""

    @property
    def words(self) -> str:
        """What is done."""
        return f"restore {self.blob.name} from the trash"


@dataclass(frozen=True, slots=True)
class RemoveStray:
    """Remove a file or a folder that is no object."""

    stray: ForeignFile

    @property
    def words(self) -> str:
        """What is done."""
        return f"remove {self.stray.path}"


Repair = Delete | Update | Restore | RemoveStray


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    kind: str
    """One word for programs, such as ``orphan-thumbnail``; see docs/checking.md."""
    audio_id: str | None
    """None for what belongs to no asset."""
    name: str
    """Of the object."""
    words: str
    """What is wrong."""
    remedy: str
    """What to do."""
    repair: Repair | None = None
    """What `repair` would do; None where only a person can decide."""
    changed_at: datetime | None = None
    """When the object came to be; a repair waits until that is long enough ago."""

    def is_too_young(self, now: datetime, grace: timedelta = GRACE) -> bool:
        """Say whether it may be part of something that is under way."""
        return self.changed_at is not None and now - self.changed_at < grace

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "kind": self.kind,
            "audio_id": self.audio_id,
            "name": self.name,
            "problem": self.words,
            "remedy": self.remedy,
            "repair": self.repair.words if self.repair else None,
        }
