"""What is read of a file without FFmpeg is what FFmpeg says of it; the odd is left to FFmpeg."""

from collections.abc import Callable

import pytest

from tests.audio_samples import AUDIO, encode, ogg_changed, ogg_page, ogg_pages, sample
from tests.descriptions import accepted, by_ffmpeg, by_headers

pytestmark = pytest.mark.slow

LEFT_TO_FFMPEG = {
    *("aac", "aac after ID3", "aac example"),  # only their frames tell whether they are HE-AAC
    *("m4a in fragments", "m4b with pictures"),
    *("webm", "webm of vorbis", "webm from a pipe", "webm from a browser"),
    *("wma", "caf", "caf of alac", "caf from a pipe"),
}
"""All other samples are described by their headers."""


@pytest.mark.parametrize("name", AUDIO)
def test_headers_say_of_a_sample_what_ffmpeg_says(name: str) -> None:
    data = sample(name)
    found = accepted(data)
    assert found is not None
    described = by_headers(data, found)
    assert described in (None, by_ffmpeg(data, found))
    assert (described is None) == (name in LEFT_TO_FFMPEG)


def swapped(name: str, *changes: tuple[bytes, bytes]) -> bytes:
    """Return a sample with other bytes, of the same number, in places that are there once."""
    data = sample(name)
    for old, new in changes:
        assert data.count(old) == 1
        assert len(old) == len(new)
        data = data.replace(old, new)
    return data


def with_config(config: str) -> bytes:
    """Return the AAC of one channel at 48 kHz with another configuration, of five bytes."""
    return swapped("m4a", (bytes.fromhex("1188 56e5 00"), bytes.fromhex(config)))


def with_box_after(name: str, kind: bytes, more: bytes) -> bytes:
    """Return a sample of which a box in the index, at the end, is followed by another one."""
    data = bytearray(sample(name))
    at = data.index(kind) - 4
    inside = at
    end = at + int.from_bytes(data[at : at + 4])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4a", b"udta"):
        begin = data.index(parent) - 4
        size = int.from_bytes(data[begin : begin + 4])
        if begin < inside < begin + size:
            data[begin : begin + 4] = (size + len(more)).to_bytes(4)
    data[end:end] = more
    return bytes(data)


def box_of(name: str, kind: bytes) -> bytes:
    """Return a box of a sample."""
    begin = sample(name).index(kind) - 4
    return sample(name)[begin : begin + int.from_bytes(sample(name)[begin : begin + 4])]


def after(kind: bytes, data: bytes, offset: int, new: bytes) -> bytes:
    """Return a file with other bytes at an offset after a box's type."""
    at = data.index(kind) + 4 + offset
    return data[:at] + new + data[at + len(new) :]


MOVIES: dict[str, tuple[Callable[[], bytes], bool]] = {
    "aac of which nothing says that it is extended": (lambda: with_config("1188000000"), True),
    "aac of a low rate that may be extended": (lambda: with_config("1308000000"), False),
    "aac of a low rate that is not": (lambda: with_config("130856e500"), True),
    "he-aac that says so at its end": (lambda: with_config("130856e598"), True),
    "he-aac that says so first": (lambda: with_config("2b09880000"), True),
    "he-aac with parametric stereo": (lambda: with_config("eb09880000"), True),
    "he-aac of the same rate": (lambda: with_config("130856e5b0"), False),
    "aac of another kind of stereo": (lambda: with_config("119056e500"), False),
    "aac of 960 samples": (lambda: with_config("118c56e500"), False),
    "aac main": (lambda: with_config("098856e500"), False),
    "aac of a rate in full": (lambda: with_config("1780bb8088"), False),
    "aac whose channels follow": (lambda: with_config("118056e500"), False),
    "a media header of version 2": (lambda: after(b"mdhd", sample("m4a"), 0, b"\2"), False),
    "samples of version 1": (lambda: after(b"stsd", sample("m4a"), 0, b"\1"), False),
    "quicktime's description": (lambda: after(b"mp4a", sample("m4a"), 8, b"\0\1"), False),
    "sound in another file": (lambda: after(b"url ", sample("m4a"), 0, bytes(4)), False),
    "another language": (lambda: after(b"mdhd", sample("m4a"), 20, b"\x15\xc7"), True),
    "english as apple has it": (lambda: after(b"mdhd", sample("m4a"), 20, b"\0\0"), True),
    "french as apple has it": (lambda: after(b"mdhd", sample("m4a"), 20, b"\0\1"), False),
    "no language": (lambda: after(b"mdhd", sample("m4a"), 20, b"\x7f\xff"), True),
    "a box of composition times": (
        lambda: with_box_after("m4a", b"stsz", b"\0\0\0\x10ctts" + bytes(8)),
        False,
    ),
    "a buyer": (lambda: with_box_after("m4a", b"esds", b"\0\0\0\x10pinf" + bytes(8)), True),
    "another layout of channels": (
        lambda: with_box_after("m4a", b"esds", b"\0\0\0\x18chan" + bytes(16)),
        False,
    ),
    "a date": (lambda: with_box_after("m4a", b"meta", b"\0\0\0\x10date2026 May"), True),
    "a place": (lambda: with_box_after("m4a", b"meta", b"\0\0\0\x10loci" + bytes(8)), False),
    "a free box": (lambda: with_box_after("m4a", b"stsz", b"\0\0\0\x10free" + bytes(8)), True),
    "two tracks": (lambda: with_box_after("m4a", b"trak", box_of("m4a", b"trak")), False),
    "two headers of a track": (
        lambda: with_box_after("m4a", b"tkhd", box_of("m4a", b"tkhd")),
        False,
    ),
    "two tables of sizes": (
        lambda: with_box_after("m4a", b"stsz", b"\0\0\0\x14stsz" + bytes(12)),
        False,
    ),
    "alac of 17 bits": (
        lambda: swapped("m4a of alac", (b"\0\x18(\n\x0e", b"\0\x11(\n\x0e")),
        False,
    ),
    "opus of mapping 255": (lambda: after(b"dOps", sample("m4a of opus"), 10, b"\xff"), False),
    "flac of version 1": (lambda: after(b"dfLa", sample("m4a of flac"), 0, b"\1"), False),
    "he-aac in stereo": (
        lambda: encode("ipod", "aac", layout="stereo").replace(
            bytes.fromhex("119056e500"), bytes.fromhex("131056e598")
        ),
        True,
    ),
    "six channels": (lambda: encode("ipod", "aac", layout="5.1"), True),
    "alac in stereo of 44.1 kHz": (
        lambda: encode("ipod", "alac", layout="stereo", rate=44_100),
        True,
    ),
    "tags": (
        lambda: encode("ipod", "aac", tags={"title": "A", "genre": "Pop", "track": "3"}),
        True,
    ),
    "ID3 in front": (lambda: b"ID3\4\0\0\0\0\0\0" + sample("m4a"), False),
    "ID3 at the end": (lambda: sample("m4a") + b"TAG" + bytes(125), False),
}


def pages_with(name: str, number: int, change: Callable[[bytearray], None]) -> bytes:
    """Return a sample of Ogg of which a page was changed, with its right checksum."""
    pages = ogg_pages(sample(name))
    page = bytearray(pages[number])
    change(page)
    pages[number] = ogg_changed(bytes(page))
    return b"".join(pages)


def at(offset: int, new: bytes) -> Callable[[bytearray], None]:
    def change(page: bytearray) -> None:
        place = 27 + page[26] + offset
        page[place : place + len(new)] = new

    return change


def damaged(name: str, number: int) -> bytes:
    """Return a sample of which a page does not match its checksum."""
    pages = ogg_pages(sample(name))
    pages[number] = pages[number][:-1] + bytes([pages[number][-1] ^ 1])
    return b"".join(pages)


def frames_of_other(rate: int) -> bytes:
    """Return FLAC whose header says 48 kHz and whose frames say another rate."""
    pages = [ogg_pages(sample("ogg flac"))[0], *ogg_pages(encode("ogg", "flac", rate=rate))[1:]]
    return b"".join(ogg_changed(page, serial=7) for page in pages)


STREAMS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "a negative bit rate": (
        lambda: pages_with("ogg vorbis", 0, at(20, b"\xff\xff\xff\xff")),
        True,
    ),
    "no bit rate": (lambda: pages_with("ogg vorbis", 0, at(20, bytes(4))), True),
    "another bit rate": (lambda: pages_with("ogg vorbis", 0, at(20, b"\0\xf4\1\0")), True),
    "another version": (lambda: pages_with("ogg vorbis", 0, at(7, b"\1")), False),
    "blocks that shrink": (lambda: pages_with("ogg vorbis", 0, at(28, b"\x8b")), False),
    "no channels": (lambda: pages_with("ogg vorbis", 0, at(11, b"\0")), False),
    "no framing bit": (lambda: pages_with("ogg vorbis", 0, at(29, b"\0")), False),
    "codes that overlap": (lambda: damaged_setup(60), False),
    "a damaged page of headers": (lambda: damaged("ogg vorbis", 1), False),
    "a damaged page of tags": (lambda: damaged("ogg opus", 1), False),
    "opus of version 2": (lambda: pages_with("ogg opus", 0, at(8, b"\2")), False),
    "opus of mapping 255": (lambda: pages_with("ogg opus", 0, at(18, b"\xff")), False),
    "opus without tags": (lambda: pages_with("ogg opus", 1, at(0, b"OpusFlag")), False),
    "another stream beside it": (
        lambda: ogg_changed(ogg_page(b"fishead\0" + bytes(56), serial=9)) + sample("ogg opus"),
        False,
    ),
    "a stream after it": (lambda: sample("opus example") + sample("ogg opus"), True),
    "opus of six channels": (lambda: encode("ogg", "libopus", layout="5.1"), True),
    "flac of 44.1 kHz": (lambda: encode("ogg", "flac", rate=44_100, layout="stereo"), True),
    "flac of another rate than its header has": (lambda: frames_of_other(44_100), False),
    "ID3 in front": (lambda: b"ID3\4\0\0\0\0\0\0" + sample("ogg opus"), True),
    "ID3 at the end": (lambda: sample("ogg opus") + b"TAG" + bytes(125), True),
}


def damaged_setup(offset: int) -> bytes:
    """Return Vorbis with another bit in its codebooks, and right checksums."""
    pages = ogg_pages(sample("ogg vorbis"))
    place = pages[1].index(b"\x05vorbis") + offset
    page = bytearray(pages[1])
    page[place] ^= 8
    return b"".join([pages[0], ogg_changed(bytes(page)), *pages[2:]])


@pytest.mark.parametrize("name", [*MOVIES, *(f"{name} (ogg)" for name in STREAMS)])
def test_headers_that_differ_are_described_as_ffmpeg_does_or_left_to_it(name: str) -> None:
    make, is_described = MOVIES[name] if name in MOVIES else STREAMS[name.removesuffix(" (ogg)")]
    data = make()
    found = accepted(data)
    described = by_headers(data, found) if found else None
    assert (described is not None) == is_described
    assert found is None or described in (None, by_ffmpeg(data, found))


def test_a_negative_bit_rate_of_vorbis_is_unknown() -> None:
    """It was 4,294,967,295."""
    data = STREAMS["a negative bit rate"][0]()
    found = accepted(data)
    assert found is not None
    info = by_ffmpeg(data, found)
    assert not isinstance(info, str)
    assert info.bitrate_bps == pytest.approx(8 * len(data) / info.duration_s, rel=0.01)
