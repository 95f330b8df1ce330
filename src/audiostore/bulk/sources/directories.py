"""Reading directories: what in them is looked at, and what is ignored, with the reason."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audiostore.bulk.sources.kinds import (
    foreign_file,
    foreign_folder,
    is_being_downloaded,
    why_missed,
)
from audiostore.bulk.sources.names import SortedNames
from audiostore.bulk.sources.patterns import PathPatterns
from audiostore.dataclass import dataclass

EXCLUDED = "files excluded by a pattern"


@dataclass(frozen=True, slots=True)
class IgnoredPath:
    """Something found that is not uploaded."""

    path: Path
    reason: str
    """A plural noun, to be counted: "images", ".txt files", "hidden files and directories"."""
    error: OSError | None = None
    """Why the path could not be read; there may be audio in it."""
    content: str | None = None
    """What it is, if it may be missed: "WavPack audio", "video (H.264)"."""
    is_audio: bool = False
    """It is audio, as far as can be seen, and is not stored."""


IgnoredPathListener = Callable[[IgnoredPath], None]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is looked at in one directory; both sorted."""

    files: tuple[str, ...] = ()
    folders: Iterable[str] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that was read."""

    path: Path
    true_path: Path
    """Without links."""
    relative: str
    """Its path below the directory that is searched, with ``/`` at its end; "" for that one."""
    listing: Listing


class SeenFolders:
    """Directories in which nothing was added, removed or renamed since they were read.

    A directory's modification time changes with its entries, not with the files. It may be as
    coarse as two seconds: so a directory is known once it was read twice with the same time. Who
    uses it lets more time than that pass between two walks.
    """

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, bool, tuple[str, ...]]] = {}

    def folders_in(self, folder: Path) -> tuple[str, ...] | None:
        """Return the names of the directories in one that need not be read; else None.

        Raises:
            OSError: it cannot be looked at.
        """
        modified_ns, is_known, folders = self._seen.get(folder, (0, False, ()))
        return folders if is_known and folder.stat().st_mtime_ns == modified_ns else None

    def add(self, folder: Path, modified_ns: int, folders: Iterable[str]) -> None:
        """Note what was read of a directory that had this modification time before."""
        before = self._seen.get(folder)
        is_known = before is not None and before[0] == modified_ns
        self._seen[folder] = (modified_ns, is_known, tuple(folders))

    def forget(self, folder: Path | None = None) -> None:
        """Read a directory again, or all."""
        if folder is None:
            self._seen.clear()
        else:
            self._seen.pop(folder, None)


def read_folder(
    folder: Path, relative: str, patterns: PathPatterns, on_ignored: IgnoredPathListener
) -> Listing:
    """Read a directory.

    Raises:
        OSError: it cannot be read.
    """
    files: list[str] = []
    folders = SortedNames()
    ignored: dict[str, str] = {}
    missed: dict[str, str | None] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            kind = _why_not(entry, f"{relative}{entry.name}", patterns, is_folder=is_folder)
            if kind:
                ignored[entry.name] = kind
                missed[entry.name] = why_missed(entry.name, kind, is_folder=is_folder)
            elif is_folder:
                folders.add(entry.name)
            else:
                files.append(entry.name)
    if ignored:
        for name in files:
            if is_being_downloaded(name, ignored.keys()):
                ignored[name] = "unfinished downloads"
        files = [name for name in files if name not in ignored]
    for name, kind in ignored.items():
        on_ignored(IgnoredPath(folder / name, kind, content=missed.get(name)))
    return Listing(tuple(sorted(files)), folders)


def walk(
    root: Path,
    patterns: PathPatterns,
    on_ignored: IgnoredPathListener,
    *,
    store_folder: Path | None,
    seen: SeenFolders | None = None,
) -> Iterator[Folder]:
    """Yield a directory and those below it, each before those in it, in the order of their names.

    Args:
        root: the directory.
        patterns: what they exclude is not read.
        on_ignored: called with everything that is ignored.
        store_folder: the directory of the store; what is in it is ignored.
        seen: directories that need not be yielded again.
    """
    levels: list[Iterator[_Place]] = [iter([(root, root.resolve(), "")])]
    while levels:
        place = next(levels[-1], None)
        if place is None:
            levels.pop()
            continue
        path, true_path, relative = place
        if true_path == store_folder:
            on_ignored(IgnoredPath(path, "directories of the store itself"))
            continue
        try:
            folders: Iterable[str] | None = seen.folders_in(path) if seen else None
            modified_ns = path.stat().st_mtime_ns if seen else 0
            listing = None
            if folders is None:
                listing = read_folder(path, relative, patterns, on_ignored)
                folders = listing.folders
        except OSError as error:
            on_ignored(IgnoredPath(path, "unreadable directories", error))
            continue
        if listing is not None:
            if seen:
                seen.add(path, modified_ns, folders)
            yield Folder(path, true_path, relative, listing)
        levels.append(_places(place, folders))


_Place = tuple[Path, Path, str]
"""Of a directory: its path, that without links, and that below the directory that is searched."""


def _places(above: _Place, names: Iterable[str]) -> Iterator[_Place]:
    path, true_path, relative = above
    for name in names:
        yield path / name, true_path / name, f"{relative}{name}/"


def _why_not(
    entry: "os.DirEntry[str]", relative: str, patterns: PathPatterns, *, is_folder: bool
) -> str | None:
    if is_folder:
        is_skipped = patterns.skips_folder(relative)
        return "directories excluded by a pattern" if is_skipped else foreign_folder(entry.name)
    if patterns.excludes(relative):
        return EXCLUDED
    return foreign_file(entry.name) or _why_not_regular(entry)


def _why_not_regular(entry: "os.DirEntry[str]") -> str | None:
    if not entry.is_symlink():
        return None if entry.is_file(follow_symlinks=False) else "devices and pipes"
    try:
        mode = entry.stat().st_mode
    except OSError:  # a loop of links too
        return "broken links"
    if stat.S_ISDIR(mode):
        # Followed, it could lead to a loop, or to files that are found in their own place.
        return "links to directories"
    return None if stat.S_ISREG(mode) else "devices and pipes"
