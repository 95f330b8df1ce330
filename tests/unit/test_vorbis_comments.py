"""Tags, pictures and chapters of FLAC and Ogg, as programs really write them."""

import base64
import io
import struct

import pytest

from audiostore.media.parsing.embedded import Embedded, Part
from audiostore.media.parsing.flac_tags import read_flac_tags
from audiostore.media.parsing.ogg_tags import read_ogg_tags
from audiostore.media.parsing.reading import Reader
from audiostore.media.parsing.vorbis_comments import read_comments
from tests.audio_samples import ogg_page

IMAGE = b"\xff\xd8\xff\xe0 an image"


def comments(*texts: bytes, vendor: bytes = b"tests", count: int | None = None) -> bytes:
    body = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    number = len(texts) if count is None else count
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", number) + body


def picture(
    data: bytes = IMAGE, kind: int = 3, *, mime: bytes = b"image/jpeg", **wrong: int
) -> bytes:
    mime_size = wrong.get("mime_size", len(mime))
    head = struct.pack(">II", kind, mime_size) + mime + struct.pack(">I", 5) + b"Cover"
    return head + bytes(16) + struct.pack(">I", wrong.get("size", len(data))) + data


def flac(*blocks: tuple[int, bytes]) -> bytes:
    info = bytes(10) + (44_100 << 4).to_bytes(3, "big") + bytes(21)
    found, last = b"fLaC", len(blocks)
    for i, (kind, data) in enumerate([(0, info), *blocks]):
        found += bytes([kind | (0x80 if i == last else 0)]) + len(data).to_bytes(3, "big") + data
    return found + b"\xff\xf8"


def reader(data: bytes) -> Reader:
    return Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)


def pictures(found: Embedded) -> list[tuple[int, bytes]]:
    return [(each.type, each.data) for each in found.pictures]


def test_all_values_are_kept_and_a_description_is_a_comment() -> None:
    found = read_comments(comments(b"ARTIST=Ada", b"artist=Grace", b"DESCRIPTION=Live", b"A=b=c"))
    assert found.tags == [("ARTIST", "Ada"), ("artist", "Grace"), ("comment", "Live"), ("A", "b=c")]
    both = read_comments(comments(b"COMMENT=Live", b"DESCRIPTION=Long"))
    assert both.tags == [("COMMENT", "Live"), ("DESCRIPTION", "Long")]


def test_text_that_is_not_utf_8_is_windows_1252_and_long_text_is_cut_between_letters() -> None:
    found = read_comments(comments(b"TITLE=Gr\xfc\xdfe", b"LYRICS=" + "ü".encode() * 9_000))
    assert found.tags[0] == ("TITLE", "Grüße")
    assert set(found.tags[1][1]) == {"ü"}
    assert len(found.tags[1][1]) >= 1_000


@pytest.mark.parametrize("end", [b"", b"=", b"\n"])
def test_pictures_in_base64_are_found_and_are_no_text(end: bytes) -> None:
    encoded = base64.b64encode(picture(kind=8)).rstrip(b"=") + end
    old = base64.encodebytes(IMAGE).rstrip(b"=\n") + end
    found = read_comments(
        comments(
            b"metadata_block_picture=" + encoded,
            b"COVERART=" + old,
            b"COVERARTMIME=image/jpeg",
            b"COVERART=!",
            b"COVERARTTYPE=4",
        )
    )
    assert pictures(found) == [(8, IMAGE), (4, IMAGE), (3, b"")]
    assert found.tags == []


def test_chapters_have_starts_and_titles() -> None:
    found = read_comments(
        comments(
            b"CHAPTER002=01:00:01.500",
            b"CHAPTER001=00:00:00.000",
            b"CHAPTER001NAME=One",
            b"CHAPTER003=soon",
        )
    )
    assert found.chapters == [Part(3601.5, None, ""), Part(0.0, None, "One")]
    assert found.tags == [("CHAPTER003", "soon")]


def test_comments_that_end_early_are_read_up_to_there_with_a_warning() -> None:
    found = read_comments(comments(b"TITLE=One", b"ARTIST=Two", count=9)[:-2])
    assert found.tags == [("TITLE", "One")]
    assert found.warnings == ["has tags of which 12 bytes cannot be read"]
    many = read_comments(comments(*[b"A=b"] * 5_000))
    assert len(many.tags) == 4_000
    assert many.warnings == ["has more than 4,000 tags: not all were read"]


@pytest.mark.parametrize(
    "block",
    [
        picture(),
        picture(size=0),
        picture(size=1 << 30),
        picture(mime_size=1 << 20),
        picture(mime=b"", mime_size=3),
    ],
)
def test_a_flac_picture_is_where_an_image_begins(block: bytes) -> None:
    (found,) = read_flac_tags(reader(flac((6, block))), 0)
    assert pictures(found) == [(3, IMAGE)]


def test_flac_has_comments_pictures_and_a_cue_sheet_after_any_number_of_blocks() -> None:
    track = struct.pack(">QB12s", 44_100, 1, b"DEAB12345678") + bytes(14) + b"\1" + bytes(12)
    sheet = bytes(395) + b"\2" + track + bytes(36)
    padding = [(1, b"1234")] * 300
    data = flac(*padding, (4, comments(b"TITLE=One")), (6, picture(kind=4)), (5, sheet))
    (found,) = read_flac_tags(reader(b"before" + data), 6)
    assert found.tags == [("TITLE", "One")]
    assert pictures(found) == [(4, IMAGE)]
    assert found.chapters == [Part(1.0, None, "DEAB12345678")]


@pytest.mark.parametrize(
    ("first", "before"),
    [
        (b"\x01vorbis" + bytes(23), b"\x03vorbis"),
        (b"OpusHead" + bytes(11), b"OpusTags"),
        (b"Speex   " + bytes(72), b""),
    ],
)
def test_ogg_has_comments_in_its_second_packet(first: bytes, before: bytes) -> None:
    large = b"METADATA_BLOCK_PICTURE=" + base64.b64encode(picture(IMAGE + bytes(90_000)))
    packet = before + comments(b"TITLE=One", large)
    cut = 250 * 255
    pages = (
        struct.pack("<4sBBqIIIB", b"OggS", 0, 0, -1, 1, 1, 0, 250) + b"\xff" * 250 + packet[:cut]
    )
    # Another stream begins, and has a page in between.
    data = ogg_page(b"fishead\0", serial=7) + ogg_page(first) + pages
    data += ogg_page(b"other", flags=0, serial=7) + ogg_page(packet[cut:], flags=1)
    (found,) = read_ogg_tags(reader(data), 0)
    assert found.tags == [("TITLE", "One")]
    assert pictures(found) == [(3, IMAGE + bytes(90_000))]
    (cut_off,) = read_ogg_tags(reader(data[:-10_000]), 0)
    assert cut_off.warnings


def test_flac_in_ogg_has_a_block_in_each_packet() -> None:
    texts, image = comments(b"TITLE=One"), picture(kind=4)
    data = (
        ogg_page(b"\x7fFLAC\1\0\0\2fLaC" + bytes(38))
        + ogg_page(b"\4" + len(texts).to_bytes(3, "big") + texts, flags=0)
        + ogg_page(b"\x86" + len(image).to_bytes(3, "big") + image, flags=0)
    )
    (found,) = read_ogg_tags(reader(data), 0)
    assert found.tags == [("TITLE", "One")]
    assert pictures(found) == [(4, IMAGE)]
