"""The setup header of Vorbis (Vorbis I sections 4.2.4, 3.2.1, 6.2.1, 7.2.2 and 8.6.1), checked.

Whether a decoder can start with it, which one cannot with a wrong one. It is a few thousand
numbers of a few bits each, and files of one encoder share it.
"""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_CODEBOOK: Final = 0x564342
_MOST_DIMENSIONS, _MOST_ENTRIES = 16, 1 << 16
_MOST_PARTITIONS = 65_535
_LENGTHS = {f"{n:05b}"[::-1]: n + 1 for n in range(32)}
"""By five bits, the lowest first."""


class _InvalidSetupError(Exception):
    pass


def _require(*conditions: object) -> None:
    if not all(conditions):
        raise _InvalidSetupError


class _Bits:
    """Bits, the lowest of a byte first (section 2.1.4)."""

    def __init__(self, data: bytes) -> None:
        number = int.from_bytes(data, "little")
        self._text = f"{number:0{8 * len(data)}b}"[::-1]
        self._at = 0

    def take(self, count: int) -> int:
        return int(self.text(count)[::-1], 2) if count else 0

    def text(self, count: int) -> str:
        """Return bits as digits, the lowest first."""
        begin, self._at = self._at, self._at + count
        _require(self._at <= len(self._text))
        return self._text[begin : self._at]

    def flagged(self, count: int, size: int) -> list[str]:
        """Return the numbers of so many entries: each is a flag, and a number if it is set."""
        found, at = [], self._at
        while count:
            flag = self._text.find("1", at, at + count)
            if flag < 0:
                at += count
                break
            count -= flag - at + 1
            at = flag + 1 + size
            found.append(self._text[flag + 1 : at])
        self._at = at
        _require(at <= len(self._text))
        return found

    def below(self, count: int, limit: int) -> int:
        """Return a number, which must be less than this one."""
        number = self.take(count)
        _require(number < limit)
        return number


@lru_cache(maxsize=16)
def is_valid_setup(packet: bytes, channels: int, long_block: int) -> bool:
    """Say whether the setup packet of a stream is valid.

    Args:
        packet: all of it.
        channels: how many the stream has.
        long_block: the samples in its long blocks.
    """
    if not packet.startswith(b"\x05vorbis"):
        return False
    try:
        _read_setup(_Bits(packet[7:]), channels, long_block)
    except _InvalidSetupError:
        return False
    return True


def _read_setup(bits: _Bits, channels: int, long_block: int) -> None:
    books = bits.take(8) + 1
    for _ in range(books):
        _read_codebook(bits)
    for _ in range(bits.take(6) + 1):
        _require(bits.take(16) == 0)  # time domain transforms
    floors = _count(bits, lambda: _read_floor(bits, books, long_block))
    residues = _count(bits, lambda: _read_residue(bits, books))
    mappings = _count(bits, lambda: _read_mapping(bits, channels, floors, residues))
    _count(bits, lambda: _read_mode(bits, mappings))
    _require(bits.take(1))  # framing


def _count(bits: _Bits, read: Callable[[], None]) -> int:
    """Read as many parts as a number says, and return how many they are."""
    count = bits.take(6) + 1
    for _ in range(count):
        read()
    return count


def _read_codebook(bits: _Bits) -> None:
    _require(bits.take(24) == _CODEBOOK)
    dimensions, entries = bits.take(16), bits.take(24)
    _require(0 < dimensions <= _MOST_DIMENSIONS, 0 < entries <= _MOST_ENTRIES)
    counts = _ordered(bits, entries) if bits.take(1) else _lengths(bits, entries)
    used = sum(counts.values())
    codes = sum(count << 32 - length for length, count in counts.items())
    _require(used <= 1 or codes == 1 << 32)  # a prefix code without gaps (section 3.2.1)
    lookup = bits.take(4)
    _require(lookup <= 1)
    if lookup:
        _require(_is_finite(bits.take(32)), _is_finite(bits.take(32)))  # minimum, distance
        size = bits.take(4) + 1
        bits.take(1)
        bits.text(size * _root(entries, dimensions))


def _lengths(bits: _Bits, entries: int) -> dict[int, int]:
    """Read the length of each code; return how many codes have it."""
    if bits.take(1):
        codes = bits.flagged(entries, 5)
    else:
        text = bits.text(5 * entries)
        codes = [text[i : i + 5] for i in range(0, len(text), 5)]
    return {_LENGTHS[code]: count for code, count in Counter(codes).items()}


def _ordered(bits: _Bits, entries: int) -> dict[int, int]:
    """Read how many codes each length has, one after the other."""
    found: dict[int, int] = {}
    length, left = bits.take(5) + 1, entries
    while left:
        _require(length <= 32)
        found[length] = bits.below(left.bit_length(), left + 1)
        left -= found[length]
        length += 1
    return found


def _is_finite(number: int) -> bool:
    """Say whether a packed number (section 9.2.2) is less than the largest of single precision."""
    mantissa, exponent = number & 0x1F_FFFF, number >> 21 & 0x3FF
    return not mantissa or mantissa.bit_length() + exponent - 788 <= 127


def _root(number: int, degree: int) -> int:
    """Return the largest number whose power of this degree is not larger than another one."""
    root: int = round(number ** (1 / degree))
    return max(n for n in (root - 1, root, root + 1) if n**degree <= number)


def _read_floor(bits: _Bits, books: int, long_block: int) -> None:
    """Read a floor of type 1; type 0 is of the first encoders only."""
    _require(bits.take(16) == 1)
    classes = [bits.take(4) for _ in range(bits.take(5))]
    sizes = [_read_class(bits, books) for _ in range(max(classes, default=-1) + 1)]
    bits.take(2)
    range_bits = bits.take(4)
    _require(range_bits or not classes, 1 << range_bits <= long_block // 2)
    places = [bits.take(range_bits) for each in classes for _ in range(sizes[each])]
    places += [0, 1 << range_bits]
    _require(len({*places}) == len(places))


def _read_class(bits: _Bits, books: int) -> int:
    """Return how many places a class of a floor's partitions has."""
    size, subclasses = bits.take(3) + 1, bits.take(2)
    if subclasses:
        bits.below(8, books)
    for _ in range(1 << subclasses):
        bits.below(8, books + 1)
    return size


def _read_residue(bits: _Bits, books: int) -> None:
    _require(bits.take(16) <= 2)
    begin, end, size = bits.take(24), bits.take(24), bits.take(24) + 1
    _require(begin <= end, (end - begin) // size <= _MOST_PARTITIONS)
    classes = bits.take(6) + 1
    bits.below(8, books)
    cascade = 0
    for _ in range(classes):
        cascade += bits.take(3).bit_count()
        if bits.take(1):
            cascade += bits.take(5).bit_count()
    for _ in range(cascade):
        bits.below(8, books)


def _read_mapping(bits: _Bits, channels: int, floors: int, residues: int) -> None:
    _require(bits.take(16) == 0)
    submaps = bits.take(4) + 1 if bits.take(1) else 1
    if bits.take(1):
        _require(channels > 1)
        size = (channels - 1).bit_length()
        for _ in range(bits.take(8) + 1):
            magnitude, angle = bits.below(size, channels), bits.below(size, channels)
            _require(magnitude != angle)
    _require(bits.take(2) == 0)
    if submaps > 1:
        for _ in range(channels):
            bits.below(4, submaps)
    for _ in range(submaps):
        bits.take(8)
        bits.below(8, floors)
        bits.below(8, residues)


def _read_mode(bits: _Bits, mappings: int) -> None:
    bits.take(1)
    _require(bits.take(16) == 0, bits.take(16) == 0)
    bits.below(8, mappings)
