"""The files of objects: filled, dated by their generation, and read."""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from audiostore.errors import ConfigurationError
from audiostore.files import NewFile
from audiostore.sources import encode_crc32c
from audiostore.stores.protocol import TransferListener, Transferred

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What was written to a file."""

    size_bytes: int
    crc32c: str
    md5_hash: str


def fill(
    file: NewFile, read: Callable[[int], bytes], on_transfer: TransferListener | None
) -> Content:
    """Write everything that `read` returns."""
    size = crc = 0
    md5 = hashlib.md5(usedforsecurity=False)
    while piece := read(_PIECE_BYTES):
        crc = google_crc32c.extend(crc, piece)
        md5.update(piece)
        file.write(piece)
        size += len(piece)
        if on_transfer:
            on_transfer(Transferred(size, 0))
    return Content(size, encode_crc32c(crc), base64.b64encode(md5.digest()).decode("ascii"))


class FileReader:
    """Reads an open file, which it owns, from one offset to another."""

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        self._descriptor = descriptor
        self._remaining = max(0, stop - start)
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
        except BaseException:
            self.close()
            raise

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        piece = os.read(self._descriptor, min(size, self._remaining))
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


def generation_at(path: Path) -> int | None:
    """Return the generation of the file at a path; None if it does not exist."""
    try:
        return generation_of(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def set_generation(file: NewFile, generation: int) -> None:
    """Set the modification time of a file that is being written to a generation.

    Raises:
        ConfigurationError: the file system does not keep microseconds.
    """
    _set_time(file.descriptor, generation, file.path)


def set_generation_at(path: Path, generation: int) -> None:
    """Set a file's modification time to a generation, safe on the disk.

    Raises:
        ConfigurationError: the file system does not keep microseconds.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_time(descriptor, generation, path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_text(name: str) -> bool:
    """Say whether a file's name is UTF-8, as the name of every object is."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _set_time(descriptor: int, generation: int, path: Path) -> None:
    os.utime(descriptor, ns=(generation * 1000, generation * 1000))
    if os.fstat(descriptor).st_mtime_ns != generation * 1000:
        raise ConfigurationError(
            f"the file system of {path.parent} does not keep modification times in microseconds "
            "and cannot hold a store: choose another directory",
            path=path.parent,
        )
