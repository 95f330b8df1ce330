"""The paths of downloaded files: below a directory, each once, and no longer than it can have."""

import os
import tempfile
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from audiostore.errors import shown
from audiostore.values import StorageResult

_PART_NAME_BYTES = 40
"""A file has a name of this length while it is written."""
_SHORTER_BYTES = (128, 64, 32)
"""For the parts of a path that is too long as a whole."""


class Targets:
    """Gives each file a path of its own in a directory. Memory holds about 100 bytes for each."""

    def __init__(self, root: Path) -> None:
        """Find out what the file system of a directory, which exists, does with names."""
        self._root = root
        self._max_name_bytes = os.pathconf(root, "PC_NAME_MAX")
        self._max_path_bytes = os.pathconf(root, "PC_PATH_MAX") - 1  # it counts the NUL
        self._folded = folding_of(root)
        self._taken: set[bytes] = set()

    def give(self, asset: StorageResult, name: str) -> tuple[Path, tuple[str, ...]]:
        """Return the path for an asset's file, and warnings if it is not the one asked for.

        Raises:
            ValueError: the name leads out of the directory.
        """
        wanted = Path(os.path.normpath(self._root / name))
        if wanted == self._root or not wanted.is_relative_to(self._root):
            raise ValueError(
                f"cannot download asset {asset.audio_id} to {shown(name)}: it lies outside "
                f"{str(self._root)!r}; give it another name"
            )
        parts = wanted.relative_to(self._root).parts
        path, warnings = self._fitting(parts), []
        if path != wanted:
            warnings.append("the name is too long for this file system: it was shortened")
        if not self._take(path):
            extension = PurePosixPath(path.name).suffix
            stem = path.name.removesuffix(extension)
            room = self._max_name_bytes - len(f"-{asset.audio_id}{extension}".encode())
            path = path.with_name(f"{_cut(stem, room)}-{asset.audio_id}{extension}")
            self._take(path)
            warnings.append("another asset has this name: the id was added")
        return path, tuple(warnings)

    def _take(self, path: Path) -> bool:
        """Return whether a path was free; it is taken then."""
        key = blake2b(os.fsencode(self._folded(str(path))), digest_size=16).digest()
        is_free = key not in self._taken
        self._taken.add(key)
        return is_free

    def _fitting(self, parts: tuple[str, ...]) -> Path:
        for limit in (self._max_name_bytes, *_SHORTER_BYTES):
            path = self._root.joinpath(*(_fitted(part, limit) for part in parts))
            longest = max(len(os.fsencode(path.name)), _PART_NAME_BYTES)
            if len(os.fsencode(path.parent)) + 1 + longest <= self._max_path_bytes:
                return path
        return self._root / _fitted(parts[-1], self._max_name_bytes)


def folding_of(folder: Path) -> Callable[[str], str]:
    """Return what turns names into equal texts that are the same name in a directory.

    It depends on the file system: some ignore case, some store "é" as one character or two.
    """
    with tempfile.TemporaryDirectory(prefix=".audiostore-", dir=folder) as inner:
        Path(inner, "\u00e9").touch()
        folds_form = os.path.lexists(Path(inner, "e\u0301"))
        folds_case = os.path.lexists(Path(inner, "\u00c9"))

    def folded(name: str) -> str:
        text = unicodedata.normalize("NFC", name) if folds_form else name
        text = text.casefold() if folds_case else text
        return unicodedata.normalize("NFC", text) if folds_form else text

    return folded


def _fitted(part: str, limit: int) -> str:
    """Return a name of at most so many bytes, with the extension that it had."""
    if len(os.fsencode(part)) <= limit:
        return part
    extension = PurePosixPath(part).suffix
    size = len(os.fsencode(extension))
    if size > limit // 2:
        extension, size = "", 0
    return _cut(part.removesuffix(extension) if extension else part, limit - size) + extension


def _cut(text: str, limit: int) -> str:
    """Return the beginning of text, as many whole characters as so many bytes can hold."""
    raw = os.fsencode(text)[:limit]
    while raw and not text.startswith(os.fsdecode(raw)):  # a character was cut in two
        raw = raw[:-1]
    return os.fsdecode(raw).rstrip() or "_"
