"""Whether an image is all there, by its own structure: no pixel is decoded. Pure functions.

JPEG   its segments and scans follow one another up to the mark that ends it
PNG    its chunks do, each with a right checksum
WebP   its chunks do, and fill what its header says

What is behind the end does not matter: some writers leave padding there, or further pictures.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

from audiostore.errors import InvalidImageError

_MAX_PARTS: Final = 100_000
"""Far more than any writer makes: what has more was made to keep us busy."""

# ITU-T T.81, B.1.1.2: within a scan, FF is followed by 00 or the number of a restart.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_END_OF_IMAGE = 0xD9
_ALONE = frozenset({0x01, 0xD8})
"""Markers that no segment follows (B.1.1.3), but for restarts and the end."""


def check_image_structure(format_name: str, data: bytes) -> None:
    """Refuse an image that is cut short, or whose parts do not follow one another.

    Args:
        format_name: JPEG, PNG or WebP, as its first bytes say.
        data: all of its bytes.

    Raises:
        InvalidImageError: it is, or they do not; of a PNG also any that has a wrong bit.
    """
    match format_name:
        case "JPEG":
            _check_jpeg(data)
        case "PNG":
            for _ in png_chunks(data):
                pass
        case _:
            _check_webp(data)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the content of each chunk of a PNG, up to its end.

    Raises:
        InvalidImageError: the chunks do not get there, or one has a wrong checksum.
    """
    view, at = memoryview(data), 8
    for _ in range(_MAX_PARTS):  # PNG 3rd edition, 5.3: length, kind, content, checksum
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise _cut_short("PNG")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise InvalidImageError(f"the PNG image is broken: its part {kind!r} has wrong bits")
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise _too_many("PNG")


def _check_jpeg(data: bytes) -> None:
    at = 2
    for _ in range(_MAX_PARTS):
        # From one segment to the next, or through the scan: both ways lead to a marker.
        found = _MARKER.search(data, at)
        if found is None:
            raise _cut_short("JPEG")
        marker, at = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            return
        if marker not in _ALONE:
            at += max(2, int.from_bytes(data[at : at + 2]))
    raise _too_many("JPEG")


def _check_webp(data: bytes) -> None:
    # RFC 9649, 2.3 and 2.4: chunks of even length; the header's size counts from its WEBP on.
    stated_end = 8 + int.from_bytes(data[4:8], "little")
    if stated_end > len(data):
        raise _cut_short("WebP")
    at = 12
    for _ in range(_MAX_PARTS):
        if at + 8 > stated_end:
            return
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if at > stated_end:
            raise InvalidImageError("the WebP image is broken: a part of it is larger than itself")
        at += at & 1
    raise _too_many("WebP")


def _cut_short(name: str) -> InvalidImageError:
    return InvalidImageError(f"the {name} image is cut short: it has no end")


def _too_many(name: str) -> InvalidImageError:
    return InvalidImageError(f"the {name} image is broken: it has more than {_MAX_PARTS:,} parts")
