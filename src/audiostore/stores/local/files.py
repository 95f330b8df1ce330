"""The files of objects: filled, dated by their generation, and read."""

import os
from collections.abc import Callable

import google_crc32c

from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError
from audiostore.files import explain, write_all
from audiostore.sources import encode_crc32c
from audiostore.stores.local.folder import Folder
from audiostore.stores.protocol import TransferListener, Transferred
from audiostore.writeback import begin_to_write_back

_PIECE_BYTES = 1 << 18  # what was read is still in the processor's cache when it is written
_BEGUN_BYTES = 1 << 20
"""The kernel is asked to begin to write back when there is as much as this."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was written to a file."""

    size_bytes: int
    crc32c: str


@dataclass(frozen=True, slots=True)
class Temporary:
    """A file that is being written; it is deleted at the end, unless it was renamed."""

    folder: Folder
    name: str
    descriptor: int

    def sync(self) -> None:
        """Wait until its content, and its modification time, are on the disk."""
        os.fsync(self.descriptor)

    def link(self, target: Folder, name: str) -> None:
        """Give it a name that is free."""
        self.folder.link(self.name, target, name)

    def rename(self, target: Folder, name: str) -> None:
        """Have it replace what has a name."""
        self.folder.rename(self.name, target, name)


def fill(
    descriptor: int, read: Callable[[int], bytes], on_transfer: TransferListener | None
) -> Content:
    """Write everything that `read` returns to an open file."""
    size = crc = begun = 0
    while piece := read(_PIECE_BYTES):
        crc = google_crc32c.extend(crc, piece)
        write_all(descriptor, piece)
        size += len(piece)
        if size >= begun + _BEGUN_BYTES:
            begin_to_write_back(descriptor)
            begun = size
        if on_transfer:
            on_transfer(Transferred(size, 0))
    return Content(size, encode_crc32c(crc))


class FileReader:
    """Reads an open file, which it owns, from one offset to another."""

    def __init__(self, descriptor: int, path: str, start: int, stop: int) -> None:
        self._descriptor = descriptor
        self._path = path
        self._remaining = max(0, stop - start)
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
        except BaseException:
            self.close()
            raise

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        try:
            piece = os.read(self._descriptor, min(size, self._remaining))
        except OSError as error:
            explain(error, self._path)
            raise
        self._remaining -= len(piece)
        return piece

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def generation_of(status: os.stat_result) -> int:
    """Return the generation in a file's modification time."""
    return status.st_mtime_ns // 1000


def generation_in(folder: Folder, name: str) -> int | None:
    """Return the generation of a file; None if it does not exist."""
    status = folder.status(name)
    return None if status is None else generation_of(status)


def set_generation(descriptor: int, generation: int, folder: str) -> None:
    """Set the modification time of an open file to a generation.

    Raises:
        ConfigurationError: the file system of the folder does not keep microseconds.
    """
    os.utime(descriptor, ns=(generation * 1000, generation * 1000))
    if os.fstat(descriptor).st_mtime_ns != generation * 1000:
        raise ConfigurationError(
            f"the file system of {folder} does not keep modification times in microseconds "
            "and cannot hold a store: choose another directory",
            path=folder,
        )


def set_generation_in(folder: Folder, name: str, generation: int) -> None:
    """Set a file's modification time to a generation, safe on the disk.

    Raises:
        ConfigurationError: the file system does not keep microseconds.
    """
    descriptor, _ = folder.open(name)
    try:
        set_generation(descriptor, generation, folder.path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_text(name: str) -> bool:
    """Say whether a file's name is UTF-8, as the name of every object is."""
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)
