"""Reads of a few places of a file, within a budget."""

import io
from typing import Protocol


class BudgetSpentError(Exception):
    """A file refers to more places than any honest file does; never leaves this room."""


class Seekable(Protocol):
    """What a `Reader` needs of a file."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        ...


class Reader:
    """Bytes at offsets, within a budget of reads and bytes; short at the end, never an error.

    Nearby places share one read. Parse numbers with `big` and `little`, for which missing bytes
    count as zero, so that a parser needs no extra case for the end of the file.

    Args:
        stream: the file.
        size: its size; None: it is asked for.
        reads: how often it may be read.
        total: how many bytes may be read in all.
        window: the least that is read at once.
        steps: how many steps parsers may take in what they have read, as they count them.
    """

    def __init__(
        self,
        stream: Seekable,
        size: int | None = None,
        *,
        reads: int,
        total: int,
        window: int,
        steps: int = 1 << 62,
    ) -> None:
        self.size = stream.seek(0, io.SEEK_END) if size is None else size
        self.is_spent = False
        """Whether more was asked for than the budget allows, even if that was of no consequence."""
        self._stream = stream
        self._reads_left = reads
        self._bytes_left = total
        self._steps_left = steps
        self._window = window
        self._at = 0
        self._held = b""

    def at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        skip = offset - self._at
        if skip < 0 or size <= 0 or skip + size > len(self._held):
            size = min(size, self.size - offset)
            if offset < 0 or size <= 0:
                return b""
            if skip < 0 or skip + size > len(self._held):
                self._fetch(offset, size)
                skip = 0
        return self._held[skip : skip + size]

    def spend(self, steps: int) -> None:
        """Count steps that a parser takes in what was read; each takes about a microsecond.

        Raises:
            BudgetSpentError: they are more than it may take.
        """
        self._steps_left -= steps
        self._check()

    def require(self, total: int) -> None:
        """Raise `BudgetSpentError` now if so many bytes cannot be read any more."""
        if total > self._bytes_left:
            self._bytes_left = -1
        self._check()

    def renew(self, *, reads: int, total: int) -> None:
        """Set anew how often it may be read from now on, and how many bytes."""
        self._reads_left, self._bytes_left = reads, total

    def _fetch(self, offset: int, size: int) -> None:
        wanted = min(max(size, self._window), self.size - offset)
        self._reads_left -= 1
        self._bytes_left -= wanted
        self._check()
        self._stream.seek(offset)
        self._at, self._held = offset, self._stream.read(wanted)

    def _check(self) -> None:
        if self._reads_left < 0 or self._bytes_left < 0 or self._steps_left < 0:
            self.is_spent = True
            raise BudgetSpentError


def big(data: bytes, start: int = 0, size: int = 4) -> int:
    """Return an unsigned big-endian number; missing bytes are left out."""
    return int.from_bytes(data[start : start + size], "big")


def little(data: bytes, start: int = 0, size: int = 4) -> int:
    """Return an unsigned little-endian number."""
    return int.from_bytes(data[start : start + size], "little")


NO_SOUND = "contains no sound"


def cut_short(what: str, promised: int, there: int) -> str:
    """Return a message on how much of the expected data exists."""
    percent = 100 * there // max(promised, 1)
    return f"is cut short: {what} {promised:,} bytes, {there:,} are there ({percent} %)"


def cut_short_s(what: str, promised_s: float, there_s: float) -> str:
    """Return a message on how much of the expected sound exists."""
    percent = min(99, int(100 * there_s / promised_s))
    return (
        f"is cut short: {what} {promised_s:,.1f} s of sound, {there_s:,.1f} s are there"
        f" ({percent} %)"
    )


def quoted(identifier: bytes) -> str:
    """Return the name of a chunk or box for a message."""
    return repr(identifier.decode("latin-1"))
