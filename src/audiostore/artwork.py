"""Images: what they are, whether they decode, and smaller copies of them, by Pillow.

The decoder is chosen by the first bytes; formats that we do not store are never decoded. An image
of too many pixels is refused by its header, before any memory is taken for them.
"""

import struct
import zlib
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from audiostore.errors import InvalidImageError
from audiostore.image_structure import check_image_structure, png_chunks
from audiostore.media import ImageInfo

MAX_IMAGE_BYTES: Final = 20_000_000
MAX_IMAGE_PIXELS: Final = 89_478_485  # Pillow's own: a quarter of a GiB at three bytes a pixel
_PIXELS_A_SIDE_MAX = 65_535
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.5: tag 274

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
_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WebP": "image/webp"}

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

_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"<svg", "an SVG"),
    (b"<?xml", "an XML"),
    (b"%PDF", "a PDF"),
)


def identify_image(data: bytes) -> ImageInfo:
    """Say what an image is, by its header and its structure; no pixel is decoded.

    Raises:
        InvalidImageError: no JPEG, PNG or WebP image, cut short, or over `MAX_IMAGE_BYTES` or
            `MAX_IMAGE_PIXELS`.
    """
    with _open(data) as image:
        return _describe(image, data)


def check_image(data: bytes) -> ImageInfo:
    """Say what an image is, having decoded it (of an animation: its first picture).

    Raises:
        InvalidImageError: as `identify_image`, or it does not decode.
    """
    with _open(data) as image:
        info = _describe(image, data)
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
    with _open(data) as image:
        name = _describe(image, data).format_name
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


def _open(data: bytes) -> ImageFile:
    if len(data) > MAX_IMAGE_BYTES:
        raise InvalidImageError(
            f"the image has {len(data):,} bytes: we take up to {MAX_IMAGE_BYTES:,}"
        )
    name = _name(data)
    if name == "WebP":  # its decoder takes memory for all pixels when it opens
        check_image_structure(name, data)  # and does not say what is wrong with a cut one
        _check_pixels(name, *_webp_size(data))
    try:
        image = _DECODERS[name](BytesIO(data))
    except _BROKEN as error:
        raise InvalidImageError(f"the {name} image is broken: {_words(error)}") from error
    try:
        _check_pixels(name, *image.size)
    except InvalidImageError:
        image.close()
        raise
    return image


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


def _webp_size(data: bytes) -> tuple[int, int]:
    # RFC 9649, 2.5-2.7: the canvas of VP8X, else the key frame of VP8 or the header of VP8L.
    kind, body = data[12:16], data[20:30]
    if len(body) == 10:
        if kind == b"VP8X":
            return (
                int.from_bytes(body[4:7], "little") + 1,
                int.from_bytes(body[7:10], "little") + 1,
            )
        if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
            return (
                int.from_bytes(body[6:8], "little") & 0x3FFF,
                int.from_bytes(body[8:10], "little") & 0x3FFF,
            )
        if kind == b"VP8L" and body[0] == 0x2F:
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise InvalidImageError("the WebP image is broken: it says no size")


def _check_pixels(name: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InvalidImageError(f"the {name} image has no pixels: it is {width} x {height}")
    limit = min(MAX_IMAGE_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_IMAGE_PIXELS)
    if width * height > limit or max(width, height) > _PIXELS_A_SIDE_MAX:
        raise InvalidImageError(
            f"the {name} image has {width:,} x {height:,} pixels: we take up to {limit:,} in all"
        )


def _describe(image: ImageFile, data: bytes) -> ImageInfo:
    name = _name(data)
    check_image_structure(name, data)
    width, height = image.size
    if _orientation(image, data) >= 5:  # 5 to 8 turn the image by a quarter
        width, height = height, width
    return ImageInfo(name, _CONTENT_TYPES[name], width, height, len(data))


def _orientation(image: ImageFile, data: bytes) -> int:
    try:
        if isinstance(image, PngImageFile):
            # Its EXIF may stand behind the pixels: Pillow would decode them to get there.
            exif = Image.Exif()
            exif.load(b"".join(body for kind, body in png_chunks(data) if kind == b"eXIf"))
        else:
            exif = image.getexif()
        found = exif.get(_ORIENTATION, 1)
    except _BROKEN:
        return 1  # EXIF that cannot be read turns nothing
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


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
