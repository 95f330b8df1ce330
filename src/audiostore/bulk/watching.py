"""Watching directories: which files have arrived, and are whole as far as can be seen.

By looking again and again: notifications of the kernel do not reach a machine when another one
writes to a network share, and get lost when there are many. A directory is read again only if its
modification time has changed, or files in it are awaited.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources import (
    IgnoredPath,
    IgnoredPathListener,
    Search,
    SearchOptions,
    SeenFolders,
)
from audiostore.dataclass import dataclass, replace
from audiostore.errors import SourceNotFoundError

SETTLE_S = 5.0
"""A file is stored once its size and modification time have not changed for so long."""
_PATIENCE = 12
"""After so many times as long, it does not wait for what else is coming into its directory."""
_FULL_LOOK_S = 600.0
"""So often all directories are read: a file that is written in place shows nowhere else."""

_State = tuple[int, int]
"""Size and modification time. Network shares may give a file another inode each time."""


@dataclass(slots=True)
class _Arriving:
    """A file that is not stored yet."""

    item: BulkItem
    states: tuple[_State | None, ...]
    """Of the audio file and its cover."""
    since_s: float
    """When it was first seen like this."""


class Watcher:
    """Finds what arrives below some directories. Used by one thread."""

    def __init__(
        self,
        paths: list[Path],
        options: SearchOptions,
        on_ignored: IgnoredPathListener = lambda _: None,
        *,
        store_folder: Path | None = None,
        settle_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at nothing yet.

        Args:
            paths: the directories.
            options: which files are taken, and which images are covers.
            on_ignored: called once with everything that is ignored, or cannot be read.
            store_folder: the directory of the store, if it has one; what is in it is ignored.
            settle_s: how long nothing about a file may change; None: `SETTLE_S`.
            clock: in seconds.
        """
        resolved = {path: path.resolve() for path in paths}
        self._paths = [
            path
            for path, own in resolved.items()
            if not any(parent in own.parents for parent in resolved.values())
        ]
        self._seen = SeenFolders()
        self._options = options
        self._on_ignored = on_ignored
        self._store_folder = store_folder.resolve() if store_folder else None
        self.settle_s = SETTLE_S if settle_s is None else settle_s
        self._clock = clock
        self._read_all_at = clock() + _FULL_LOOK_S
        self._arriving: dict[Path, _Arriving] = {}
        self._taken: dict[Path, _State] = {}
        self._returned: list[BulkItem] = []
        """By the last look."""
        self._reported: set[tuple[Path, str]] = set()

    def look(self) -> list[BulkItem]:
        """Look once; return what has settled since it was first seen.

        Call it again after the time that a file has to be unchanged. What was returned is not
        returned again before it changes, or `put_back` is called.
        """
        now = self._clock()
        for item in self._returned:
            is_cleaned_up = _state(item.audio) is None and item.audio.parent.is_dir()
            if is_cleaned_up:  # the same file may come again
                self._taken.pop(item.audio, None)
        reads_all = now >= self._read_all_at
        if reads_all:
            self._seen.forget()
            self._read_all_at = now + _FULL_LOOK_S
        arriving: dict[Path, _Arriving] = {}
        found: set[Path] = set()
        for item in self._found(forgets=reads_all):
            found.add(item.audio)
            audio = _state(item.audio)
            if audio is None or self._taken.get(item.audio) == audio:
                continue
            states = (audio, _state(item.thumbnail) if item.thumbnail else None)
            known = self._arriving.get(item.audio)
            if known is None or (known.states, known.item.thumbnail) != (states, item.thumbnail):
                known = _Arriving(item, states, now)
            arriving[item.audio] = replace(known, item=item)
        self._arriving = arriving
        if reads_all:  # what is gone needs no memory
            self._taken = {path: self._taken[path] for path in self._taken.keys() & found}
        for path in arriving:
            self._seen.forget(path.parent)
        self._returned = list(self._settled(now))
        return self._returned

    def put_back(self, item: BulkItem) -> None:
        """Return an item again, as it could not be stored now."""
        self._taken.pop(item.audio, None)
        self._seen.forget(item.audio.parent)

    def _settled(self, now: float) -> Iterator[BulkItem]:
        """Yield what no longer changes, nor does what else arrives in the same directory."""
        latest: dict[Path, float] = {}
        for path, each in self._arriving.items():
            latest[path.parent] = max(latest.get(path.parent, each.since_s), each.since_s)
        for path, each in list(self._arriving.items()):
            is_quiet = now - latest[path.parent] >= self.settle_s
            if is_quiet or now - each.since_s >= _PATIENCE * self.settle_s:
                del self._arriving[path]
                if each.states[0] is not None:
                    self._taken[path] = each.states[0]
                yield each.item

    def _found(self, *, forgets: bool) -> Iterator[BulkItem]:
        """Yield what is there; `forgets`: of what was reported, remember only what is still so."""
        current: set[tuple[Path, str]] = set()

        def listen(ignored: IgnoredPath) -> None:
            key = (ignored.path, ignored.reason)
            current.add(key)
            if key not in self._reported:
                self._reported.add(key)
                self._on_ignored(ignored)

        for path in self._paths:
            if path.is_dir():
                search = Search(self._options, listen, path)
                yield from search.below(
                    path,
                    store_folder=self._store_folder,
                    seen=self._seen,
                    keeps_name=len(self._paths) > 1,
                )
            else:  # it may come back, such as a network share
                error = SourceNotFoundError(f"no directory at {str(path)!r}", path=path)
                listen(IgnoredPath(path, "missing directories", error))
        # What could not be read is reported again if that happens again.
        self._reported = {
            key for key in self._reported if key in current or not (forgets or key[1] in _PASSING)
        }


_PASSING = ("unreadable directories", "missing directories")


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
