"""A file that is elsewhere, of which only what is read is fetched.

What was fetched stands in a sparse local file, and after its end a table of it: so a sandbox
worker, which reaches nothing else, reads what is there, and answers what it lacks instead of taking
a hole for zeros. That is then fetched, and the worker asked again.
"""

import io
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable
from io import FileIO
from typing import Final

BLOCK_BYTES: Final = 256 << 10
_MOST_BLOCKS: Final = 64
"""At most so many are fetched at once, when a file is read from start to end."""
_EXTENT = struct.Struct("<QQ")

Fetch = Callable[[int, int], Iterable[bytes]]
"""Returns the bytes from one offset up to another, in pieces."""


class Extents:
    """Which parts of a file are there: disjoint, in order."""

    def __init__(self, extents: Iterable[tuple[int, int]] = ()) -> None:
        self._extents = list(extents)

    def missing(self, start: int, end: int) -> int | None:
        """Return the first offset that is missing between two; None if none is."""
        at = bisect_right(self._extents, (start, 1 << 63)) - 1
        if at >= 0 and start < self._extents[at][1]:
            start = self._extents[at][1]
        return start if start < end else None

    def gap(self, start: int) -> int:
        """Return how many bytes are missing from an offset on, if nothing follows: a lot."""
        at = bisect_right(self._extents, (start, 1 << 63))
        return (self._extents[at][0] if at < len(self._extents) else 1 << 62) - start

    def add(self, start: int, end: int) -> None:
        """Add a part that was missing."""
        merged: list[tuple[int, int]] = []
        for extent in sorted([*self._extents, (start, end)]):
            if merged and extent[0] <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], extent[1]))
            else:
                merged.append(extent)
        self._extents = merged

    def pack(self) -> bytes:
        """Return them as they are written."""
        return b"".join(_EXTENT.pack(*extent) for extent in self._extents)

    @classmethod
    def unpack(cls, data: bytes) -> "Extents":
        """Return those that were written as this."""
        return cls((start, end) for start, end in _EXTENT.iter_unpack(data))


class PartialFile(FileIO):
    """A file of which blocks are fetched when they are read. Its position is its own.

    Args:
        descriptor: an empty file of this machine, for what is fetched; it stays open.
        size_bytes: the size of the whole file.
        fetch: what fetches.
    """

    def __init__(self, descriptor: int, size_bytes: int, fetch: Fetch) -> None:
        super().__init__(descriptor, "r+", closefd=False)
        self.size_bytes = size_bytes
        self.fetched_bytes = 0
        """How many bytes were fetched."""
        self._fetch = fetch
        self._extents = Extents()
        self._position = 0
        self._next, self._run = -1, 1
        os.ftruncate(descriptor, size_bytes)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes: less at the end only."""
        rest = max(0, self.size_bytes - self._position)
        size = rest if size is None or size < 0 else min(size, rest)
        end = self._position + size
        while (missing := self._extents.missing(self._position, end)) is not None:
            self.fetch(missing, end)
        data = os.pread(self.fileno(), size, self._position)
        self._position += len(data)
        return data

    def fetch(self, offset: int, end: int = 0) -> bool:
        """Fetch the block with this offset, and more if the one before it was fetched last.

        Args:
            offset: of a byte.
            end: where what is wanted ends, if that is more than a block.

        Returns:
            False if it was there already.
        """
        if not 0 <= offset < self.size_bytes or self._extents.missing(offset, offset + 1) is None:
            return False
        start = offset - offset % BLOCK_BYTES
        self._run = min(2 * self._run, _MOST_BLOCKS) if start == self._next else 1
        blocks = max(self._run, min(-(-(end - start) // BLOCK_BYTES), _MOST_BLOCKS))
        stop = min(start + blocks * BLOCK_BYTES, start + self._extents.gap(start), self.size_bytes)
        at = start
        for piece in self._fetch(start, stop):
            rest = piece[: stop - at]
            while rest:  # a disk that is full takes some, and says so the next time
                written = os.pwrite(self.fileno(), rest, at)
                at, rest = at + written, rest[written:]
        if at < stop:
            raise OSError(f"only {at - start} of {stop - start} bytes came")
        self._extents.add(start, stop)
        self.fetched_bytes += stop - start
        self._next = stop
        # The table only grows: its parts merge, but each has 16 bytes, and blocks are larger.
        table = self._extents.pack()
        os.ftruncate(self.fileno(), self.size_bytes)
        os.pwrite(self.fileno(), table, self.size_bytes)
        return True


class FetchedPart:
    """What a worker sees of a `PartialFile`: it ends at the first byte that is missing.

    An error would be no better: FFmpeg reads again and again where it may be worth it. So after
    reading, ask for `missing`: what was found is wrong if anything is.

    Args:
        descriptor: of the sparse file.
        size_bytes: the size of the whole file.
    """

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self.missing: int | None = None
        """The offset of the first byte that was to be read, and was not fetched."""
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._position = 0
        table, at = b"", size_bytes
        while piece := os.pread(descriptor, 1 << 16, at):
            table, at = table + piece, at + len(piece)
        self._extents = Extents.unpack(table)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" where some are missing, and from then on."""
        size = min(size, max(0, self._size_bytes - self._position))
        if self.missing is None:
            self.missing = self._extents.missing(self._position, self._position + size)
        if self.missing is not None:
            return b""
        data = os.pread(self._descriptor, size, self._position)
        self._position += len(data)
        return data
