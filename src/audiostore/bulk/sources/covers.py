"""Which image is the cover of an audio file, as people and their programs keep covers.

Looked for, until an image is found that is usable:

1. the image with the same stem as the audio file, in the same directory;
2. an image with one of the cover names, in the order of these;
3. the only image there is, unless its name says that it is another (``back``, ``booklet``), or
   other cover names are given;
4. a small copy that a player has made (``AlbumArtSmall``).

Steps 2 to 4 each look in the directory of the file and in those in it that hold artwork
(``Artwork``, ``Covers``, ``Scans``); and, if it is the directory of a disc (``CD1``, ``Disc 2``),
in the one above it and in those there that hold artwork.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from audiostore.bulk.sources.directories import Listing
from audiostore.bulk.sources.kinds import IMAGE_EXTENSIONS, extension_of, stem_of
from audiostore.lazyproperty import lazy_property
from audiostore.patterns import pattern

COVER_NAMES = ("cover", "folder", "front", "album", "albumart", "albumart*", "*cover*", "*front*")
"""What beets, Picard, Navidrome, Windows and rippers call a cover; in order of preference."""

_ARTWORK_FOLDERS = (
    *("artwork", "artworks", "art", "album art", "cover art", "covers", "cover", "scans", "scan"),
    "booklet",
)
"""In order of preference."""
_DISC = pattern(
    r"[\[(]?(cd|dvd|disc|disk|disque|disco|lp|side|vinyl)[\s._#-]*"
    r"(\d{1,2}|[a-h]|[ivx]+|one|two|three|four|five)(?![^\W_])",
    re.IGNORECASE,
)
_MOST_DISC_LEVELS = 2
# Words in the names of images of other things. Digits and punctuation part words.
_OTHERS = frozenset(
    (
        *("artist", "back", "background", "backdrop", "band", "banner", "booklet", "cd"),
        *("clearart", "disc", "disk", "fanart", "inlay", "inner", "inside", "label", "logo"),
        *("matrix", "obi", "rear", "spectrogram", "spectrum", "tray"),
    )
)
_WORD = pattern(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class CoverRules:
    """How covers are looked for."""

    names: tuple[str, ...] = COVER_NAMES
    """Stems of images, in order of preference, ignoring case; ``*`` stands for any characters."""
    is_usable: Callable[[Path], bool] = lambda _: True
    """Called for an image that would be used; if False, the next one is looked for."""
    read: Callable[[Path], Listing] = lambda _: Listing()
    """Returns what is in a directory; nothing if it cannot be read."""

    def rank_of(self, image: PurePath) -> int | None:
        """Return the preference for an image, by its path."""
        return self.rank(key(image.stem))

    def rank(self, stem: str) -> int | None:
        """Return the preference for an image, from 0; None if its name is not a cover's."""
        for number, name in enumerate(self.names):
            if "*" not in name:
                if stem == name.casefold():
                    return number
            elif fnmatchcase(stem, name.casefold()) and not _OTHERS & words(stem):
                return number
        return None


def words(stem: str) -> set[str]:
    """Return the words of a folded stem."""
    return set(_WORD.findall(stem))


def key(stem: str) -> str:
    """Return what stems are compared by: some file systems store "é" as two characters."""
    return (stem if stem.isascii() else unicodedata.normalize("NFC", stem)).casefold()


def is_same_stem(audio: PurePath, image: PurePath) -> bool:
    """Return whether an image is the cover of this audio file only, not of its directory."""
    return key(audio.stem) == key(image.stem)


def is_disc(name: str) -> bool:
    """Say whether a directory's name is that of one disc of an album."""
    return _DISC.match(name) is not None


@dataclass(frozen=True)
class Images:
    """The images of one directory, without those that belong to one audio file."""

    folder: Path
    names: Sequence[str]
    rules: CoverRules

    def tier(self, number: int) -> Iterator[Path]:
        """Yield images: 0, those with a cover's name; 1, the only one; 2, small copies."""
        for name in self._tiers[number]:
            yield self.folder / name

    @lazy_property
    def _tiers(self) -> tuple[list[str], list[str], list[str]]:
        named: list[tuple[int, int, str]] = []
        small: list[tuple[int, int, str]] = []
        for name in self.names:
            stem = key(stem_of(name))
            rank = self.rules.rank(stem)
            if rank is not None:
                is_exact = stem == self.rules.names[rank].casefold()
                kept = small if stem.endswith("small") and not is_exact else named
                kept.append((rank, IMAGE_EXTENSIONS.index(extension_of(name)), name))
        only = [n for n in self.names if not _OTHERS & words(key(stem_of(n)))]
        return (
            [name for _, _, name in sorted(named)],
            only if len(self.names) == 1 and self.rules.names == COVER_NAMES else [],
            [name for _, _, name in sorted(small)],
        )


@dataclass(slots=True)
class Covers:
    """The covers of the audio files in one directory."""

    folder: Path
    names: Sequence[str]
    """Of its files, sorted."""
    folders: Iterable[str]
    """The names of the directories in it."""
    audio: Sequence[str]
    """The names of the audio files in it."""
    rules: CoverRules
    _by_stem: dict[str, list[str]] = field(init=False)
    _uses: Counter[str] = field(init=False)
    _shared: list[Path] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        ranked = sorted((IMAGE_EXTENSIONS.index(extension_of(n)), n) for n in images_of(self.names))
        self._by_stem = {}
        for _, name in ranked:
            self._by_stem.setdefault(key(stem_of(name)), []).append(name)
        self._uses = Counter(own for name in self.audio if (own := self._own(name)))

    def cover_of(self, name: str) -> tuple[Path | None, bool]:
        """Return the cover of an audio file, and whether others may share it."""
        own = self._own(name)
        if own is None:
            return self.shared, True
        is_named_as_shared = self.rules.rank(key(stem_of(own))) is not None
        return self.folder / own, self._uses[own] > 1 or is_named_as_shared

    @property
    def shared(self) -> Path | None:
        """The cover of all files that have none of their own."""
        if self._shared is None:
            found = next(filter(self.rules.is_usable, self._candidates()), None)
            self._shared = [] if found is None else [found]
        return next(iter(self._shared), None)

    def _own(self, name: str) -> str | None:
        stem = stem_of(name)
        candidates = self._by_stem.get(key(stem))
        if candidates is None:
            return None
        # Song.jpg belongs to Song.mp3 rather than to song.mp3, if both exist.
        ordered = sorted(candidates, key=lambda each: stem_of(each) != stem)
        return next((each for each in ordered if self.rules.is_usable(self.folder / each)), None)

    def _candidates(self) -> Iterator[Path]:
        places: list[Images] = []
        for place in self._places():
            places.append(place)
            yield from place.tier(0)
        for number in (1, 2):
            for place in places:
                yield from place.tier(number)

    def _places(self) -> Iterator[Images]:
        """Yield the directories to look in, the nearest first; each is read when it is needed."""
        audio = {key(stem_of(name)) for name in self.audio}
        own = [
            name
            for name in images_of(self.names)
            if (stem := key(stem_of(name))) not in audio or self.rules.rank(stem) is not None
        ]
        yield Images(self.folder, own, self.rules)
        yield from self._artwork(self.folder, self.folders)
        folder = self.folder
        for _ in range(_MOST_DISC_LEVELS):
            if not is_disc(folder.name or folder.absolute().name):
                return
            folder = folder.parent if folder.name else Path("..")
            listing = self.rules.read(folder)
            yield Images(folder, images_of(listing.files), self.rules)
            yield from self._artwork(folder, listing.folders)

    def _artwork(self, folder: Path, folders: Iterable[str]) -> Iterator[Images]:
        found = [
            (_ARTWORK_FOLDERS.index(n), name)
            for name in folders
            if (n := key(name)) in _ARTWORK_FOLDERS
        ]
        for _, name in sorted(found):
            images = images_of(self.rules.read(folder / name).files)
            yield Images(folder / name, images, self.rules)


def images_of(names: Iterable[str]) -> list[str]:
    """Return the names that are those of images."""
    return [name for name in names if extension_of(name) in IMAGE_EXTENSIONS]
