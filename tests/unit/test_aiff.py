"""AIFF: every count that a file states is compared with what is there."""

import re
import struct
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.probe import read_audio
from audiostore.media.probe.decode import decode_frames
from tests.audio_samples import ID3V1, id3
from tests.measuring import FFMPEG_S, measured

RATE = b"\x40\x0b\xfa" + bytes(7)
"""8000, as a number of 80 bits."""
SOUND = b"\x37\x01\xf9\xfe" * 4000
"""1 s of 16 bits."""
NOISE = bytes(range(1, 128)) * 200
OPEN = (1 << 32) - 1
NAME = b"NAME\0\0\0\x04abcd"


def aiff(
    sound: bytes = SOUND,
    samples: int = 8000,
    *,
    codec: bytes = b"",
    bits: int = 16,
    channels: int = 1,
    size: int | None = None,
    whole: int | None = None,
    align: int = 0,
    after: bytes = b"",
    sound_first: bool = False,
) -> bytes:
    """Return an AIFF; `samples`, `size` and `whole` are what it states."""
    fields = struct.pack(">hIh", channels, samples, bits) + RATE + codec
    comm = b"COMM" + struct.pack(">I", len(fields)) + fields
    size = len(sound) + 8 if size is None else size
    ssnd = b"SSND" + struct.pack(">III", size, 0, align) + sound
    body = (b"AIFC" if codec else b"AIFF") + (ssnd + comm if sound_first else comm + ssnd) + after
    return b"FORM" + struct.pack(">I", len(body) if whole is None else whole) + body


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(aiff(), 1.0, id="as it should be"),
        pytest.param(aiff(sound_first=True), 1.0, id="sound first"),
        pytest.param(aiff(SOUND[:12000], 4000, bits=20), 0.5, id="20 bits in 3 bytes"),
        pytest.param(aiff(codec=b"sowt\0\0"), 1.0, id="little-endian"),
        pytest.param(aiff(samples=4000, codec=b"fl32\0\0", bits=32), 0.5, id="floats"),
        pytest.param(aiff(samples=16000, codec=b"ulaw\0\0", bits=16), 2.0, id="mu-law of 16 bits"),
        pytest.param(aiff(bytes(34 * 100), 100, codec=b"ima4\0\0"), 0.8, id="blocks counted"),
        pytest.param(aiff(bytes(34 * 100), 6400, codec=b"ima4\0\0"), 0.8, id="samples counted"),
        pytest.param(aiff(bytes(33 * 50), 50, codec=b"GSM \0\0", bits=0), 1.0, id="GSM"),
        pytest.param(aiff(samples=8001), 1.0, id="one sample more"),
        pytest.param(aiff(size=len(SOUND)), 0.9995, id="size without the 8 bytes"),
        pytest.param(aiff(size=len(SOUND) + 62, whole=len(SOUND) + 46), 1.0, id="size of the file"),
        pytest.param(aiff(SOUND + bytes(384), align=512), 1.0, id="padding to blocks"),
        pytest.param(aiff(size=OPEN, whole=OPEN), 1.0, id="of a pipe"),
        pytest.param(aiff(samples=OPEN, size=OPEN, whole=OPEN), 1.0, id="of a pipe, nothing known"),
        pytest.param(aiff(size=OPEN, whole=OPEN, after=NAME), 1.0, id="open, with a chunk after"),
        pytest.param(aiff(after=bytes(2 << 20)), 1.0, id="zeros after it"),
        pytest.param(aiff(after=NAME + id3(90_000) + ID3V1), 1.0, id="tags after it"),
        pytest.param(aiff(samples=500, codec=b"QDM2\0\0"), FFMPEG_S, id="blocks unknown"),
    ],
)
def test_the_duration_is_that_of_the_bytes(data: bytes, seconds: float) -> None:
    assert measured(data) == (seconds, "")


@pytest.mark.parametrize(
    ("data", "seconds", "words"),
    [
        (aiff(samples=3000), 1.0, "counts 3,000 samples, 8,000 are there"),
        (aiff(samples=0), 1.0, "counts 0 samples, 8,000 are there"),
        (aiff(samples=0, size=0, whole=46), 1.0, "was never finished"),
        (aiff(samples=4000, size=8008, whole=8054), 0.5, r"states 0\.5 s .* 0\.5 s more"),
        (aiff(after=NAME + NOISE), 1.0, "followed by 25,400 bytes"),
        (aiff(whole=99_999), 1.0, "ends 83,953 bytes before its stated end"),
        (aiff() + aiff(), 1.0, "followed by another file"),
    ],
)
def test_what_is_odd_but_plays_is_a_warning(data: bytes, seconds: float, words: str) -> None:
    measured_s, warnings = measured(data)
    assert measured_s == seconds
    assert re.search(words, warnings), warnings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # As a tool leaves it that has mended the sizes of a cut file.
        (aiff(SOUND[:9000]), "counts 8,000 samples, 4,500 are there .56 %"),
        (aiff(SOUND[:9000], sound_first=True), "counts 8,000 samples, 4,500 are there"),
        (aiff(bytes(3400), 110, codec=b"ima4\0\0"), "counts 7,040 samples, 6,400"),
        (aiff()[:-100], "promises 16,000 bytes of sound, 15,900 are there"),
        (aiff(after=b"NAME\0\0\0\x14" + bytes(20))[:-15], "cut short: after its sound"),
        (aiff(b"", 0), "contains no sound"),
        (aiff(b"", 8000), "contains no sound"),
        (aiff(b"", 0, after=NAME), "contains no sound"),
        (aiff(channels=0), "zero channels"),
    ],
)
def test_counts_that_promise_more_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnplayableAudioError, match=words):
        measured(data)


@pytest.mark.parametrize(
    "data",
    [
        aiff(samples=3000),
        aiff(whole=OPEN, after=bytes(2 << 20)),
        aiff().replace(b"SSND", b"APPL\0\0\0\x03abcSSND"),  # without a padding byte
    ],
)
def test_decoding_agrees_with_the_bytes(data: bytes) -> None:
    assert not read_audio(BytesIO(data), "AIFF").warnings
    assert decode_frames(BytesIO(data), "AIFF").duration_s == 1.0
