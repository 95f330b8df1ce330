"""The bytes to store: what a store needs to know of them."""

import base64
from functools import cache
from typing import Protocol

import google_crc32c

from audiostore.dataclass import dataclass, field

_POLYNOMIAL = 0x82F63B78  # CRC-32C (RFC 3720 appendix B.4), the bits mirrored
_ONE, _X = 1 << 31, 1 << 30  # mirrored, too: the highest bit is the constant term
_ZEROS = bytes(64 << 10)


class SourceReader(Protocol):
    """The bytes of a source, in order, verified while they are read."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        The last bytes are returned only if all bytes together have the checksum of the source.

        Raises:
            SourceChangedError: the content has changed since the snapshot.
        """
        ...

    def seek(self, offset: int) -> None:
        """Continue at `offset`."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class Source(Protocol):
    """Bytes of known size and checksum that can be read more than once."""

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        ...

    @property
    def crc32c(self) -> str:
        """Their CRC-32C: base64 of the big-endian value."""
        ...

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        ...


def encode_crc32c(value: int) -> str:
    """Return a CRC-32C as Google Cloud Storage writes it: base64 of the big-endian value."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def decode_crc32c(text: str) -> int:
    """Return the value of a CRC-32C that `encode_crc32c` has written."""
    return int.from_bytes(base64.b64decode(text), "big")


def shifted_crc32c(crc: int, length: int) -> int:
    """Return what a CRC-32C contributes to that of `length` more bytes: crc · x^(8·length).

    A CRC is linear (as zlib's `crc32_combine` uses it): that of two texts, one after the other, is
    the first one's, shifted by the length of the second, XOR the second one's.
    """
    if length <= len(_ZEROS):  # ten times as fast as the arithmetic
        zeros = _ZEROS[:length]
        shifted: int = google_crc32c.extend(crc, zeros) ^ google_crc32c.value(zeros)
        return shifted
    bit = 3
    while length:
        if length & 1:
            crc = _product(_power(bit), crc)
        length >>= 1
        bit += 1
    return crc


@cache
def _power(n: int) -> int:
    """Return x^(2^n) modulo the polynomial."""
    return _product(_power(n - 1), _power(n - 1)) if n else _X


def _product(a: int, b: int) -> int:
    """Return a · b modulo the polynomial."""
    product, bit = 0, _ONE
    while bit:
        if a & bit:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return product


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A source held in memory."""

    data: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """The number of bytes."""
        return len(self.data)

    @property
    def crc32c(self) -> str:
        """Their CRC-32C."""
        return encode_crc32c(google_crc32c.value(self.data))

    def open(self) -> SourceReader:
        """Start reading at the first byte."""
        return _BytesReader(self.data)


class _BytesReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, size: int) -> bytes:
        piece = self._data[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        self._position = offset

    def close(self) -> None:
        self._data = b""
