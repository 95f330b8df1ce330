"""The live objects below a root: their paths, their order, and opening one."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from audiostore.errors import BlobNotFoundError
from audiostore.stores.local.files import is_text
from audiostore.stores.local.sidecar import read_blob
from audiostore.values import BlobInfo

_READ_RACES = 100
# Missing, a file in place of a folder, a socket, a cycle of links.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ELOOP)


def object_path(root: Path, name: str) -> Path:
    """Return the file that holds an object.

    Raises:
        ValueError: no object can have this name.
    """
    parts = name.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise ValueError(f"object name {name!r} cannot be a file below a directory")
    return root.joinpath(*parts)


def folder_of(prefix: str) -> str | None:
    """Return the folder of all names with a prefix; None if no object can have such a name."""
    folder = prefix.rpartition("/")[0]
    if any(not part or part.startswith(".") for part in folder.split("/") if folder):
        return None
    return folder


def open_object(root: Path, name: str) -> tuple[int, BlobInfo]:
    """Open the object's file and return it with its description.

    Raises:
        BlobNotFoundError: it does not exist.
    """
    path = object_path(root, name)
    unpaired: tuple[int, int] | None = None
    for _ in range(_READ_RACES):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise BlobNotFoundError(f"no object {path.as_uri()}") from None
        try:
            status = os.fstat(descriptor)
            info = read_blob(path, name, status) if stat.S_ISREG(status.st_mode) else None
        except BaseException:
            os.close(descriptor)
            raise
        if info is not None:
            return descriptor, info
        os.close(descriptor)
        if unpaired == (status.st_ino, status.st_mtime_ns):
            break
        unpaired = (status.st_ino, status.st_mtime_ns)  # perhaps just replaced: look again
    raise BlobNotFoundError(f"{path} is not an object of this store (it has no metadata file)")


def stat_object(root: Path, name: str) -> BlobInfo:
    """Return the object's description.

    Raises:
        BlobNotFoundError: it does not exist.
    """
    descriptor, info = open_object(root, name)
    os.close(descriptor)
    return info


def walk(root: Path, folder: str, prefix: str, start_after: str) -> Iterator[str]:
    """Yield the names of possible objects, in the order of their bytes."""
    after = start_after.encode()
    try:
        with os.scandir(root / folder) as entries:
            found = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in entries
                if not entry.name.startswith(".") and is_text(entry.name)
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry_name in found:
        name = f"{folder}/{entry_name}" if folder else entry_name
        if not name.endswith("/"):
            if name.startswith(prefix) and name.encode() > after:
                yield name
        elif (name.startswith(prefix) or prefix.startswith(name)) and (
            name.encode() > after or start_after.startswith(name)
        ):
            yield from walk(root, name[:-1], prefix, start_after)
