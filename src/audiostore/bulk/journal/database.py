"""The file of a journal: SQLite, shared by processes, and a lock file for each run."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from audiostore.errors import ConfigurationError

_APPLICATION_ID = 0x61756A6C
_VERSION = 5
_BUSY_TIMEOUT_S = 60.0
_RETRY_S = 0.01
_PAGE_ROWS = 500
# What `items.status` may be.
FREE = 0  # an upload may have been started; no run is working on it
CLAIMED = 1
STORED = 2
FAILED = 3
SUPERSEDED = 4  # the file has changed since: it is another item now

_FAILURES = """CREATE TABLE failures (
    run INTEGER NOT NULL REFERENCES runs (id),
    item INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (run, item)
) WITHOUT ROWID;"""
_ASKED_BEFORE = "'quick'"
"""What is taken to have been asked of the files in a journal that does not say."""
_SCHEMA = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    store_url TEXT NOT NULL,
    lock_name TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    is_complete INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    stored_before INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    place BLOB NOT NULL,
    audio_state BLOB NOT NULL,
    thumbnail_state BLOB NOT NULL,
    audio_path BLOB NOT NULL,
    thumbnail_path BLOB,
    origin TEXT NOT NULL,
    audio_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    error TEXT,
    asked TEXT NOT NULL DEFAULT {_ASKED_BEFORE}
);
CREATE INDEX items_by_place ON items (place);
CREATE INDEX IF NOT EXISTS items_by_path ON items (audio_path);
CREATE INDEX IF NOT EXISTS items_by_audio_id ON items (audio_id);
{_FAILURES}
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


_MIGRATIONS = {
    2: """
ALTER TABLE runs ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS items_by_path ON items (audio_path);
CREATE INDEX IF NOT EXISTS items_by_audio_id ON items (audio_id);
PRAGMA user_version = 3;
""",
    3: f"""
{_FAILURES}
INSERT INTO failures SELECT run, id, ifnull(error, '') FROM items WHERE status = {FAILED};
DROP INDEX IF EXISTS items_that_failed;
PRAGMA user_version = 4;
""",  # noqa: S608  (a number of our own)
    4: f"""
ALTER TABLE items ADD COLUMN asked TEXT NOT NULL DEFAULT {_ASKED_BEFORE};
PRAGMA user_version = 5;
""",
}
"""What brings a journal of a version to the next one."""


class JournalDatabase:
    """An open journal file. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Open the file; create it if it does not exist.

        Raises:
            ConfigurationError: it cannot be opened, it is not a journal, or a newer audiostore
                has written it.
        """
        self.path = path
        self._lock = threading.RLock()
        self._connection = self._open()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, *, is_synced: bool) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction; a power failure cannot undo it if it is synced.

        Raises:
            ConfigurationError: the file is damaged, locked for a minute, or its disk is full.
        """
        with self._lock, self._reported():
            connection = self._connection
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_synced else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # some errors have rolled it back
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run the block, which changes nothing, alone.

        Raises:
            ConfigurationError: the file is damaged.
        """
        with self._lock, self._reported():
            yield self._connection

    def lock_path(self, lock_name: str) -> Path:
        """Return the file that a run holds a lock on."""
        return lock_path(self.path, lock_name)

    def pages(self, sql: str, first: int, *parameters: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, a page at a time.

        Args:
            sql: its first parameter is the first column of the row before, its last the number of
                rows.
            first: the first parameter for the first page.
            parameters: those in between.
        """
        last = first
        while True:
            with self._lock, self._reported():
                rows = self._connection.execute(sql, (last, *parameters, _PAGE_ROWS)).fetchall()
            yield from rows
            if len(rows) < _PAGE_ROWS:
                return
            last = rows[-1][0]

    def _open(self) -> sqlite3.Connection:
        # Whoever can read a database, or a lock file, can hold a lock on it. SQLite gives its other
        # files the same mode.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.close(os.open(self.path, flags, 0o600))
        except FileExistsError:
            if not os.access(self.path, os.R_OK | os.W_OK):
                reason = "it is read-only, or another user's"
                raise self._unusable(f"cannot be opened: {reason}") from None
        except OSError as error:
            raise self._unusable(f"cannot be opened: {error.strerror}") from error
        try:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unusable(f"cannot be opened: {error}") from error
        try:
            with self._reported():
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(_reason(error)) from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # One process at a time creates the file; a file that is not ours is never written to.
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._create_or_check(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        _switch_to_wal(connection)

    def _create_or_check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (tables or application or version):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
        elif application != _APPLICATION_ID:
            raise self._unusable("is a database of another program, not an audiostore journal")
        while version in _MIGRATIONS:
            for statement in _MIGRATIONS[version].split(";"):
                connection.execute(statement)
            version += 1
        if (tables or application or version) and version != _VERSION:
            raise self._unusable(_other_version(version))

    def _unusable(self, what: str) -> ConfigurationError:
        return unusable(self.path, what)


def lock_path(journal: Path, lock_name: str) -> Path:
    """Return the file that a run of a journal holds a lock on."""
    return journal.with_name(f"{journal.name}-{lock_name}.lock")


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a journal for reads; None if there is no file. Nothing is written, and none is created.

    Raises:
        ConfigurationError: it cannot be read, or is not a journal.
    """
    if not path.exists():
        yield None
        return
    # While a program has it open, or after a kill, its latest rows are in the file "-wal", which
    # needs locks. Otherwise no lock is taken: SQLite would create "-wal" and "-shm" for it.
    wal = path.with_name(f"{path.name}-wal")
    is_in_use = wal.exists() and wal.stat().st_size > 0
    mode = "mode=ro&readonly_shm=1" if is_in_use else "mode=ro&immutable=1"
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=_BUSY_TIMEOUT_S)
        ) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != _APPLICATION_ID:
                raise unusable(path, "is not an audiostore journal")
            if version not in (*_MIGRATIONS, _VERSION):
                raise unusable(path, _other_version(version))
            if version < _VERSION:  # it is not changed: what it lacks is added to the view of it
                connection.execute(
                    f"CREATE TEMP VIEW items AS SELECT *, {_ASKED_BEFORE} AS asked"  # noqa: S608
                    " FROM main.items"
                )
            yield connection
    except sqlite3.Error as error:
        raise unusable(path, _reason(error)) from error


def _other_version(version: int) -> str:
    return (
        f"has version {version}, this audiostore supports version {_VERSION}: use the "
        "audiostore release that wrote it, or another journal"
    )


def unusable(path: Path, what: str) -> ConfigurationError:
    """Return the error of a journal that cannot be used."""
    return ConfigurationError(f"{str(path)!r} {what}", path=path)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Here SQLite does not wait for other processes, whatever its timeout is.
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code (https://www.sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _reason(error: sqlite3.Error) -> str:
    match _code(error):
        case sqlite3.SQLITE_BUSY:
            return "is locked by another program: try again later"
        case sqlite3.SQLITE_FULL:
            return f"cannot be written ({error}): free some space, then run again"
        case sqlite3.SQLITE_NOTADB:
            return f"is not an audiostore journal: {error}"
        case _:
            return (
                f"is damaged or cannot be used ({error}): use another journal, and skip what is "
                "stored already"
            )


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock on a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
