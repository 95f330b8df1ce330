"""Reading a few places of a file, and no more than was agreed."""

import io
from typing import BinaryIO


class BudgetSpentError(Exception):
    """A file sent us to more places than any honest file does; never leaves this package."""


class Reader:
    """Bytes at offsets, within a budget of reads and bytes; short behind the end, never an error.

    What stands close together costs one read. Numbers are taken with `int.from_bytes`, for which
    bytes that are missing count as zero: a parser has no other case for the end of the file.
    """

    def __init__(
        self, stream: BinaryIO, size: int | None = None, *, reads: int, total: int, window: int
    ) -> None:
        self.size = stream.seek(0, io.SEEK_END) if size is None else size
        self._stream = stream
        self._reads_left = reads
        self._bytes_left = total
        self._window = window
        self._at = 0
        self._held = b""

    def at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        size = min(size, self.size - offset)
        if offset < 0 or size <= 0:
            return b""
        behind = offset - self._at
        if behind < 0 or behind + size > len(self._held):
            self._fetch(offset, size)
            behind = 0
        return self._held[behind : behind + size]

    def _fetch(self, offset: int, size: int) -> None:
        wanted = min(max(size, self._window), self.size - offset)
        self._reads_left -= 1
        self._bytes_left -= wanted
        if self._reads_left < 0 or self._bytes_left < 0:
            raise BudgetSpentError
        self._stream.seek(offset)
        self._at, self._held = offset, self._stream.read(wanted)


def big(data: bytes, start: int = 0, size: int = 4) -> int:
    """Return an unsigned big-endian number; bytes that are missing count as none."""
    return int.from_bytes(data[start : start + size], "big")


def little(data: bytes, start: int = 0, size: int = 4) -> int:
    """Return an unsigned little-endian number."""
    return int.from_bytes(data[start : start + size], "little")


NO_SOUND = "has no sound in it"


def cut_short(what: str, promised: int, there: int) -> str:
    """Say how much of what was promised is there."""
    percent = 100 * there // max(promised, 1)
    return f"is cut short: {what} {promised:,} bytes, {there:,} are there ({percent} %)"


def in_words(identifier: bytes) -> str:
    """Return a chunk's or box's name fit for a message."""
    return repr(identifier.decode("latin-1"))
