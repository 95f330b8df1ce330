"""The journal: one SQLite file, shared by many processes, with the runs and their items.

Each item gets an id, and the id is on the disk, before the item's first byte is sent. So whatever
happens, the next run stores the item under the same id, and finds there what an earlier run has
stored.

- An item is identified by its paths, its metadata, its given id, if any, and the store. A changed
  file (size, mtime, inode) is a new item with a new id.
- A missing thumbnail changes nothing. Cleaning up deletes it before the audio file; after a kill
  between the two, a look into the folder finds the audio with another cover, or with none.
- A kill loses nothing that was committed, whatever `synchronous` is. A power failure loses the last
  commits of a WAL database unless they are synced (FULL). Claims are synced: if an id was used and
  forgotten, the item would be stored twice. Results are not (NORMAL): if one is forgotten, the next
  run finds the asset under its id and records it again.
- A run holds a lock (flock) on a file next to the journal as long as its process lives. Items that
  a run had claimed are free as soon as no process holds its lock.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from audiostore.bulk.journal.claims import Run
from audiostore.bulk.journal.database import JournalDatabase, is_locked, read_only
from audiostore.bulk.journal.failures import FailedItem, failures_of
from audiostore.bulk.journal.reading import ReadOnlyRun
from audiostore.bulk.journal.run import JournaledRun
from audiostore.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run of a journal. Times in seconds since 1970."""

    run: int
    store_url: str
    started_at: float
    ended_at: float | None
    """None: it is running, or it was killed."""
    is_running: bool
    is_complete: bool
    """It processed all its items; False for an ended run: it was stopped before."""
    stored: int
    stored_before: int
    """Items that an earlier run had stored."""
    skipped: int
    """Items whose audio was already in the store."""
    failed: int
    changed: int
    """Items whose stored assets were updated or superseded."""
    deleted: int
    """Items whose assets are in the trash, and were not stored again."""


class Journal:
    """An open journal file. Safe to use from many threads; a context manager."""

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open a journal; create it if it does not exist.

        Args:
            path: of the file; while it is open, SQLite keeps two more files next to it, and each
                run one.
            clock: in seconds since 1970.

        Raises:
            ConfigurationError: it cannot be opened, it is not a journal, or a newer audiostore
                has written it.
        """
        self.path = Path(path).absolute()
        self._clock = clock
        self._database = JournalDatabase(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def runs(self) -> Iterator[RunInfo]:
        """Yield all runs, the newest first."""
        for row in self._database.pages(
            "SELECT id, store_url, started_at, ended_at, stored, stored_before, skipped, failed,"
            " changed, deleted, lock_name, is_complete FROM runs WHERE id < ? ORDER BY id DESC"
            " LIMIT ?",
            1 << 62,
        ):
            is_running = row[3] is None and is_locked(self._database.lock_path(row[10]))
            yield RunInfo(row[0], row[1], row[2], row[3], is_running, bool(row[11]), *row[4:10])

    def failures(self, run: int) -> Iterator[FailedItem]:
        """Yield the items that failed in a run, and what became of each since."""
        return failures_of(self._database, run)


def has_runs(path: str | os.PathLike[str], store_url: str) -> bool:
    """Return whether a journal, which need not exist, knows of a run that stored into a store.

    Raises:
        ConfigurationError: it cannot be read.
    """
    with read_only(Path(path).absolute()) as connection:
        sql = "SELECT 1 FROM runs WHERE store_url = ? LIMIT 1"
        return connection is not None and bool(connection.execute(sql, (store_url,)).fetchone())


def read_run(path: str | os.PathLike[str], store_url: str) -> Run:
    """Return a run that claims from what a journal holds, and writes nothing to it.

    Args:
        path: of the journal; it need not exist.
        store_url: the store of the items.
    """
    return ReadOnlyRun(Path(path).absolute(), store_url)


def begin_run(journal: Journal, store_url: str) -> JournaledRun:
    """Begin a run that stores items in a store."""
    return JournaledRun(journal._database, store_url, journal._clock)
