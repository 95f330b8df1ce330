"""Ogg: how long it plays whatever its pages say, what is accepted, and what is cut or damaged."""

from collections.abc import Callable
from functools import cache
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.info import AudioInfo
from audiostore.media.probe import decode_frames, read_audio
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import encode, ogg_changed, ogg_page, ogg_pages

UNMARKED = "is not marked as complete: it was recorded live, or cut between two pages"
CHAIN = "is a chain of 2 streams, of which some players play only the first"
JUNK = b"no sound! " * 1200
ENDS = 4


@cache
def made(codec: str, seconds: float = 4.0) -> tuple[bytes, ...]:
    """Return the pages of a file: of Opus and Vorbis about a second each, after two or three."""
    layout = "stereo" if codec == "vorbis" else "mono"
    return tuple(ogg_pages(encode("ogg", codec, seconds=seconds, layout=layout)))


def opus(seconds: float = 4.0) -> bytes:
    return b"".join(made("libopus", seconds))


def inspect(data: bytes) -> AudioInfo:
    """Do what a quick check does."""
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    assert check_structure(BytesIO(data), recognised, len(data)) == ()
    return read_audio(BytesIO(data), "Ogg")


def positions(codec: str, change: Callable[[int], int]) -> bytes:
    pages = made(codec)
    where = [int.from_bytes(page[6:14], "little") for page in pages]
    return b"".join(
        ogg_changed(page, position=change(at)) if at else page
        for page, at in zip(pages, where, strict=True)
    )


def other_serial(data: bytes) -> bytes:
    return b"".join(ogg_changed(page, serial=77) for page in ogg_pages(data))


def without_mark(codec: str, *, last: int | None = None) -> bytes:
    pages = made(codec)[:last]
    return b"".join((*pages[:-1], ogg_changed(pages[-1], flags=0)))


def after_last(position: int, flags: int = ENDS) -> bytes:
    """Return Opus of four seconds whose end is marked by an empty page."""
    page = made("libopus")[-1]
    empty = page[:26] + b"\0"
    return without_mark("libopus") + ogg_changed(empty, flags=flags, position=position)


PLAYED: dict[str, tuple[Callable[[], bytes], float, list[str]]] = {
    # what: data, seconds, warnings
    "no end mark": (lambda: without_mark("libopus"), 4.0135, [UNMARKED]),
    "vorbis without an end mark": (lambda: without_mark("vorbis"), 4.01, [UNMARKED]),
    "cut between two pages": (lambda: without_mark("libopus", last=-2), 2.9935, [UNMARKED]),
    "end marked by an empty page": (lambda: after_last(0), 4.0135, []),
    "end trimmed by an empty page": (lambda: after_last(192_312 - 100), 4.0, []),
    "end at no position": (lambda: after_last(-1), 4.0135, []),
    "chain": (lambda: opus() + other_serial(opus(2.0)), 6.0, [CHAIN]),
    "chain of equal serials": (lambda: opus() + opus(2.0), 6.0, [CHAIN]),
    "chain of two codecs": (lambda: opus() + b"".join(made("flac")), 8.0, [CHAIN]),
    "junk in a chain": (
        lambda: opus() + JUNK + opus(2.0),
        6.0,
        ["contains 12,000 bytes between its pages that are not sound", CHAIN],
    ),
    "opus cropped": (lambda: positions("libopus", lambda at: at + 10**9), 4.0, []),
    "vorbis cropped": (lambda: positions("vorbis", lambda at: at + 10**9), 4.0, []),
    "flac cropped": (lambda: positions("flac", lambda at: at + 10**9), 4.0, []),
    "vorbis cropped within a packet": (lambda: positions("vorbis", lambda at: at - 500), 3.99, []),
    "positions never set": (
        lambda: positions("libopus", lambda _: 0),
        4.0,
        ["plays for 4.0 s, where its pages state 0.0 s"],
    ),
    "vorbis whose positions were never set": (
        lambda: positions("vorbis", lambda _: 0),
        4.0,
        ["plays for 4.0 s, where its pages state 0.0 s"],
    ),
    "end at an absurd position": (lambda: after_last(1 << 62), 4.0135, []),
    "last page at no position": (
        lambda: b"".join((*made("libopus")[:-1], ogg_changed(made("libopus")[-1], position=-1))),
        4.0135,
        [],
    ),
    "junk before it": (
        lambda: JUNK + opus(),
        4.0,
        ["has 12,000 bytes before its first page that are not sound"],
    ),
    "zeros before it": (lambda: bytes(1 << 20) + opus(), 4.0,
        ["has 1,048,576 bytes before its first page that are not sound"],
    ),
    "a server's header before it": (lambda: b"ICY 200 OK\r\n\r\n" + opus(), 4.0, []),
    "positions in another unit": (
        lambda: positions("libopus", lambda at: at * 3),
        4.0,
        ["plays for 4.0 s, where its pages state 10.0 s"],
    ),
    "a page is missing": (
        lambda: b"".join((*made("libopus")[:3], *made("libopus")[4:])),
        4.0,
        ["has a gap of 1.00 s in its sound at 1.0 s"],
    ),
    "junk after it": (
        lambda: opus() + 20 * JUNK,
        4.0,
        ["is followed by 240,000 bytes that are not sound"],
    ),
    "zeros after it": (lambda: opus() + bytes(200_000), 4.0, []),
    "lyrics with it": (
        lambda: (
            b"".join((ogg_changed(ogg_page(b"\x80kate", serial=9)), *made("libopus")))
            + ogg_changed(ogg_page(b"la", serial=9), flags=0)
        ),
        4.0,
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLAYED)
def test_it_plays_as_long_as_its_packets(what: str) -> None:
    make, seconds, warnings = PLAYED[what]
    info = inspect(make())
    assert info.duration_s == pytest.approx(seconds, abs=0.015)
    assert info.duration_is_exact
    assert list(info.warnings) == warnings


def flac_promising_more(*, is_marked: bool) -> bytes:
    """Return Ogg FLAC without its last pages, whose STREAMINFO counts four seconds."""
    head, *pages, last, _, _ = made("flac")
    samples = 28 + 17 + 14  # after the page's header, the mapping's and the block's: its last byte
    counting = head[:samples] + (4 * 48_000).to_bytes(4, "big") + head[samples + 4 :]
    last = ogg_changed(last, flags=ENDS * is_marked)
    return b"".join((ogg_changed(counting), *pages, last))


def test_flac_in_ogg_that_is_cut_shows_by_its_count_unless_its_end_is_marked() -> None:
    with pytest.raises(UnplayableAudioError, match=r"promises 4\.0 s of sound, \d\.\d s are there"):
        inspect(flac_promising_more(is_marked=False))
    info = inspect(flac_promising_more(is_marked=True))
    assert info.duration_s < 3.6
    assert info.warnings == (f"plays for {info.duration_s:.1f} s, where its header states 4.0 s",)


def test_a_packet_that_goes_on_in_a_missing_page_is_a_cut() -> None:
    pages = made("flac", 1.0)
    body = 27 + pages[-1][26]
    continued = pages[-1][:26] + b"\x01\xff" + pages[-1][body : body + 255]
    with pytest.raises(UnplayableAudioError, match="its last packet goes on in a page that is"):
        inspect(b"".join((*pages[:-1], ogg_changed(continued, flags=0))))


@pytest.mark.parametrize("after", [b"", bytes(200_000), 20 * JUNK])
def test_a_last_page_that_is_damaged_is_found_whatever_follows(after: bytes) -> None:
    data = bytearray(opus())
    data[-50] ^= 1
    with pytest.raises(UnplayableAudioError, match="the checksum of its last page is wrong"):
        inspect(bytes(data) + after)


def test_all_links_of_a_chain_are_decoded() -> None:
    """FFmpeg alone decodes links that are alike, and trims none but the last."""
    files = [
        encode("ogg", codec, seconds=1.0, layout="mono" if codec == "flac" else "stereo")
        for codec in ("vorbis", "flac", "libopus")
    ]
    chain = b"".join((*files, other_serial(files[0]), JUNK, *files)) + bytes(200_000)
    decoded = decode_frames(BytesIO(chain), "Ogg")
    assert decoded.duration_s == pytest.approx(7.0)
    assert read_audio(BytesIO(chain), "Ogg").duration_s == pytest.approx(7.0)


@pytest.mark.parametrize(
    "what",
    ["no end mark", "opus cropped", "vorbis cropped within a packet",
     "end marked by an empty page", "end at no position", "a page is missing", "lyrics with it",
     "vorbis whose positions were never set", "end at an absurd position", "junk before it",
     "last page at no position"],
)  # fmt: skip
def test_a_full_check_agrees(what: str) -> None:
    make, seconds, warnings = PLAYED[what]
    decoded = decode_frames(BytesIO(make()), "Ogg")
    assert decoded.duration_s == pytest.approx(seconds, abs=0.03)
    assert [w for w in decoded.warnings if w not in warnings] == []
