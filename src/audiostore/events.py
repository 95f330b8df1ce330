"""What happened, as typed values: one callable, `on_event`, listens to all of them.

Events come from whichever thread did the work, a transfer's `Progress` from the thread that moves
the bytes: a listener returns quickly. What it raises is logged and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of one object are on their way.

    `done_bytes` falls only after a `Retried`: the attempt that follows goes on from what the
    store had kept.
    """

    name: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """An operation failed and is tried again after `delay_s` seconds."""

    operation: str
    attempt: int
    delay_s: float
    error: Exception


@dataclass(frozen=True, slots=True)
class BulkBegun:
    """Work on many assets has begun."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A local audio file, found fit to be stored, is now being stored under an id."""

    audio_id: str
    path: Path


@dataclass(frozen=True, slots=True)
class Stored:
    """An asset is complete, verified and findable."""

    audio_id: str
    uri: str
    created: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """Artwork is stored: part of its asset or, with `waiting`, ahead of its audio."""

    audio_id: str
    uri: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A part of an asset stands at its destination, verified."""

    audio_id: str
    destination: Path


@dataclass(frozen=True, slots=True)
class Deleted:
    """Nothing of the asset is left in the store."""

    audio_id: str


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """A local file was deleted, being safely stored (or its caller wanting it gone)."""

    path: Path


@dataclass(frozen=True, slots=True)
class CleanupFailed:
    """A local file could not, or must not, be deleted."""

    path: Path
    reason: str


Event = (
    Progress
    | Retried
    | BulkBegun
    | Begun
    | Stored
    | Attached
    | Downloaded
    | Deleted
    | CleanedUp
    | CleanupFailed
)
EventListener = Callable[[Event], None]
