"""Paths that look the same, because their letters are written in different Unicode forms.

"é" is one character or two (Unicode Standard Annex #15: NFC, NFD). A Mac may store the long form, a
spreadsheet writes the short one, and to Linux these are different names.
"""

import os
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from audiostore.errors import InvalidSourceError

_REMEMBERED = 16
"""Directories whose names are kept: a list names many files of few directories."""


def on_disk(path: str, folder: str | os.PathLike[str] = "") -> str:
    """Return a path as the disk has it: itself if it exists, else the one that looks the same.

    Args:
        path: relative to the folder, or absolute.
        folder: a directory; "": the working directory.

    Returns:
        The path itself, too, if there is nothing of that look.

    Raises:
        InvalidSourceError: several paths look the same.
    """
    if path.isascii() or os.path.lexists(os.path.join(folder, path)):  # noqa: PTH118  (text)
        return path
    found = look_alikes(path, folder)
    if len(found) > 1:
        raise InvalidSourceError(
            f"{path!r} does not exist, and {len(found)} files look the same, with their accents in "
            f"other Unicode forms ({', '.join(map(ascii, found))}): rename all but one"
        )
    return found[0] if found else path


def look_alikes(path: str, folder: str | os.PathLike[str] = "") -> list[str]:
    """Return the paths that exist and are equal to one but for the Unicode forms of its letters.

    In order, relative to the folder if the path is. Directories are read where a name is not ASCII.
    """
    found = ["/" if path.startswith("/") else ""]
    for part in filter(None, path.split("/")):
        found = [
            f"{parent}{name}/"
            for parent in found
            for name in _alike(os.path.join(folder, parent), part)  # noqa: PTH118
        ]
    paths = [each.removesuffix("/") for each in found]
    return [each for each in paths if os.path.lexists(os.path.join(folder, each))]  # noqa: PTH118


def _alike(folder: str, name: str) -> tuple[str, ...]:
    if name.isascii():
        return (name,)
    try:
        modified_ns = os.stat(folder or os.curdir).st_mtime_ns  # noqa: PTH116
        names = _names_in(os.path.abspath(folder), modified_ns)  # noqa: PTH100
    except (OSError, ValueError):
        return ()
    return names.get(_form(name), ())


@lru_cache(_REMEMBERED)
def _names_in(folder: str, modified_ns: int) -> Mapping[str, tuple[str, ...]]:
    """Return the names in a directory, as it is since this time, by their composed form."""
    del modified_ns
    names: dict[str, tuple[str, ...]] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries if not entry.name.isascii()):
            form = _form(name)
            names[form] = (*names.get(form, ()), name)
    return names


def _form(text: str) -> str:
    return unicodedata.normalize("NFC", text)
