"""Decoding and scaling of images, by Pillow: sandbox workers alone import this.

The decoder is the one that the recognised format names; formats that audiostore does not store are
never decoded. An image of too many pixels is refused by its header, before Pillow takes memory.
"""

import struct
import warnings
import zlib
from collections.abc import Callable
from importlib import import_module
from io import BytesIO

from PIL import ExifTags, Image, ImageOps
from PIL.ImageFile import ImageFile

from audiostore.errors import InvalidImageError
from audiostore.media.formats import IMAGE_FORMATS, format_named
from audiostore.media.images import (
    MAX_IMAGE_PIXELS,
    check_pixels,
    identify_image,
)
from audiostore.media.info import IMAGE_MEMORY_BYTES, ImageInfo
from audiostore.media.kinds import Format

# What Pillow's decoders are known or documented to raise on broken input; besides MemoryError.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


_MOST_BYTES_PER_PIXEL = 16
"""What a decoder takes at most: libwebp's for animations, which Pillow uses for all WebP."""


def check_image(data: bytes) -> ImageInfo:
    """Return what an image is, once it decodes (of an animation: its first picture).

    Raises:
        InvalidImageError: not an image that audiostore stores, cut short, too large, or it does
            not decode.
        MemoryError: it takes too much of it.
    """
    info = identify_image(data)
    kind = format_named(info.format_name)
    with _open(data, kind, info) as image:
        # Makes libjpeg read every coefficient and keep an eighth of the pixels of each side.
        image.draft(image.mode, (1, 1))
        _load(image, info)
    return info


def scale_image(data: bytes, max_px: int) -> bytes:
    """Return the image with its longer side at most `max_px` pixels, in the same format.

    Upright (the EXIF orientation is applied), never enlarged, without metadata such as the place
    it was taken at; the ICC profile stays. Of an animation, the first picture. The same bytes for
    the same input and the same version of Pillow. An image that already fits is returned as is.

    Raises:
        InvalidImageError: not an image that audiostore stores, cut short, too large, or it does
            not decode.
        MemoryError: it takes too much of it.
        ValueError: `max_px` is less than 1.
    """
    if max_px < 1:
        raise ValueError(f"cannot scale an image to {max_px} pixels: the minimum is 1")
    info = identify_image(data)
    kind = format_named(info.format_name)
    with _open(data, kind, info) as image:
        fits = max(image.size) <= max_px
        _load(image, info)
        if fits and not _carries_metadata(image):
            return data
        try:
            return _redraw(image, kind, max_px)
        except _BROKEN as error:
            raise InvalidImageError(f"the {kind.name} image cannot be scaled: {error}") from error


def warm_up() -> None:
    """Load whatever Pillow loads at first use."""
    warnings.simplefilter("ignore")  # Python would look for the line that warns
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    for kind in IMAGE_FORMATS:
        _decoder(kind)
        for mode in ("RGB", "RGBA", "P") if kind.name == "PNG" else ("RGB",):
            drawn = BytesIO()
            Image.new(mode, (16, 8)).save(drawn, kind.name, exif=turned)
            check_image(drawn.getvalue())
            for max_px in (4, 16):
                scale_image(drawn.getvalue(), max_px)


def _redraw(image: ImageFile, kind: Format, max_px: int) -> bytes:
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)  # a copy would take as much memory again
    upright: Image.Image = image
    if max(image.size) <= max_px:
        upright = image.copy()  # to save it, Pillow would ask where the original file is
    else:
        if upright.mode == "P" or "transparency" in upright.info:
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        elif upright.mode == "1":
            upright = upright.convert("L")
        scale = max_px / max(upright.size)
        width, height = (max(1, round(side * scale)) for side in upright.size)
        upright = upright.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    options: dict[str, object] = dict(kind.pillow_options)
    if (transparency := upright.info.get("transparency")) is not None:
        options["transparency"] = transparency
    if profile:
        options["icc_profile"] = profile
    upright.info.clear()  # comments, EXIF, XMP, text: encoders write some of it unasked
    out = BytesIO()
    upright.save(out, kind.name, **options)
    return out.getvalue()


def _decoder(kind: Format) -> Callable[[BytesIO], ImageFile]:
    module, _, decoder = kind.pillow_decoder.partition(".")
    found: Callable[[BytesIO], ImageFile] = getattr(import_module(f"PIL.{module}"), decoder)
    return found


def _open(data: bytes, kind: Format, info: ImageInfo) -> ImageFile:
    try:
        image = _decoder(kind)(BytesIO(data))
    except _BROKEN as error:
        raise _broken(info, error) from error
    try:
        limit = min(MAX_IMAGE_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_IMAGE_PIXELS)
        check_pixels(kind.name, *image.size, limit)  # Pillow's own size is what takes memory
    except InvalidImageError:
        image.close()
        raise
    return image


def _carries_metadata(image: ImageFile) -> bool:
    # PNG's text and EXIF may follow the pixels: look in the whole file.
    known = {"exif", "xmp", "comment", "photoshop", "mp", "mpoffset", "xml:com.adobe.xmp"}
    animated = getattr(image, "n_frames", 1) > 1
    text = bool(getattr(image, "text", None))
    return animated or text or any(str(key).lower() in known for key in image.info)


def _load(image: ImageFile, info: ImageInfo) -> None:
    try:
        image.load()
    except _BROKEN as error:
        raise _broken(info, error) from error


def _broken(info: ImageInfo, error: BaseException) -> InvalidImageError:
    what = "is broken"
    if info.width * info.height * _MOST_BYTES_PER_PIXEL > IMAGE_MEMORY_BYTES:
        # The libraries do not say which of the two it is.
        what = (
            f"of {info.width:,} x {info.height:,} pixels is broken, or takes more than"
            f" {IMAGE_MEMORY_BYTES >> 20} MiB of memory to decode"
        )
    return InvalidImageError(
        f"the {info.format_name} image {what}: {str(error) or type(error).__name__}"
    )
