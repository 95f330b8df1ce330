"""Objects of a GUID, a size and data (Advanced Systems Format, revision 01.20.05)."""

from collections.abc import Iterator
from typing import Final

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import BudgetSpentError, Reader, little

OBJECT_HEADER: Final = 24  # a GUID and a size of 64 bits
_TOP = 30  # the header object's own fields
_MOST_OBJECTS = 500


def guid(text: str) -> bytes:
    """Return a GUID as it stands in files."""
    raw = bytes.fromhex(text.replace("-", ""))
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]  # three numbers, little-endian


@dataclass(frozen=True, slots=True)
class Object:
    """Where an object's data are."""

    id: bytes
    start: int
    end: int


def objects(reader: Reader, at: int, end: int) -> Iterator[Object]:
    """Walk sibling objects.

    Raises:
        BudgetSpentError: more objects than are looked at.
    """
    for _ in range(_MOST_OBJECTS):
        head = reader.at(at, OBJECT_HEADER)
        size = little(head, 16, 8)
        if at >= end or len(head) < OBJECT_HEADER or size < OBJECT_HEADER:
            return
        yield Object(head[:16], at + OBJECT_HEADER, at + size)
        at += size
    raise BudgetSpentError


def header_objects(reader: Reader, offset: int) -> Iterator[Object]:
    """Walk what the header object holds."""
    size = little(reader.at(offset, OBJECT_HEADER), 16, 8)
    return objects(reader, offset + _TOP, offset + size)
