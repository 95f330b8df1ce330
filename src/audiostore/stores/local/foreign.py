"""Files and folders in a store that are not objects: leftovers, foreign or damaged files."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

from audiostore.errors import BlobNotFoundError
from audiostore.patterns import pattern
from audiostore.stores.capabilities import ForeignFile
from audiostore.stores.local.files import generation_in, generation_of, is_text
from audiostore.stores.local.folder import Entry, Folder, Tree, is_of_one_entry
from audiostore.stores.local.objects import folder_of, is_object, is_too_long
from audiostore.stores.local.sidecar import sidecar_name, sidecars

_SIDECAR = pattern(r"\.(.+)\.[0-9]+\.json", re.DOTALL)
_EMPTY = "an empty folder"
_ORPHAN = "metadata of an object that is gone"
_LINK = "not a regular file, but a symbolic link, which the store does not follow"
_UNREADABLE = "a folder that cannot be read"


def foreign_files(tree: Tree, prefix: str, private: str) -> Iterator[ForeignFile]:
    """Yield what is not an object, in the order of the folders' names.

    Then what does not belong in the store's own folder, whatever the prefix.

    Memory: the names in the folders on the path that is being walked.

    Args:
        tree: the directory of the store.
        prefix: of the paths below it.
        private: name of the store's own folder below it.
    """
    place = folder_of(prefix)
    if place is not None:
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(tree.folder(place))
            except OSError as error:
                if not is_of_one_entry(error):
                    raise
                yield from _in_the_way(tree, place)
            else:
                yield from _in_folder(folder, f"{place}/" if place else "", prefix, private)
    with suppress(FileNotFoundError, NotADirectoryError), tree.folder() as root:
        yield from _misplaced(root, "", [Entry(private, is_folder=True)])


def remove(tree: Tree, file: ForeignFile) -> None:
    """Remove something that `foreign_files` found. The caller holds the store's lock.

    Raises:
        BlobNotFoundError: it is gone, or has changed.
        ValueError: it is not removable.
    """
    if not file.is_removable:
        raise ValueError(f"{file.path} must not be removed: it is {file.description}")
    place, _, name = file.path.rpartition("/")
    with suppress(FileNotFoundError, NotADirectoryError), tree.folder(place) as folder:
        status = folder.status(name)
        entry = Entry(name, is_folder=status is not None and stat.S_ISDIR(status.st_mode))
        if status is not None and _judge(folder, file.path, entry) == file:
            if file.description == _EMPTY:
                folder.remove_if_empty(name)
            else:
                folder.unlink(name)
            folder.sync()
            if folder.above is not None:
                folder.above.remove_if_empty(place.rpartition("/")[2])
            return
    raise BlobNotFoundError(
        f"{tree.root / file.path} is no longer {file.description}: it was not removed"
    )


def _in_the_way(tree: Tree, place: str) -> Iterator[ForeignFile]:
    """Yield what keeps a folder from being opened, unless it is only missing.

    Raises:
        OSError: that is the root itself.
    """
    parts = place.split("/") if place else []
    for depth, name in enumerate(parts):
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            tree.folder("/".join(parts[:depth])) as folder,
        ):
            try:
                os.close(folder.enter(name).descriptor)
            except FileNotFoundError:
                return
            except OSError as error:
                description = f"{_UNREADABLE}: {error.strerror}"
                yield _file(folder, "/".join(parts[: depth + 1]), name, description)
                return


def _in_folder(folder: Folder, at: str, prefix: str, private: str) -> Iterator[ForeignFile]:
    for entry in sorted(folder.entries(), key=lambda entry: entry.name):
        name = at + entry.name
        if name == private:
            continue
        with suppress(FileNotFoundError):  # gone meanwhile
            file = _judge(folder, name, entry)
            if file is not None and name.startswith(prefix):
                yield file
            is_readable = file is None or file.description == _EMPTY
            inside = f"{name}/"
            if not (_is_visible_folder(entry) and is_readable):
                continue
            if inside.startswith(prefix) or prefix.startswith(inside):
                below = folder.enter(entry.name)
                try:
                    yield from _in_folder(below, inside, prefix, private)
                finally:
                    os.close(below.descriptor)


def _misplaced(folder: Folder, at: str, entries: list[Entry]) -> Iterator[ForeignFile]:
    """Yield what is neither a folder nor a regular file, or cannot be read, at any depth."""
    for entry in entries:
        name = at + entry.name
        status = folder.status(entry.name)
        if status is None:
            continue
        if not entry.is_folder or not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode):
                yield _file(folder, name, entry.name, _kind(status))
        elif is_too_long(name):
            yield _file(folder, name, entry.name, "a folder too deep to belong to this store")
        else:
            try:
                below = folder.enter(entry.name)
            except OSError as error:
                if not is_of_one_entry(error):
                    raise
                yield _file(folder, name, entry.name, f"{_UNREADABLE}: {error.strerror}")
                continue
            try:
                yield from _misplaced(below, f"{name}/", below.entries())
            finally:
                os.close(below.descriptor)


def _is_visible_folder(entry: Entry) -> bool:
    return entry.is_folder and is_text(entry.name) and not entry.name.startswith(".")


def _judge(folder: Folder, name: str, entry: Entry) -> ForeignFile | None:
    """Classify an entry of a folder; None for an object, and for a folder that is in order."""
    if _is_visible_folder(entry):
        return _judge_folder(folder, name, entry.name)
    if not is_text(entry.name):
        kind = "folder" if entry.is_folder else "file"
        return _file(folder, name, entry.name, f"a {kind} whose name is not UTF-8")
    if match := _SIDECAR.fullmatch(entry.name):
        return _judge_sidecar(folder, name, entry.name, match[1])
    if entry.is_folder:
        description = "a hidden folder that does not belong to the store"
    elif entry.name.startswith("."):
        description = "a hidden file that does not belong to the store"
    else:
        status = folder.status(entry.name)
        if status is None:
            return None
        found = _judge_file(folder, name, entry.name, status)
        if found is None:
            return None
        description = found
    return _file(folder, name, entry.name, description)


def _judge_file(folder: Folder, name: str, file: str, status: os.stat_result) -> str | None:
    """Say why a visible file is not an object, or cannot be read; None if it is one."""
    if not stat.S_ISREG(status.st_mode):
        return _kind(status)
    try:
        if not is_object(folder, file, name):
            return _describe(folder, file, status)
    except OSError as error:
        if not is_of_one_entry(error):
            raise
        return f"an object whose metadata cannot be read: {error.strerror}"
    if not os.access(file, os.R_OK, dir_fd=folder.descriptor):
        return "an object that this user may not read"
    return None


def _judge_folder(folder: Folder, name: str, entry_name: str) -> ForeignFile | None:
    if is_too_long(name):
        return _file(folder, name, entry_name, "a folder too deep for objects")
    try:
        inside = folder.enter(entry_name)
        try:
            is_empty = inside.is_empty()
        finally:
            os.close(inside.descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        if not is_of_one_entry(error):
            raise
        return _file(folder, name, entry_name, f"{_UNREADABLE}: {error.strerror}")
    return _file(folder, name, entry_name, _EMPTY, is_removable=True) if is_empty else None


def _judge_sidecar(folder: Folder, name: str, entry_name: str, of: str) -> ForeignFile | None:
    live = generation_in(folder, of)
    current = sidecar_name(of, live) if live is not None else None
    if entry_name == current:
        return None  # its object is a foreign file, if this is damaged
    status = folder.status(entry_name)
    if status is not None and not stat.S_ISREG(status.st_mode):
        return _file(folder, name, entry_name, _kind(status))
    if current and folder.status(current) is None:
        return None  # its object may be the file there, which is a foreign file itself
    return _file(folder, name, entry_name, _ORPHAN, is_removable=True)


def _describe(folder: Folder, file: str, status: os.stat_result) -> str:
    """Say why a file is not an object."""
    if folder.status(sidecar_name(file, generation_of(status))) is not None:
        return "a file whose metadata is damaged"
    if sidecars(folder.entries(), file):
        return (
            "a file that was changed since it was stored (its modification time does not match "
            "its metadata)"
        )
    return "a file that was not put here by the store (it has no metadata)"


def _kind(status: os.stat_result) -> str:
    return _LINK if stat.S_ISLNK(status.st_mode) else "not a regular file"


def _file(
    folder: Folder, name: str, entry_name: str, description: str, *, is_removable: bool = False
) -> ForeignFile:
    # The inode's change time: unlike the modification time, no copying program sets it back.
    status = folder.status(entry_name)
    if status is None:
        raise FileNotFoundError(name)
    changed_at = datetime.fromtimestamp(status.st_ctime, UTC)
    path = name if is_text(name) else os.fsencode(name).decode("utf-8", "backslashreplace")
    return ForeignFile(path, description, is_removable, changed_at)
