"""The live objects of a store: their places, their order, and opening one."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiostore.errors import BlobNotFoundError, shown
from audiostore.log import logger, passed_over
from audiostore.stores.local.files import is_text
from audiostore.stores.local.folder import (
    NO_FILE,
    Entry,
    Folder,
    NotRegularError,
    Tree,
    is_of_one_entry,
)
from audiostore.stores.local.sidecar import read_blob
from audiostore.values import BlobInfo

_READ_RACES = 100
_LONGEST_NAME_BYTES = 1024
"""Of an object, in a bucket; what is deeper is not walked."""


def place_of(name: str) -> tuple[str, str]:
    """Return the folder, and the name in it, of the file that holds an object.

    Raises:
        ValueError: no object can have this name.
    """
    parts = name.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise ValueError(f"object name {name!r} cannot be a file below a directory")
    folder, _, file = name.rpartition("/")
    return folder, file


def object_path(root: Path, name: str) -> Path:
    """Return the path of the file that holds an object, for messages.

    Raises:
        ValueError: no object can have this name.
    """
    return root.joinpath(*place_of(name))


def folder_of(prefix: str) -> str | None:
    """Return the folder of all names with a prefix; None if no object can have such a name."""
    folder = prefix.rpartition("/")[0]
    if any(not part or part.startswith(".") for part in folder.split("/") if folder):
        return None
    return folder


def open_object(tree: Tree, name: str) -> tuple[int, BlobInfo]:
    """Open the object's file and return it with its description.

    Raises:
        BlobNotFoundError: it does not exist.
    """
    place, file = place_of(name)
    try:
        with tree.folder(place) as folder:
            for _ in range(_READ_RACES):
                info = _stat(folder, file, name)
                descriptor, status = folder.open(file)
                if (status.st_size, status.st_mtime_ns // 1000) == (
                    info.size_bytes,
                    info.generation,
                ):
                    return descriptor, info
                os.close(descriptor)  # just replaced: look again
    except NotRegularError as error:
        raise _not_an_object(error.filename) from None
    except OSError as error:
        raise _as_not_found(error, tree, name) from None
    raise _not_an_object(object_path(tree.root, name))


def is_object(folder: Folder, file: str, name: str) -> bool:
    """Say whether a file in a folder is an object."""
    try:
        _stat(folder, file, name)
    except BlobNotFoundError:
        return False
    return True


def is_too_long(name: str) -> bool:
    """Say whether a path in a store is longer than the name of an object can be."""
    return len(os.fsencode(name)) > _LONGEST_NAME_BYTES


def look_up(tree: Tree, name: str) -> tuple[BlobInfo | None, bool]:
    """Return the object of a name, if there is one, and whether the name is taken.

    Raises:
        NotADirectoryError: a file, or a symbolic link, is in the place of a folder on the way.
    """
    place, file = place_of(name)
    try:
        with tree.folder(place) as folder:
            return look_in(folder, file, name)
    except FileNotFoundError:
        return None, False


def look_in(folder: Folder, file: str, name: str) -> tuple[BlobInfo | None, bool]:
    """Return the object in a file of a folder, if it is one, and whether there is a file."""
    if folder.status(file) is None:
        return None, False
    try:
        return _stat(folder, file, name), True
    except BlobNotFoundError:
        return None, folder.status(file) is not None


def stat_object(tree: Tree, name: str) -> BlobInfo:
    """Return the object's description.

    Raises:
        BlobNotFoundError: it does not exist.
    """
    place, file = place_of(name)
    try:
        with tree.folder(place) as folder:
            return _stat(folder, file, name)
    except OSError as error:
        raise _as_not_found(error, tree, name) from None


def walk(
    folder: Folder, entries: list[Entry], at: str, prefix: str, start_after: str
) -> Iterator[BlobInfo]:
    """Yield the objects below a folder in the order of their names' bytes.

    What cannot be read is skipped, with a warning.

    Args:
        folder: an open folder.
        entries: the names in it.
        at: the beginning of the names of the objects in it: "", or its path and a slash.
        prefix: of the names.
        start_after: the name after which to start.
    """
    after = start_after.encode()
    for file in sorted(
        f"{entry.name}/" if entry.is_folder else entry.name
        for entry in entries
        if not entry.name.startswith(".") and is_text(entry.name)
    ):
        name = at + file
        if not file.endswith("/"):
            if name.startswith(prefix) and name.encode() > after:
                info = _stat_or_warn(folder, file, name)
                if info is not None:
                    yield info
        elif (name.startswith(prefix) or prefix.startswith(name)) and (
            name.encode() > after or start_after.startswith(name)
        ):
            with entered(folder, file[:-1], name) as (inside, names):
                yield from walk(inside, names, name, prefix, start_after)


@contextmanager
def entered(folder: Folder, name: str, at: str) -> Iterator[tuple[Folder, list[Entry]]]:
    """Open a folder in a folder, and yield it with the names in it.

    If that is not possible, warn, and yield the outer one with no names.

    Args:
        folder: the outer one.
        name: in it.
        at: the path of the inner one in the store.
    """
    if is_too_long(at):
        logger.warning("what is below %s was skipped: too deep", shown(folder.path))
        yield folder, []
        return
    inside: Folder | None = None
    entries: list[Entry] = []
    try:
        try:
            inside = folder.enter(name)
            entries = inside.entries()
        except OSError as error:
            pass_over(error, f"{folder.path}/{name}")
        yield inside or folder, entries
    finally:
        if inside is not None:
            os.close(inside.descriptor)


def pass_over(error: OSError, path: str) -> None:
    """Warn of an entry that is passed over, unless it is only gone by now.

    Raises:
        OSError: the error is not of one entry.
    """
    if not is_of_one_entry(error):
        raise error
    if not isinstance(error, FileNotFoundError):
        passed_over.warning("%r was skipped: %s", path, error.strerror)


def _stat_or_warn(folder: Folder, file: str, name: str) -> BlobInfo | None:
    try:
        return _stat(folder, file, name)
    except BlobNotFoundError:
        if folder.status(file) is not None:
            passed_over.info("%r was skipped: it has changed since it was stored", name)
        return None
    except OSError as error:
        pass_over(error, f"{folder.path}/{file}")
        return None


def _stat(folder: Folder, file: str, name: str) -> BlobInfo:
    """Return the description of the object in a file of a folder.

    Raises:
        BlobNotFoundError: it does not exist.
    """
    unpaired: tuple[int, int] | None = None
    for _ in range(_READ_RACES):
        status = folder.status(file)
        if status is None:
            raise BlobNotFoundError(f"no object {Path(folder.path, file).as_uri()}")
        info = read_blob(folder, file, name, status) if stat.S_ISREG(status.st_mode) else None
        if info is not None:
            return info
        if unpaired == (status.st_ino, status.st_mtime_ns):
            break
        unpaired = (status.st_ino, status.st_mtime_ns)  # perhaps just replaced: look again
    raise _not_an_object(Path(folder.path, file))


def _not_an_object(path: str | Path) -> BlobNotFoundError:
    return BlobNotFoundError(f"{path} is not an object of this store (it has no metadata file)")


def _as_not_found(error: OSError, tree: Tree, name: str) -> Exception:
    if error.errno not in NO_FILE:
        return error
    return BlobNotFoundError(f"no object {object_path(tree.root, name).as_uri()}")
