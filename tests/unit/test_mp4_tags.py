"""Tags, covers and chapters of MP4, of all types of data, as programs really write them."""

import io
import struct

import pytest

from audiostore.media.parsing.embedded import Part
from audiostore.media.parsing.mp4_tags import read_mp4_tags
from audiostore.media.parsing.reading import Reader
from tests.audio_samples import box

IMAGE = b"\x89PNG\r\n\x1a\n an image"


def data(kind: int, value: bytes) -> bytes:
    return box(b"data", struct.pack(">II", kind, 0), value)


def own(name: bytes, *values: bytes) -> bytes:
    mean = box(b"mean", bytes(4), b"com.apple.iTunes")
    return box(b"----", mean, box(b"name", bytes(4), name), *(data(1, each) for each in values))


def listed(*items: bytes) -> bytes:
    return box(
        b"meta", bytes(4), box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)), box(b"ilst", *items)
    )


def reader(*parts: bytes) -> Reader:
    whole = box(b"ftyp", b"M4A ", bytes(4)) + box(b"moov", *parts)
    return Reader(io.BytesIO(whole), reads=5000, total=1 << 30, window=4 << 10)


def tags(*parts: bytes) -> list[tuple[str, str]]:
    return [tag for each in read_mp4_tags(reader(*parts), 0) for tag in each.tags]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (box(b"\xa9nam", data(1, "Tön".encode())), ("title", "Tön")),
        (box(b"\xa9nam", data(2, "Tön".encode("utf-16-be"))), ("title", "Tön")),
        (box(b"\xa9nam", data(2, "Tön".encode("utf-16"))), ("title", "Tön")),
        (box(b"\xa9nam", data(3, "音".encode("shift-jis"))), ("title", "音")),
        (box(b"\xa9nam", data(4, "Tön".encode())), ("title", "Tön")),
        (box(b"\xa9nam", data(0, "Tön".encode())), ("title", "Tön")),
        (box(b"\xa9nam", data(1, b"T\xf6n")), ("title", "Tön")),
        (box(b"\xa9gen", data(18, b"Audiobook")), ("genre", "Audiobook")),
        (box(b"\xa9day", data(21, b"\x07\xe4")), ("date", "2020")),
        (box(b"tmpo", data(21, b"\0\x78")), ("bpm", "120")),
        (box(b"tmpo", data(0, b"\0\x78")), ("bpm", "120")),
        (box(b"cpil", data(21, b"\1")), ("compilation", "1")),
        (box(b"cpil", data(66, b"\0\1")), ("compilation", "1")),
        (box(b"rtng", data(22, b"\xff")), ("rating", "255")),
        (box(b"trkn", data(0, b"\0\0\0\3\0\x0c\0\0")), ("track", "3/12")),
        (box(b"trkn", data(0, b"\0\0\0\3\0\0\0\0")), ("track", "3")),
        (box(b"disk", data(1, b"1/2")), ("disc", "1/2")),
        (box(b"gnre", data(0, b"\0\x09")), ("genre", "Jazz")),
        (own(b"LABEL", b"Blue"), ("LABEL", "Blue")),
        (
            box(b"----", box(b"name", bytes(4), b"GAIN"), data(23, b"\xbf\0\0\0")),
            ("GAIN", "-0.500000"),
        ),
    ],
)
def test_values_of_every_type_are_read(item: bytes, expected: tuple[str, str]) -> None:
    assert tags(box(b"udta", listed(item))) == [expected]


def test_all_values_are_kept() -> None:
    several = box(b"\xa9ART", data(1, b"Ada"), data(1, b"Grace"))
    more = box(b"\xa9ART", data(1, b"Alan"))
    found = tags(box(b"udta", listed(several, more, own(b"MOOD", b"Calm", b"Dark"))))
    assert found == [
        *[("artist", name) for name in ("Ada", "Grace", "Alan")],
        *[("MOOD", mood) for mood in ("Calm", "Dark")],
    ]


def test_a_genre_in_words_counts_more_than_its_number_and_an_author_is_no_artist() -> None:
    items = box(b"gnre", data(0, b"\0\x09")), box(b"\xa9gen", data(1, b"Bop"))
    assert tags(box(b"udta", listed(*items))) == [("genre", "Bop"), ("genre", "Jazz")]
    assert [each.tags for each in read_mp4_tags(reader(box(b"udta", listed(*items))), 0)[1:3]] == [
        [("genre", "Bop")],
        [("genre", "Jazz")],
    ]
    assert tags(box(b"udta", listed(box(b"\xa9aut", data(1, b"Ada"))))) == [("author", "Ada")]


def test_text_that_is_none_is_a_warning_and_what_programs_note_is_left_out() -> None:
    binary = box(b"----", box(b"name", bytes(4), b"BLOB"), data(0, b"\0\1\xff"))
    unreadable = box(b"\xa9nam", data(77, b"\0\1\xff" * 9))
    hint = box(b"----", box(b"name", bytes(4), b"cdec"), data(0, b"\0\1\xff"))
    _, found, *_ = read_mp4_tags(reader(box(b"udta", listed(binary, unreadable, hint))), 0)
    assert found.tags == []
    assert found.warnings == ["has a tag ('title') whose value is not text"]


@pytest.mark.parametrize("kind", [0, 1, 13, 14, 21, 27, 255])
def test_a_cover_is_found_whatever_its_type(kind: int) -> None:
    item = box(b"covr", box(b"name", b"x"), data(kind, IMAGE), data(kind, IMAGE + b"2"))
    _, found, *_ = read_mp4_tags(reader(box(b"udta", listed(item))), 0)
    assert [each.data for each in found.pictures] == [IMAGE, IMAGE + b"2"]


def test_texts_of_quicktime_and_3gpp_are_read() -> None:
    texts = [
        box(b"\xa9nam", struct.pack(">HH", 3, 0) + b"T\x9an" + struct.pack(">HH", 1, 1) + b"x"),
        box(b"\xa9ART", struct.pack(">HH", 3, 0x55C4) + "Tö".encode()),
        box(b"\xa9alb", b"plain text"),
        box(b"perf", bytes(4) + b"\x15\xc7" + "\ufeffÄ".encode("utf-16-be") + bytes(2)),
        box(b"auth", bytes(4) + b"\x15\xc7" + b"Ada\0"),
        box(b"loci", bytes(4), b"\x15\xc7", b"\0\0", struct.pack(">iii", -4882432, 2666004, 0)),
    ]
    assert tags(box(b"udta", *texts)) == [
        ("title", "Tön"),
        ("artist", "Tö"),
        ("album", "plain text"),
        ("artist", "Ä"),
        ("author", "Ada"),
        ("location", "+40.6800-074.5000/"),
    ]


def test_named_keys_are_read_in_a_box_with_and_without_a_version() -> None:
    keys = box(
        b"keys", bytes(4), struct.pack(">I", 2), box(b"mdta", b"title"), box(b"mdta", b"mine")
    )
    items = box(b"\0\0\0\1", data(1, b"One")), box(b"\0\0\0\2", data(1, b"Two"))
    inside = box(b"hdlr", bytes(24)) + keys + box(b"ilst", *items)
    for meta in (box(b"meta", inside), box(b"meta", bytes(4), inside)):
        assert tags(meta) == [("title", "One"), ("mine", "Two")]


def track(
    number: int, handler: bytes, *parts: bytes, table: bytes = b"", wide: bool = False
) -> bytes:
    header = struct.pack(">I", 1 << 24 if wide else 0) + bytes(16 if wide else 8)
    media = (
        header + struct.pack(">I", 1000) + bytes(8 if wide else 4) + struct.pack(">HH", 0x10B5, 0)
    )
    return box(
        b"trak",
        box(b"tkhd", header, struct.pack(">I", number), bytes(60)),
        *parts,
        box(
            b"mdia",
            box(b"mdhd", media),
            box(b"hdlr", bytes(8), handler, bytes(13)),
            box(b"minf", box(b"stbl", table)),
        ),
    )


def full(kind: bytes, shape: str, *numbers: int) -> bytes:
    return box(kind, bytes(4), struct.pack(">" + shape, *numbers))


TITLES = [
    b"\0\3One" + b"encd",
    b"\0\4Zw\xc3\xb6",
    b"\0\6\xfe\xff" + "Tö".encode("utf-16-be"),
    b"\0\0",
]


def with_chapters(*, wide: bool) -> Reader:
    """Titles of 1, 2, 3 and 4 s in chunks of two, one and one, and the first begins at 0.5 s."""
    sizes = [len(title) for title in TITLES]
    at = 8  # where the titles begin, in a box in front
    chunks = [at, at + sum(sizes[:2]), at + sum(sizes[:3])]
    table = (
        full(b"stts", "IIIIIIIII", 4, 1, 1000, 1, 2000, 1, 3000, 1, 4000)
        + full(b"stsc", "IIIIIII", 2, 1, 2, 1, 2, 1, 1)
        + full(b"stsz", "IIIIII", 0, 4, *sizes)
        + (full(b"co64", "IQQQ", 3, *chunks) if wide else full(b"stco", "IIII", 3, *chunks))
    )
    edits = box(b"edts", full(b"elst", "IIiIIiI", 2, 300, -1, 1 << 16, 1000, 0, 1 << 16))
    picture = full(b"stts", "III", 1, 1, 1) + full(b"stsc", "IIII", 1, 1, 1, 1)
    picture += full(b"stsz", "II", 8, 1) + full(b"stco", "II", 1, 8)
    moov = box(
        b"moov",
        box(b"mvhd", bytes(12), struct.pack(">I", 600), bytes(84)),
        track(1, b"soun", box(b"tref", box(b"chap", struct.pack(">II", 2, 3)))),
        track(2, b"text", edits, table=table, wide=wide),
        track(3, b"vide", table=picture),
    )
    whole = box(b"free", *TITLES) + moov
    return Reader(io.BytesIO(whole), reads=5000, total=1 << 30, window=4 << 10)


@pytest.mark.parametrize("wide", [False, True])
def test_chapters_are_the_samples_of_a_track_of_text(wide: bool) -> None:
    found = read_mp4_tags(with_chapters(wide=wide), 0)
    assert [part for each in found for part in each.chapters] == [
        Part(0.5, 1.5, "One"),
        Part(1.5, 3.5, "Zwö"),
        Part(3.5, 6.5, "Tö"),
        Part(6.5, 10.5, ""),
    ]
    assert [each.data for part in found for each in part.pictures] == [TITLES[0][:8]]


@pytest.mark.parametrize("version", [0, 1])
def test_chapters_of_neros_list_are_read(version: int) -> None:
    head = struct.pack(">I", version << 24) + bytes(4 * version)
    chapters = (
        struct.pack(">QB", 0, 3) + b"One" + struct.pack(">QB", 15_000_000, 4) + "Zwö".encode()
    )
    *_, found = read_mp4_tags(reader(box(b"udta", box(b"chpl", head, b"\3", chapters))), 0)
    assert found.chapters == [Part(0.0, None, "One"), Part(1.5, None, "Zwö")]


def test_boxes_that_claim_what_is_after_their_parents_cost_nothing() -> None:
    greedy = b"\0\0\0\x14meta" + bytes(4) + b"\x7f\xff\xff\xffilst"
    items = b"".join(box(b"\xa9nam", data(1, b"x")) for _ in range(2_000))
    source = reader(box(b"udta", greedy * 1_500, items))
    assert sum(len(each.tags) for each in read_mp4_tags(source, 0)) <= 4_000
