"""The audio files below some paths, each with the image that is its cover."""

import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set as AbstractSet
from pathlib import Path, PurePath

from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources.covers import COVER_NAMES, CoverRules, Covers, is_disc, is_same_stem
from audiostore.bulk.sources.directories import (
    EXCLUDED,
    Folder,
    IgnoredPath,
    IgnoredPathListener,
    Listing,
    SeenFolders,
    read_folder,
    walk,
)
from audiostore.bulk.sources.kinds import (
    AUDIO_EXTENSIONS,
    IMAGE_EXTENSIONS,
    extension_of,
    foreign_file,
    foreign_folder,
    look_into,
    why_missed,
)
from audiostore.bulk.sources.patterns import PathPatterns
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import InvalidSourceError, SourceNotFoundError

_IMAGES = "images that belong to no audio file"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which files are taken, and which images are covers."""

    patterns: PathPatterns = field(default_factory=PathPatterns)
    """For audio files; what they exclude is no cover either."""
    cover_names: tuple[str, ...] = COVER_NAMES
    """Stems of the images that are covers, in order of preference; ``*`` for any characters."""
    is_usable_cover: Callable[[Path], bool] = lambda _: True
    """Called with a cover before it is used; if False, the next best one is looked for."""
    fix_extension: bool = False
    """Take audio whose extension is of another format, or of none."""


def find_items(
    paths: Sequence[Path],
    on_ignored: IgnoredPathListener = lambda _: None,
    options: SearchOptions | None = None,
    *,
    store_folder: Path | None = None,
    allow_missing: bool = False,
) -> Iterator[BulkItem]:
    """Yield an item for each audio file at or below the paths, in a stable order.

    Files among the paths are taken whatever their extensions; images among them are covers for
    the others. Below directories, audio files are known by their extensions, and hidden files and
    links to directories are ignored. A file is yielded once, however often it is given. The source
    path of one below a directory is relative to that; if other paths are given, too, it begins with
    the directory's name, as two directories may have files of the same names. A file given by
    itself has none. Memory holds the names of the files in one directory, and the paths.

    Args:
        paths: files and directories.
        on_ignored: called with everything that is ignored.
        options: which files, and which covers; None: all, and the usual ones.
        store_folder: the directory of the store, if it has one; what is in it is ignored.
        allow_missing: also yield given files that do not exist: an earlier run may have stored
            and deleted them.

    Raises:
        SourceNotFoundError: a path does not exist. Nothing was yielded.
        InvalidSourceError: a given image belongs to none of the given files. Nothing was yielded.
    """
    search = Search(options or SearchOptions(), on_ignored)
    named, roots = _split(paths, allow_missing=allow_missing)
    excluded = store_folder.resolve() if store_folder else None
    yield from search.named(list(named.values()), roots.keys())
    for root in roots:
        if not any(parent in roots for parent in root.parents):
            is_one_of_several = len(named) + len(roots) > 1
            yield from search.below(
                roots[root], named.keys(), excluded, keeps_name=is_one_of_several
            )


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


class Search:
    """Finds items; one run of a search."""

    def __init__(
        self,
        options: SearchOptions,
        on_ignored: IgnoredPathListener,
        root: Path | None = None,
    ) -> None:
        self.options = options
        self.on_ignored = on_ignored
        self._used: dict[Path, set[Path]] = {}
        """Covers of files in other directories than their own, by their directory."""
        self._root = root
        self._covers: Covers | None = None
        self.rules = CoverRules(options.cover_names, options.is_usable_cover, self._listing)

    def named(self, paths: Sequence[Path], roots: AbstractSet[Path]) -> Iterator[BulkItem]:
        """Yield the items of files that were given by name, besides some directories."""
        images = [path for path in paths if _is_image(path.name)]
        audio = [path for path in paths if not _is_image(path.name)]
        by_folder: dict[Path, list[str]] = {}
        for path in audio:
            by_folder.setdefault(path.parent, []).append(path.name)
        items: list[BulkItem] = []
        covers = None
        for path in audio:
            if not self.options.patterns.takes(path.name):
                self.on_ignored(IgnoredPath(path, EXCLUDED))
                continue
            if covers is None or covers.folder != path.parent:
                covers = self.covers(path.parent, by_folder[path.parent])
            items.append(_item(path, *covers.cover_of(path.name)))
        for item in items:
            if item.thumbnail is not None:  # one of the directories may hold it
                self._used.setdefault(item.thumbnail.parent, set()).add(item.thumbnail)
        yield from _paired(items, images, roots, self) if images else items

    def below(
        self,
        root: Path,
        named: AbstractSet[Path] = frozenset(),
        store_folder: Path | None = None,
        seen: SeenFolders | None = None,
        *,
        keeps_name: bool = False,
    ) -> Iterator[BulkItem]:
        """Yield the items below a directory.

        Args:
            root: the directory.
            named: files that were given by name, without links; they are left out.
            store_folder: the directory of the store, without links; what is in it is ignored.
            seen: directories that need not be looked at again.
            keeps_name: begin the source paths with the directory's name.
        """
        self._root = root
        name = root.name if root.name not in ("", "..") else root.resolve().name
        prefix = f"{name}/" if keeps_name and name else ""
        for folder in walk(
            root,
            self.options.patterns,
            self.on_ignored,
            store_folder=store_folder,
            seen=seen,
        ):
            taken = {n for n in folder.listing.files if named and folder.true_path / n in named}
            yield from self._items_in(folder, taken, prefix)

    def listed(self, path: Path) -> Iterator[BulkItem]:
        """Yield the item of a file in a list, if it is audio."""
        below = self._relative(path)
        relative = path.name if below is None else below
        kind = next(filter(None, map(foreign_folder, PurePath(relative).parts[:-1])), None)
        kind = kind or foreign_file(path.name)
        if kind is None and _is_image(path.name):
            kind = "listed images"
        if kind is not None:
            missed = why_missed(path.name, kind, is_folder=False)
            self.on_ignored(IgnoredPath(path, kind, content=missed))
            return
        if _is_file(path) and not self._is_audio(path, relative):
            return
        if self._covers is None or self._covers.folder != path.parent:
            self._covers = self.covers(path.parent, ())
        yield _item(path, *self._covers.cover_of(path.name), below)

    def covers(self, folder: Path, audio: Sequence[str], listing: Listing | None = None) -> Covers:
        """Return the covers of the audio files in a directory.

        Args:
            folder: the directory.
            audio: names of files in it that are audio, whatever their extensions.
            listing: what is in it, if it was read already.
        """
        if listing is None:
            listing = self._listing(folder)
        known = {name for name in listing.files if extension_of(name) in AUDIO_EXTENSIONS}
        return Covers(folder, listing.files, listing.folders, sorted({*known, *audio}), self.rules)

    def _items_in(self, folder: Folder, taken: AbstractSet[str], prefix: str) -> Iterator[BulkItem]:
        """Yield the items of one directory, except those given as files: these were before."""
        path, listing = folder.path, folder.listing
        covers = self.covers(path, [n for n in taken if not _is_image(n)], listing)
        used = self._used.pop(path, set())
        if any(map(is_disc, listing.folders)) and covers.shared:
            self._use(covers.shared, path, used)
        others = []
        for name in listing.files:
            is_other = _is_image(name) or (
                name not in taken and not self._is_audio(path / name, f"{folder.relative}{name}")
            )
            if is_other:
                others.append(name)
                continue
            cover, is_shared = covers.cover_of(name)
            if cover is not None:
                self._use(cover, path, used)
            if name not in taken:
                source_path = f"{prefix}{folder.relative}{name}"
                yield _item(path / name, cover, is_shared, source_path)
        for name in others:
            if path / name not in used and name not in taken and _is_image(name):
                self.on_ignored(IgnoredPath(path / name, _IMAGES))

    def _is_audio(self, path: Path, relative: str) -> bool:
        """Say whether a file, which is no image, is audio to be stored; report it if it is not."""
        if not self.options.patterns.takes(relative):
            self.on_ignored(IgnoredPath(path, EXCLUDED))
            return False
        extension = extension_of(path.name)
        kind = f"{extension} files" if extension else "files without an extension"
        content = look_into(path)
        if content is None:
            if extension in AUDIO_EXTENSIONS:
                return True
            self.on_ignored(IgnoredPath(path, kind))
        elif content.is_storable and self.options.fix_extension:
            return True
        else:
            self.on_ignored(
                IgnoredPath(path, kind, None, content.description, is_audio=content.is_audio)
            )
        return False

    def _listing(self, folder: Path) -> Listing:
        """Return what is in a directory, as far as it can be read and is not excluded."""
        relative = self._relative(folder)
        prefix = f"{relative}/" if relative not in (None, ".") else ""
        try:
            return read_folder(folder, prefix, self.options.patterns, lambda _: None)
        except OSError:
            return Listing()  # a file in it may still be readable by its name

    def _relative(self, path: Path) -> str | None:
        """Return a path relative to the directory that is searched; None if it is outside."""
        if self._root is None or not path.is_relative_to(self._root):
            return None
        relative = path.relative_to(self._root)
        return None if ".." in relative.parts else relative.as_posix()

    def _use(self, cover: Path, folder: Path, used: set[Path]) -> None:
        if cover.parent == folder:
            used.add(cover)
        else:
            self._used.setdefault(cover.parent, set()).add(cover)


def _paired(
    items: Sequence[BulkItem],
    images: Sequence[Path],
    roots: AbstractSet[Path],
    search: Search,
) -> list[BulkItem]:
    """Give each image to the items that it was given for.

    An image that the search has not found belongs to the items of its stem; one that is left over,
    to all items without a given image.

    Raises:
        InvalidSourceError: an image belongs to no item.
    """
    given = {_true_path(image): image for image in images}
    covers = [item.thumbnail and given.get(_true_path(item.thumbnail)) for item in items]
    left = [image for image in images if image not in covers]
    for image in left:
        for index, item in enumerate(items):
            if covers[index] is None and is_same_stem(item.audio, image):
                covers[index] = image
    left = [image for image in left if image not in covers]
    if len(left) == 1:
        covers = [cover or left[0] for cover in covers]
    for image in left:
        if image in covers or any(root in _true_path(image).parents for root in roots):
            continue
        if not any(item.audio.parent == image.parent for item in items) or None in covers:
            raise InvalidSourceError(
                f"{str(image)!r} belongs to none of the given audio files: give one image for all "
                "of them, or images with the names of the files that they belong to",
                path=image,
            )
        search.on_ignored(IgnoredPath(image, _IMAGES))
    uses = Counter(covers)
    return [
        item
        if cover is None or (item.thumbnail and _true_path(item.thumbnail) == _true_path(cover))
        else replace(
            item,
            thumbnail=cover,
            keeps_thumbnail=uses[cover] > 1 or search.rules.rank_of(cover) is not None,
        )
        for item, cover in zip(items, covers, strict=True)
    ]


def _true_path(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _item(
    audio: Path,
    cover: Path | None,
    is_shared: bool,
    source_path: str | None = None,
) -> BulkItem:
    is_shared = is_shared and cover is not None
    return BulkItem(audio, cover, keeps_thumbnail=is_shared, source_path=source_path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long, or a directory cannot be searched: the upload says it
        return False


def _is_image(name: str) -> bool:
    return extension_of(name) in IMAGE_EXTENSIONS
