"""Pages and packets of Ogg (RFC 3533)."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import BudgetSpentError, Reader, big, little

CAPTURE: Final = b"OggS"
_BEGINNING = CAPTURE + b"\0"  # with the version
HEADER: Final = 27
LARGEST_PAGE: Final = HEADER + 255 + 255 * 255
CONTINUES, BEGINS, ENDS = 1, 2, 4  # flags of a page
_FIELDS = struct.Struct("<4sBBqIIIB")
_MOST_PAGES = 2000
_LEAST_PIECE, _MOST_PIECES = 256 << 10, 50
_PAGE_STEPS = 7
"""What it takes to look at a page; at each of its packets, half a step or less."""
_MOST_DAMAGED = 200
"""To find out that a page is damaged, all of it is read: this bounds how often."""


class Page(NamedTuple):
    """A page's header (section 6)."""

    flags: int
    position: int
    """Where the sound ends, in samples, after the last packet that ends here; -1 if none does."""
    serial: int
    lacing: bytes
    """The sizes of its segments; a packet ends with each that is below 255."""
    body: int
    """Where the packets begin, from the page's first byte on."""
    size: int
    """Of the whole page, in bytes."""


def parse_page(data: bytes, at: int = 0) -> Page | None:
    """Parse the header of a page; None if these bytes are not one."""
    if len(data) - at < HEADER:
        return None
    capture, version, flags, position, serial, _, _, count = _FIELDS.unpack_from(data, at)
    if capture != CAPTURE or version:
        return None
    body = HEADER + count
    lacing = data[at + HEADER : at + body]
    size = body + sum(lacing) if len(lacing) == count else LARGEST_PAGE
    return Page(flags, position, serial, lacing, body, size)


_MIRRORED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def is_intact(page: bytes) -> bool:
    """Say whether a page matches its checksum: zlib's, each byte's bits mirrored, not inverted."""
    data = page[:22] + bytes(4) + page[26:]
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return big(mirrored.to_bytes(4, "little").translate(_MIRRORED)) == little(page, 22)


@dataclass(frozen=True, slots=True)
class HeaderPacket:
    """Where a packet is in the file."""

    parts: list[tuple[int, int]]
    """Where they begin and end in the file: one part a page."""
    next_page: int | None
    """Where the next page begins; None if another packet follows in the same page."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(end - start for start, end in self.parts)


def header_packets(reader: Reader, at: int, serial: int) -> Iterator[HeaderPacket]:
    """Yield the packets of a stream, from its first page on.

    Raises:
        BudgetSpentError: more pages than are looked at.
    """
    parts: list[tuple[int, int]] = []
    for _ in range(_MOST_PAGES):
        head = reader.at(at, HEADER + 255)
        page = parse_page(head)
        if page is None:
            return
        if page.serial != serial:  # of another stream
            at += page.size
            continue
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
    raise BudgetSpentError


class FoundPage(NamedTuple):
    """A whole page of a file."""

    offset: int
    """Of the page in the file."""
    page: Page
    data: bytes
    """Some bytes of the file, with the page among them."""
    at: int
    """Of the page in `data`."""


class Pages:
    """The whole pages of a file, in order; and how much else is between and after them."""

    def __init__(self, reader: Reader, start: int, end: int) -> None:
        self._reader = reader
        self._start, self._limit = start, end
        # A page that is not whole is read again with the next piece, which is faster than to copy
        # all pieces; that so often is within every budget.
        self._piece = max(_LEAST_PIECE, (end - start) // _MOST_PIECES)
        self.end = start
        """Where the last page ends that was found so far."""
        self.foreign_bytes = 0
        """How many bytes between two pages are neither."""
        self.damaged = 0
        """How many pages are not whole, or do not match their checksum."""
        self.ends_damaged = False
        """Whether the last page is one of these."""

    @property
    def is_complete(self) -> bool:
        """Whether the whole file was examined: not if it has too many damaged pages."""
        return self.damaged < _MOST_DAMAGED

    def __iter__(self) -> Iterator[FoundPage]:
        """Yield each page: another one follows it, or it matches its checksum."""
        data, base, at = b"", self._start, 0
        while self.is_complete:
            page = parse_page(data, at)
            end = at + page.size if page else at + LARGEST_PAGE
            if end + len(CAPTURE) > len(data) and base + len(data) < self._limit:
                base, at = base + at, 0
                wanted = min(self._piece, self._limit - base)
                data = self._reader.at(base, wanted)
                if len(data) < wanted:
                    self._limit = base + len(data)
                continue
            if page and self._is_whole(page, data, at):
                self.foreign_bytes += base + at - self.end
                self.ends_damaged = False
                self._reader.spend(_PAGE_STEPS + len(page.lacing) // 2)
                yield FoundPage(base + at, page, data, at)
                at, self.end = end, base + end
                continue
            if page:
                self.damaged += 1
                self.ends_damaged = True
            at = data.find(_BEGINNING, at + 1)
            if at < 0:
                at = max(0, len(data) - len(_BEGINNING) + 1)
                if base + len(data) >= self._limit or not data:
                    return

    def _is_whole(self, page: Page, data: bytes, at: int) -> bool:
        end = at + page.size
        if end > len(data):
            return False
        return data.startswith(CAPTURE, end) or is_intact(data[at:end])
