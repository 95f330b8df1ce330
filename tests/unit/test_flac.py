"""FLAC: how long it plays whatever its header says, what is accepted, and what is refused."""

from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from random import Random

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.info import AudioInfo
from audiostore.media.parsing.flac import crc16_is_zero
from audiostore.media.probe import decode_frames, read_audio
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import id3, sample

RATE = 8000
SIZES = (4096, 1152, 576, 2304, 4608, 192)
TEXT = b"no sound! " * 3000
NOISE = b"".join(bytes([n * n * 7 >> 3 & 255, n * 31 >> 2 & 255]) for n in range(9, 40_000))


def crc(data: bytes, bits: int, polynomial: int) -> bytes:
    value = int.from_bytes(data + bytes(bits // 8), "big")
    while (shift := value.bit_length() - bits - 1) >= 0:
        value ^= polynomial << shift
    return value.to_bytes(bits // 8, "big")


def frame(number: int, size: int, *, counts_samples: bool = False) -> bytes:
    """Return a frame of mono samples, all of the same value."""
    numbered = chr(number).encode() if number < 0x800 else _coded(number)
    head = bytes([0xFF, 0xF8 | counts_samples, 0x74, 0x08]) + numbered
    head += (size - 1).to_bytes(2, "big")
    body = head + crc(head, 8, 0x107) + b"\0\1\2"
    return body + crc(body, 16, 0x18005)


def _coded(number: int) -> bytes:
    return bytes([0xE0 | number >> 12, 0x80 | number >> 6 & 0x3F, 0x80 | number & 0x3F])


def flac(
    frames: Sequence[bytes],
    samples: int,
    *,
    blocks: tuple[int, int] = (4096, 4096),
    padding: int = 0,
) -> bytes:
    info = blocks[0].to_bytes(2, "big") + blocks[1].to_bytes(2, "big") + bytes(6)
    info += (RATE << 44 | 15 << 36 | samples).to_bytes(8, "big") + bytes(16)
    empty = b"\1\0\0\0" * max(0, padding - 1) + b"\x81\0\0\0" * bool(padding)
    head = b"fLaC" + bytes([0 if padding else 0x80]) + b"\0\0\x22" + info
    return head + empty + b"".join(frames)


@cache
def fixed(count: int = 20, *, first: int = 0) -> tuple[bytes, ...]:
    return tuple(frame(first + n, 4096) for n in range(count))


def varying(*, counts_samples: bool = True) -> list[bytes]:
    places = [sum(SIZES[:n]) for n in range(len(SIZES))]
    pairs = zip(places, SIZES, strict=True)
    return [frame(at, size, counts_samples=counts_samples) for at, size in pairs]


def uncounted(name: str = "flac") -> bytes:
    data = bytearray(sample(name))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def inspect(data: bytes) -> AudioInfo:
    """Do what a quick check does."""
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert check_structure(BytesIO(data), recognised, len(data)) == ()
    return read_audio(BytesIO(data), "FLAC")


WHOLE = 20 * 4096
MORE = "plays for {:.1f} s, where its header states {:.1f} s: some players stop there"
FOLLOWED = "is followed by {:,} bytes that are not sound"

PLAYED: dict[str, tuple[Callable[[], bytes], int, list[str]]] = {
    # what: data, samples, warnings
    "plain": (lambda: flac(fixed(), WHOLE), WHOLE, []),
    "many padding blocks": (lambda: flac(fixed(), WHOLE, padding=1500), WHOLE, []),
    "no count": (lambda: flac(fixed(), 0), WHOLE, []),
    "a shorter last frame": (
        lambda: flac((*fixed(), frame(20, 100)), WHOLE + 100),
        WHOLE + 100,
        [],
    ),
    "varying blocks": (lambda: flac(varying(), sum(SIZES), blocks=(192, 4608)), sum(SIZES), []),
    "varying blocks of before 1.2.0": (
        lambda: flac(varying(counts_samples=False), sum(SIZES), blocks=(192, 4608)),
        sum(SIZES),
        [],
    ),
    "those without a count": (
        lambda: flac(varying(counts_samples=False), 0, blocks=(192, 4608)),
        sum(SIZES),
        [],
    ),
    "numbered frames, blocks said to vary": (
        lambda: flac(fixed(), WHOLE, blocks=(16, 4096)),
        WHOLE,
        [],
    ),
    "a wrong size of blocks": (lambda: flac(fixed(), WHOLE, blocks=(4608, 4608)), WHOLE, []),
    "cropped": (lambda: flac(fixed(first=700), WHOLE), WHOLE, []),
    "more than stated": (
        lambda: flac(fixed(), 4096),
        WHOLE,
        [MORE.format(WHOLE / RATE, 4096 / RATE)],
    ),
    "two in one": (
        lambda: flac(fixed(), WHOLE) + flac(fixed(7), 7 * 4096),
        27 * 4096,
        [MORE.format(27 * 4096 / RATE, WHOLE / RATE)],
    ),
    "two of the same length in one": (
        lambda: 2 * flac(fixed(), WHOLE),
        2 * WHOLE,
        [MORE.format(2 * WHOLE / RATE, WHOLE / RATE)],
    ),
    "text before it": (
        lambda: TEXT + flac(fixed(), WHOLE),
        WHOLE,
        [f"has {len(TEXT):,} bytes before its first block that are not sound"],
    ),
    "zeros after a tag before it": (
        lambda: id3(0) + bytes(1000) + flac(fixed(), WHOLE),
        WHOLE,
        [],
    ),
    "text after it": (lambda: flac(fixed(), WHOLE) + TEXT, WHOLE, [FOLLOWED.format(len(TEXT))]),
    "noise after it": (lambda: flac(fixed(), 0) + NOISE, WHOLE, [FOLLOWED.format(len(NOISE))]),
    "a tag of a wrong size after it": (
        lambda: sample("flac") + b"LYRICSBEGININD00002xx000026LYRICS200",
        96_000 // (48_000 // RATE),
        [],
    ),
    "zeros after it": (lambda: flac(fixed(), WHOLE) + bytes(200_000), WHOLE, []),
    "text after real sound": (
        lambda: sample("flac") + TEXT,
        96_000 // (48_000 // RATE),
        [FOLLOWED.format(len(TEXT))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLAYED)
def test_it_plays_as_long_as_its_frames(what: str) -> None:
    make, samples, warnings = PLAYED[what]
    info = inspect(make())
    assert info.duration_s == pytest.approx(samples / RATE, abs=1e-6)
    assert info.duration_is_exact
    assert list(info.warnings) == warnings


@pytest.mark.parametrize("what", ["two in one", "text after real sound", "noise after it"])
def test_a_full_check_agrees(what: str) -> None:
    make, samples, _ = PLAYED[what]
    decoded = decode_frames(BytesIO(make()), "FLAC")
    assert decoded.duration_s == pytest.approx(samples / RATE)
    assert decoded.warnings == ()


CUT: dict[str, tuple[Callable[[], bytes], str]] = {
    # what: data, words
    "a count of more": (lambda: flac(fixed(), 2 * WHOLE), r"promises 20\.5 s .* 10\.2 s are"),
    "the end of the last frame": (lambda: uncounted()[:-1], "its last frame, at 1.* is not whole"),
    "all but a header": (lambda: flac(fixed(), 0) + frame(20, 4096)[:9], "its last frame, at 10"),
    "all but part of a header": (
        lambda: flac(fixed(), 0) + frame(20, 4096)[:3],
        "its last frame, at 10",
    ),
    "the end, and text follows": (
        lambda: sample("flac")[:-100] + TEXT,
        "the checksum of its last frame is wrong|is not whole",
    ),
    "the end, and zeros follow": (
        lambda: sample("flac")[:-100] + bytes(200_000),
        "cut short",
    ),
    "half of it, and zeros follow": (lambda: uncounted()[:50_000] + bytes(80_000), "cut short"),
}  # fmt: skip


@pytest.mark.parametrize("what", CUT)
def test_what_is_cut_is_refused(what: str) -> None:
    make, words = CUT[what]
    with pytest.raises(UnplayableAudioError, match=words):
        inspect(make())


def test_more_header_blocks_than_are_looked_at_are_a_limit_and_no_damage() -> None:
    data = flac(fixed(), WHOLE, padding=10_001)
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert check_structure(BytesIO(data), recognised, len(data)) == (
        "has more than 10,000 header blocks: what follows them was not examined",
    )
    assert read_audio(BytesIO(data), "FLAC").duration_s == pytest.approx(WHOLE / RATE)


def crc16(data: bytes) -> int:
    """As RFC 9639 section 9.3 has it, bit by bit."""
    rest = 0
    for byte in data:
        rest ^= byte << 8
        for _ in range(8):
            rest = (rest << 1 ^ (0x18005 if rest & 0x8000 else 0)) & 0xFFFF
    return rest


@pytest.mark.parametrize("size", [0, 1, 2, 13, 14, 15, 16, 29, 30, 31, 255, 4_095, 4_100])
def test_a_frame_matches_its_checksum_and_no_other(size: int) -> None:
    frame = Random(size).randbytes(size)
    right = crc16(frame)
    assert crc16_is_zero(frame + right.to_bytes(2, "big"))
    for bits in (1, 3, 0x8003, 0xC000):  # the second and the third: each seen by one factor alone
        assert not crc16_is_zero(frame + (right ^ bits).to_bytes(2, "big"))
