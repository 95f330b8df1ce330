"""CAF: every count that a file states is compared with what is there."""

import re
import struct
from collections.abc import Sequence
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.probe.decode import decode_frames
from tests.audio_samples import ID3V1, sample
from tests.measuring import measured

LPCM = (b"lpcm", 2, 1)
AAC = (b"aac ", 0, 1024)
VORBIS = (b"vorb", 0, 0)
SOUND = b"\x37\x01\xf9\xfe" * 4000
"""1 s of 16 bits at 8 kHz."""
NOISE = bytes(range(1, 128)) * 200
TO_THE_END = (1 << 64) - 1
SIZES = (300, 127, 128, 20_000, 5) * 4
PACKETS = bytes(sum(SIZES))


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """Return a chunk, and what it states as its size."""
    return name + struct.pack(">Q", len(data) if size is None else size) + data


def number(value: int) -> bytes:
    """Return a number in groups of 7 bits."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def pakt(
    samples: int, delay: int = 0, padding: int = 0, *, table: Sequence[int] = (), count: int = -1
) -> bytes:
    """Return the chunk with the sizes of the packets."""
    head = struct.pack(">qqii", len(table) if count < 0 else count, samples, delay, padding)
    return chunk(b"pakt", head + b"".join(map(number, table)))


def caf(
    sound: bytes = SOUND,
    *more: bytes,
    codec: tuple[bytes, int, int] = LPCM,
    size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """Return a CAF; `size` is what it states of its sound."""
    name, packet, samples = codec
    desc = struct.pack(">d4s5I", 8000, name, 0, packet, samples, 1, 16)
    size = len(sound) + 4 if size is None else size
    data = chunk(b"data", bytes(4) + sound, size)
    return b"caff\0\1\0\0" + chunk(b"desc", desc) + before + data + b"".join(more)


HUGE = chunk(b"pakt", struct.pack(">qqii", 5 << 20, 0, 0, 0) + bytes(5 << 20))
AAC_S = len(SIZES) * 1024 / 8000


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(caf(), 1.0, id="as it should be"),
        pytest.param(caf(size=TO_THE_END), 1.0, id="to the end"),
        pytest.param(caf(size=0), 1.0, id="never filled in"),
        pytest.param(caf(SOUND, pakt(7000, 600, 400)), 0.875, id="delay and padding"),
        pytest.param(caf(SOUND, pakt(0)), 1.0, id="no count"),
        pytest.param(caf(SOUND, pakt(0, 9000)), 0.0, id="a delay of more than there is"),
        pytest.param(
            caf(PACKETS, pakt(20_000, 400, 80, table=SIZES), codec=AAC), 2.5, id="packets of AAC"
        ),
        pytest.param(
            caf(PACKETS, pakt(0, 480, table=SIZES), codec=AAC), AAC_S - 0.06, id="a count of zero"
        ),
        pytest.param(
            caf(
                PACKETS,
                pakt(0, table=[n for size in SIZES for n in (size, 200)], count=len(SIZES)),
                codec=VORBIS,
            ),
            0.5,
            id="packets of their own lengths",
        ),
        pytest.param(caf(SOUND, bytes(2 << 20)), 1.0, id="zeros after it"),
        pytest.param(caf(SOUND, chunk(b"info", bytes(4)), ID3V1), 1.0, id="a tag after it"),
        pytest.param(caf(SOUND, b"text that is not a chunk"), 1.0, id="a little text after it"),
    ],
)
def test_the_duration_is_that_of_the_bytes(data: bytes, seconds: float) -> None:
    assert measured(data) == (seconds, "")


@pytest.mark.parametrize(
    ("data", "seconds", "words"),
    [
        (caf(size=8004), 0.5, r"states 0\.5 s .* 0\.5 s more"),
        (caf(SOUND, chunk(b"info", bytes(4)), NOISE), 1.0, "followed by 25,400 bytes"),
        (caf() + caf(), 1.0, "followed by another file"),
        (caf(PACKETS, HUGE, codec=AAC), 99.0, "too many packets"),
    ],
)
def test_what_is_odd_but_plays_is_a_warning(data: bytes, seconds: float, words: str) -> None:
    measured_s, warnings = measured(data)
    assert measured_s == seconds
    assert re.search(words, warnings), warnings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (caf()[:-100], "its sound promises 16,004 bytes, 15,904 are there"),
        (caf(SOUND, pakt(7000, 600, 400))[:-4], "its 'pakt' chunk promises"),
        (caf(SOUND, pakt(8002)), "counts 8,002 samples, 8,000 are there"),
        (caf(PACKETS, pakt(30_000, table=SIZES), codec=AAC), "counts 30,000 samples, 20,480 are"),
        (caf(PACKETS, pakt(20_000, table=SIZES[1:], count=20), codec=AAC), "20 packets, it has 19"),
        # As a tool leaves it that has mended the size of the sound of a cut file.
        (caf(PACKETS[:-9], pakt(20_000, table=SIZES), codec=AAC), r"its packets promise 82,240 by"),
        (caf(PACKETS, codec=AAC), "the pakt chunk. are missing"),
        (caf(b""), "contains no sound"),
        (caf(b"", size=TO_THE_END), "contains no sound"),
    ],
)
def test_counts_that_promise_more_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnplayableAudioError, match=words):
        measured(data)


def test_decoding_agrees_with_the_bytes() -> None:
    for data in (caf(SOUND, bytes(2 << 20)), caf(size=8004), sample("caf of alac")):
        seconds, _ = measured(data)
        assert decode_frames(BytesIO(data), "CAF").duration_s == pytest.approx(seconds, abs=0.1)
