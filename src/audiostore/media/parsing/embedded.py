"""What tags hold: names and values, pictures and chapters, whatever kind of tag they are from."""

import re
from collections.abc import Callable
from typing import Final

from audiostore.dataclass import dataclass, field
from audiostore.media.parsing.reading import Reader
from audiostore.patterns import pattern

FRONT_COVER: Final = 3
"""A picture's type, by the table in ID3v2.4.0 frames section 4.14 (FLAC's is the same)."""
OTHER: Final = 0

IMAGE: Final = pattern(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a", re.DOTALL)
"""How an image begins."""


def find_image(head: bytes, at: int) -> int:
    """Return where an image begins that should begin at an offset.

    Writers get wrong where the texts in front of it end: then it is where one begins.
    """
    found = IMAGE.match(head, at) or IMAGE.search(head)
    return found.start() if found else at


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture."""

    data: bytes = field(repr=False)
    type: int = FRONT_COVER
    """What it shows: 3 front cover, 4 back cover, 0 other, 1 and 2 file icons, 8 artist …"""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class UnreadPicture:
    """An embedded picture that is not in memory until it is looked at."""

    size: int
    """How many bytes it has; for one that is encoded, about."""
    read: Callable[[], bytes] = field(repr=False)
    """Reads it: such as ``partial(reader.at, start, size)``."""
    type: int = FRONT_COVER

    @property
    def data(self) -> bytes:
        """Its bytes, read anew each time."""
        return self.read()


AnyPicture = Picture | UnreadPicture


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of a recording, as a tag has it."""

    start_s: float
    end_s: float | None
    """None: left open."""
    title: str


@dataclass(slots=True)
class Embedded:
    """The content of a file's tags, as it stands there."""

    tags: list[tuple[str, str]] = field(default_factory=list)
    """Names and values, in the order of the file; a name that stands there several times has
    several values."""
    pictures: list[AnyPicture] = field(default_factory=list)
    chapters: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What could not be read: each the rest of a sentence about the file, as in `Verdict`."""

    def extend(self, other: "Embedded") -> None:
        """Add what another one holds."""
        self.tags += other.tags
        self.pictures += other.pictures
        self.chapters += other.chapters
        self.warnings += other.warnings


def no_own_tags(_reader: Reader, _offset: int) -> list[Embedded]:
    """Return nothing, for a format whose tags are all in front of its data or at the end."""
    return []
