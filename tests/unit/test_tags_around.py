"""ID3, APE tags and their kin, around the data of any format: as writers really write them."""

import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from audiostore.media.facts.tags import unify_tags
from audiostore.media.info import AudioInfo
from audiostore.media.parsing.id3 import read_id3v2
from audiostore.media.parsing.reading import Reader
from audiostore.media.probe import read_audio
from tests.audio_samples import sample

EXAMPLES = Path(__file__).parents[2] / "examples"
JAZZ_V1 = b"TAG" + b"V1".ljust(30, b"\0") + b"Bj\xf6rn".ljust(30, b"\0") + bytes(62) + b"\0\x07\x08"


def syncsafe(n: int) -> bytes:
    return bytes(n >> s & 127 for s in (21, 14, 7, 0))


def frame2(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(3, "big") + data


def frame3(name: bytes, data: bytes, flags: int = 0) -> bytes:
    return name + struct.pack(">IH", len(data), flags) + data


def frame4(name: bytes, data: bytes, flags: int = 0) -> bytes:
    return name + syncsafe(len(data)) + struct.pack(">H", flags) + data


def tag(version: int, *frames: bytes, flags: int = 0) -> bytes:
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(len(body)) + body


def ape(*items: tuple[bytes, bytes, int], header: bool = True) -> bytes:
    body = b"".join(struct.pack("<II", len(v), kind << 1) + k + b"\0" + v for k, v, kind in items)

    def edge(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII8x", 2000, len(body) + 32, len(items), flags)

    return (edge(0xA0000000) if header else b"") + body + edge(header << 31)


def stuffed(data: bytes) -> bytes:
    return re.sub(rb"\xff(?=[\xe0-\xff\x00])|\xff\Z", b"\xff\x00", data)


def image(width: int, form: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, 40), 90).save(out, form)
    return out.getvalue()


def apic(data: bytes, kind: int = 3, mime: bytes = b"image/jpeg", start: bytes = b"\0") -> bytes:
    return start + mime + b"\0" + bytes([kind]) + b"\0" + data


def sound() -> bytes:
    data = (EXAMPLES / "morning-in-c.mp3").read_bytes()
    a, b, c, d = data[6:10]
    return data[10 + (a << 21 | b << 14 | c << 7 | d) :]


def read(front: bytes, behind: bytes = b"") -> AudioInfo:
    return read_audio(io.BytesIO(front + sound() + behind), "MP3")


def wide(text: str) -> bytes:
    return b"\1\xff\xfe" + text.encode("utf-16-le")


TEXTS = ("Title", "Artist", "Album")
THREE = {"title": "Title", "artist": "Artist", "album": "Album"}
OLD = [frame2(k, wide(v)) for k, v in zip((b"TT2", b"TP1", b"TAL"), TEXTS, strict=True)]
V3 = [frame3(k, wide(v)) for k, v in zip((b"TIT2", b"TPE1", b"TALB"), TEXTS, strict=True)]
V4 = [
    frame4(k, b"\3" + v.encode()) for k, v in zip((b"TIT2", b"TPE1", b"TALB"), TEXTS, strict=True)
]
COVER = image(70)
STUFFED_V3 = stuffed(b"".join((*V3, frame3(b"APIC", apic(COVER)))))


@pytest.mark.parametrize(
    "front",
    [
        pytest.param(tag(2, *OLD, frame2(b"PIC", b"\0JPG\3\0" + COVER)), id="2.2"),
        pytest.param(tag(3, *V3, frame3(b"APIC", apic(COVER))), id="2.3"),
        pytest.param(tag(4, *V4, frame4(b"APIC", apic(COVER))), id="2.4"),
        pytest.param(
            tag(2, stuffed(b"".join((*OLD, frame2(b"PIC", b"\0JPG\3\0" + COVER)))), flags=0x80),
            id="2.2 unsynchronised",
        ),
        pytest.param(tag(3, STUFFED_V3, flags=0x80), id="2.3 unsynchronised"),
        pytest.param(
            tag(3, *V3, frame3(b"APIC", stuffed(apic(COVER))), flags=0x80),
            id="2.3 unsynchronised frame by frame",
        ),
        pytest.param(
            tag(4, stuffed(b"".join((*V4, frame4(b"APIC", apic(COVER))))), flags=0x80),
            id="2.4 unsynchronised as a whole",
        ),
        pytest.param(
            tag(4, *V4, frame4(b"APIC", stuffed(apic(COVER)), 2), flags=0x80),
            id="2.4 unsynchronised",
        ),
        pytest.param(
            tag(3, *V3, frame3(b"APIC", apic(COVER)), flags=0x80), id="marked and not so"
        ),
        pytest.param(tag(4, *V4, frame3(b"APIC", apic(COVER))), id="plain sizes in 2.4"),
        pytest.param(tag(3, *V3, frame4(b"APIC", apic(COVER))), id="syncsafe sizes in 2.3"),
        pytest.param(
            tag(3, struct.pack(">IHI", 6, 0, 9), *V3, frame3(b"APIC", apic(COVER)), bytes(9),
                flags=0x40),
            id="extended 2.3",
        ),
        pytest.param(
            tag(4, syncsafe(6) + b"\1\0", *V4, frame4(b"APIC", apic(COVER)), flags=0x40),
            id="extended 2.4",
        ),
    ],
)  # fmt: skip
def test_every_way_to_write_an_id3_tag_is_read(front: bytes) -> None:
    info = read(front)
    assert info.tags == THREE
    assert info.artwork is not None
    assert info.artwork.data == COVER
    assert info.warnings == ()


@pytest.mark.parametrize(
    ("front", "behind", "title"),
    [
        (b"", JAZZ_V1, "V1"),
        (b"", b"TAG+" + bytes(223) + JAZZ_V1, "V1"),
        (b"", ape((b"Title", b"APE", 0)) + JAZZ_V1, "APE"),
        (b"", ape((b"TITLE", b"APE", 0), header=False), "APE"),
        (ape((b"Title", b"front", 0)), b"", "front"),
        (bytes(3000) + tag(3, frame3(b"TIT2", b"\0after padding")), b"", "after padding"),
        (tag(3, frame3(b"TIT2", b"\0ID3")), ape((b"Title", b"APE", 0)) + JAZZ_V1, "ID3"),
        (b"", ape((b"Title", b"A", 0)) + tag(4, flags=0x10) + b"3DI\4\0\x10\0\0\0\0", "A"),
    ],
)
def test_of_several_tags_the_best_has_the_title_and_the_others_add(
    front: bytes, behind: bytes, title: str
) -> None:
    info = read(front, behind)
    assert info.tags["title"] == title
    assert info.duration_s == pytest.approx(read(b"").duration_s)
    if behind.endswith(JAZZ_V1):
        assert info.tags == {"title": title, "artist": "Björn", "track": "7", "genre": "Jazz"}


@pytest.mark.parametrize("icon", [1, 2, 4, 8, 20])
def test_no_icon_nor_photograph_wins_over_a_cover(icon: int) -> None:
    pictures = [frame4(b"APIC", apic(image(32, "PNG"), icon)), frame4(b"APIC", apic(image(90), 0))]
    info = read(tag(4, *pictures), ape((b"Cover Art (Back)", b"x.jpg\0" + image(80), 1)))
    assert info.artwork is not None
    assert info.artwork.info.width == 90


def test_a_better_picture_that_is_not_usable_is_a_warning() -> None:
    info = read(
        tag(4, frame4(b"APIC", apic(b"GIF89a" + bytes(9))), frame4(b"APIC", apic(COVER, 0)))
    )
    assert info.artwork is not None
    (warning,) = info.warnings
    assert "has an embedded picture that is not usable: the image is a GIF" in warning


TEXT_FRAMES = {
    "Windows-1252": (frame3(b"TIT2", b"\0Gr\xfc\xdfe \x80"), {"title": "Grüße €"}),
    "UTF-8 marked as Latin-1": (frame3(b"TIT2", b"\0" + "Žluť".encode()), {"title": "Žluť"}),
    "Latin-1 marked as UTF-8": (frame4(b"TIT2", b"\3Gr\xfc\xdfe"), {"title": "Grüße"}),
    "no encoding": (frame3(b"TIT2", b"Title"), {"title": "Title"}),
    "UTF-16": (frame3(b"TIT2", wide("日本")), {"title": "日本"}),
    "UTF-16, little, no mark": (frame3(b"TIT2", b"\1T\0\xfc\0"), {"title": "Tü"}),
    "UTF-16, big, no mark": (frame3(b"TIT2", b"\1\0T\0\xfc"), {"title": "Tü"}),
    "UTF-16BE": (frame4(b"TIT2", b"\2\0T\0\xfc"), {"title": "Tü"}),
    "a mark for each value": (
        frame4(b"TPE1", wide("A\0") + b"\xfe\xff\0B\0\0\xff\xfeC\0"),
        {"artist": "A;B;C"},
    ),
    "TXXX": (
        frame4(b"TXXX", wide("Mood\0") + wide("a")[1:] + b"\0\0b\0"),
        {"mood": "a;b"},
    ),
    "TXXX of another name": (frame3(b"TXXX", b"\0ALBUM ARTIST\0x"), {"album_artist": "x"}),
    "a name of 2.2 in 2.3": (frame3(b"TT2\0", b"\0x"), {"title": "x"}),
    "comments": (
        frame3(b"COMM", b"\0eng\0one") + frame3(b"COMM", b"\0deu\0two"),
        {"comment": "one;two"},
    ),
    "an empty comment": (frame3(b"COMM", b"\0engSome name\0"), {}),
    "a comment without description": (frame3(b"COMM", b"\0engtext"), {"comment": "text"}),
    "lyrics": (
        frame3(b"USLT", b"\0deu\0la") + frame3(b"USLT", b"\0eng\0lo"),
        {"lyrics": "la", "lyrics-eng": "lo"},
    ),
    "a conductor": (frame3(b"TPE3", b"\0C"), {"conductor": "C"}),
    "no date": (frame4(b"TDRC", b"\x000000"), {}),
    "genres": (
        frame4(b"TCON", b"\x0317\0(4)Euro\0Rock\0(RX)((x)"),
        {"genre": "Rock;Disco;Euro;Remix;(x)"},
    ),
    "the date of 2.3": (
        frame3(b"TYER", b"\x002020") + frame3(b"TDAT", b"\x003112"),
        {"date": "2020-12-31"},
    ),
    "both dates": (
        frame4(b"TYER", b"\x002020") + frame4(b"TDRC", b"\x002020-01"),
        {"date": "2020-01"},
    ),
    "people": (
        frame4(b"TIPL", b"\3producer\0P\0mix\0M") + frame4(b"TMCL", b"\3harp\0H"),
        {"performer": "H (harp)", "producer": "P", "mix": "M"},
    ),
    "an identifier": (
        frame3(b"UFID", b"http://musicbrainz.org\0f0"),
        {"musicbrainz_trackid": "f0"},
    ),
    "an address": (frame4(b"WOAR", b"http://a.b"), {"website": "http://a.b"}),
    "compressed in 2.3": (
        frame3(b"TIT2", struct.pack(">I", 6) + zlib.compress(b"\0Title"), 0x80),
        {"title": "Title"},
    ),
    "compressed in 2.4": (
        frame4(b"TIT2", b"g" + syncsafe(6) + zlib.compress(b"\0Title"), 0x49),
        {"title": "Title"},
    ),
}


@pytest.mark.parametrize("name", TEXT_FRAMES)
def test_the_texts_of_a_frame_are_read(name: str) -> None:
    frames, expected = TEXT_FRAMES[name]
    version = 3 if "2.3" in name else 4
    assert read(tag(version, frames)).tags == expected


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (frame4(b"TIT2", b"\1abc", 4), "has an ID3 frame (TIT2) that is encrypted"),
        (frame4(b"TIT2", b"\0\0\0\1abc", 9), "has an ID3 frame (TIT2) that cannot be decompressed"),
        (frame4(b"TIT2", b"\3Gr\xfc\xdfe"), "has ID3 text that is not in its stated encoding"),
        (frame4(b"CHAP", b"a\0\0"), "has an ID3 frame (CHAP) that gives a chapter no time"),
        (b"TIT2\0\0\1\0\0\0abc", "has an ID3 tag of which 13 bytes cannot be read"),
        (frame4(b"APIC", apic(b"http://a.b/c", mime=b"-->")), "refers to a picture at an address"),
        (frame4(b"TIT1", b"\0x\0" * 9) * 400, "has more than 3,000 ID3 frames"),
        (b"".join(frame4(b"TXXX", b"\0%d\0v" % n) for n in range(70)), "has more than 64 tags: 6 "),
    ],
)
def test_what_cannot_be_read_is_a_warning(frame: bytes, words: str) -> None:
    (warning,) = read(tag(4, frame)).warnings
    assert warning.startswith(words)


def test_text_of_shift_jis_is_a_warning() -> None:
    text = "サンプル".encode("shift-jis")
    for front, behind in (
        (tag(3, frame3(b"TIT2", b"\0" + text)), b""),
        (b"", b"TAG" + text.ljust(125, b"\0")),
    ):
        (warning,) = read(front, behind).warnings
        assert warning.endswith("letters are a guess")


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (frame4(b"APIC", apic(COVER, 200)), 70),
        (frame4(b"APIC", apic(COVER, mime=b"text/html")), 70),
        (frame4(b"APIC", b"\1image/jpeg\0\3\xff\xfed\0\0" + COVER), 70),  # one zero too few
        (frame4(b"APIC", b"\0" + COVER), 70),
        (frame4(b"APIC", b"\1image/jpeg\0\3\xff\xfed\0\0\0" + COVER), 70),
        (frame4(b"APIC", syncsafe(99) + zlib.compress(apic(COVER)), 9), 70),
        (frame4(b"APIC", apic(b"")) + frame4(b"APIC", apic(COVER)), 70),
    ],
)
def test_a_picture_is_found_by_its_bytes(picture: bytes, size: int) -> None:
    artwork = read(tag(4, picture)).artwork
    assert artwork is not None
    assert artwork.data == COVER
    assert artwork.info.width == size


def chapter(start: int, end: int, title: str, *frames: bytes) -> bytes:
    times = struct.pack(">IIII", start, end, 0xFFFFFFFF, 0xFFFFFFFF)
    inside = (frame4(b"TIT2", b"\3" + title.encode()), *frames)
    return frame4(b"CHAP", b"id\0" + times + b"".join(inside))


@pytest.mark.parametrize("open_end", [0, 0xFFFFFFFF])
def test_chapters_are_in_order_and_end_where_the_next_begins(open_end: int) -> None:
    art = frame4(b"APIC", apic(COVER))
    front = tag(4, chapter(5000, open_end, "B", art), chapter(0, open_end, "A" * 200, art))
    info = read(front)
    end = info.duration_s
    found = [(c.start_s, c.end_s, c.title[:1]) for c in info.chapters]
    assert found == [(0, 5, "A"), (5, end, "B")]
    assert info.artwork is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([("AUTHOR", "w"), ("ARTIST", "r")], {"artist": "r", "author": "w"}),
        ([("YEAR", "2020"), ("DATE", "2020-05")], {"date": "2020-05"}),
        ([("artist", "A"), ("ARTIST", "B"), ("Artist", "A")], {"artist": "A;B"}),
        (
            [("label", "A"), ("organization", "B"), ("label", "C")],
            {"publisher": "A;C", "organization": "B"},
        ),
        ([("TRACK", "3"), ("track", "3/12")], {"track": "3"}),
    ],
)
def test_the_very_name_counts_and_all_its_values(
    tags: list[tuple[str, str]], expected: dict[str, str]
) -> None:
    assert unify_tags(tags) == (expected, 0)


def test_a_source_that_counts_more_keeps_its_numbers_together() -> None:
    assert unify_tags([("track", "3/12")], [("track_total", "9"), ("year", "1")]) == (
        {"track": "3", "track_total": "12", "date": "1"},
        0,
    )


def test_a_tag_that_ends_with_the_file_is_read_as_far_as_it_goes() -> None:
    whole = tag(3, frame3(b"TIT2", b"\0Title"), frame3(b"TALB", b"\0Album"))
    for size in range(26, len(whole)):
        reader = Reader(io.BytesIO(whole[:size]), reads=50, total=1 << 20, window=1 << 10)
        assert read_id3v2(reader, 0, len(whole)).tags[:1] == [("title", "Title")]


def test_a_tag_whose_size_is_a_plain_number_is_read() -> None:
    """RealJukebox wrote such tags (mutagen issues 98 and 526)."""
    frames = b"".join((*V3, frame3(b"GEOB", bytes(130))))
    info = read(b"ID3\3\0\0" + struct.pack(">I", len(frames)) + frames)
    assert len(frames) & 0x80
    assert info.tags == THREE


def test_a_chapter_ends_with_the_sound() -> None:
    info = read(tag(4, chapter(0, 99_000_000, "A")))
    assert [c.end_s for c in info.chapters] == [info.duration_s]


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("mp3 without tags", "MP3"),
        ("mp3 without a count", "MP3"),
        ("aac", "AAC"),
        ("flac", "FLAC"),
        ("ogg opus", "Ogg"),
        ("m4a", "MP4"),
        ("wav", "WAV"),
        ("aiff", "AIFF"),
        ("webm", "WebM"),
    ],
)
def test_a_tag_after_the_sound_is_read_also_without_a_footer(name: str, format_name: str) -> None:
    behind = tag(4, frame4(b"TXXX", b"\3mark\0behind"), frame4(b"APIC", apic(COVER)))
    for more in (b"", bytes(300), JAZZ_V1):
        info = read_audio(io.BytesIO(sample(name) + behind + more), format_name)
        assert (info.tags["mark"], info.warnings) == ("behind", ())
        assert info.artwork is not None
        assert info.artwork.info.width == 70
