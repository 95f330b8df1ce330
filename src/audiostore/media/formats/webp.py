"""WebP (RFC 9649): a RIFF file whose chunks fill what its header says."""

from audiostore.errors import InvalidImageError
from audiostore.media.kinds import Format, Recognised
from audiostore.media.parsing.images import (
    MAX_PARTS,
    ImageHeader,
    cut_short_image,
    exif_orientation,
    too_many_parts,
)
from audiostore.media.parsing.reading import Reader, little


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    is_webp = reader.at(offset, 12)[8:] == b"WEBP"
    return Recognised(FORMAT, None, offset) if is_webp else None


def _read_header(data: bytes) -> ImageHeader:
    # 2.3 and 2.4: chunks of even length; the header's size counts from its WEBP on.
    stated_end = 8 + little(data, 4)
    if stated_end > len(data):
        raise cut_short_image("WebP")
    at, exif = 12, b""
    canvas = picture = None
    for _ in range(MAX_PARTS):
        if at + 8 > stated_end:
            break
        kind, start = data[at : at + 4], at + 8
        at = start + little(data, at + 4)
        if at > stated_end:
            raise InvalidImageError("the WebP image is broken: a part of it is larger than itself")
        match kind:
            case b"VP8X" if start == 20:
                canvas = (little(data, start + 4, 3) + 1, little(data, start + 7, 3) + 1)
            case b"VP8 " | b"VP8L" if canvas or start == 20:
                picture = _picture_size(kind, data[start : min(at, start + 10)], at - start)
            case b"ANMF":
                picture = canvas
            case b"EXIF":
                exif = data[start:at]
        at += at & 1
    else:
        raise too_many_parts("WebP")
    if picture is None or (canvas or picture) != picture:
        raise InvalidImageError("the WebP image is broken: it holds no picture of its size")
    return ImageHeader(*picture, exif_orientation(exif))


def _picture_size(kind: bytes, head: bytes, size_bytes: int) -> tuple[int, int] | None:
    """Return width and height by the first bytes of a picture's chunk; None if invalid."""
    if kind == b"VP8L":  # 2.6: a signature, 14 bits of width minus one, as many of height
        bits = little(head, 1)
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if head[:1] == b"\x2f" else None
    # RFC 6386, 9.1: a key frame (bit 0) of a known version (3 bits) that is shown (bit 4), with
    # a first part of so many bytes (19 bits).
    tag = little(head, 0, 3)
    if tag & 0x11 != 0x10 or tag >> 1 & 7 > 3 or tag >> 5 >= size_bytes:
        return None
    if head[3:6] != b"\x9d\x01\x2a":
        return None
    return little(head, 6, 2) & 0x3FFF, little(head, 8, 2) & 0x3FFF


FORMAT = Format(
    name="WebP",
    kind="image",
    content_type="image/webp",
    extensions=(".webp",),
    magic=(b"RIFF",),
    recognise=_recognise,
    read_header=_read_header,
    pillow_decoder="WebPImagePlugin.WebPImageFile",
    # Method 4 of 6 is libwebp's own balance of time and size.
    pillow_options=(("quality", 90), ("method", 4)),
)
