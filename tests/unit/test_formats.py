"""First bytes and extension: what is stored, and what is refused by its name."""

from io import BytesIO

import pytest

from audiostore.errors import UnsupportedFormatError
from audiostore.formats import (
    AUDIO_FORMATS,
    IMAGE_FORMATS,
    describe,
    recognise_audio,
    recognise_image,
)

MP3 = b"\xff\xfb\x90\x64" + bytes(100)
AUDIO = {
    ".mp3": MP3,
    ".wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    ".flac": b"fLaC\0\0\0\x22" + bytes(40),
    ".ogg": b"OggS\0\x02" + bytes(40),
    ".oga": b"OggS\0\x02" + bytes(40),
    ".opus": b"OggS\0\x02" + bytes(40),
    ".m4a": b"\0\0\0\x20ftypM4A " + bytes(40),
    ".m4b": b"\0\0\0\x20ftypM4B " + bytes(40),
    ".aac": b"\xff\xf1\x50\x80" + bytes(40),
    ".aiff": b"FORM\0\0\0\x24AIFFCOMM" + bytes(40),
    ".aif": b"FORM\0\0\0\x24AIFCCOMM" + bytes(40),
}
IMAGES = {
    ".jpg": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(40),
    ".jpeg": b"\xff\xd8\xff\xe1\0\x10Exif" + bytes(40),
    ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40),
    ".webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40),
}
CONTENT_TYPES = {
    **{".mp3": "audio/mpeg", ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg"},
    **{".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".m4b": "audio/mp4"},
    **{".aac": "audio/aac", ".aiff": "audio/aiff", ".aif": "audio/aiff", ".jpg": "image/jpeg"},
    **{".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"},
}


def id3(size: int, *, footer: bool = False) -> bytes:
    flags = 0x10 if footer else 0
    tag = b"ID3\x04\0" + bytes([flags, size >> 21 & 127, size >> 14 & 127, size >> 7 & 127])
    return (
        tag + bytes([size & 127]) + b"\xff" * size + (b"3DI\x04\0\x10\0\0\0\0" if footer else b"")
    )


def test_the_examples_cover_every_extension() -> None:
    assert set(AUDIO) == {e for f in AUDIO_FORMATS for e in f.extensions}
    assert set(IMAGES) == {e for f in IMAGE_FORMATS for e in f.extensions}


@pytest.mark.parametrize("extension", AUDIO)
def test_each_audio_format_is_recognised(extension: str) -> None:
    for name in ("song" + extension, "SONG" + extension.upper()):
        found = recognise_audio(name, BytesIO(AUDIO[extension]))
        assert found.content_type == CONTENT_TYPES[extension]


@pytest.mark.parametrize("extension", IMAGES)
def test_each_image_format_is_recognised(extension: str) -> None:
    found = recognise_image("cover" + extension, BytesIO(IMAGES[extension]))
    assert found.content_type == CONTENT_TYPES[extension]


@pytest.mark.parametrize("extension", [".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".aiff"])
@pytest.mark.parametrize("other", [".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".aiff"])
def test_no_format_passes_for_another(extension: str, other: str) -> None:
    if extension == other:
        assert recognise_audio("a" + extension, BytesIO(AUDIO[other]))
        return
    with pytest.raises(UnsupportedFormatError, match=r"as its name says: it is .* data"):
        recognise_audio("a" + extension, BytesIO(AUDIO[other]))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n  <html lang='en'>", "a web page"),
        (b"<?xml version='1.0'?>", "XML or SVG"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (IMAGES[".png"], "PNG data"),
        (IMAGES[".jpg"], "JPEG data"),
        (b"GIF89a", "a GIF image"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b'{"error": {"code": 404}}', "JSON text"),
        (bytes(1000), "zero bytes"),
        (b"\x01\x02\x03", "unknown data that begins with 01 02 03"),
    ],
)
@pytest.mark.parametrize("in_front", [b"", id3(300)])
def test_an_impostor_is_called_by_its_name(head: bytes, words: str, in_front: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match=words) as caught:
        recognise_audio("song.mp3", BytesIO(in_front + head))
    assert "'song.mp3'" in str(caught.value)
    assert describe(head)


@pytest.mark.parametrize("name", ["song", "song.exe", "song.mp3.txt", ".mp3", "song.jpg", "a.mp3 "])
def test_an_unknown_extension_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"\.mp3 \.wav \.flac"):
        recognise_audio(name, BytesIO(MP3))


def test_an_image_is_no_audio_and_the_other_way_round() -> None:
    with pytest.raises(UnsupportedFormatError, match="audio files we store end in"):
        recognise_audio("a.png", BytesIO(IMAGES[".png"]))
    with pytest.raises(UnsupportedFormatError, match="image files we store end in"):
        recognise_image("a.mp3", BytesIO(MP3))


@pytest.mark.parametrize("extension", [".mp3", ".flac", ".aac"])
@pytest.mark.parametrize("size", [0, 1, 53, 54, 55, 100, 127, 128, 16383, 16384, 70_000])
@pytest.mark.parametrize("footer", [False, True])
def test_an_id3_tag_in_front_is_looked_past(extension: str, size: int, footer: bool) -> None:
    data = id3(size, footer=footer) + AUDIO[extension]
    assert recognise_audio("a" + extension, BytesIO(data))
    assert recognise_audio("a" + extension, BytesIO(id3(7) + data))


def test_a_tag_that_claims_more_than_there_is_is_refused_without_reading_it() -> None:
    huge = b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + MP3
    with pytest.raises(UnsupportedFormatError):
        recognise_audio("a.mp3", BytesIO(huge))


@pytest.mark.parametrize(
    "head", [b"ID3", b"ID3\x04\0\0\0\0\0", b"ID3\x04\0\0\x80\0\0\0" + MP3, b""]
)
def test_a_broken_tag_is_refused(head: bytes) -> None:
    with pytest.raises(UnsupportedFormatError):
        recognise_audio("a.mp3", BytesIO(head))


class CountingStream(BytesIO):
    """Counts what is read from it."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.total += len(piece)
        return piece


def test_at_most_a_few_kilobytes_are_read() -> None:
    stream = CountingStream(id3(0) * 20_000)
    with pytest.raises(UnsupportedFormatError):
        recognise_audio("a.mp3", stream)
    assert stream.total < 64 << 10


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xe8\x90\x64",  # MPEG version 01: reserved
        b"\xff\xff\x90\x64",  # layer I
        b"\xff\xfb\xf0\x64",  # bit rate 15: forbidden
        b"\xff\xfb\x9c\x64",  # sampling rate 3: reserved
        b"\xff\xfb\x90",  # too short for a header
    ],
)
def test_a_sync_word_alone_is_no_mp3(head: bytes) -> None:
    with pytest.raises(UnsupportedFormatError):
        recognise_audio("a.mp3", BytesIO(head))
