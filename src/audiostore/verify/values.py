"""What a check is, and what it found."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from audiostore.dataclass import dataclass, field
from audiostore.errors import AudioStoreError

if TYPE_CHECKING:
    from audiostore.verify.scratch import Scratch

Outcome = Literal["passed", "failed", "skipped"]


class BrokenPromiseError(AudioStoreError):
    """A bucket does not do what audiostore relies on; the message says what it did instead."""


class NotShownError(AudioStoreError):
    """A bucket, as it is set up, cannot show whether a promise holds; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one check."""

    check: str
    promise: str
    """What was to be shown, in a sentence."""
    outcome: Outcome
    detail: str
    """What the bucket did: without its name, that of the account, or of a key."""

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "check": self.check,
            "promise": self.promise,
            "outcome": self.outcome,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and how a bucket shows that it holds."""

    name: str
    promise: str
    run: "Callable[[Scratch], str]" = field(repr=False)
    """Returns what the bucket did.

    Raises:
        BrokenPromiseError: the promise does not hold.
        NotShownError: this bucket cannot show it.
    """
    class_a: int
    """The most requests that it sends of those that write, copy or list."""
    class_b: int
    """The most requests that it sends of those that read."""
    sent_bytes: int
    """The most bytes that it sends."""


def check(
    promise: str, *, class_a: int, class_b: int, sent_bytes: int = 16 << 10
) -> "Callable[[Callable[[Scratch], str]], Check]":
    """Make a check of a function; its name is the function's."""

    def make(run: "Callable[[Scratch], str]") -> Check:
        name = run.__name__.replace("_", "-")
        return Check(name, promise, run, class_a, class_b, sent_bytes)

    return make
