"""A sample table whose parts fit each other (ISO/IEC 14496-12 sections 8.6.1 and 8.7)."""

from collections.abc import Mapping
from operator import lt, mul, sub
from typing import Final, NamedTuple

from audiostore.media.parsing.boxes import FULL, Box
from audiostore.media.parsing.reading import big
from audiostore.media.parsing.sample_table import read_numbers
from audiostore.media.parsing.usual_boxes import UnusualBoxError, require

TABLES: Final = (b"stts", b"stsc", b"stsz", b"stco", b"co64")
_LONGEST = 1 << 31
"""Ticks of a sample; what is longer is meant to be negative."""
_MOST_FIRST = 4


class UsualSamples(NamedTuple):
    """Samples, each of which has a size, a time and a place."""

    size_bytes: int
    first_sizes: list[int]
    first_at: int
    """Where the first one is in the file."""
    in_first_chunk: int
    ticks: int
    """How long the first one lasts."""

    def first(self, begins: int) -> list[tuple[int, int]]:
        """Return the places and the sizes of the samples up to the one that a tick is in.

        Raises:
            UnusualBoxError: there are more than a few.
        """
        count = begins // self.ticks + 1
        require(count <= min(len(self.first_sizes), self.in_first_chunk))
        sizes = self.first_sizes[:count]
        return [(self.first_at + sum(sizes[:i]), size) for i, size in enumerate(sizes)]


def read_usual_samples(data: bytes, tables: Mapping[bytes, Box]) -> UsualSamples:
    """Return the samples in a table.

    Args:
        data: the bytes that the places of its parts refer to.
        tables: its parts; each is there once.

    Raises:
        UnusualBoxError: they do not fit each other, or all samples have one size.
    """
    offsets = tables.get(b"stco") or tables.get(b"co64")
    if len(tables) != 4 or offsets is None or not {b"stts", b"stsc", b"stsz"} <= tables.keys():
        raise UnusualBoxError
    sizes = _rows(data, tables[b"stsz"], FULL + 4, 4)
    require(big(data, tables[b"stsz"].start + FULL) == 0, sizes)
    times, groups = _rows(data, tables[b"stts"], FULL, 8), _rows(data, tables[b"stsc"], FULL, 12)
    places = _rows(data, offsets, FULL, 8 if offsets.type == b"co64" else 4)
    require(times, groups, places)
    counts, lasts = times[::2], times[1::2]
    require(sum(counts) == len(sizes), min(counts) > 0, max(lasts) < _LONGEST, lasts[0] > 1)
    starts, each, entries = groups[::3], groups[1::3], groups[2::3]
    require(starts[0] == 1, all(map(lt, starts, starts[1:])), starts[-1] <= len(places))
    require(min(each) > 0, min(entries) == max(entries) == 1)
    runs = map(sub, [*starts[1:], len(places) + 1], starts)
    require(sum(map(mul, runs, each)) == len(sizes))
    return UsualSamples(sum(sizes), sizes[:_MOST_FIRST], places[0], each[0], lasts[0])


def _rows(data: bytes, box: Box, at: int, size: int) -> list[int]:
    """Return the numbers in the rows of a table, whose count is at an offset in the box."""
    begin = box.start + at + 4
    count = big(data, box.start + at)
    require(begin + count * size <= box.end)
    return read_numbers(
        data[begin : begin + count * size], 8 if box.type == b"co64" else 4
    ).tolist()
