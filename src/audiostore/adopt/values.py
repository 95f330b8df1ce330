"""What adopting returns: what is adopted and what is not, and why."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

from audiostore.dataclass import dataclass, field
from audiostore.values import BlobInfo

RefusalReason = Literal[
    "no-rule",
    "not-audio",
    "unused-image",
    "two-covers",
    "missing-cover",
    "missing",
    "mapped-twice",
    "empty",
    "unreadable",
    "bad-metadata",
    "bad-id",
    "same-id",
    "own",
    "derived",
    "adopted",
    "planned",
]
"""Why an object is not adopted.

- "no-rule": its name is not of the layout, nor in the map;
- "not-audio": it is of a type that is not stored;
- "unused-image": it is the cover of no audio;
- "two-covers": two objects may be its cover, whose names differ only in case;
- "missing-cover", "missing": the map names it, or its cover, and it is not there;
- "mapped-twice": the map names it twice;
- "empty": it has no bytes;
- "unreadable": it, or its cover, needs a key that only the customer has;
- "bad-metadata": its metadata cannot be that of an asset;
- "bad-id", "same-id": its id is not a UUID, or that of another object;
- "own": it is part of the library already;
- "derived": audiostore has computed it from other audio, as a preview;
- "adopted": another run has adopted it;
- "planned": another run is to adopt it, or to try again.
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that is not adopted."""

    name: str
    reason: RefusalReason
    message: str
    """What is wrong, as the rest of a sentence about the object."""


RefusalListener = Callable[[Refusal], None]


@dataclass(frozen=True, slots=True)
class AdoptItem:
    """An object that becomes the audio of an asset, and another that becomes its cover."""

    audio: BlobInfo
    cover: BlobInfo | None
    filename: str
    """The file name that the asset keeps."""
    audio_id: str | None
    """The id that the layout or the map has for it."""
    metadata: Mapping[str, str] = field(hash=False)
    """Custom metadata."""
    source_path: str | None = None
    """Where it was, below the place that is adopted."""
    cover_is_mapped: bool = False
    """Whether the map names its cover: then no rule says what else has it."""
    shares_cover: bool = False
    """Whether an item before this one has the same cover."""


@dataclass(frozen=True, slots=True)
class AdoptCost:
    """What adopting costs by list prices, without network between locations and taxes."""

    currency: str
    source: str
    """Of the prices."""
    read_on: date
    class_a: int
    """How many operations write, copy or list."""
    class_b: int
    """How many operations read: at least, as some files take a few reads more."""
    operations: float
    retrieval: float
    """For copying out of colder storage classes."""
    storage_a_month: float
    """Of the copies. Until the old objects are deleted, it comes on top of what they cost."""
    early_deletion: float
    """If the old objects were deleted now, which have not been in their class for its minimum."""
    soft_deleted: float
    """For keeping the old objects once they are deleted, where their bucket does so."""

    @property
    def total(self) -> float:
        """What is paid once, if the old objects are deleted in the end."""
        return self.operations + self.retrieval + self.early_deletion + self.soft_deleted

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        amounts = ("operations", "retrieval", "storage_a_month", "early_deletion", "soft_deleted")
        return {
            "currency": self.currency,
            "source": self.source,
            "read_on": self.read_on.isoformat(),
            "class_a": self.class_a,
            "class_b": self.class_b,
            **{name: round(getattr(self, name), 6) for name in amounts},
            "total": round(self.total, 6),
        }


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is adopted by a run, or would be."""

    run: str
    assets: int
    covers: int
    """How many of them have a cover."""
    size_bytes: int
    """Of the audio and the covers that are copied."""
    refused: Mapping[str, int] = field(hash=False)
    """How many objects are not adopted, by reason (see `Refusal`)."""
    kept: int
    """How many objects cannot be deleted now: a hold or a retention period forbids it."""
    cost: AdoptCost | None
    """None where nothing is charged, or the prices are not known."""
    created: bool = True
    """False if the run was planned before, with the same list."""
