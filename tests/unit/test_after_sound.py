"""What follows the sound of a file is named once, if it is neither tags nor zeros."""

from io import BytesIO

import pytest

from audiostore.media.parsing.reading import Reader
from audiostore.media.parsing.tags import after_sound
from tests.audio_samples import ID3V1, LYRICS3, ape, id3

SOUND = b"sound" * 100
ENHANCED = b"TAG+" + bytes(223)
LYRICS3_V1 = b"LYRICSBEGIN" + b"words of a song\r\n" * 20 + b"LYRICSEND"
JUNK = bytes(range(1, 256)) * 40


class Counted(BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.total += len(piece)
        return piece


def found(rest: bytes) -> tuple[str, ...]:
    """Return what `after_sound` says of a file with this rest; it must have read little."""
    stream = Counted(SOUND + rest)
    reader = Reader(stream, reads=5000, total=3 << 19, window=256)
    warnings = after_sound(reader, len(SOUND))
    assert stream.total < 400 << 10
    return warnings


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        ID3V1,
        ENHANCED + ID3V1,
        ID3V1 + bytes(700),
        ENHANCED + ID3V1 + bytes(700),
        id3(90_000),
        id3(90_000) + ID3V1,
        id3(90_000, footer=True) + ape(9_000),
        bytes(5_000) + id3(9_000) + bytes(5_000) + ape(9_000) + LYRICS3 + ID3V1,
        LYRICS3_V1 + ID3V1,
        LYRICS3 + bytes(5_000),
        LYRICS3_V1 + bytes(5_000),
        bytes(100_000),
        bytes(20 << 20),
        bytes(20 << 20) + ID3V1,
        b"x" * 4096,
        id3(9_000)[:5_000],  # the tag itself was cut
        b"APETAGEX" + bytes(4) + b"\xff\0\0\0" + bytes(16) + b"x" * 240,
    ],
    ids=range(18),
)
def test_tags_and_zeros_and_a_little_of_anything_are_not_mentioned(rest: bytes) -> None:
    assert found(rest) == ()


@pytest.mark.parametrize(
    "rest",
    [
        JUNK,
        JUNK + ID3V1,
        JUNK + ape(9_000) + LYRICS3 + ID3V1,
        id3(9_000) + JUNK,
        bytes(200_000) + JUNK,
        LYRICS3 + JUNK,
        b"LYRICSBEGIN" + JUNK[11:],
        ENHANCED + bytes(90) + JUNK + ID3V1,
    ],
    ids=range(8),
)
def test_other_bytes_are_counted(rest: bytes) -> None:
    assert found(rest) == (f"is followed by {len(JUNK):,} bytes that are not sound",)


def test_of_very_many_bytes_samples_are_read() -> None:
    (warning,) = found(bytes(3 << 20) + JUNK * 100)
    assert warning.startswith("is followed by ")
