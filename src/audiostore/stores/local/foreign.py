"""Files and folders in a store that are not objects: leftovers, foreign or damaged files."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from audiostore.errors import BlobNotFoundError
from audiostore.files import remove_if_empty, sync_folder
from audiostore.stores.capabilities import ForeignFile
from audiostore.stores.local.files import generation_at, is_text
from audiostore.stores.local.objects import folder_of, object_path, stat_object
from audiostore.stores.local.sidecar import sidecar_path, sidecars

_SIDECAR = re.compile(r"\.(.+)\.[0-9]+\.json", re.DOTALL)
_EMPTY = "an empty folder"
_ORPHAN = "metadata of an object that is gone"


def foreign_files(root: Path, prefix: str, private: str) -> Iterator[ForeignFile]:
    """Yield what is not an object, in the order of the folders' names.

    Memory: the names in the folders on the path that is being walked.

    Args:
        root: of the store.
        prefix: of the paths below it.
        private: name of the store's own folder below it.
    """
    folder = folder_of(prefix)
    if folder is not None:
        yield from _in_folder(root, folder, prefix, private)


def remove(root: Path, file: ForeignFile) -> None:
    """Remove something that `foreign_files` found. The caller holds the store's lock.

    Raises:
        BlobNotFoundError: it is gone, or has changed.
        ValueError: it is not removable.
    """
    if not file.is_removable:
        raise ValueError(f"{file.path} must not be removed: it is {file.description}")
    folder, _, name = file.path.rpartition("/")
    parent = object_path(root, folder) if folder else root
    path = parent / name
    found = None
    with suppress(FileNotFoundError, NotADirectoryError):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            found = _judge_folder(file.path, path) if not name.startswith(".") else None
        else:
            found = _judge_file(root, file.path, path)
    if found != file:
        raise BlobNotFoundError(f"{path} is no longer {file.description}: it was not removed")
    if file.description == _EMPTY:
        path.rmdir()
    else:
        path.unlink()
    sync_folder(parent)
    if parent != root:
        remove_if_empty(parent)


def _in_folder(root: Path, folder: str, prefix: str, private: str) -> Iterator[ForeignFile]:
    try:
        with os.scandir(root / folder) as entries:
            found = sorted((e.name, e.is_dir()) for e in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry_name, is_folder in found:
        name = f"{folder}/{entry_name}" if folder else entry_name
        if name == private:
            continue
        path = root / name
        with suppress(FileNotFoundError):  # gone meanwhile
            if is_folder and is_text(entry_name) and not entry_name.startswith("."):
                file = _judge_folder(name, path)
            else:
                file = _judge_file(root, name, path)
            if file is not None and name.startswith(prefix):
                yield file
        if is_folder and not entry_name.startswith(".") and is_text(entry_name):
            inside = f"{name}/"
            if inside.startswith(prefix) or prefix.startswith(inside):
                yield from _in_folder(root, name, prefix, private)


def _judge_folder(name: str, path: Path) -> ForeignFile | None:
    with os.scandir(path) as entries:
        if next(entries, None) is not None:
            return None
    return _file(name, path, _EMPTY, is_removable=True)


def _judge_file(root: Path, name: str, path: Path) -> ForeignFile | None:
    """Classify anything but a visible folder; None for an object."""
    if not is_text(name):
        name = os.fsencode(name).decode("utf-8", "backslashreplace")
        description = "a file whose name is not UTF-8"
    elif path.is_dir():
        description = "a hidden folder that does not belong to the store"
    elif match := _SIDECAR.fullmatch(path.name):
        return _judge_sidecar(name, path, path.with_name(match[1]))
    elif path.name.startswith("."):
        description = "a hidden file that does not belong to the store"
    elif not path.is_file():
        description = "not a regular file"
    else:
        try:
            stat_object(root, name)
        except BlobNotFoundError:
            description = _describe(path, sidecars(path))
        else:
            return None
    return _file(name, path, description)


def _judge_sidecar(name: str, path: Path, of: Path) -> ForeignFile | None:
    live = generation_at(of)
    current = sidecar_path(of, live) if live is not None else None
    if path == current:
        return None
    if current and not current.exists():
        return None  # its object may be the file there, which is a foreign file itself
    return _file(name, path, _ORPHAN, is_removable=True)


def _describe(path: Path, metadata_files: Sequence[Path]) -> str:
    """Say why a file is not an object."""
    live = generation_at(path)
    if live is not None and sidecar_path(path, live).exists():
        return "a file whose metadata is damaged"
    if metadata_files:
        return (
            "a file that was changed since it was stored (its modification time does not match "
            "its metadata)"
        )
    return "a file that was not put here by the store (it has no metadata)"


def _file(name: str, path: Path, description: str, *, is_removable: bool = False) -> ForeignFile:
    # The inode's change time: unlike the modification time, no copying program sets it back.
    changed_at = datetime.fromtimestamp(path.lstat().st_ctime, UTC)
    return ForeignFile(name, description, is_removable, changed_at)
