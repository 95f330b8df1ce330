"""Who stores which item under which id: what is asked of a journal, or of nobody."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from audiostore.asset import FilenameGenerator
from audiostore.bulk.items import BulkItem
from audiostore.sources import FileState


@dataclass(frozen=True, slots=True)
class Seen:
    """What a path leads to, as far as can be told without opening it."""

    state: FileState | None = None
    """None: there is no file, or it cannot be told."""
    is_gone: bool = False

    @classmethod
    def at(cls, path: str | os.PathLike[str] | None) -> Self:
        """Look at a path; why there is nothing to be seen, whoever opens it will find out."""
        if path is None:
            return cls()
        try:
            return cls(FileState.of(os.stat(path)))  # noqa: PTH116  (a Path costs five times more)
        except (FileNotFoundError, NotADirectoryError):
            return cls(is_gone=True)
        except (OSError, ValueError):  # no permission, a loop of links, a NUL
            return cls()


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as it was found."""

    item: BulkItem
    audio: Seen
    thumbnail: Seen

    @classmethod
    def of(cls, item: BulkItem) -> Self:
        """Look at the files of an item."""
        return cls(item, Seen.at(item.audio), Seen.at(item.thumbnail))

    @property
    def size_bytes(self) -> int:
        """How much there is to send, as far as is known."""
        states = (self.audio.state, self.thumbnail.state)
        return sum(state.size_bytes for state in states if state is not None)


@dataclass(frozen=True, slots=True)
class Claim:
    """The id of an item, and whether it is ours to store."""

    status: Literal["ours", "stored", "busy"]
    """`ours`: nobody else stores it until it is settled. `stored`: it is, under this id. `busy`:
    another run stores it now, or this one, for an item that was given twice."""
    audio_id: str
    is_new: bool = False
    """No attempt to store anything under this id was ever begun."""
    is_taken_up: bool = False
    """An earlier run, or an earlier attempt in this one, had it."""
    key: int = 0
    """What the ledger knows it by."""
    audio_state: FileState | None = None
    """The state of the file that the id is for; None: any."""
    thumbnail_state: FileState | None = None
    lost_thumbnail: bool = False
    """The file that was its thumbnail is gone: an attempt may have stored it, and cleaned it up."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item that was ours."""

    claim: Claim
    audio_id: str
    error: str | None
    skipped: bool


class Ledger(Protocol):
    """Gives items their ids. Used by one thread at a time."""

    def claim(self, entries: Sequence[Entry]) -> list[Claim]:
        """Return a claim for each entry; what is `ours` is recorded for good."""
        ...

    def settle(self, settled: Sequence[Settled]) -> None:
        """Record what became of claims."""
        ...

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Learn that nothing was begun under these claims by us."""
        ...

    def complete(self) -> None:
        """Learn that nothing is left to be claimed."""
        ...

    def close(self) -> None:
        """End the run; claims that are not settled are free."""
        ...


class Unrecorded:
    """Makes ids and remembers nothing: for runs without a journal."""

    def claim(self, entries: Sequence[Entry]) -> list[Claim]:
        """Return a new id for each entry that has none given."""
        return [
            Claim("ours", entry.item.audio_id)
            if entry.item.audio_id is not None
            else Claim("ours", FilenameGenerator.generate_audio_id(), is_new=True)
            for entry in entries
        ]

    def settle(self, settled: Sequence[Settled]) -> None:
        """Forget them."""

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Forget them."""

    def complete(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
