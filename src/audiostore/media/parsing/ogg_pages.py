"""Pages and packets of Ogg (RFC 3533)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audiostore.media.parsing.reading import Reader, little

CAPTURE: Final = b"OggS"
HEADER: Final = 27
LARGEST_PAGE: Final = HEADER + 255 + 255 * 255
_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Page:
    """A page, by its header."""

    flags: int
    position: int
    serial: int
    body: int
    """Where the packets begin."""
    size: int


def parse_page(head: bytes) -> Page | None:
    """Parse a page's header (RFC 3533 section 6)."""
    if head[:5] != CAPTURE + b"\0" or len(head) < HEADER:
        return None
    lacing = head[HEADER : HEADER + head[26]]
    body = HEADER + head[26]
    size = body + sum(lacing) if len(lacing) == head[26] else LARGEST_PAGE
    return Page(head[5], little(head, 6, 8), little(head, 14), body, size)


@dataclass(frozen=True, slots=True)
class HeaderPacket:
    """Where a packet is in the file."""

    parts: list[tuple[int, int]]
    """Where they begin and end in the file: one part a page."""
    next_page: int | None
    """Where the next page begins; None if another packet follows in the same page."""


def header_packets(reader: Reader, at: int, serial: int) -> Iterator[HeaderPacket]:
    """Yield the packets of a stream, from its first page on."""
    parts: list[tuple[int, int]] = []
    for _ in range(_MOST_PAGES):
        head = reader.at(at, HEADER + 255)
        page = parse_page(head)
        if page is None or page.serial != serial:
            return
        lacing = head[HEADER : page.body]
        start = end = at + page.body
        at += page.size
        for i, length in enumerate(lacing, 1):
            end += length
            if length < 255:
                is_last = i == len(lacing)
                yield HeaderPacket([*parts, (start, end)], at if is_last else None)
                parts, start = [], end
        if end > start:
            parts.append((start, end))
