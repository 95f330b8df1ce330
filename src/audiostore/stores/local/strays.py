"""What lies among the objects and is none: leftovers, foreign files, objects that were damaged."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from audiostore.errors import BlobNotFoundError
from audiostore.stores.local.files import generation_at, is_text, remove_if_empty, sync_folder
from audiostore.stores.local.objects import folder_of, object_path, stat_object
from audiostore.stores.local.sidecar import sidecar_path, sidecars
from audiostore.stores.protocol import Stray

_SIDECAR = re.compile(r"\.(.+)\.[0-9]+\.json", re.DOTALL)
_EMPTY = "an empty folder"
_ORPHAN = "metadata of an object that is gone"


def strays(root: Path, prefix: str, private: str) -> Iterator[Stray]:
    """Yield what is no object, in the order of the folders' names.

    Memory: the names in the folders on the way.

    Args:
        root: of the store.
        prefix: of the paths below it.
        private: name of the folder below it that is the store's own.
    """
    folder = folder_of(prefix)
    if folder is not None:
        yield from _in_folder(root, folder, prefix, private)


def remove(root: Path, stray: Stray) -> None:
    """Remove something that `strays` found; for the lock's holder.

    Raises:
        BlobNotFoundError: it is gone, or has become something else.
        ValueError: it is not removable.
    """
    if not stray.is_removable:
        raise ValueError(f"{stray.path} is not to be removed: it is {stray.words}")
    folder, _, name = stray.path.rpartition("/")
    parent = object_path(root, folder) if folder else root
    path = parent / name
    found = None
    with suppress(FileNotFoundError, NotADirectoryError):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            found = _of_folder(stray.path, path) if not name.startswith(".") else None
        else:
            found = _of_file(root, stray.path, path)
    if found != stray:
        raise BlobNotFoundError(f"{path} is not, or no longer, {stray.words}: it was not removed")
    if stray.words == _EMPTY:
        path.rmdir()
    else:
        path.unlink()
    sync_folder(parent)
    if parent != root:
        remove_if_empty(parent)


def _in_folder(root: Path, folder: str, prefix: str, private: str) -> Iterator[Stray]:
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
                stray = _of_folder(name, path)
            else:
                stray = _of_file(root, name, path)
            if stray is not None and name.startswith(prefix):
                yield stray
        if is_folder and not entry_name.startswith(".") and is_text(entry_name):
            inside = f"{name}/"
            if inside.startswith(prefix) or prefix.startswith(inside):
                yield from _in_folder(root, name, prefix, private)


def _of_folder(name: str, path: Path) -> Stray | None:
    with os.scandir(path) as entries:
        if next(entries, None) is not None:
            return None
    return _stray(name, path, _EMPTY, is_removable=True)


def _of_file(root: Path, name: str, path: Path) -> Stray | None:
    """Judge what is no visible folder."""
    if not is_text(name):
        name = os.fsencode(name).decode("utf-8", "backslashreplace")
        words = "something whose name is no UTF-8"
    elif path.is_dir():
        words = "a hidden folder that is not of the store"
    elif match := _SIDECAR.fullmatch(path.name):
        return _of_sidecar(name, path, path.with_name(match[1]))
    elif path.name.startswith("."):
        words = "a hidden file that is not of the store"
    elif not path.is_file():
        words = "no regular file"
    else:
        try:
            stat_object(root, name)
        except BlobNotFoundError:
            words = _words_for(path, sidecars(path))
        else:
            return None
    return _stray(name, path, words)


def _of_sidecar(name: str, path: Path, of: Path) -> Stray | None:
    live = generation_at(of)
    beside = sidecar_path(of, live) if live is not None else None
    if path == beside:
        return None
    if beside and not beside.exists():
        return None  # its object may be the file there, which is a stray itself
    return _stray(name, path, _ORPHAN, is_removable=True)


def _words_for(path: Path, beside: Sequence[Path]) -> str:
    """Say why a file is no object."""
    live = generation_at(path)
    if live is not None and sidecar_path(path, live).exists():
        return "a file whose metadata is damaged"
    if beside:
        return "a file that was changed since it was stored (its time is not that of its metadata)"
    return "a file that is no object of the store (it has no metadata)"


def _stray(name: str, path: Path, words: str, *, is_removable: bool = False) -> Stray:
    # The time of the inode: unlike the file's, no copying program sets it back.
    changed_at = datetime.fromtimestamp(path.lstat().st_ctime, UTC)
    return Stray(name, words, is_removable, changed_at)
