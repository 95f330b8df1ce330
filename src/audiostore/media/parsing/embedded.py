"""What tags hold: names and values, pictures and chapters, whatever kind of tag they are from."""

from dataclasses import dataclass, field
from typing import Final

FRONT_COVER: Final = 3
"""A picture's type, by the table in ID3v2.4.0 frames section 4.14 (FLAC's is the same)."""
OTHER: Final = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture."""

    data: bytes = field(repr=False)
    type: int = FRONT_COVER
    """What it shows: 3 front cover, 4 back cover, 0 other, 1 and 2 file icons, 8 artist …"""


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
    pictures: list[Picture] = field(default_factory=list)
    chapters: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What could not be read: each the rest of a sentence about the file, as in `Verdict`."""
