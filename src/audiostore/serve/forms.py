"""Forms (multipart/form-data, RFC 7578), read piece by piece while they arrive."""

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from audiostore.dataclass import dataclass
from audiostore.serve.problems import RefusedError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# It warns of malformed forms; the client gets an error for each of them.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())

_MOST_HEADER_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Field:
    """The beginning of a field."""

    name: str
    filename: str | None


class _Collector:
    """Takes what the parser finds: a field's head, its data, its end."""

    def __init__(self) -> None:
        self.found: list[Field | bytes | None] = []
        self.is_complete = False
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._size_bytes = 0

    def callbacks(self) -> "MultipartCallbacks":
        """Return what the parser calls."""
        return {
            "on_part_begin": self.on_part_begin,
            "on_part_data": self.on_part_data,
            "on_part_end": self.on_part_end,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        self._headers, self._size_bytes = {}, 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.found.append(data[start:end])

    def on_part_end(self) -> None:
        self.found.append(None)

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a field has no name")
        name, filename = options[b"name"], options.get(b"filename")
        self.found.append(Field(_text(name), None if filename is None else _text(filename)))

    def on_end(self) -> None:
        self.is_complete = True

    def _count(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        if self._size_bytes > _MOST_HEADER_BYTES:
            raise _malformed("the head of a field is too long")


async def fields_of(
    content_type: str, pieces: AsyncIterator[bytes]
) -> AsyncIterator[Field | bytes | None]:
    """Yield the fields of a form: the beginning of each, its data in pieces, then None.

    Args:
        content_type: the header, with the boundary.
        pieces: the body.

    Raises:
        RefusedError: the form is malformed, or ends early (400).
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise _malformed("the Content-Type names no boundary")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for piece in pieces:
            parser.write(piece)
            for each in collector.found:
                yield each
            collector.found.clear()
        parser.finalize()
    except MultipartParseError as error:
        raise _malformed(str(error)) from error
    if not collector.is_complete:
        raise _malformed("it ends early")


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _malformed(why: str) -> RefusedError:
    return RefusedError(400, f"the form is malformed: {why}")
