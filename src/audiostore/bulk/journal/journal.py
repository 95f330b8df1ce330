"""The journal: which item has which id, and what became of it. One SQLite file, many processes.

An item gets its id, and the id is on the disk, before its first byte is sent. So whatever happens,
the next run stores the item under the same id, and finds there what an earlier one has stored.

- An item is its paths, its metadata, its given id if any, and the store; a changed file (size,
  mtime, inode) is a new item with a new id.
- A thumbnail that is gone changes nothing. Cleaning up deletes it before the audio file; after a
  kill between the two, a look into the folder finds the audio with another cover, or with none.
- A kill loses nothing that was committed, whatever `synchronous` says. A power failure would lose
  the last commits of a WAL database unless they are synced (FULL). Claims are: an id that was
  used and forgotten would mean that the item is stored twice. Settling is not (NORMAL): if it is
  forgotten, the next run finds the asset under its id and settles it again.
- A run holds a lock (flock) on a file beside the journal as long as its process lives. Items that
  a run had claimed are free as soon as nobody holds its lock.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from audiostore.asset import FilenameGenerator
from audiostore.bulk.journal.claims import Claim, Entry, Settled
from audiostore.bulk.journal.entries import NO_FILE, Recorded, pack_path, pack_state, place_of
from audiostore.bulk.journal.file import (
    CLAIMED,
    FAILED,
    FREE,
    STORED,
    SUPERSEDED,
    JournalFile,
    is_locked,
)

_ERROR_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What became of one run. Times in seconds since 1970."""

    run: int
    store_url: str
    started_at: float
    ended_at: float | None
    """None: it is running, or it was killed."""
    is_running: bool
    is_complete: bool
    """It went through all that it was given; if it ended without, it was stopped."""
    stored: int
    stored_before: int
    """Items that an earlier run had stored."""
    skipped: int
    """Items whose audio was in the store already."""
    failed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that a run could not store, and that none has stored since."""

    audio: Path
    origin: str
    audio_id: str
    error: str


class Journal:
    """A journal file, made if there is none. Safe to use from many threads; a context manager."""

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open a journal.

        Args:
            path: of the file; two more of SQLite's stand beside it while it is open, and one for
                each run.
            clock: in seconds since 1970.

        Raises:
            ConfigurationError: it cannot be opened, is no journal, or one of a newer audiostore.
        """
        self.path = Path(path).absolute()
        self._clock = clock
        self._file = JournalFile(self.path)

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
        self._file.close()

    def begin(self, store_url: str) -> "Run":
        """Begin a run that stores items in a store."""
        return Run(self._file, store_url, self._clock)

    def runs(self) -> Iterator[RunInfo]:
        """Yield all runs, the newest first."""
        for row in self._file.pages(
            "SELECT id, store_url, started_at, ended_at, stored, stored_before, skipped, failed,"
            " lock_name, is_complete FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?",
            1 << 62,
        ):
            is_running = row[3] is None and is_locked(self._file.lock_path(row[8]))
            yield RunInfo(row[0], row[1], row[2], row[3], is_running, bool(row[9]), *row[4:8])

    def failures(self, run: int) -> Iterator[Failure]:
        """Yield what failed in a run and was not stored, or tried again, since."""
        sql = (
            "SELECT id, audio_path, origin, audio_id, error FROM items"
            " WHERE id > ? AND status = ? AND run = ? ORDER BY id LIMIT ?"
        )
        for _, path, origin, audio_id, error in self._file.pages(sql, -1, FAILED, run):
            yield Failure(Path(os.fsdecode(path)), origin, audio_id, error)


class Run:
    """One run of a journal: a ledger. Used by one thread at a time."""

    def __init__(self, file: JournalFile, store_url: str, clock: Callable[[], float]) -> None:
        self._file = file
        self._store_url = store_url
        self._clock = clock
        self._dead: set[int] = set()
        self._is_open = True
        self._is_complete = False
        self._stored_before = 0
        lock_name = os.urandom(8).hex()
        self._lock_path = file.lock_path(lock_name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._lock_path, flags, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # before anybody can know of the run
        try:
            self.number = self._enter(lock_name)
        except BaseException:
            self._unlock()
            raise

    def claim(self, entries: Sequence[Entry]) -> list[Claim]:
        """Return a claim for each entry; what is `ours` is on the disk."""
        with self._file.transaction(is_synced=True) as connection:
            claims = [self._claim(connection, entry) for entry in entries]
        # Written down later: a commit that changes nothing costs no sync.
        self._stored_before += sum(claim.status == "stored" for claim in claims)
        return claims

    def settle(self, settled: Sequence[Settled]) -> None:
        """Record what became of claims."""
        if not settled:
            return
        rows = [
            (
                STORED if each.error is None else FAILED,
                each.audio_id,
                None if each.error is None else each.error[:_ERROR_CHARACTERS],
                each.claim.key,
            )
            for each in settled
        ]
        failed = sum(each.error is not None for each in settled)
        skipped = sum(each.skipped for each in settled)
        with self._file.transaction(is_synced=False) as connection:
            connection.executemany(
                "UPDATE items SET status = ?, audio_id = ?, error = ? WHERE id = ?", rows
            )
            connection.execute(
                "UPDATE runs SET stored = stored + ?, skipped = skipped + ?, failed = failed + ?,"
                " stored_before = ? WHERE id = ?",
                (
                    len(settled) - failed - skipped,
                    skipped,
                    failed,
                    self._stored_before,
                    self.number,
                ),
            )

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Forget new ids, which nobody has used, and free the others."""
        if not claims:
            return
        with self._file.transaction(is_synced=False) as connection:
            connection.executemany(
                "DELETE FROM items WHERE id = ?", [(c.key,) for c in claims if c.is_new]
            )
            connection.executemany(
                "UPDATE items SET status = ? WHERE id = ?",
                [(FREE, c.key) for c in claims if not c.is_new],
            )

    def complete(self) -> None:
        """Learn that nothing is left to be claimed."""
        self._is_complete = True

    def close(self) -> None:
        """End the run."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            with self._file.transaction(is_synced=False) as connection:
                connection.execute(
                    "UPDATE runs SET ended_at = ?, is_complete = ?, stored_before = ? WHERE id = ?",
                    (self._clock(), self._is_complete, self._stored_before, self.number),
                )
        finally:
            self._unlock()

    def _enter(self, lock_name: str) -> int:
        with self._file.transaction(is_synced=False) as connection:
            cursor = connection.execute(
                "INSERT INTO runs (store_url, lock_name, started_at) VALUES (?, ?, ?)",
                (self._store_url, lock_name, self._clock()),
            )
            # What the killed have left behind: a lock file that nobody holds.
            for (name,) in connection.execute("SELECT lock_name FROM runs WHERE ended_at IS NULL"):
                if not is_locked(self._file.lock_path(name)):
                    self._file.lock_path(name).unlink(missing_ok=True)
        if cursor.lastrowid is None:
            raise RuntimeError("SQLite has given a run no number")
        return cursor.lastrowid

    def _claim(self, connection: sqlite3.Connection, entry: Entry) -> Claim:
        place = place_of(self._store_url, entry.item)
        found = [
            Recorded(*columns)
            for columns in connection.execute(
                "SELECT id, audio_id, audio_state, thumbnail_state, thumbnail_path, status, run"
                " FROM items WHERE place = ? ORDER BY id DESC",
                (place,),
            )
        ]
        thumbnail_path = pack_path(entry.item.thumbnail)
        alike = [row for row in found if row.thumbnail_path == thumbnail_path]
        row = next((row for row in alike if row.is_of(entry)), None) or next(
            (row for row in found if row.is_of_what_lost_its_thumbnail(entry)), None
        )
        if row is None:
            return self._insert(connection, place, entry, [row.key for row in alike])
        if row.status == STORED:
            return Claim("stored", row.audio_id, key=row.key)
        if row.status == CLAIMED and self._is_alive(connection, row.run):
            return Claim("busy", row.audio_id, key=row.key)
        connection.execute(
            "UPDATE items SET status = ?, run = ?, error = NULL WHERE id = ?",
            (CLAIMED, self.number, row.key),
        )
        return row.taken_up(entry, is_alike=row in alike)

    def _insert(
        self, connection: sqlite3.Connection, place: bytes, entry: Entry, older: Sequence[int]
    ) -> Claim:
        connection.executemany(
            "UPDATE items SET status = ? WHERE id = ? AND status IN (?, ?)",
            [(SUPERSEDED, key, FREE, FAILED) for key in older],
        )
        given = entry.item.audio_id
        audio_id = given or FilenameGenerator.generate_audio_id()
        cursor = connection.execute(
            "INSERT INTO items (place, audio_state, thumbnail_state, audio_path, thumbnail_path,"
            " origin, audio_id, status, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                place,
                pack_state(entry.audio.state),
                pack_state(entry.thumbnail.state),
                pack_path(entry.item.audio),
                pack_path(entry.item.thumbnail),
                entry.item.origin,
                audio_id,
                CLAIMED,
                self.number,
            ),
        )
        return Claim(
            "ours",
            audio_id,
            is_new=given is None,
            key=cursor.lastrowid or 0,
            audio_state=entry.audio.state or NO_FILE,
            thumbnail_state=entry.thumbnail.state or NO_FILE,
        )

    def _is_alive(self, connection: sqlite3.Connection, run: int) -> bool:
        if run == self.number:
            return True
        if run in self._dead:
            return False
        (lock_name,) = connection.execute(
            "SELECT lock_name FROM runs WHERE id = ?", (run,)
        ).fetchone()
        if is_locked(self._file.lock_path(lock_name)):
            return True
        self._dead.add(run)
        return False

    def _unlock(self) -> None:
        with suppress(FileNotFoundError):
            self._lock_path.unlink()
        os.close(self._descriptor)
