"""What the parsers of images share: the header they return, the errors they raise, EXIF."""

from typing import Final, Literal, NamedTuple

from audiostore.errors import InvalidImageError

MAX_PARTS: Final = 100_000
"""Far more parts than any writer makes: an image with more was made to waste our time."""


class ImageHeader(NamedTuple):
    """What an image says about itself, once all its parts are found to be there."""

    width: int
    height: int
    orientation: int
    """EXIF's: 5 to 8 turn the image by a quarter."""


def cut_short_image(name: str) -> InvalidImageError:
    """Return the error for an image that ends too early."""
    return InvalidImageError(f"the {name} image is cut short: it has no end")


def too_many_parts(name: str) -> InvalidImageError:
    """Return the error for an image of too many parts."""
    return InvalidImageError(
        f"the {name} image has more than {MAX_PARTS:,} parts: that is the limit"
    )


_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION, _SHORT = 0x0112, 3


def exif_orientation(exif: bytes) -> int:
    """Return how EXIF data say to turn the image; 1, not at all, if they cannot be read.

    EXIF 2.32, 4.6: a TIFF without a picture.
    """
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
