"""Recognises images and checks that they are complete, by structure: no pixel is decoded.

What follows the end does not matter: some writers leave padding there, or further pictures.
Pure functions, in Python: Pillow takes far longer to open an image, and is C, so that it runs in
sandbox workers only.
"""

from io import BytesIO
from typing import Final

from audiostore.errors import InvalidImageError
from audiostore.media.formats import IMAGE_FORMATS
from audiostore.media.info import ImageInfo
from audiostore.media.recognition import describe_found, identify

MAX_IMAGE_BYTES: Final = 20_000_000
MAX_IMAGE_PIXELS: Final = 89_478_485  # Pillow's own: a quarter of a GiB at three bytes a pixel
_MAX_PIXELS_A_SIDE = 65_535


def identify_image(data: bytes) -> ImageInfo:
    """Return what an image is, by its header and its structure.

    Raises:
        InvalidImageError: not an image that audiostore stores, cut short, damaged, or over
            `MAX_IMAGE_BYTES` or `MAX_IMAGE_PIXELS`. In a PNG any wrong bit is found.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise InvalidImageError(
            f"the image has {len(data):,} bytes: the limit is {MAX_IMAGE_BYTES:,}"
        )
    found = identify(BytesIO(data))
    if isinstance(found, str) or found.format.read_header is None or found.offset:
        stored = ", ".join(each.name for each in IMAGE_FORMATS)
        raise InvalidImageError(f"the image is {describe_found(found)}: only {stored} are stored")
    kind = found.format
    width, height, orientation = found.format.read_header(data)
    check_pixels(kind.name, width, height)
    if 5 <= orientation <= 8:
        width, height = height, width
    return ImageInfo(kind.name, kind.content_type, width, height, len(data))


def check_pixels(name: str, width: int, height: int, limit: int = MAX_IMAGE_PIXELS) -> None:
    """Raise `InvalidImageError` if an image has no pixels, or too many."""
    if width < 1 or height < 1:
        raise InvalidImageError(f"the {name} image has no pixels: it is {width} x {height}")
    if width * height > limit or max(width, height) > _MAX_PIXELS_A_SIDE:
        raise InvalidImageError(
            f"the {name} image has {width:,} x {height:,} pixels: the limit is {limit:,} in all"
        )
