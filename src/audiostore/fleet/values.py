"""What a fleet run returns: its plan, its state, the results of its items."""

from collections.abc import Mapping
from typing import Any, Literal

from audiostore.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A run that is planned: what it does, with which items, in how many chunks."""

    run: str
    items: int
    """How many there are: assets to store, in most runs."""
    chunks: int
    """They are numbered from 0."""
    chunk_items: int
    """How many items a chunk has; the last may have fewer."""
    options: Mapping[str, Any] = field(hash=False)
    """Those that differ from the defaults, as JSON has them: of `UploadOptions`, in most runs."""
    digest: str
    """SHA-256 of the list and the options, in hexadecimal: two runs with the same are the same."""
    kind: str = "store"
    """What it does."""
    created: bool = field(default=True, compare=False)
    """False if it was planned before."""


@dataclass(frozen=True, slots=True)
class FleetResult:
    """The result of one item, as recorded in the store."""

    index: int
    """Position of the item in the list that was planned, from 0."""
    audio: str
    """The path of its audio file."""
    origin: str
    """Where the item came from: ``songs.csv, line 17``; or ""."""
    audio_id: str
    """The id that it is, or would be, stored under."""
    status: Literal["stored", "failed"]
    """"failed": it cannot be stored as it is; trying again would not help by itself."""
    audio_path: str | None = None
    """URI of the stored audio."""
    thumbnail_path: str | None = None
    """URI of its artwork, if it has any."""
    size_bytes: int | None = None
    """Of the stored audio."""
    duration_s: float | None = None
    error_kind: str | None = None
    """The class of the error, such as "UnplayableAudioError"."""
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetChunk:
    """The result of a chunk."""

    number: int
    """From 0."""
    items: int
    """How many items were worked on: all, or those that had failed and are tried again."""
    stored: int
    failures: tuple[FleetResult, ...] = ()
    """Those that cannot be stored as they are."""
    unfinished: int = 0
    """How many items failed for now, because of the store or this machine. With any, nothing is
    recorded: work on the chunk again. What is stored is found again."""
    error: Exception | None = field(default=None, compare=False)
    """Why the first of these failed."""
    failures_for_now: tuple[FleetResult, ...] = ()
    """These, as they failed, where each has a reason of its own. They are not recorded."""
    done_before: bool = False
    """It had its results already."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The progress of a run."""

    run: str
    items: int
    chunks: int
    chunks_done: int
    """How many chunks have results for all their items."""
    chunks_begun: int
    """How many others were begun."""
    stored: int
    """How many items are stored, in chunks with results."""
    failed: int
    """How many items cannot be stored as they are."""
    errors: Mapping[str, int] = field(hash=False)
    """How many failed with each class of error, most frequent first."""
    kind: str = "store"
    """What it does."""

    @property
    def is_done(self) -> bool:
        """Whether all chunks have results."""
        return self.chunks_done == self.chunks
