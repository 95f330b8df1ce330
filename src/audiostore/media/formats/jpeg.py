"""JPEG (ITU-T T.81, annex B): segments and scans, up to the mark that ends the image."""

import re

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
from audiostore.patterns import pattern

# B.1.1.2: within a scan, FF is followed by 00 or the number of a restart.
_MARKER = pattern(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_LOWEST, _END_OF_IMAGE, _START_OF_SCAN, _APP1 = 0xC0, 0xD9, 0xDA, 0xE1
_ALONE = frozenset({0x01, 0xD8})
"""Markers that no segment follows (B.1.1.3), except restarts and the end."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""B.1.1.3: markers that begin a frame and give its size (B.2.2)."""
_MAX_SCANS = 100
"""Encoders write a dozen. Each may take a decoder as long as a whole picture, and be ten bytes long
(cure53.de/pentest-report_libjpeg-turbo.pdf, "LJT-01-003")."""
_PRECISION = b"\x08"
_COMPONENTS = (b"\x01", b"\x03", b"\x04")


def _recognise(_reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, None, offset)


def _read_header(data: bytes) -> ImageHeader:
    at, exif = 2, b""
    width = height = scans = 0
    in_header = True  # up to the first scan
    for _ in range(MAX_PARTS):
        # From one segment to the next, or through the scan: both lead to a marker.
        found = _MARKER.search(data, at)
        if found is None:
            raise cut_short_image("JPEG")
        at = found.end()
        marker = data[at - 1]
        if marker == _END_OF_IMAGE:
            return ImageHeader(width, height, exif_orientation(exif))
        if marker in _ALONE:
            continue
        end = at + max(2, int.from_bytes(data[at : at + 2]))
        if end > len(data):
            raise cut_short_image("JPEG")
        if in_header and marker < _LOWEST:
            raise InvalidImageError("the JPEG image is broken: its parts do not follow one another")
        if marker == _START_OF_SCAN:
            in_header = False
            scans += 1
            if scans > _MAX_SCANS:
                raise InvalidImageError(
                    f"the JPEG image has more than {_MAX_SCANS} scans: that is the limit"
                )
        elif marker in _FRAMES and in_header:
            if data[at + 2 : at + 3] != _PRECISION or data[at + 7 : at + 8] not in _COMPONENTS:
                raise InvalidImageError("the JPEG image is broken, or of a kind that is not shown")
            height = int.from_bytes(data[at + 3 : at + 5])
            width = int.from_bytes(data[at + 5 : at + 7])
        elif marker == _APP1 and data[at + 2 : at + 6] == b"Exif":
            exif = data[at + 2 : end]
        at = end
    raise too_many_parts("JPEG")


FORMAT = Format(
    name="JPEG",
    kind="image",
    content_type="image/jpeg",
    extensions=(".jpg", ".jpeg"),
    magic=(b"\xff\xd8\xff",),  # SOI, then a marker
    recognise=_recognise,
    read_header=_read_header,
    pillow_decoder="JpegImagePlugin.JpegImageFile",
    pillow_options=(("quality", 90), ("optimize", True)),
)
