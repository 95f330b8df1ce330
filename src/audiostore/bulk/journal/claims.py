"""Which run stores which item under which id: the interface of a run, with or without journal."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

from audiostore.asset import FilenameGenerator
from audiostore.bulk.items import BulkItem, UploadStatus
from audiostore.dataclass import dataclass
from audiostore.localfiles import FileState


@dataclass(frozen=True, slots=True)
class PathState:
    """What is at a path, as far as `stat` tells."""

    state: FileState | None = None
    """None: no file, or it is not known."""
    is_missing: bool = False

    @classmethod
    def of(cls, path: str | os.PathLike[str] | None) -> Self:
        """Look at a path; opening the file will show why there is nothing to see."""
        if path is None:
            return cls()
        try:
            return cls(FileState.of(os.stat(path)))  # noqa: PTH116  (a Path costs five times more)
        except (FileNotFoundError, NotADirectoryError):
            return cls(is_missing=True)
        except (OSError, ValueError):  # no permission, a loop of links, a NUL
            return cls()


_REMOTE = PathState(FileState(0, 0, 0))
"""Of a remote file: what its URL names is taken to stay the same, and nothing asks the server."""


@dataclass(frozen=True, slots=True)
class ItemSnapshot:
    """An item, and the state of its files."""

    item: BulkItem
    audio: PathState
    thumbnail: PathState

    @classmethod
    def of(cls, item: BulkItem) -> Self:
        """Look at the files of an item."""
        if item.is_remote:
            return cls(
                item,
                PathState.of(item.audio) if item.remote_audio is None else _REMOTE,
                PathState.of(item.thumbnail) if item.remote_thumbnail is None else _REMOTE,
            )
        return cls(item, PathState.of(item.audio), PathState.of(item.thumbnail))

    @property
    def size_bytes(self) -> int:
        """How many bytes there are to upload, as far as is known."""
        states = (self.audio.state, self.thumbnail.state)
        return sum(state.size_bytes for state in states if state is not None)


@dataclass(frozen=True, slots=True)
class Claim:
    """The id of an item, and whether this run is to store it."""

    status: Literal["claimed", "stored", "busy"]
    """"claimed": by this run; no other stores it until its result is recorded. "stored": it is
    stored under this id. "busy": another run is storing it, or this one is, for an item that was
    given twice."""
    audio_id: str
    is_new: bool = False
    """Nothing is stored under it, and no upload under it was ever started."""
    is_resumed: bool = False
    """An earlier run, or an earlier attempt in this one, had claimed it."""
    key: int = 0
    """Identifies it within the run's journal."""
    audio_state: FileState | None = None
    """The state of the file that the id is for; None: any."""
    thumbnail_state: FileState | None = None
    is_thumbnail_missing: bool = False
    """Its thumbnail file is gone: an earlier attempt may have stored it and cleaned it up."""
    was_interrupted: bool = False
    """An earlier run that claimed it has recorded no result: it may be stored, or not."""
    previous_id: str | None = None
    """The id under which the same path was stored last, before its files changed."""
    asked: frozenset[str] = frozenset()
    """Of what is stored: what the uploads of these files have asked of them (see `asked_of`)."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The result of an item."""

    claim: Claim
    audio_id: str
    status: UploadStatus
    error: str | None = None
    asked: frozenset[str] = frozenset()
    """What this upload asked of the files, and got."""


class Run(Protocol):
    """One bulk run: gives items their ids, and records results.

    Used by one thread at a time, except for `stored_at` and `path_of`.
    """

    def claim(self, snapshots: Sequence[ItemSnapshot]) -> list[Claim]:
        """Return a claim for each item; those with the status "claimed" are on the disk."""
        ...

    def renew(self, claims: Sequence[tuple[Claim, ItemSnapshot]]) -> list[Claim]:
        """Claim items whose assets are no longer in the store, under new ids.

        Returns:
            a claim for each; with the status "busy" if another run was faster.
        """
        ...

    def stored_at(self, path: Path) -> str | None:
        """Return the id under which a path was stored last; None if that is not known."""
        ...

    def path_of(self, audio_id: str) -> Path | None:
        """Return the path from which an asset was stored last; None if that is not known."""
        ...

    def record(self, results: Sequence[ItemResult]) -> None:
        """Record results: of claimed items, and of those that were stored before."""
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up claims under which nothing was started."""
        ...

    def complete(self) -> None:
        """Note that no item is left to be claimed."""
        ...

    def close(self) -> None:
        """End the run; claims without a result are free for other runs."""
        ...


class UnjournaledRun:
    """A run without a journal: makes ids and records nothing."""

    def claim(self, snapshots: Sequence[ItemSnapshot]) -> list[Claim]:
        """Return a claim for each item, with a new id if it has none."""
        return [
            Claim("claimed", snapshot.item.audio_id)
            if snapshot.item.audio_id is not None
            else Claim("claimed", FilenameGenerator.generate_audio_id(), is_new=True)
            for snapshot in snapshots
        ]

    def renew(self, claims: Sequence[tuple[Claim, ItemSnapshot]]) -> list[Claim]:
        """Return claims with new ids."""
        return self.claim([snapshot for _, snapshot in claims])

    def stored_at(self, path: Path) -> str | None:
        """Return None."""

    def path_of(self, audio_id: str) -> Path | None:
        """Return None."""

    def record(self, results: Sequence[ItemResult]) -> None:
        """Do nothing."""

    def release(self, claims: Sequence[Claim]) -> None:
        """Do nothing."""

    def complete(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
