"""Files that appear whole or not at all, and folders that survive a power failure."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_WRITE_BYTES = 256 << 10
"""Measured: larger writes take the kernel far more CPU time on a virtual machine."""
_IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is being written; it is deleted at the end, unless it was renamed."""

    path: Path
    descriptor: int

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view[:_WRITE_BYTES]) :]

    def clear(self) -> None:
        """Remove what was written, to start again."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def sync(self) -> None:
        """Wait until its content is on the disk."""
        os.fsync(self.descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Create a file to write.

    Raises:
        FileExistsError: something has that name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield NewFile(path, descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[NewFile]:
    """Write a file that replaces what is at the path when the block ends, and only if it succeeds.

    It is written next to the path. Its content is on the disk before it gets its name.
    """
    with new_file(path.with_name(f".{os.urandom(8).hex()}.audiostore-part")) as file:
        yield file
        file.sync()
        file.path.replace(path)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each of them safe on the disk."""
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
    """Remove a folder if it is empty; say whether it is gone."""
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
