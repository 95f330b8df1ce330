"""Which audio files are below some paths, and which image beside each is its cover.

A cover is an image of the same stem as the audio file, else one named ``cover``, ``folder`` or
``front``, in the same folder. Without either, artwork inside the audio file is used.

A cover that serves, or may serve, several files is kept when those are cleaned up: one of the
folder, and one of the stem of two files.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePath

from audiostore.bulk.items import BulkItem
from audiostore.errors import SourceNotFoundError
from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS

AUDIO_EXTENSIONS = frozenset(e for f in AUDIO_FORMATS for e in f.extensions)
IMAGE_EXTENSIONS = tuple(e for f in IMAGE_FORMATS for e in f.extensions)
"""The order is that in which they are preferred."""
FOLDER_COVERS = ("cover", "folder", "front")
"""Likewise."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something below a folder that is not stored."""

    path: Path
    kind: str
    """In words that can be counted: "images", ".txt files", "hidden files and folders"."""
    error: OSError | None = None
    """It could not be read: there may have been audio in it."""


Tell = Callable[[LeftOut], None]


def find_items(
    paths: Sequence[Path],
    tell: Tell,
    *,
    store_folder: Path | None = None,
    may_be_gone: bool = False,
) -> Iterator[BulkItem]:
    """Yield an item for each audio file at or below the paths, in an order that stays the same.

    Files that are named are taken whatever their extensions; images among them are covers for the
    others. Below folders, audio files are known by their extensions; hidden files, and links to
    folders, are left out. However many times a file is named, it comes once. What is held in
    memory are the names in one folder, and the paths given.

    Args:
        paths: files and folders.
        tell: told of everything that is left out.
        store_folder: the store's own folder, if it has one: what is in it is stored already.
        may_be_gone: yield named files that are not there as well: an earlier run may have stored
            and deleted them.

    Raises:
        SourceNotFoundError: there is nothing at one of the paths; before anything is yielded.
    """
    named, roots = _sorted_out(paths, may_be_gone=may_be_gone)
    yield from _named_items(list(named.values()), tell)
    leave = store_folder.resolve() if store_folder else None
    for root in roots:
        if not any(parent in roots for parent in root.parents):
            yield from _items_below(roots[root], root, frozenset(named), leave, tell)


def is_of_same_stem(audio: PurePath, image: PurePath) -> bool:
    """Say whether an image is the cover of this file alone, rather than of its folder."""
    return _key(audio.stem) == _key(image.stem)


def _sorted_out(
    paths: Sequence[Path], *, may_be_gone: bool
) -> tuple[dict[Path, Path], dict[Path, Path]]:
    """Return the files and the folders: as they are named, by their true paths, each once."""
    named: dict[Path, Path] = {}
    roots: dict[Path, Path] = {}
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if not may_be_gone:
                raise SourceNotFoundError(f"no file or folder at {str(path)!r}") from None
            is_folder = False
        if is_folder:
            roots.setdefault(path.resolve(), path)
        else:
            named.setdefault(path.parent.resolve() / path.name, path)
    return named, roots


def _named_items(files: Sequence[Path], tell: Tell) -> Iterator[BulkItem]:
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
            tell(LeftOut(path, _IMAGES))


def _items_below(
    root: Path, true_root: Path, named: frozenset[Path], leave: Path | None, tell: Tell
) -> Iterator[BulkItem]:
    waiting = [(root, true_root)]
    while waiting:
        folder, true_folder = waiting.pop()
        if true_folder == leave:
            tell(LeftOut(folder, "folders of the store itself"))
            continue
        try:
            names, folders = _read(folder, tell)
        except OSError as error:
            tell(LeftOut(folder, "folders that cannot be read", error))
            continue
        yield from _items_in(folder, names, {n for n in names if true_folder / n in named}, tell)
        waiting += [(folder / name, true_folder / name) for name in reversed(folders)]


def _items_in(
    folder: Path, names: Sequence[str], taken: AbstractSet[str], tell: Tell
) -> Iterator[BulkItem]:
    """Yield the items of one folder but for those that were taken before, by their names."""
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
            tell(LeftOut(folder / name, _kind(name)))


def _read(folder: Path, tell: Tell) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a folder, sorted."""
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = _why_not(entry)
            if kind:
                tell(LeftOut(folder / entry.name, kind))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                names.append(entry.name)
    return sorted(names), sorted(folders)


def _why_not(entry: "os.DirEntry[str]") -> str | None:
    if entry.name.startswith("."):
        return "hidden files and folders"
    if not entry.is_symlink():
        ordinary = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
        return None if ordinary else "devices and pipes"
    try:
        mode = entry.stat().st_mode
    except OSError:  # a link in a circle too
        return "links to nowhere"
    if stat.S_ISDIR(mode):
        # Followed, it may lead up in a circle, or to files that are stored from their own place.
        return "links to folders"
    return None if stat.S_ISREG(mode) else "devices and pipes"


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if _why_not(e) is None and not e.is_dir())
    except OSError:
        return []  # a file in it may be read nevertheless, by its name


class _Covers:
    """The images of a folder."""

    def __init__(self, names: Sequence[str], taken: AbstractSet[str]) -> None:
        """Look at a folder.

        Args:
            names: of its files, sorted.
            taken: those that are named, which are stored whatever their extensions.
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
        """Return an audio file with its cover."""
        cover = self._of(audio.name)
        if cover is None:
            return BulkItem(audio)
        is_shared = cover == self._of_folder or self._uses[cover] > 1
        return BulkItem(audio, audio.with_name(cover), keeps_thumbnail=is_shared)

    def _of(self, name: str) -> str | None:
        stem = PurePath(name).stem
        candidates = self._by_stem.get(_key(stem), ())
        # Song.jpg belongs to Song.mp3 rather than to song.mp3, where both are.
        exact = next((c for c in candidates if PurePath(c).stem == stem), None)
        return exact or next(iter(candidates), self._of_folder)


_IMAGES = "images that are no audio file's cover"


def _kind(name: str) -> str:
    extension = _extension(name)
    if extension in IMAGE_EXTENSIONS:
        return _IMAGES
    return f"{extension} files" if extension else "files without an extension"


def _key(stem: str) -> str:
    # Some file systems keep "é" as one character, others as two.
    return unicodedata.normalize("NFC", stem).casefold()


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()
