"""Whatever headers are changed to: what is described by them, FFmpeg accepts and describes alike.

FFmpeg's own rules are not written down; so most of what is odd is left to it.
"""

import random
from collections.abc import Iterator

import pytest

from audiostore.media.info import AudioInfo
from tests.audio_samples import AUDIO, ogg_changed, ogg_pages, sample
from tests.descriptions import accepted, by_ffmpeg, by_headers
from tests.fuzzing import examples

USUAL = 25
NUMBERS = (
    *(bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0"),
    *(b"\0\0\0\1", b"\1\0\0\0", b"\xff\xff\xff\x7f", b"\0\1\0\0"),
)
WORDS = (
    *(b"moov", b"trak", b"mdhd", b"stsd", b"stsz", b"stts", b"elst", b"dref", b"udta", b"meta"),
    *(b"free", b"esds", b"alac", b"wave", b"chan", b"covr", b"data", b"uuid", b"sbgp", b"ctts"),
    *(b"LIST", b"data", b"fact", b"id3 ", b"COMM", b"SSND", b"fLaC", b"OggS", b"TAG+", b"ID3\4"),
)
FIELDS = ("codec", "sample_rate_hz", "channels", "bits_per_sample", "duration_s", "bitrate_bps")


def changed(rng: random.Random, data: bytes, start: int, end: int) -> bytes:
    """Return data with one to three changes between two places."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(start, max(start + 1, min(end, len(found))))
        match rng.randrange(8):
            case 0 | 1:
                found[at : at + 1] = bytes([data[at % len(data)] ^ 1 << rng.randrange(8)])
            case 2:
                found[at : at + 1] = bytes([rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF))])
            case 3:
                found[at : at + 4] = rng.choice(NUMBERS)
            case 4:
                found[at : at + 4] = rng.choice(WORDS)
            case 5:
                found[at : at + 2] = rng.randbytes(2)
            case 6:
                del found[at : at + rng.randrange(1, 40)]
            case 7:
                found[at:at] = rng.randbytes(rng.randrange(1, 40))
    return bytes(found)


def changed_page(rng: random.Random, data: bytes) -> bytes:
    """Return an Ogg file of which one of the first pages was changed, and matches its checksum."""
    pages = ogg_pages(data)
    number = rng.randrange(min(len(pages), 4))
    page = bytearray(pages[number])
    body = 27 + page[26]
    end = len(page) if rng.random() < 0.3 else min(len(page), body + 60)
    match rng.randrange(6):
        case 0:
            page[5] ^= rng.choice((1, 2, 4))
        case 1:
            page[rng.randrange(6, 18)] ^= 1 << rng.randrange(8)
        case 2:
            page[27 + rng.randrange(page[26])] ^= 1 << rng.randrange(8)
        case _:
            page[body:] = changed(rng, bytes(page), body, end)[body : len(page)].ljust(
                len(page) - body, b"\0"
            )
    pages[number] = ogg_changed(bytes(page))
    if rng.random() < 0.1:
        pages.insert(number, pages[number])
    return b"".join(pages)


def mutations(rng: random.Random, data: bytes, count: int) -> Iterator[bytes]:
    """Yield a file with other headers, again and again: those of MP4 are at the end."""
    index = data.rfind(b"moov") if data[4:8] == b"ftyp" else -1
    for _ in range(count):
        chance = rng.random()
        if data.startswith(b"OggS") and chance < 0.8:
            yield changed_page(rng, data)
        elif index > 0 and chance < 0.75:
            yield changed(rng, data, index, len(data))
        elif chance < 0.9:
            yield changed(rng, data, 0, min(700, len(data)))
        elif chance < 0.95:
            yield data[: rng.randrange(1, len(data))]
        else:
            yield changed(rng, data, 0, len(data))


@pytest.mark.parametrize("name", AUDIO)
def test_what_headers_say_is_what_ffmpeg_says(name: str) -> None:
    data = sample(name)
    for mutated in mutations(random.Random(f"{name} 1"), data, examples(USUAL)):
        found = accepted(mutated)
        described = by_headers(mutated, found) if found else None
        if found is None or described is None:
            continue
        judged = by_ffmpeg(mutated, found)
        assert isinstance(judged, AudioInfo), judged
        assert [getattr(described, field) for field in FIELDS] == [
            getattr(judged, field) for field in FIELDS
        ]
        assert described == judged
