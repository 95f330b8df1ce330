"""Decoding and scaling of images, by Pillow.

The decoder is the one that the recognised format names; formats that audiostore does not store are
never decoded. An image of too many pixels is refused by its header, before Pillow takes memory.
"""

import struct
import zlib
from importlib import import_module
from io import BytesIO

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from audiostore.errors import InvalidImageError
from audiostore.media.formats import format_named
from audiostore.media.images import MAX_IMAGE_PIXELS, check_pixels, identify_image
from audiostore.media.info import ImageInfo
from audiostore.media.kinds import Format

# Everything that Pillow's decoders are known or documented to raise on broken input.
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
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def check_image(data: bytes) -> ImageInfo:
    """Return what an image is, once it decodes (of an animation: its first picture).

    Raises:
        InvalidImageError: not an image that audiostore stores, cut short, too large, or it does
            not decode.
    """
    info = identify_image(data)
    kind = format_named(info.format_name)
    with _open(data, kind) as image:
        # Makes libjpeg read every coefficient and keep an eighth of the pixels of each side.
        image.draft(image.mode, (1, 1))
        _load(image, kind)
    return info


def scale_image(data: bytes, max_px: int) -> bytes:
    """Return the image with its longer side at most `max_px` pixels, in the same format.

    Upright (the EXIF orientation is applied), never enlarged, without metadata such as the place
    it was taken at; the ICC profile stays. Of an animation, the first picture. The same bytes for
    the same input and the same version of Pillow. An image that already fits is returned as is.

    Raises:
        InvalidImageError: not an image that audiostore stores, cut short, too large, or it does
            not decode.
        ValueError: `max_px` is less than 1.
    """
    if max_px < 1:
        raise ValueError(f"cannot scale an image to {max_px} pixels: the minimum is 1")
    kind = format_named(identify_image(data).format_name)
    with _open(data, kind) as image:
        fits = max(image.size) <= max_px
        _load(image, kind)
        if fits and not _carries_metadata(image):
            return data
        try:
            return _redraw(image, kind, max_px)
        except _BROKEN as error:
            raise InvalidImageError(f"the {kind.name} image cannot be scaled: {error}") from error


def _redraw(image: ImageFile, kind: Format, max_px: int) -> bytes:
    profile = image.info.get("icc_profile")
    upright: Image.Image = ImageOps.exif_transpose(image)
    if max(upright.size) > max_px:
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


def _open(data: bytes, kind: Format) -> ImageFile:
    module, _, decoder = kind.pillow_decoder.partition(".")
    open_image = getattr(import_module(f"PIL.{module}"), decoder)
    try:
        image: ImageFile = open_image(BytesIO(data))
    except _BROKEN as error:
        raise _broken(kind, error) from error
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


def _load(image: ImageFile, kind: Format) -> None:
    try:
        image.load()
    except _BROKEN as error:
        raise _broken(kind, error) from error


def _broken(kind: Format, error: BaseException) -> InvalidImageError:
    return InvalidImageError(
        f"the {kind.name} image is broken: {str(error) or type(error).__name__}"
    )
