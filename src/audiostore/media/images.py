"""What an image is, and whether it is all there, by its own structure: no pixel is decoded.

JPEG   its segments and scans follow one another up to the mark that ends it
PNG    its chunks do, each with a right checksum
WebP   its chunks do, and fill what its header says

What is behind the end does not matter: some writers leave padding there, or further pictures.
Pure functions, without Pillow, which is far slower to open an image.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from audiostore.errors import InvalidImageError
from audiostore.media.info import ImageInfo

MAX_IMAGE_BYTES: Final = 20_000_000
MAX_IMAGE_PIXELS: Final = 89_478_485  # Pillow's own: a quarter of a GiB at three bytes a pixel
_PIXELS_A_SIDE_MAX = 65_535

_MAX_PARTS: Final = 100_000
"""Far more than any writer makes: what has more was made to keep us busy."""

_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"<svg", "an SVG"),
    (b"<?xml", "an XML"),
    (b"%PDF", "a PDF"),
)


class _Header(NamedTuple):
    width: int
    height: int
    orientation: int
    """EXIF's: 5 to 8 turn the image by a quarter."""


def identify_image(data: bytes) -> ImageInfo:
    """Say what an image is, by its header and its structure.

    Raises:
        InvalidImageError: no JPEG, PNG or WebP image, cut short, its parts do not follow one
            another, or it is over `MAX_IMAGE_BYTES` or `MAX_IMAGE_PIXELS`; of a PNG also any that
            has a wrong bit.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise InvalidImageError(
            f"the image has {len(data):,} bytes: we take up to {MAX_IMAGE_BYTES:,}"
        )
    name = _name(data)
    content_type, read = _READERS[name]
    width, height, orientation = read(data)
    check_pixels(name, width, height)
    if 5 <= orientation <= 8:
        width, height = height, width
    return ImageInfo(name, content_type, width, height, len(data))


def check_pixels(name: str, width: int, height: int, limit: int = MAX_IMAGE_PIXELS) -> None:
    """Refuse an image of no pixels, or of too many."""
    if width < 1 or height < 1:
        raise InvalidImageError(f"the {name} image has no pixels: it is {width} x {height}")
    if width * height > limit or max(width, height) > _PIXELS_A_SIDE_MAX:
        raise InvalidImageError(
            f"the {name} image has {width:,} x {height:,} pixels: we take up to {limit:,} in all"
        )


def _name(data: bytes) -> str:
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if not data:
        raise InvalidImageError("the image is empty")
    found = next((words for head, words in _OTHERS if data.startswith(head)), "an unknown kind of")
    raise InvalidImageError(f"it is {found} image: we store JPEG, PNG and WebP")


# -- JPEG (ITU-T T.81, annex B) -----------------------------------------------------------------

# B.1.1.2: within a scan, FF is followed by 00 or the number of a restart.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_LOWEST, _END_OF_IMAGE, _START_OF_SCAN, _APP1 = 0xC0, 0xD9, 0xDA, 0xE1
_ALONE = frozenset({0x01, 0xD8})
"""Markers that no segment follows (B.1.1.3), but for restarts and the end."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""B.1.1.3: what begins a frame, and says its size (B.2.2)."""
_PRECISION = b"\x08"
_COMPONENTS = (b"\x01", b"\x03", b"\x04")


def _read_jpeg(data: bytes) -> _Header:
    at, orientation = 2, 1
    width = height = 0
    in_header = True  # up to the first scan
    for _ in range(_MAX_PARTS):
        # From one segment to the next, or through the scan: both ways lead to a marker.
        found = _MARKER.search(data, at)
        if found is None:
            raise _cut_short("JPEG")
        at = found.end()
        marker = data[at - 1]
        if marker == _END_OF_IMAGE:
            return _Header(width, height, orientation)
        if marker in _ALONE:
            continue
        end = at + max(2, int.from_bytes(data[at : at + 2]))
        if end > len(data):
            raise _cut_short("JPEG")
        if in_header and marker < _LOWEST:
            raise InvalidImageError("the JPEG image is broken: its parts do not follow one another")
        if marker == _START_OF_SCAN:
            in_header = False
        elif marker in _FRAMES and in_header:
            if data[at + 2 : at + 3] != _PRECISION or data[at + 7 : at + 8] not in _COMPONENTS:
                raise InvalidImageError("the JPEG image is broken, or of a kind that is not shown")
            height = int.from_bytes(data[at + 3 : at + 5])
            width = int.from_bytes(data[at + 5 : at + 7])
        elif marker == _APP1 and data[at + 2 : at + 6] == b"Exif":
            orientation = _orientation(data[at + 2 : end])
        at = end
    raise _too_many("JPEG")


# -- PNG (3rd edition) --------------------------------------------------------------------------


def _read_png(data: bytes) -> _Header:
    header = exif = b""
    for kind, content in _png_chunks(data):
        if kind == b"IHDR":
            header = bytes(content)
        elif kind == b"eXIf":  # it may stand behind the pixels
            exif = bytes(content)
    if len(header) < 13:
        raise InvalidImageError("the PNG image is broken: it says no size")
    return _Header(int.from_bytes(header[:4]), int.from_bytes(header[4:8]), _orientation(exif))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the content of each chunk, up to the end."""
    view, at = memoryview(data), 8
    for _ in range(_MAX_PARTS):  # 5.3: length, kind, content, checksum
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


# -- WebP (RFC 9649) ----------------------------------------------------------------------------


def _read_webp(data: bytes) -> _Header:
    # 2.3 and 2.4: chunks of even length; the header's size counts from its WEBP on.
    stated_end = 8 + _little(data, 4, 4)
    if stated_end > len(data):
        raise _cut_short("WebP")
    at, exif = 12, b""
    canvas = picture = None
    for _ in range(_MAX_PARTS):
        if at + 8 > stated_end:
            break
        kind, start = data[at : at + 4], at + 8
        at = start + _little(data, at + 4, 4)
        if at > stated_end:
            raise InvalidImageError("the WebP image is broken: a part of it is larger than itself")
        match kind:
            case b"VP8X" if start == 20:
                canvas = (_little(data, start + 4, 3) + 1, _little(data, start + 7, 3) + 1)
            case b"VP8 " | b"VP8L" if canvas or start == 20:
                picture = _webp_picture(kind, data[start : min(at, start + 10)], at - start)
            case b"ANMF":
                picture = canvas
            case b"EXIF":
                exif = data[start:at]
        at += at & 1
    else:
        raise _too_many("WebP")
    if picture is None or (canvas or picture) != picture:
        raise InvalidImageError("the WebP image is broken: it holds no picture of its size")
    return _Header(*picture, _orientation(exif))


def _webp_picture(kind: bytes, head: bytes, size_bytes: int) -> tuple[int, int] | None:
    """Return width and height by the first bytes of a picture's chunk; None if it is none."""
    if kind == b"VP8L":  # 2.6: a signature, 14 bits of width minus one, as many of height
        bits = _little(head, 1, 4)
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if head[:1] == b"\x2f" else None
    # RFC 6386, 9.1: a key frame (bit 0) of a known version (3 bits) that is shown (bit 4), with
    # a first part of so many bytes (19 bits).
    tag = _little(head, 0, 3)
    if tag & 0x11 != 0x10 or tag >> 1 & 7 > 3 or tag >> 5 >= size_bytes:
        return None
    if head[3:6] != b"\x9d\x01\x2a":
        return None
    return _little(head, 6, 2) & 0x3FFF, _little(head, 8, 2) & 0x3FFF


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


_READERS: dict[str, tuple[str, Callable[[bytes], _Header]]] = {
    "JPEG": ("image/jpeg", _read_jpeg),
    "PNG": ("image/png", _read_png),
    "WebP": ("image/webp", _read_webp),
}


# -- EXIF 2.32, 4.6: a TIFF without a picture ---------------------------------------------------

_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION, _SHORT = 0x0112, 3


def _orientation(exif: bytes) -> int:
    """Return how the image is to be turned; 1, not at all, if that cannot be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    first = number(4, 4) + 2
    last = first + 12 * number(first - 2, 2)
    for at in range(first, min(last, len(exif) - 11), 12):  # tag, type, count, value
        if number(at, 2) == _ORIENTATION:
            is_one = number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1
            return number(at + 8, 2) if is_one else 1
    return 1


def _cut_short(name: str) -> InvalidImageError:
    return InvalidImageError(f"the {name} image is cut short: it has no end")


def _too_many(name: str) -> InvalidImageError:
    return InvalidImageError(f"the {name} image is broken: it has more than {_MAX_PARTS:,} parts")
