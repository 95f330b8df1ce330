"""Boxes as they usually are: whole, within their parent, and of known types (ISO/IEC 14496-12).

Players make something of others, too, each in its own way.
"""

from collections.abc import Collection, Iterator

from audiostore.media.parsing.boxes import MAX_BOXES, Box
from audiostore.media.parsing.reading import Reader, big

FREE = (b"free", b"skip")


class UnusualBoxError(Exception):
    """Boxes are not as they usually are; never leaves this room."""


def require(*conditions: object) -> None:
    """Raise `UnusualBoxError` unless all of these are true."""
    if not all(conditions):
        raise UnusualBoxError


def usual_boxes(reader: Reader, parent: Box) -> Iterator[Box]:
    """Walk the boxes in a part of a file; less than a box may be left.

    Raises:
        UnusualBoxError: one is not whole, or there are too many.
    """
    at = parent.start
    for _ in range(MAX_BOXES):
        if at + 8 > parent.end:
            return
        head = reader.at(at, 16)
        size, header = big(head), 8
        if size == 1:  # the size has 64 bits
            size, header = big(head, 8, 8), 16
        require(size >= header, at + size <= parent.end)
        yield Box(head[4:8], at + header, at + size)
        at += size
    raise UnusualBoxError


def usual_parts(
    data: bytes, parent: Box, wanted: Collection[bytes], harmless: Collection[bytes] = ()
) -> dict[bytes, Box]:
    """Return the boxes in another one by their types.

    Args:
        data: the bytes that the places of the boxes refer to.
        parent: the other one.
        wanted: the types that are returned; each may be there once.
        harmless: other types that may be there.

    Raises:
        UnusualBoxError: there are other types, a type twice, or boxes that are not whole.
    """
    found: dict[bytes, Box] = {}
    at = parent.start
    while at + 8 <= parent.end:
        size, kind = big(data, at), data[at + 4 : at + 8]
        require(8 <= size <= parent.end - at)
        if kind in wanted:
            require(kind not in found)
            found[kind] = Box(kind, at + 8, at + size)
        else:
            require(kind in harmless or kind in FREE)
        at += size
    return found
