"""Files that appear whole or not at all, and folders that survive a power failure."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiostore.dataclass import dataclass
from audiostore.errors import AudioStoreError

_WRITE_BYTES = 256 << 10
"""Measured: larger writes take the kernel far more CPU time on a virtual machine."""
_HINTS = {
    errno.ENOSPC: "the disk is full: free some space on the file system of {path}, then try again",
    errno.EDQUOT: "the disk quota is used up: free some space below {path}, or raise the quota",
    errno.EFBIG: "the file is larger than its file system, or a limit of this process, allows",
    errno.EROFS: "the file system of {path} is read-only: mount it writable, or use another",
    errno.EIO: "the disk reports an error: check it before you trust what it stores",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.EMFILE: "this process has too many open files: raise its limit, or do less at once",
    errno.ENFILE: "this machine has too many open files: raise its limit, or do less at once",
    errno.ENOMEM: "this machine is out of memory: do less at once",
}


def explain(error: OSError, path: str | os.PathLike[str] | None = None) -> None:
    """Add to an error about a disk, or about this process's limits, its path and what to do.

    Args:
        error: of the operating system; those of audiostore say it themselves.
        path: of the file, or of its folder, for an error that does not name it.
    """
    if isinstance(error, AudioStoreError) or error.errno not in _HINTS:
        return
    if error.filename is None and path is not None:
        error.filename = os.fspath(path)
    hint = _HINTS[error.errno].format(path=repr(named_folder(error.filename or "the output")))
    if hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)


def named_folder(path: str | os.PathLike[str]) -> str:
    """Return a path; for a file of audiostore's own, which no user named, the folder it is for."""
    folder, path = "", os.fspath(path)
    for part in path.split("/"):
        if part.startswith(".audiostore") or part.endswith(".audiostore-part"):
            return folder.rstrip("/") or path[: len(folder)] or "."
        folder += f"{part}/"
    return path


@contextmanager
def explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Explain an error of the operating system that the block raises (see `explain`)."""
    try:
        yield
    except OSError as error:
        explain(error, path)
        raise


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is being written; it is deleted at the end, unless it was renamed."""

    path: Path
    descriptor: int

    def write(self, data: bytes) -> None:
        """Append bytes."""
        write_all(self.descriptor, data)

    def clear(self) -> None:
        """Remove what was written, to start again."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def sync(self) -> None:
        """Wait until its content is on the disk."""
        os.fsync(self.descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes to an open file, all of them."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:_WRITE_BYTES]) :]


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Create a file to write.

    Raises:
        FileExistsError: something has that name.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError:
        raise
    except BaseException:  # Ctrl-C, before it is known that the file was created
        path.unlink(missing_ok=True)
        raise
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
    with (
        explained(path),
        new_file(path.with_name(f".{os.urandom(8).hex()}.audiostore-part")) as file,
    ):
        yield file
        file.sync()
        file.path.replace(path)


def make_folder(folder: Path) -> bool:
    """Create a folder and its parents, each of them safe on the disk; say whether it is new."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno != errno.ENOENT or folder.parent == folder:
            raise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
