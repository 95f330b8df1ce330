"""What a deep check has read, in a file, so that another one continues where it was interrupted.

The file begins with the time and a key. Then comes a keyed hash of 8 bytes for each asset whose
bytes were read and found to be right. It covers what identifies the bytes of all its objects, so an
asset that was stored or changed since is read, whatever its id is and whatever the clocks say. Each
is appended by itself: a kill costs no more than one.
"""

import fcntl
import hashlib
import os
import struct
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from audiostore.errors import ConfigurationError
from audiostore.files import write_all
from audiostore.values import BlobInfo

_HEADER = struct.Struct("<8sd16s")
_MAGIC = b"as-deep1"
_HASH_BYTES = 8
_LIFETIME_S = 7 * 24 * 3600.0


class CheckRecord:
    """A file that a deep check notes in what it has read. A context manager.

    Example::

        with CheckRecord("deep.record") as record:
            for problem in manager.audit.check(deep=True, record=record):
                print(problem.name, problem.message)
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the file of an interrupted check, or create one.

        What is damaged, or was last written to more than a week ago, is not continued.

        Args:
            path: of the file; it is deleted when a check is complete.
            clock: in seconds since 1970.

        Raises:
            ConfigurationError: another check uses it, or it is a file of another kind.
            OSError: it cannot be opened.
        """
        self.path = os.fspath(path)
        self._clock = clock
        self.begun_at: datetime | None = None
        """When the check began which is continued; None for a new one."""
        self._known = array("Q")
        self.key = b""
        """Random: it decides what else a check decides at random, and lasts until its end."""
        self._descriptor = self._open()
        try:
            self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

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
        """Close the file; another check can continue."""
        os.close(self._descriptor)

    def restart(self) -> None:
        """Forget all that was read."""
        self.begun_at = None
        self._known = array("Q")
        self.key = os.urandom(16)
        os.ftruncate(self._descriptor, 0)
        write_all(self._descriptor, _HEADER.pack(_MAGIC, self._clock(), self.key))

    def remove(self) -> None:
        """Delete the file: the check is complete."""
        Path(self.path).unlink(missing_ok=True)

    def has(self, blobs: Iterable[BlobInfo]) -> bool:
        """Say whether the interrupted check has read an asset that had these objects."""
        wanted = self._hash(blobs)
        at = bisect_left(self._known, wanted)
        return at < len(self._known) and self._known[at] == wanted

    def add(self, blobs: Iterable[BlobInfo]) -> None:
        """Note that the bytes of an asset with these objects were read and are right."""
        write_all(self._descriptor, self._hash(blobs).to_bytes(_HASH_BYTES, "little"))

    def _open(self) -> int:
        """Open the file and lock it: its last user may delete it between the two."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                raise ConfigurationError(
                    f"another check is using {self.path!r}", path=self.path
                ) from error
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)

    def _read(self) -> None:
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        if data[: len(_MAGIC)] not in (b"", _MAGIC, bytes(len(_MAGIC))):
            raise ConfigurationError(
                f"{self.path!r} is not a valid record of a check", path=self.path
            )
        if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
            self.restart()  # new; or a kill or a power failure has left only this
            return
        _, begun_at_s, self.key = _HEADER.unpack_from(data)
        if self._clock() - os.fstat(self._descriptor).st_mtime > _LIFETIME_S:
            self.restart()
            return
        whole = len(data) - (len(data) - _HEADER.size) % _HASH_BYTES
        os.ftruncate(self._descriptor, whole)  # a torn hash
        hashes = struct.iter_unpack("<Q", data[_HEADER.size : whole])
        self._known = array("Q", sorted(each for (each,) in hashes))
        if self._known:
            self.begun_at = datetime.fromtimestamp(begun_at_s, UTC)

    def _hash(self, blobs: Iterable[BlobInfo]) -> int:
        facts = [
            (each.name, each.generation, each.metageneration, each.size_bytes, each.crc32c)
            for each in blobs
        ]
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=_HASH_BYTES, key=self.key)
        return int.from_bytes(digest.digest(), "little")
