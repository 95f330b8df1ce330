"""The bodies of requests: bytes in memory, a range of a source, a source framed by text."""

import json
from collections.abc import Callable
from io import BytesIO

from audiostore.sources import SourceReader

_JSON = json.JSONEncoder(ensure_ascii=False)


def json_bytes(value: object) -> bytes:
    """Return a value as JSON."""
    return _JSON.encode(value).encode()


class BytesBody:
    """A short body, held in memory."""

    def __init__(self, data: bytes) -> None:
        self.size_bytes = len(data)
        self._stream = BytesIO(data)

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        return self._stream.read(size)


class SourceBody:
    """`size_bytes` of a source from its reader's position, between two short texts."""

    def __init__(
        self,
        reader: SourceReader,
        size_bytes: int,
        *,
        head: bytes = b"",
        tail: bytes = b"",
        on_read: Callable[[int], None] | None = None,
    ) -> None:
        self.size_bytes = len(head) + size_bytes + len(tail)
        self._reader = reader
        self._left = size_bytes
        self._head = head
        self._tail = tail
        self._on_read = on_read

    def read(self, size: int) -> bytes:
        """Return the next bytes; call `on_read` with how many of them are the source's."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        if self._left:
            piece = self._reader.read(min(size, self._left))
            self._left -= len(piece)
            if self._on_read:
                self._on_read(len(piece))
            return piece
        piece, self._tail = self._tail[:size], self._tail[size:]
        return piece
