"""Boxes of a size, a type and data (ISO/IEC 14496-12 section 4.2)."""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from audiostore.media.parsing.reading import BudgetSpentError, Reader, big

MAX_BOXES: Final = 4000
FULL: Final = 4
"""The version and flags before a "full" box's fields."""
_HEADER = Struct(">I4s")


class Box(NamedTuple):  # there may be thousands
    """Where a box's data are."""

    type: bytes
    start: int
    end: int


def boxes(reader: Reader, at: int, end: int, limit: int = MAX_BOXES) -> Iterator[Box]:
    """Walk sibling boxes; one that is larger than its parent is the last.

    Raises:
        BudgetSpentError: more boxes than the limit.
    """
    for _ in range(limit):
        head = reader.at(at, 16)
        if len(head) < 8 or at + 8 > end:
            return
        size, kind = _HEADER.unpack_from(head)
        header = 8
        if size == 1:  # the size has 64 bits
            size, header = big(head, 8, 8), 16
        elif size == 0:  # up to the end
            size = end - at
        yield Box(kind, at + header, at + size)
        if size < header:
            return
        at += size
    raise BudgetSpentError


def boxes_in(reader: Reader, parent: Box, skipped: int = 0) -> Iterator[Box]:
    """Walk the boxes in another one, after some bytes of its own; they end where it ends."""
    for box in boxes(reader, parent.start + skipped, parent.end):
        yield box if box.end <= parent.end else box._replace(end=parent.end)


def find_box(reader: Reader, parent: Box | None, *path: bytes) -> Box | None:
    """Return the first box along a path of types; None if there is none."""
    for kind in path:
        if parent is None:
            return None
        for box in boxes(reader, parent.start, parent.end):
            if box.type == kind:
                parent = box
                break
        else:
            return None
    return parent
