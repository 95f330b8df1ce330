"""The fragments of MP4 (ISO/IEC 14496-12 sections 8.8 and 8.16.3)."""

from collections.abc import Iterator
from typing import NamedTuple

from audiostore.media.parsing.boxes import FULL, Box, boxes
from audiostore.media.parsing.reading import BudgetSpentError, Reader, big

_MOST_BOXES = 1_000_000
_AHEAD = 64 << 10
_LARGEST_MOOF = 16 << 20

# Flags, each for a field of these bytes in front of those that are wanted (sections 8.8.7, 8.8.8).
_BASE_OFFSET, _DESCRIPTION, _LASTS = 1, 2, 8
_DATA_OFFSET, _FIRST_FLAGS, _EACH_LASTS = 1, 4, 0x100
_PER_SAMPLE = (_EACH_LASTS, 0x200, 0x400, 0x800)


class Fragments(NamedTuple):
    """What the fragments of a file hold of one track."""

    ticks: int
    """How long their samples last."""
    promised_end: int
    """Where the file ends by its segment indexes; 0 without one."""


def read_fragments(reader: Reader, start: int, track: int, lasts: int) -> Fragments:
    """Read all fragments.

    Args:
        reader: the whole file.
        start: where the boxes begin.
        track: the track's number.
        lasts: how long a sample lasts that says nothing else.

    Raises:
        BudgetSpentError: they are too many, or too large.
    """
    ticks = promised_end = 0
    for box in _boxes_ahead(reader, start):
        if box.type == b"sidx":
            promised_end = max(promised_end, _segments_end(reader, box))
        elif box.type == b"moof":
            if box.end - box.start > _LARGEST_MOOF:
                raise BudgetSpentError
            data = reader.at(box.start, box.end - box.start)
            parts = (part for kind, part in _boxes_in(data) if kind == b"traf")
            ticks += sum(_fragment(part, track, lasts) for part in parts)
    return Fragments(ticks, promised_end)


def _boxes_ahead(reader: Reader, start: int) -> Iterator[Box]:
    """Walk the boxes of a file, many of which one read brings if they are small."""
    ahead, box = 0, None
    for box in boxes(reader, start, reader.size, _MOST_BOXES):
        if box.type == b"moof" and box.end > ahead:
            ahead = box.start + max(_AHEAD, box.end - box.start)
            reader.at(box.start, ahead - box.start)
        yield box
        if box.end + FULL > ahead:
            ahead = box.end + _AHEAD
            reader.at(box.end, _AHEAD)


def _segments_end(reader: Reader, sidx: Box) -> int:
    """Return where the last segment of an index ends (section 8.16.3)."""
    head = reader.at(sidx.start, 28)
    wide = head[:1] != b"\0"
    first = big(head, 20, 8) if wide else big(head, 16)
    at = sidx.start + (28 if wide else 20)
    data = reader.at(at, sidx.end - at)
    sizes = (big(data, 4 + 12 * i) & 0x7FFF_FFFF for i in range(big(data, 2, 2)))
    return sidx.end + first + sum(sizes)


def _boxes_in(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the content of each box in these bytes."""
    at = 0
    while at + 8 <= len(data):
        size = big(data, at)
        if size < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _fragment(traf: bytes, track: int, lasts: int) -> int:
    """Return how long the samples of a track last in its part of a fragment (section 8.8.6)."""
    ticks = 0
    for kind, data in _boxes_in(traf):
        if kind == b"tfhd":
            if big(data, FULL) != track:
                return 0
            flags = big(data)
            if flags & _LASTS:
                at = (8 if flags & _BASE_OFFSET else 0) + (4 if flags & _DESCRIPTION else 0)
                lasts = big(data, FULL + 4 + at)
        elif kind == b"trun":
            ticks += _run(data, lasts)
    return ticks


def _run(data: bytes, lasts: int) -> int:
    flags, count = big(data), big(data, 4)
    if not flags & _EACH_LASTS:
        return count * lasts
    at = 8 + (4 if flags & _DATA_OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
    stride = 4 * sum(bool(flags & each) for each in _PER_SAMPLE)
    return sum(big(data, i) for i in range(at, min(len(data), at + count * stride), stride))
