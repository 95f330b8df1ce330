"""The audio files below some paths, each with the image next to it that is its cover.

The cover of an audio file is an image with the same stem in the same directory, else one named
``cover``, ``folder`` or ``front``. Without either, artwork embedded in the audio file is used.

A cover that several files share, or may share, is kept when these are cleaned up: the directory's,
and one with the stem of two files.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from audiostore.bulk.items import BulkItem
from audiostore.errors import SourceNotFoundError
from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS

AUDIO_EXTENSIONS = frozenset(e for f in AUDIO_FORMATS for e in f.extensions)
IMAGE_EXTENSIONS = tuple(e for f in IMAGE_FORMATS for e in f.extensions)
"""In order of preference."""
FOLDER_COVERS = ("cover", "folder", "front")
"""In order of preference."""


@dataclass(frozen=True, slots=True)
class IgnoredPath:
    """Something found that is not uploaded."""

    path: Path
    reason: str
    """A plural noun, to be counted: "images", ".txt files", "hidden files and directories"."""
    error: OSError | None = None
    """Why the path could not be read; there may be audio in it."""


IgnoredPathListener = Callable[[IgnoredPath], None]


def find_items(
    paths: Sequence[Path],
    on_ignored: IgnoredPathListener = lambda _: None,
    *,
    store_folder: Path | None = None,
    allow_missing: bool = False,
) -> Iterator[BulkItem]:
    """Yield an item for each audio file at or below the paths, in a stable order.

    Files among the paths are taken whatever their extensions; images among them are covers for
    the others. Below directories, audio files are known by their extensions, and hidden files and
    links to directories are ignored. A file is yielded once, however often it is given. The source
    path of one below a directory is relative to that; one given by itself has none. Memory holds
    the names in one directory, and the paths.

    Args:
        paths: files and directories.
        on_ignored: called with everything that is ignored.
        store_folder: the directory of the store, if it has one; what is in it is ignored.
        allow_missing: also yield given files that do not exist: an earlier run may have stored
            and deleted them.

    Raises:
        SourceNotFoundError: a path does not exist. Nothing was yielded.
    """
    named, roots = _split(paths, allow_missing=allow_missing)
    yield from _named_items(list(named.values()), on_ignored)
    excluded = store_folder.resolve() if store_folder else None
    for root in roots:
        if not any(parent in roots for parent in root.parents):
            yield from _items_below(roots[root], root, frozenset(named), excluded, on_ignored)


def is_same_stem(audio: PurePath, image: PurePath) -> bool:
    """Return whether an image is the cover of this audio file only, not of its directory."""
    return _key(audio.stem) == _key(image.stem)


def _split(
    paths: Sequence[Path], *, allow_missing: bool
) -> tuple[dict[Path, Path], dict[Path, Path]]:
    """Return the given files and directories, each once, by their resolved paths."""
    named: dict[Path, Path] = {}
    roots: dict[Path, Path] = {}
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if not allow_missing:
                raise SourceNotFoundError(
                    f"no file or directory at {str(path)!r}", path=path
                ) from None
            is_folder = False
        if is_folder:
            roots.setdefault(path.resolve(), path)
        else:
            named.setdefault(path.parent.resolve() / path.name, path)
    return named, roots


def _named_items(files: Sequence[Path], on_ignored: IgnoredPathListener) -> Iterator[BulkItem]:
    images = {path for path in files if _extension(path.name) in IMAGE_EXTENSIONS}
    taken: dict[Path, set[str]] = {}
    for path in files:
        taken.setdefault(path.parent, set()).add(path.name)
    used: set[Path] = set()
    folder, covers = None, _Covers([], frozenset())
    for path in files:
        if path in images:
            continue
        if path.parent != folder:
            folder = path.parent
            covers = _Covers(_names_in(folder), taken[folder])
        item = covers.item(path)
        if item.thumbnail in images:
            used.add(item.thumbnail)
        yield item
    for path in files:
        if path in images and path not in used:
            on_ignored(IgnoredPath(path, _IMAGES))


def _items_below(
    root: Path,
    true_root: Path,
    named: frozenset[Path],
    excluded: Path | None,
    on_ignored: IgnoredPathListener,
) -> Iterator[BulkItem]:
    waiting = [(root, true_root)]
    while waiting:
        folder, true_folder = waiting.pop()
        if true_folder == excluded:
            on_ignored(IgnoredPath(folder, "directories of the store itself"))
            continue
        try:
            names, folders = _read(folder, on_ignored)
        except OSError as error:
            on_ignored(IgnoredPath(folder, "unreadable directories", error))
            continue
        taken = {n for n in names if true_folder / n in named}
        for item in _items_in(folder, names, taken, on_ignored):
            yield replace(item, source_path=item.audio.relative_to(root).as_posix())
        waiting += [(folder / name, true_folder / name) for name in reversed(folders)]


def _items_in(
    folder: Path, names: Sequence[str], taken: AbstractSet[str], on_ignored: IgnoredPathListener
) -> Iterator[BulkItem]:
    """Yield the items of one directory, except those given as files, which were yielded before."""
    covers = _Covers(names, taken)
    used: set[Path | None] = set()
    others = []
    for name in names:
        if _extension(name) not in AUDIO_EXTENSIONS:
            others.append(name)
            continue
        item = covers.item(folder / name)
        used.add(item.thumbnail)
        if name not in taken:
            yield item
    for name in others:
        if folder / name not in used and name not in taken:
            on_ignored(IgnoredPath(folder / name, _kind(name)))


def _read(folder: Path, on_ignored: IgnoredPathListener) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the directories in a directory, sorted."""
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = _why_not(entry)
            if kind:
                on_ignored(IgnoredPath(folder / entry.name, kind))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                names.append(entry.name)
    return sorted(names), sorted(folders)


def _why_not(entry: "os.DirEntry[str]") -> str | None:
    if entry.name.startswith("."):
        return "hidden files and directories"
    if not entry.is_symlink():
        ordinary = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
        return None if ordinary else "devices and pipes"
    try:
        mode = entry.stat().st_mode
    except OSError:  # a loop of links too
        return "broken links"
    if stat.S_ISDIR(mode):
        # Followed, it could lead to a loop, or to files that are found in their own place.
        return "links to directories"
    return None if stat.S_ISREG(mode) else "devices and pipes"


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if _why_not(e) is None and not e.is_dir())
    except OSError:
        return []  # a file in it may still be readable by its name


class _Covers:
    """The covers in a directory."""

    def __init__(self, names: Sequence[str], taken: AbstractSet[str]) -> None:
        """Find the covers.

        Args:
            names: of the directory's files, sorted.
            taken: the names of given files, which are audio unless they are images.
        """
        ranked = [
            (IMAGE_EXTENSIONS.index(extension), name)
            for name in names
            if (extension := _extension(name)) in IMAGE_EXTENSIONS
        ]
        self._by_stem: dict[str, list[str]] = {}
        for _, name in sorted(ranked):
            self._by_stem.setdefault(_key(PurePath(name).stem), []).append(name)
        self._of_folder = next(
            (self._by_stem[c][0] for c in FOLDER_COVERS if c in self._by_stem), None
        )
        audio = {name for name in names if _extension(name) in AUDIO_EXTENSIONS}
        audio.update(name for name in taken if _extension(name) not in IMAGE_EXTENSIONS)
        self._uses = Counter(map(self._of, audio))

    def item(self, audio: Path) -> BulkItem:
        """Return the item for an audio file: with its cover, if it has one."""
        cover = self._of(audio.name)
        if cover is None:
            return BulkItem(audio)
        is_shared = cover == self._of_folder or self._uses[cover] > 1
        return BulkItem(audio, audio.with_name(cover), keeps_thumbnail=is_shared)

    def _of(self, name: str) -> str | None:
        stem = PurePath(name).stem
        candidates = self._by_stem.get(_key(stem), ())
        # Song.jpg belongs to Song.mp3 rather than to song.mp3, if both exist.
        exact = next((c for c in candidates if PurePath(c).stem == stem), None)
        return exact or next(iter(candidates), self._of_folder)


_IMAGES = "images that belong to no audio file"


def _kind(name: str) -> str:
    extension = _extension(name)
    if extension in IMAGE_EXTENSIONS:
        return _IMAGES
    return f"{extension} files" if extension else "files without an extension"


def _key(stem: str) -> str:
    # Some file systems store "é" as one character, others as two.
    return unicodedata.normalize("NFC", stem).casefold()


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()
