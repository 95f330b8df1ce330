"""Where a command writes, so that an error there names what the user gave and what else to give."""

from __future__ import annotations

import errno
import os
import stat

_DENIED = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOSPC,
        errno.EDQUOT,
    )
)
_places: list[tuple[str, str, str, str]] = []


def remember(path: str | os.PathLike[str], what: str, way_out: str) -> None:
    """Remember a place.

    Args:
        path: as the user gave it, or our default.
        what: it is, such as ``the store directory``.
        way_out: how to choose another.
    """
    _places.append((os.path.abspath(path), os.fspath(path), what, way_out))  # noqa: PTH100


def forget() -> None:
    """Forget all places, those of the command before."""
    _places.clear()


def explained(error: OSError) -> tuple[str, str] | None:
    """Return what failed and a way out, if it is a place that cannot be written or read."""
    if error.errno not in _DENIED or not isinstance(error.filename, str):
        return None
    from audiostore.files import named_folder  # noqa: PLC0415  (not for --help)

    found = os.path.abspath(named_folder(error.filename))  # noqa: PTH100
    for place, given, what, way_out in sorted(_places, reverse=True):  # the innermost first
        if _is_below(found, place) or _is_below(place, found):
            at = "" if found == place else f" {found!r}:"
            owner = f"{_owner(place)}; " if _lacks_owner(error) else ""
            return f"cannot use {what} {given!r}:{at} {error.strerror}", f"{owner}{way_out}"
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _lacks_owner(error: OSError) -> bool:
    notes = getattr(error, "__notes__", ())
    return error.errno == errno.EACCES and not any("belongs to" in note for note in notes)


def _owner(place: str) -> str:
    while not os.access(place, os.F_OK) and place != "/":
        place = os.path.dirname(place)  # noqa: PTH120
    status = os.stat(place)  # noqa: PTH116
    return f"{place!r} belongs to user {status.st_uid}, with mode {stat.filemode(status.st_mode)}"
