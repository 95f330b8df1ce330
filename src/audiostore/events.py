"""Events: typed values that the manager's `on_event` callable receives.

They are reported by the thread that did the work, the `Progress` of a transfer by the thread that
moves the bytes, so a listener must return quickly. Exceptions of a listener are logged and ignored.
"""

from collections.abc import Callable
from pathlib import Path

from audiostore.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of an object were sent or received.

    `done_bytes` decreases only after a `Retried`: the next attempt continues with the bytes that
    the store has kept.
    """

    name: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """An operation failed and will be tried again after `delay_s` seconds."""

    operation: str
    attempt: int
    delay_s: float
    error: Exception
    store_url: str = ""
    left_s: float | None = None
    """Seconds until it is given up; None: after a number of attempts."""


@dataclass(frozen=True, slots=True)
class RetriesEnded:
    """An operation that was retried has succeeded, or was given up."""

    operation: str


@dataclass(frozen=True, slots=True)
class BulkBegun:
    """A bulk operation has begun."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A local audio file passed inspection and is now being stored under an id."""

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
    """Artwork is stored: as part of its asset or, if `waiting`, ahead of its audio."""

    audio_id: str
    uri: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A part of an asset is complete and verified at its destination."""

    audio_id: str
    destination: Path


@dataclass(frozen=True, slots=True)
class Deleted:
    """An asset was deleted: no live object of it is left in the store."""

    audio_id: str


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """A local file was deleted after it was safely stored (or as `cleanup="always"` demands)."""

    path: Path


@dataclass(frozen=True, slots=True)
class CleanupFailed:
    """A local file was kept: it could not be deleted, or has changed."""

    path: Path
    reason: str


Event = (
    Progress
    | Retried
    | RetriesEnded
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
