"""Images: recognised by their bytes, refused when broken or huge, scaled without surprises."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from audiostore.errors import InvalidImageError
from audiostore.media.artwork import check_image, scale_image
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from tests.timing import few_calls

EXAMPLES = Path(__file__).parents[2] / "examples"
COVERS = {
    "morning-in-c.jpg": ("JPEG", "image/jpeg"),
    "Lied für Ümläute.png": ("PNG", "image/png"),
    "a-brisk-walk.webp": ("WebP", "image/webp"),
}


def picture(
    kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: object
) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert(mode)
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("name", COVERS)
def test_the_examples_covers_are_what_they_are(name: str) -> None:
    data = (EXAMPLES / name).read_bytes()
    for look in (identify_image, check_image):
        info = look(data)
        assert (info.format_name, info.content_type) == COVERS[name]
        assert (info.width, info.height, info.size_bytes) == (600, 600, len(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("percent", [0, 10, 50, 90, 99])
def test_a_cut_image_is_refused(kind: str, percent: int) -> None:
    data = picture(kind, (200, 200))
    for look in (identify_image, check_image):
        with pytest.raises(InvalidImageError):
            look(data[: len(data) * percent // 100])


EMPTY_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"


def with_small_jpeg_inside(*, progressive: bool = False) -> bytes:
    """A JPEG whose EXIF holds a smaller one, with an end of its own."""
    small = EMPTY_EXIF + picture("JPEG", (32, 32))
    return picture("JPEG", (32, 32), quality=10, exif=small, progressive=progressive)


ENDINGS = {
    "JPEG": picture("JPEG", (200, 200)),
    "JPEG in scans": picture("JPEG", (200, 200), progressive=True),
    "JPEG with another inside": with_small_jpeg_inside(),
    "JPEG in scans with another inside": with_small_jpeg_inside(progressive=True),
    "JPEG with restarts": picture("JPEG", (200, 200), restart_marker_rows=1),
    "PNG": picture("PNG", (200, 200)),
    "WebP": picture("WEBP", (200, 200)),
    "WebP without loss": picture("WEBP", (200, 200), lossless=True),
    "WebP with EXIF": picture("WEBP", (200, 200), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDINGS)
def test_an_image_is_whole_up_to_its_end_and_no_sooner(name: str) -> None:
    data = ENDINGS[name]
    for whole in (data, data + bytes(5000)):
        assert identify_image(whole) == check_image(whole)
    for size in range(16, len(data)):
        with pytest.raises(InvalidImageError, match="cut short"):
            identify_image(data[:size])


def test_a_png_with_a_wrong_bit_is_refused_by_its_checksum() -> None:
    data = bytearray(picture("PNG", (200, 200)))
    data[data.index(b"IDAT") + 10] ^= 1
    for look in (identify_image, check_image):
        with pytest.raises(InvalidImageError, match="the checksum of its part b'IDAT' is wrong"):
            look(bytes(data))


def test_pixels_that_do_not_decode_are_found_by_the_check_that_decodes() -> None:
    data = png_of(200, 200)  # too few of them, and no wrong bit
    assert identify_image(data).width == 200
    with pytest.raises(InvalidImageError, match="broken"):
        check_image(data)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """A JPEG with this in front of all that it has."""
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + data[2:]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_read_in_both_orders_of_bytes(order: str) -> None:
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    for kind, count, value, is_turned in ((3, 1, 6, True), (3, 1, 9, False), (3, 9, 6, False)):
        fields = struct.pack(f"{order}HHHIHH", 1, 0x0112, kind, count, value, 0)
        info = identify_image(with_exif(picture("JPEG", (40, 20)), head + fields))
        assert (info.width, info.height) == ((20, 40) if is_turned else (40, 20))


@pytest.mark.parametrize(
    "exif", [b"", b"MM\0*", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"no TIFF at all"]
)
def test_exif_that_cannot_be_read_turns_nothing(exif: bytes) -> None:
    assert identify_image(with_exif(picture("JPEG", (40, 20)), exif)).width == 40


def changed(data: bytes, anchor: bytes, at: int, to: bytes) -> bytes:
    """The same with other bytes at a distance from the first of these."""
    start = data.index(anchor) + at
    return data[:start] + to + data[start + len(to) :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(picture("JPEG"), b"\xff\xc0", 4, b"\x0c"), "not shown"),  # 12 bits a sample
        (changed(picture("JPEG"), b"\xff\xc0", 9, b"\x02"), "not shown"),  # two components
        (changed(picture("JPEG"), b"\xff\xc0", 1, b"\xf0"), "no pixels"),  # no frame
        (changed(picture("JPEG"), b"\xff\xc0", 1, b"\x02"), "do not follow one another"),
        (changed(picture("JPEG"), b"\xff\xc0", 5, bytes(2)), "no pixels"),
        (picture("PNG")[:8] + picture("PNG")[-12:], "gives no size"),
        (changed(picture("WEBP"), b"VP8 ", 0, b"VP8_"), "no picture"),
        (changed(picture("WEBP"), b"VP8 ", 8, b"\x01"), "no picture"),  # no key frame
        (changed(picture("WEBP"), b"VP8 ", 8, b"\x10\xff\xff"), "no picture"),  # half a MB of it
        (changed(picture("WEBP"), b"VP8 ", 11, b"?"), "no picture"),
        (changed(picture("WEBP", lossless=True), b"VP8L", 8, b"?"), "no picture"),
        (changed(picture("WEBP", exif=EMPTY_EXIF), b"VP8X", 12, b"\xff"), "no picture of its size"),
    ],
)
def test_an_image_whose_header_shows_nothing_is_refused(data: bytes, words: str) -> None:
    for look in (identify_image, check_image):
        with pytest.raises(InvalidImageError, match=words):
            look(data)


def test_exif_after_the_pixels_of_a_png_turns_it() -> None:
    data = picture("PNG", (40, 20), exif=exif(6))
    at = data.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4])
    moved = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    for whole in (data, moved):
        info = identify_image(whole)
        assert (info.width, info.height) == (20, 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("JPEG", b"\xff\xd8" + b"\xff\x01" * 9_000_000),
        ("JPEG", b"\xff\xd8" + b"\xff" * 19_000_000),
        (
            "PNG",
            b"\x89PNG\r\n\x1a\n"
            + struct.pack(">I4sI", 0, b"tEXt", zlib.crc32(b"tEXt")) * 1_500_000,
        ),
        ("WebP", b"RIFF" + struct.pack("<I", 16_000_004) + b"WEBP" + b"ABCD\0\0\0\0" * 2_000_000),
    ],
)
def test_an_image_of_a_million_parts_is_given_up_soon(kind: str, data: bytes) -> None:
    with few_calls(1_000_000), pytest.raises(InvalidImageError):
        identify_image(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (picture("GIF"), "a GIF image: only JPEG, PNG, WebP are stored"),
        (picture("BMP"), "a BMP image"),
        (picture("TIFF"), "a TIFF image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is XML, SVG or HTML text"),
        (b"hello", "the image is text: only"),
        (b"\xff\xd8\xff" + bytes(MAX_IMAGE_BYTES), "20,000,003 bytes"),
    ],
)
def test_what_we_do_not_store_is_refused_by_its_name(data: bytes, words: str) -> None:
    for look in (identify_image, check_image):
        with pytest.raises(InvalidImageError, match=words):
            look(data)


def test_a_decompression_bomb_is_refused_at_once() -> None:
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0" * 2
    vp8x += b"ANMF" + bytes(4)
    webp = b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x
    jpeg = bytearray(picture("JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    with few_calls(1_000_000):
        for data in (png_of(60_000, 60_000), png_of(9_460, 9_460), webp, bytes(jpeg)):
            for look in (identify_image, check_image):
                with pytest.raises(InvalidImageError, match="the limit is 89,478,485 in all"):
                    look(data)
            with pytest.raises(InvalidImageError):
                scale_image(data, 100)


def test_a_bomb_is_refused_even_if_the_program_took_pillows_limit_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(InvalidImageError):
        check_image(png_of(60_000, 60_000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_scaling_fits_the_longer_side_and_keeps_the_format(kind: str) -> None:
    data = picture(kind, (400, 200))
    small = scale_image(data, 100)
    assert opened(small).size == (100, 50)
    assert opened(small).format == kind
    assert scale_image(data, 100) == small
    assert scale_image(small, 100) == small
    assert opened(scale_image(picture(kind, (400, 1)), 40)).size == (40, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_scaling_never_enlarges(kind: str) -> None:
    data = picture(kind, (40, 20))
    assert scale_image(data, 1000) == data


def test_scaling_below_a_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="the minimum is 1"):
        scale_image(picture("PNG"), 0)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = "SECRET CAMERA"
    found.get_ifd(0x8825)[1] = "N"  # GPS
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("max_px", [20, 1000])
def test_the_orientation_is_applied_and_other_metadata_dropped(
    kind: str, orientation: int, max_px: int
) -> None:
    data = picture(kind, (40, 20), exif=exif(orientation))
    turned = orientation >= 5
    info = identify_image(data)
    assert (info.width, info.height) == ((20, 40) if turned else (40, 20))
    upright = scale_image(data, max_px)
    longer = min(40, max_px)
    assert opened(upright).size == ((longer // 2, longer) if turned else (longer, longer // 2))
    assert not opened(upright).getexif()
    assert b"SECRET" not in upright


def test_the_colour_profile_stays_and_comments_go() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        small = scale_image(picture(kind, (400, 200), icc_profile=profile), 100)
        assert opened(small).info["icc_profile"] == profile
    assert b"my comment" not in scale_image(picture("JPEG", comment="my comment"), 1000)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_can_be_scaled(mode: str) -> None:
    source = Image.linear_gradient("L").resize((64, 32))
    image = Image.new("I;16", (64, 32), 4000) if mode == "I;16" else source.convert(mode)
    out = BytesIO()
    image.save(out, "PNG")
    assert opened(scale_image(out.getvalue(), 16)).size == (16, 8)


def test_cmyk_and_transparent_palettes_can_be_scaled() -> None:
    assert opened(scale_image(picture("JPEG", (64, 32), "CMYK"), 16)).mode == "CMYK"
    out = BytesIO()
    Image.new("P", (64, 32), 1).save(out, "PNG", transparency=1)
    assert opened(scale_image(out.getvalue(), 16)).mode == "RGBA"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_taken(kind: str) -> None:
    first, second = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (40, 20), "blue")
    out = BytesIO()
    first.save(out, kind, save_all=True, append_images=[second], lossless=True)
    still = opened(scale_image(out.getvalue(), 20))
    assert getattr(still, "n_frames", 1) == 1
    red, _, blue = still.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red > 200 > 60 > blue
