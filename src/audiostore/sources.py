"""The bytes to store: what a store needs to know of them."""

import base64
from typing import Protocol

import google_crc32c

from audiostore.dataclass import dataclass, field


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
