"""A private database in a temporary file, for what does not fit into memory."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from audiostore.files import explain

_CACHE_KIB = 256
"""The usual 2 MB gain nothing: what is written is sorted, and what is looked up lies anywhere."""


def open_scratch() -> sqlite3.Connection:
    """Open an empty database, which is gone once it is closed, and which no other process can see.

    It may be used from any thread, by one at a time. Use it within `on_the_disk`.
    """
    # An empty name: SQLite deletes the file as soon as it is open.
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    # Nothing needs to be rolled back or synced.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


@contextmanager
def on_the_disk() -> Iterator[None]:
    """Raise an OSError where SQLite cannot use its temporary file."""
    try:
        yield
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        code = errno.ENOSPC if is_full else errno.EIO
        # https://www.sqlite.org/tempfiles.html#temporary_file_storage_locations
        folders = map(os.environ.get, ("SQLITE_TMPDIR", "TMPDIR"))
        failure = OSError(code, str(error), next(filter(None, folders), "/var/tmp"))  # noqa: S108
        explain(failure)
        raise failure from error
