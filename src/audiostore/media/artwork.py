"""Images: whether they decode, and smaller copies of them, by Pillow.

The decoder is chosen by what `image_structure` finds; formats that we do not store are never
decoded. An image of too many pixels is refused by its header, before any memory is taken for them.
"""

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from audiostore.errors import InvalidImageError
from audiostore.media.images import MAX_IMAGE_PIXELS, check_pixels, identify_image
from audiostore.media.info import ImageInfo

# Method 4 of 6 is libwebp's own balance of time and size; PNG is lossless anyway.
_ENCODING: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 90, "optimize": True},
    "PNG": {},
    "WebP": {"quality": 90, "method": 4},
}

_DECODERS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
}

# Everything that Pillow's decoders were seen, or are documented, to raise on broken input.
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
    """Say what an image is, having decoded it (of an animation: its first picture).

    Raises:
        InvalidImageError: as `identify_image`, or it does not decode.
    """
    info = identify_image(data)
    with _open(data, info.format_name) as image:
        # libjpeg then reads every coefficient, and keeps an eighth of the pixels of each side.
        image.draft(image.mode, (1, 1))
        _load(image)
    return info


def scale_image(data: bytes, max_px: int) -> bytes:
    """Return the image with its longer side at most `max_px` pixels, in the same format.

    Upright (the EXIF orientation is applied), never enlarged, without metadata such as the place
    it was taken at; the ICC profile stays. Of an animation, the first picture. The same bytes for
    the same input and the same version of Pillow. An image that is so already is returned as is.

    Raises:
        InvalidImageError: as `check_image`.
        ValueError: `max_px` is less than 1.
    """
    if max_px < 1:
        raise ValueError(f"an image cannot be scaled to {max_px} pixels: ask for at least 1")
    name = identify_image(data).format_name
    with _open(data, name) as image:
        fits = max(image.size) <= max_px
        _load(image)
        if fits and not _carries_metadata(image):
            return data
        try:
            return _redraw(image, name, max_px)
        except _BROKEN as error:
            raise InvalidImageError(f"the {name} image cannot be scaled: {error}") from error


def _redraw(image: ImageFile, name: str, max_px: int) -> bytes:
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
    options = dict(_ENCODING[name])
    if (transparency := upright.info.get("transparency")) is not None:
        options["transparency"] = transparency
    if profile:
        options["icc_profile"] = profile
    upright.info.clear()  # comments, EXIF, XMP, text: encoders write some of it unasked
    out = BytesIO()
    upright.save(out, name, **options)
    return out.getvalue()


def _open(data: bytes, name: str) -> ImageFile:
    try:
        image = _DECODERS[name](BytesIO(data))
    except _BROKEN as error:
        raise InvalidImageError(f"the {name} image is broken: {_words(error)}") from error
    try:
        limit = min(MAX_IMAGE_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_IMAGE_PIXELS)
        check_pixels(name, *image.size, limit)  # it is Pillow that takes memory for them
    except InvalidImageError:
        image.close()
        raise
    return image


def _carries_metadata(image: ImageFile) -> bool:
    # PNG's text and EXIF may stand behind the pixels: a file that has any of these anywhere.
    known = {"exif", "xmp", "comment", "photoshop", "mp", "mpoffset", "xml:com.adobe.xmp"}
    animated = getattr(image, "n_frames", 1) > 1
    text = isinstance(image, PngImageFile) and bool(image.text)
    return animated or text or any(str(key).lower() in known for key in image.info)


def _load(image: ImageFile) -> None:
    try:
        image.load()
    except _BROKEN as error:
        name = "WebP" if isinstance(image, WebPImageFile) else image.format
        raise InvalidImageError(f"the {name} image is broken: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
