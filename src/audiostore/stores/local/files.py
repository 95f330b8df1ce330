"""Files that appear whole, in folders that are safe on the disk."""

import base64
import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from audiostore.errors import ConfigurationError
from audiostore.sources import encode_crc32c
from audiostore.stores.protocol import TransferListener, Transferred

_PIECE_BYTES = 1 << 20
_IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)


@dataclass(frozen=True, slots=True)
class Content:
    """What was written to a file."""

    size_bytes: int
    crc32c: str
    md5_hash: str


@dataclass(frozen=True, slots=True)
class Temporary:
    """A file that is being written and deletes itself, unless it was renamed."""

    path: Path
    descriptor: int

    def fill(self, read: Callable[[int], bytes], on_transfer: TransferListener | None) -> Content:
        """Write all that can be read."""
        size = crc = 0
        md5 = hashlib.md5(usedforsecurity=False)
        while piece := read(_PIECE_BYTES):
            crc = google_crc32c.extend(crc, piece)
            md5.update(piece)
            self.write(piece)
            size += len(piece)
            if on_transfer:
                on_transfer(Transferred(size, 0))
        md5_hash = base64.b64encode(md5.digest()).decode("ascii")
        return Content(size, encode_crc32c(crc), md5_hash)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def set_generation(self, generation: int) -> None:
        """Set the modification time to a generation (see `set_generation`)."""
        _set_time(self.descriptor, generation, self.path)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        os.fsync(self.descriptor)


class FileReader:
    """The bytes of an open file, of which it takes care, from one offset to another."""

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        self._descriptor = descriptor
        self._remaining = max(0, stop - start)
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
        except BaseException:
            self.close()
            raise

    def read(self, size: int) -> bytes:
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
    """Return the generation that a file's modification time stands for."""
    return status.st_mtime_ns // 1000


def generation_at(path: Path) -> int | None:
    """Return the generation of the file at a path; None if there is nothing."""
    try:
        return generation_of(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def set_generation(path: Path, generation: int) -> None:
    """Set a file's modification time to a generation, safe on the disk.

    Raises:
        ConfigurationError: the file system keeps no microseconds.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_time(descriptor, generation, path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_time(descriptor: int, generation: int, path: Path) -> None:
    os.utime(descriptor, ns=(generation * 1000, generation * 1000))
    if os.fstat(descriptor).st_mtime_ns != generation * 1000:
        raise ConfigurationError(
            f"the file system of {path.parent} keeps no times in microseconds and cannot "
            "hold a store: choose another directory"
        )


def is_text(name: str) -> bool:
    """Say whether a file's name is UTF-8, as the name of every object is."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, each of them safe on the disk."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except OSError as error:
        if error.errno != errno.ENOENT or folder.parent == folder:
            raise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder that nothing is in; say whether it is gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in _IN_USE:
            raise
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
