"""PNG (3rd edition): chunks, each with its checksum, up to the one that ends the image."""

import zlib
from collections.abc import Iterator

from audiostore.errors import InvalidImageError
from audiostore.media.kinds import Format, Recognised
from audiostore.media.parsing.images import (
    MAX_PARTS,
    ImageHeader,
    cut_short_image,
    exif_orientation,
    too_many_parts,
)
from audiostore.media.parsing.reading import Reader

_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # section 5.2


def _recognise(_reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, None, offset)


def _read_header(data: bytes) -> ImageHeader:
    header = exif = b""
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            header = bytes(content)
        elif kind == b"eXIf":  # it may follow the pixels
            exif = bytes(content)
    if len(header) < 13:
        raise InvalidImageError("the PNG image is broken: its header gives no size")
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    return ImageHeader(width, height, exif_orientation(exif))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the content of each chunk, up to the end."""
    view, at = memoryview(data), len(_SIGNATURE)
    for _ in range(MAX_PARTS):  # 5.3: length, kind, content, checksum
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise cut_short_image("PNG")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise InvalidImageError(
                f"the PNG image is broken: the checksum of its part {kind!r} is wrong"
            )
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise too_many_parts("PNG")


FORMAT = Format(
    name="PNG",
    kind="image",
    content_type="image/png",
    extensions=(".png",),
    magic=(_SIGNATURE,),
    recognise=_recognise,
    read_header=_read_header,
    pillow_decoder="PngImagePlugin.PngImageFile",
)
