"""Elements of an id, a size and data (EBML, RFC 8794)."""

from collections.abc import Iterator
from typing import Final

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import BudgetSpentError, Reader, big

_MOST_ELEMENTS = 2000
HEADER_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element's data are."""

    id: int
    start: int
    size: int | None
    """None: the writer did not know it; the element ends where the next of its level begins."""


def elements(reader: Reader, at: int, end: int, limit: int = _MOST_ELEMENTS) -> Iterator[Element]:
    """Walk sibling elements; one of unknown size is the last.

    Raises:
        BudgetSpentError: more elements than are looked at.
    """
    for _ in range(limit):
        element = parse_element(reader.at(at, HEADER_MAX), at) if at < end else None
        if element is None:
            return
        yield element
        if element.size is None:
            return
        at = element.start + element.size
    raise BudgetSpentError


def parse_element(head: bytes, at: int) -> Element | None:
    """Parse an element's id and size (RFC 8794 sections 4 to 6); it is at this offset."""
    id_size = 9 - head[0].bit_length() if head else 9
    size_size = 9 - head[id_size].bit_length() if id_size < len(head) else 9
    if id_size > 4 or size_size > 8:
        return None
    size = big(head, id_size, size_size) & (1 << 7 * size_size) - 1
    unknown = size == (1 << 7 * size_size) - 1  # section 6.2: all ones
    return Element(big(head, 0, id_size), at + id_size + size_size, None if unknown else size)


def find_element(reader: Reader, wanted: int, at: int, end: int) -> Element | None:
    """Return the first of these elements with an id; None if there is none."""
    return next((e for e in elements(reader, at, end) if e.id == wanted), None)
