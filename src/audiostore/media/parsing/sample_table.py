"""The sample table of a track of MP4 (ISO/IEC 14496-12 sections 8.6.1 and 8.7).

A sample is what a decoder takes at once, such as a frame of AAC.
"""

import sys
from array import array
from collections.abc import Iterator
from operator import mul

from audiostore.dataclass import dataclass, field
from audiostore.media.parsing.boxes import FULL, Box, boxes
from audiostore.media.parsing.reading import Reader, big

_PIECE = 240 << 10
"""Whole entries of any size: up to 12 bytes."""
_MOST_SIZES = 4096
_NEGATIVE = 1 << 31
"""Some writers correct the time of a sample by going back; players take that for 1."""


@dataclass(frozen=True, slots=True)
class SampleTable:
    """When the samples are played, how large they are and where they stand."""

    reader: Reader = field(repr=False)
    times: Box | None
    """How many samples in a row last how long (stts)."""
    groups: Box | None
    """From which chunk on how many samples are in each chunk (stsc)."""
    sizes: Box | None
    """None also where sizes of fewer than 32 bits are used (stz2)."""
    samples: int
    """The count of sizes; -1 if there is none."""
    uniform_size: int
    """0: each sample has its own."""
    offsets: Box | None
    chunks: int

    @classmethod
    def read(cls, reader: Reader, stbl: Box) -> "SampleTable":
        """Read the counts of the tables in a stbl box."""
        found = {box.type: box for box in boxes(reader, stbl.start, stbl.end)}
        sizes = found.get(b"stsz")
        head = reader.at((sizes or found.get(b"stz2", stbl)).start + FULL, 8)
        offsets = found.get(b"stco") or found.get(b"co64")
        return cls(
            reader,
            times=found.get(b"stts"),
            groups=found.get(b"stsc"),
            sizes=sizes,
            samples=big(head, 4) if sizes or b"stz2" in found else -1,
            uniform_size=big(head) if sizes else 0,
            offsets=offsets,
            chunks=big(reader.at(offsets.start + FULL, 4)) if offsets else 0,
        )

    @property
    def _offset_size(self) -> int:
        return 8 if self.offsets and self.offsets.type == b"co64" else 4

    # -- the last chunk

    def last_chunk_at(self) -> int:
        """Return where the last chunk begins."""
        if self.offsets is None:
            return 0
        at = self.offsets.start + FULL + 4 + self._offset_size * (self.chunks - 1)
        return big(self.reader.at(at, self._offset_size), 0, self._offset_size)

    def last_chunk_size(self) -> int:
        """Return the bytes of the last chunk; 0 if all samples have one size.

        QuickTime counts a uniform size in samples of uncompressed sound, whatever is stored.
        """
        if self.sizes is None or self.uniform_size or self.groups is None:
            return 0
        groups = big(self.reader.at(self.groups.start + FULL, 4))
        last_group = self.groups.start + FULL + 4 + 12 * (groups - 1) if groups else -1
        count = min(big(self.reader.at(last_group + 4, 4)), self.samples, _MOST_SIZES)
        at = self.sizes.start + FULL + 8 + 4 * (self.samples - count)
        data = self.reader.at(at, 4 * count)
        numbers = read_numbers(data, 4)
        return sum(numbers) + big(data, 4 * len(numbers))

    # -- all of it

    def placed(self) -> int:
        """Return how many samples are in the chunks."""
        total = per_chunk = 0
        first, end = 1, self.chunks + 1
        for entries in self._entries(self.groups, 3):
            for begins, count in zip(entries[::3], entries[1::3], strict=False):
                total += max(0, min(begins, end) - first) * per_chunk
                first, per_chunk = begins, count
        return total + max(0, end - first) * per_chunk

    def timed(self, samples: int) -> tuple[int, int]:
        """Return how many samples have a time, and how long the first so many last.

        Those without a time are played as long as the last one that has one.
        """
        timed = ticks = lasts = 0
        for entries in self._entries(self.times, 2):
            counts, durations = entries[::2], entries[1::2]
            if durations and max(durations) >= _NEGATIVE:
                durations = array("I", (1 if each >= _NEGATIVE else each for each in durations))
            if timed + sum(counts) <= samples:
                ticks += sum(map(mul, counts, durations))
                timed += sum(counts)
                lasts = durations[-1] if durations else lasts
                continue
            for count, lasts in zip(counts, durations, strict=False):
                ticks += min(count, max(0, samples - timed)) * lasts
                timed += count
        return timed, ticks + max(0, samples - timed) * lasts

    def usual_time(self) -> int:
        """Return how long most samples of the longest run last; 0 if no table says it."""
        count = lasts = 0
        for entries in self._entries(self.times, 2):
            for each, ticks in zip(entries[::2], entries[1::2], strict=False):
                if each > count:
                    count, lasts = each, ticks
        return lasts

    def sized(self) -> int:
        """Return how many sizes there are."""
        if self.sizes is None or self.uniform_size:
            return self.samples
        return min(self.samples, max(0, self.sizes.end - self.sizes.start - FULL - 8) // 4)

    def total_size(self) -> int | None:
        """Return the bytes of all samples; None if that is unknown."""
        if self.sizes is None or self.uniform_size:
            return None
        return sum(sum(part) for part in self._numbers(self.sizes, FULL + 8, self.samples, 4))

    def bounds(self) -> tuple[int, int] | None:
        """Return where the first chunk of the file and its last one begin."""
        if self.offsets is None:
            return None
        parts = self._numbers(self.offsets, FULL + 4, self.chunks, self._offset_size)
        edges = [edge for part in parts for edge in (min(part), max(part))]
        return (min(edges), max(edges)) if edges else None

    def _entries(self, box: Box | None, fields: int) -> "Iterator[array[int]]":
        if box is not None:
            count = big(self.reader.at(box.start + FULL, 4)) * fields
            yield from self._numbers(box, FULL + 4, count, 4)

    def _numbers(self, box: Box, at: int, count: int, size: int) -> "Iterator[array[int]]":
        at += box.start
        end = min(box.end, at + count * size)
        while at < end:
            data = self.reader.at(at, min(_PIECE, end - at))
            at += len(data)
            numbers = read_numbers(data, size)
            if not numbers:
                return
            yield numbers


def read_numbers(data: bytes, size: int) -> "array[int]":
    """Return the whole numbers of 4 or 8 bytes in these bytes."""
    numbers = array("I" if size == 4 else "Q", data[: len(data) // size * size])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
