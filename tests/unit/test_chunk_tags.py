"""Tags in the chunks of WAV and AIFF, in encodings that nothing states."""

import io
import struct

import pytest

from audiostore.media.parsing.chunk_tags import read_aiff_tags, read_wav_tags
from audiostore.media.parsing.embedded import Part
from audiostore.media.parsing.reading import Reader
from tests.audio_samples import PCM_FMT, riff

SOUND = (b"data", b"1234567")


def id3(title: bytes) -> bytes:
    frame = b"TIT2\0\0\0" + bytes([len(title) + 1]) + b"\0\0\3" + title
    return b"ID3\4\0\0\0\0\0" + bytes([len(frame)]) + frame


def info(*items: tuple[bytes, bytes], pad: bytes = b"\0") -> tuple[bytes, bytes]:
    found = (
        name + struct.pack("<I", len(text)) + text + pad * (len(text) & 1) for name, text in items
    )
    return b"LIST", b"INFO" + b"".join(found)


def wav_tags(data: bytes, at: int = 0) -> list[tuple[str, str]]:
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    return [tag for each in read_wav_tags(reader, at) for tag in each.tags if tag[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe\0", "Grüße"),
        (b"Don\x92t", "Don\u2019t"),
        (b"Tr\xe9s\0old\0", "Trés"),
    ],
)
def test_info_is_utf_8_or_windows_1252(text: bytes, expected: str) -> None:
    assert wav_tags(riff(PCM_FMT, info((b"INAM", text)), SOUND)) == [("title", expected)]


def test_text_in_another_encoding_is_a_guess_and_a_warning() -> None:
    data = riff(PCM_FMT, info((b"INAM", "曲名日本語".encode("cp932"))), SOUND)
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    texts, *_ = read_wav_tags(reader, 0)
    assert texts.warnings == ["has INFO text in an unknown encoding: letters are a guess"]


def test_a_code_page_is_respected_and_an_unknown_one_is_not() -> None:
    text = info((b"INAM", "Песня".encode("cp1251")))
    pages = {number: (b"CSET", struct.pack("<HHHH", number, 0, 0, 0)) for number in (1251, 9999)}
    assert wav_tags(riff(PCM_FMT, pages[1251], text, SOUND)) == [("title", "Песня")]
    assert wav_tags(riff(PCM_FMT, pages[9999], text, SOUND)) == [("title", "Ïåñíÿ")]


@pytest.mark.parametrize("pad", [b"\0", b"\1", b""])
def test_all_items_are_kept_before_and_after_the_sound(pad: bytes) -> None:
    items = info((b"IART", b"Ada"), (b"IART", b"Grace"), (b"IENG", b"Alan"), pad=pad)
    expected = [("artist", "Ada"), ("artist", "Grace"), ("IENG", "Alan")]
    assert wav_tags(riff(PCM_FMT, items, SOUND)) == expected
    assert wav_tags(b"before" + riff(PCM_FMT, SOUND, items), 6) == expected


def test_id3_counts_more_than_info_and_that_more_than_a_broadcasts_description() -> None:
    broadcast = b"Take 1".ljust(256, b"\0") + bytes(64) + b"2020-05-01" + bytes(300)
    data = riff(
        PCM_FMT, (b"bext", broadcast), info((b"INAM", b"Two")), SOUND, (b"id3 ", id3(b"One"))
    )
    assert wav_tags(data)[:4] == [
        ("title", "One"),
        ("title", "Two"),
        ("comment", "Take 1"),
        ("date", "2020-05-01"),
    ]


def test_tags_after_sound_whose_size_has_64_bits_are_read() -> None:
    sizes = (b"ds64", struct.pack("<QQQI", 0, 7, 0, 0))
    data = riff(sizes, PCM_FMT, SOUND, info((b"INAM", b"One"))).replace(b"RIFF", b"RF64", 1)
    data = data.replace(b"data\x07\0\0\0", b"data\xff\xff\xff\xff")
    assert wav_tags(data) == [("title", "One")]


def test_cues_and_their_labels_are_chapters() -> None:
    cues = b"".join(struct.pack("<6I", n, 0, 0, 0, 0, at) for n, at in ((1, 4_000), (7, 0)))
    label = struct.pack("<I", 1) + b"Two\0"
    labels = (b"LIST", b"adtl" + b"labl" + struct.pack("<I", len(label)) + label)
    data = riff(PCM_FMT, (b"cue ", struct.pack("<I", 2) + cues), SOUND, labels)
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    *_, found = read_wav_tags(reader, 0)
    assert found.chapters == [Part(0.5, None, "Two"), Part(0.0, None, "")]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_nothing_is_read_in_sound_of_unknown_size(size: int) -> None:
    data = riff(PCM_FMT, (b"data", b"LIST\x10\0\0\0INFOINAM\4\0\0\0fake"))
    sized = data.replace(b"data\x18\0\0\0", b"data" + struct.pack("<I", size))
    assert sized != data
    assert wav_tags(sized) == []


def aiff_tags(*chunks: tuple[bytes, bytes]) -> list[tuple[str, str]]:
    body = b"".join(
        name + struct.pack(">I", len(text)) + text + bytes(len(text) & 1) for name, text in chunks
    )
    data = b"FORM" + struct.pack(">I", 4 + len(body)) + b"AIFF" + body
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    return [tag for each in read_aiff_tags(reader, 0) for tag in each.tags]


def test_aiff_has_chunks_of_text_and_id3() -> None:
    chunks = [(b"AUTH", b"Ada"), (b"ANNO", b"one"), (b"ANNO", b"two"), (b"(c) ", b"2020")]
    assert aiff_tags(*chunks, (b"SSND", b"12345678"), (b"ID3 ", id3(b"One"))) == [
        ("title", "One"),
        ("author", "Ada"),
        ("comment", "one"),
        ("comment", "two"),
        ("copyright", "2020"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "mac-roman"])
@pytest.mark.parametrize("text", ["Grüße", "Björn", "Café", "Año nuevo", "Ça va", "Øst", "plain"])
def test_text_in_aiff_is_in_the_encoding_in_which_it_has_more_letters(
    text: str, encoding: str
) -> None:
    assert aiff_tags((b"NAME", text.encode(encoding))) == [("title", text)]
