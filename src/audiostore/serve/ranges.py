"""Ranges and validators of HTTP: which bytes a request wants, and whether it has them already.

Pure functions, after RFC 9110: section 14 (ranges) and section 13 (conditional requests).
"""

import re
from typing import Final

from audiostore.dataclass import dataclass

OPEN_RANGE_BYTES: Final = 8 << 20
"""The most bytes that answer a range without an end: a client may get less than it asked for
(RFC 9110, section 15.3.7), and players ask again."""

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_MOST_DIGITS: Final = 18
_ETAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from offset `start` up to `stop`."""

    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        """How many they are."""
        return self.stop - self.start


class UnsatisfiableRangeError(ValueError):
    """No byte of the object is in the range that was asked for."""


def requested_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the range that a Range header asks for; None for the whole object.

    A header that is not valid, of another unit, or with several ranges is ignored, as section 14.2
    allows. An open range (``bytes=100-``) ends after `OPEN_RANGE_BYTES`.

    Args:
        header: its value.
        size_bytes: of the object.

    Raises:
        UnsatisfiableRangeError: it begins after the end, or asks for the last 0 bytes.
    """
    unit, equals, spec = (header or "").partition("=")
    match = _SPEC.fullmatch(spec.strip())
    if unit.strip().lower() != "bytes" or not equals or match is None:
        return None
    first, last = match[1], match[2]
    if max(len(first), len(last)) > _MOST_DIGITS or not (first or last):
        return None
    if not first:
        return _suffix(int(last), size_bytes)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError(f"byte {start} is after the end of {size_bytes} bytes")
    stop = int(last) + 1 if last else start + OPEN_RANGE_BYTES
    return ByteRange(start, min(stop, size_bytes))


def _suffix(count: int, size_bytes: int) -> ByteRange:
    if count == 0 or size_bytes == 0:
        raise UnsatisfiableRangeError("the range is empty")
    return ByteRange(max(0, size_bytes - count), size_bytes)


def names_etag(header: str | None, etag: str, *, is_strong: bool = False) -> bool:
    """Say whether an If-None-Match or If-Match header names an entity tag, or is ``*``.

    Args:
        header: its value.
        etag: the tag, with its quotes.
        is_strong: a weak tag (``W/``) never matches, as If-Match has it (section 8.8.3.2).
    """
    if header is None:
        return False
    return header.strip() == "*" or any(
        tag == etag and not (is_strong and weak) for weak, tag in _ETAG.findall(header)
    )


def etags_in(header: str) -> list[str]:
    """Return the strong entity tags that a header lists, with their quotes."""
    return [tag for weak, tag in _ETAG.findall(header) if not weak]


def range_applies(if_range: str | None, etag: str) -> bool:
    """Say whether a Range header counts, by the If-Range header next to it (section 13.1.5).

    A date never matches, because only tags identify versions here. A weak tag does not, either.
    """
    return if_range is None or if_range.strip() == etag
