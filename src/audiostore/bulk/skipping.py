"""Recognizing audio that is already in the store, by size, crc32c and md5 of its bytes."""

import base64
import errno
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import UUID

from audiostore.files import explain
from audiostore.localfiles import LocalFile
from audiostore.values import StorageResult

_ROWS = 1000
_PIECE_BYTES = 1 << 20

_Row = tuple[int, bytes, bytes | None, bytes]


class StoredAudio:
    """The audio that a store has, in a private temporary file.

    It takes about 70 bytes of disk per asset, and a few megabytes of memory. Safe to use from many
    threads; a context manager.
    """

    def __init__(self, assets: Iterable[StorageResult]) -> None:
        """Add all assets."""
        self._lock = threading.Lock()
        self._free = threading.Condition()
        self._under_way: set[tuple[int, str]] = set()
        # An empty name: a temporary file that no other process can see.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            with _on_the_disk():
                self._fill(assets)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._connection.close()

    def find(self, file: LocalFile, own_id: str) -> str | None:
        """Return the id of an asset with the same audio as a file; `own_id` if it is one of them.

        Where the store keeps no md5 of an object, size and crc32c decide.

        Raises:
            SourceChangedError: the file changed meanwhile.
            OSError: it cannot be read.
        """
        with self._lock, _on_the_disk():
            found = self._connection.execute(
                "SELECT id, md5 FROM audio WHERE size_bytes = ? AND crc32c = ?",
                (file.size_bytes, base64.b64decode(file.crc32c)),
            ).fetchall()
        if not found:
            return None
        md5 = _md5_of(file) if any(kept is not None for _, kept in found) else None
        ids = [str(UUID(bytes=each)) for each, kept in found if kept in (None, md5)]
        return own_id if own_id in ids else next(iter(ids), None)

    def add(self, asset: StorageResult) -> None:
        """Add an asset that was just stored."""
        with self._lock, _on_the_disk():
            self._connection.executemany("INSERT INTO audio VALUES (?, ?, ?, ?)", _rows([asset]))

    @contextmanager
    def exclusive(self, file: LocalFile) -> Iterator[None]:
        """Make other threads with a file of the same content wait until the block ends."""
        content = (file.size_bytes, file.crc32c)
        with self._free:
            self._free.wait_for(lambda: content not in self._under_way)
            self._under_way.add(content)
        try:
            yield
        finally:
            with self._free:
                self._under_way.remove(content)
                self._free.notify_all()

    def _fill(self, assets: Iterable[StorageResult]) -> None:
        connection = self._connection
        # The file is gone with this process: nothing needs to be rolled back or synced.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE audio (size_bytes INT, crc32c BLOB, md5 BLOB, id BLOB)")
        rows = _rows(assets)
        connection.execute("BEGIN")
        while some := list(islice(rows, _ROWS)):
            connection.executemany("INSERT INTO audio VALUES (?, ?, ?, ?)", some)
        connection.execute("CREATE INDEX by_content ON audio (size_bytes, crc32c)")
        connection.execute("COMMIT")


@contextmanager
def _on_the_disk() -> Iterator[None]:
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


def _rows(assets: Iterable[StorageResult]) -> Iterator[_Row]:
    """Yield the rows of the assets whose audio has a known checksum: no other can be recognised."""
    for asset in assets:
        audio = asset.audio
        if audio is not None and audio.crc32c is not None:
            md5 = None if audio.md5_hash is None else base64.b64decode(audio.md5_hash)
            yield audio.size_bytes, base64.b64decode(audio.crc32c), md5, UUID(asset.audio_id).bytes


def _md5_of(file: LocalFile) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    with closing(file.open()) as reader:
        while piece := reader.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.digest()
