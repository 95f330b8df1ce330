"""The checksum of the audio data in a file, found while the whole file is read once.

A CRC is linear: of the checksums of a file up to two offsets, the checksum of what is between these
follows. So parts of a file cost nothing but two numbers.
"""

from collections.abc import Iterable

import google_crc32c

from audiostore.sources import shifted_crc32c


class Parts:
    """The audio data of a file that lie in a few parts of it, one after the other."""

    def __init__(self, parts: Iterable[tuple[int, int]]) -> None:
        """Take the start and the end of each part, in the order of the file; leave out empty ones.

        Raises:
            ValueError: parts overlap, or are not in order.
        """
        self._edges: list[int] = []
        for start, end in parts:
            if end <= start:
                continue
            last = self._edges[-1] if self._edges else 0
            if start < last:
                raise ValueError(f"a part begins at {start}, before the last one ends at {last}")
            if self._edges and start == last:
                self._edges[-1] = end
            else:
                self._edges += (start, end)
        self._crcs: list[int] = []
        self._at = 0

    def add(self, piece: bytes, crc_before: int, crc_after: int) -> None:
        """Take the next piece of the file, and the checksums of the file before and after it."""
        end = self._at + len(piece)
        while len(self._crcs) < len(self._edges):
            edge = self._edges[len(self._crcs)]
            if edge > end:
                break
            here = piece[: edge - self._at]
            is_whole = len(here) == len(piece)
            self._crcs.append(crc_after if is_whole else google_crc32c.extend(crc_before, here))
        self._at = end

    def result(self) -> tuple[int, int] | None:
        """Return the size and the CRC-32C of the audio data; None if the file ends before."""
        size = crc = 0
        if not self._edges or len(self._crcs) < len(self._edges):
            return None
        for i in range(0, len(self._edges), 2):
            length = self._edges[i + 1] - self._edges[i]
            size += length
            crc = shifted_crc32c(crc ^ self._crcs[i], length) ^ self._crcs[i + 1]
        return size, crc
