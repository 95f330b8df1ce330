"""The tags in front of a format's own data, and those at the end of the file: for every format."""

from audiostore.media.parsing.apev2 import read_apev2
from audiostore.media.parsing.embedded import Embedded
from audiostore.media.parsing.id3 import read_id3v2
from audiostore.media.parsing.id3v1 import ID3V1_SIZE, read_id3v1
from audiostore.media.parsing.reading import Reader
from audiostore.media.parsing.tags import (
    ID3V2_HEADER_SIZE,
    id3v2_size_any,
    leading_tags,
    tags_after,
    trailing_tags,
)

_MAX_PADDING = 64 << 10


def read_surrounding_tags(reader: Reader, start: int, end: int | None = None) -> list[Embedded]:
    """Read the tags around a format's data: those that count most first.

    ID3v2 before APE before ID3v1, which cuts its texts after 30 bytes.

    Args:
        reader: the whole file.
        start: where the data begin.
        end: where they end; without it, an ID3v2 tag after them that has no footer is not found.
    """
    ranked: list[tuple[int, Embedded]] = []
    front = leading_tags(reader)
    at = front[-1][1] if front else 0
    if at < start:
        front += _find_id3v2(reader, at, start)
    behind = [] if end is None else tags_after(reader, end)
    for at, stop in (*front, *behind, *trailing_tags(reader, start)):
        magic = reader.at(at, 3)
        if magic == b"ID3":
            ranked.append((0, read_id3v2(reader, at, stop)))
        elif reader.at(stop - 32, 8) == b"APETAGEX" or reader.at(at, 8) == b"APETAGEX":
            ranked.append((1, read_apev2(reader, at, stop)))
        elif magic == b"TAG":  # an enhanced tag may stand in front of it
            ranked.append((2, read_id3v1(reader.at(stop - ID3V1_SIZE, ID3V1_SIZE))))
    return [embedded for _, embedded in sorted(ranked, key=lambda each: each[0])]


def _find_id3v2(reader: Reader, at: int, end: int) -> list[tuple[int, int]]:
    """Return where an ID3v2 tag is that stands between padding and the data."""
    padding = reader.at(at, min(end - at, _MAX_PADDING))
    found = padding.find(b"ID3")
    size = id3v2_size_any(padding[found : found + ID3V2_HEADER_SIZE]) if found >= 0 else 0
    first = at + found
    return [(first, first + size)] if size and first + size <= end else []
