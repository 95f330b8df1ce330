"""Finding duplicates in a very long list, in little memory."""

import hashlib
from array import array
from collections.abc import Iterator

_BUCKETS = 256
_KEY_BYTES = 16


class Duplicates:
    """Finds lines with the same text: 24 bytes for each line, sorted into buckets by hash."""

    def __init__(self) -> None:
        """Hold no lines."""
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, text: str, line: int) -> None:
        """Add the text of a line; line numbers are below 2**32."""
        key = hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES
        ).digest()
        self._buckets[key[0]] += key + line.to_bytes(8, "big")

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield each line that repeats an earlier one, with the first such line; in order."""
        repeats = array("Q", (line << 32 | first for line, first in self.pairs()))
        for pair in sorted(repeats):
            yield pair >> 32, pair & 0xFFFF_FFFF

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the same pairs in any order."""
        step = _KEY_BYTES + 8
        for bucket in self._buckets:
            seen: dict[bytes, int] = {}
            for at in range(0, len(bucket), step):
                line = int.from_bytes(bucket[at + _KEY_BYTES : at + step], "big")
                first = seen.setdefault(bytes(bucket[at : at + _KEY_BYTES]), line)
                if first != line:
                    yield line, first


class LineSet:
    """A set of line numbers: one bit for each line."""

    def __init__(self) -> None:
        """Hold no lines."""
        self._bits = bytearray()

    def __contains__(self, line: int) -> bool:
        return line >> 3 < len(self._bits) and bool(self._bits[line >> 3] >> (line & 7) & 1)

    def add(self, line: int) -> None:
        """Add a line."""
        missing = (line >> 3) + 1 - len(self._bits)
        if missing > 0:
            self._bits.extend(bytes(missing))
        self._bits[line >> 3] |= 1 << (line & 7)
