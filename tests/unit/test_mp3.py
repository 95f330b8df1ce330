"""MP3 by its bytes: how long it is, what is cut short, and what else may be in the file."""

import struct
from io import BytesIO

import pytest

from audiostore.media.kinds import Measured, Stated
from audiostore.media.parsing.mpeg import seconds_per_frame
from audiostore.media.parsing.reading import Reader
from audiostore.media.probe import decode_frames
from audiostore.media.recognition import identify, recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import ID3V1, LYRICS3, ape, id3, sample
from tests.timing import few_calls

FILLING = b"\x5a"
FRAME_S = 1152 / 44_100

SECOND = {"mpeg 1": 0xFB, "mpeg 2": 0xF3, "mpeg 2.5": 0xE3, "layer II": 0xFD}
KBIT_128, KBIT_32 = 9, 1


def frame(
    bit_rate: int = KBIT_128,
    *,
    second: int = SECOND["mpeg 1"],
    rate: int = 0,
    padding: int = 0,
    body: bytes = b"",
) -> bytes:
    """Return a frame of layer III, of 44,100 Hz unless the rate says otherwise."""
    kind = second | 1
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    if kind == SECOND["layer II"]:
        kbits = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
    elif kind != SECOND["mpeg 1"]:
        kbits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    hertz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[second >> 3 & 3]
    slots = 144 if kind in (SECOND["mpeg 1"], SECOND["layer II"]) else 72
    size = slots * 1000 * kbits[bit_rate] // hertz + padding
    head = bytes((0xFF, second, bit_rate << 4 | rate << 2 | padding << 1, 0x00))
    return (head + body).ljust(size, FILLING)


def xing(
    frames: int | None, size: int | None = None, *, lame: tuple[int, int, int] | None = None
) -> bytes:
    """Return a first frame that counts the others; `lame` is its delay, padding and bytes."""
    flags = (frames is not None) | (size is not None) << 1
    values = [value for value in (frames, size) if value is not None]
    body = bytes(32) + b"Info" + struct.pack(f">I{len(values)}I", flags, *values)
    if lame:
        delays = (lame[0] << 12 | lame[1]).to_bytes(3, "big")
        body += b"LAME3.100" + bytes(12) + delays + bytes(4) + struct.pack(">I", lame[2])
    return frame(body=body + bytes(20))


def vbri(frames: int, size: int) -> bytes:
    return frame(body=bytes(32) + b"VBRI" + bytes(6) + struct.pack(">II", size, frames) + bytes(20))


FRAMES = frame() * 200
MP3_HEAD = frame()[:4]
SIZE = len(frame()) * 201


def looked_at(data: bytes) -> Measured | str:
    """Return what is known of a file; why it is refused."""
    stream = BytesIO(data)
    found = recognise(stream)
    assert found is not None
    assert found.format.name == "MP3"
    try:
        warnings = check_structure(stream, found, len(data))
    except ValueError as error:
        return str(error).removeprefix("the file ")
    assert warnings == ()
    reader = Reader(stream, reads=1000, total=(1 << 20) + len(data), window=4096)
    assert found.format.measure is not None
    measured = found.format.measure(Stated(0.0, "mp3", b"", reader, found.offset))
    assert measured is not None
    return measured


def lasts(data: bytes, frames: float, *warnings: str) -> None:
    """Check that a file is accepted with this many frames of 44,100 Hz."""
    measured = looked_at(data)
    assert isinstance(measured, Measured), measured
    assert measured.seconds == pytest.approx(frames * FRAME_S)
    assert measured.is_exact
    assert measured.warnings == warnings


# -- duration --------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("rate", [0, 1, 2])
def test_frames_are_counted_at_every_rate(second: int, rate: int) -> None:
    data = b"".join(
        frame(bit_rate, second=second, rate=rate, padding=padding) * count
        for bit_rate, padding, count in ((9, 0, 1), (9, 1, 300), (1, 0, 31), (14, 1, 32), (5, 0, 2))
    )
    measured = looked_at(data)
    assert isinstance(measured, Measured)
    assert measured.seconds == pytest.approx(366 * seconds_per_frame(second, rate << 2))


@pytest.mark.parametrize("pieces", [(1, 30_000), (29_999, 2), (3, 655, 700, 1)])
def test_frames_are_counted_across_the_pieces_that_are_read(pieces: tuple[int, ...]) -> None:
    parts = [frame(9 - i % 2, padding=i % 2) * count for i, count in enumerate(pieces)]
    lasts(b"".join(parts), sum(pieces))


@pytest.mark.parametrize(
    ("first", "frames"),
    [
        (xing(200, SIZE), 200),
        (xing(200), 200),
        (xing(0, 0), 200),  # written to a pipe, and never filled in
        (xing(None), 200),
        (xing(201, SIZE), 200),  # some writers count it itself
        (xing(200, SIZE, lame=(576, 1000, SIZE)), 200 - 1576 / 1152),
        (xing(200, SIZE, lame=(4000, 4000, SIZE)), 200 - 8000 / 1152),
        (vbri(200, SIZE), 200),
    ],
)
def test_the_first_frame_and_what_encoders_add_is_not_played(first: bytes, frames: float) -> None:
    lasts(first + FRAMES, frames)


def test_a_count_in_a_frame_with_a_checksum_is_found() -> None:
    first = frame(second=0xFA, body=bytes(34) + b"Xing" + struct.pack(">II", 1, 400))
    assert looked_at(first + FRAMES) == (
        "is cut short: its header promises 10.4 s of sound, 5.2 s are there (50 %)"
    )


# -- counts ----------------------------------------------------------------------------------------


BYTES = f"its header promises {2 * SIZE:,} bytes, {SIZE:,} are there (50 %)"


@pytest.mark.parametrize(
    ("first", "flaw"),
    [
        (xing(400), "its header promises 10.4 s of sound, 5.2 s are there (50 %)"),
        (xing(202), "its header promises 5.3 s of sound, 5.2 s are there (99 %)"),
        (xing(400, SIZE // 2), "its header promises 10.4 s of sound, 5.2 s are there (50 %)"),
        (vbri(400, 0), "its header promises 10.4 s of sound, 5.2 s are there (50 %)"),
        (xing(None, 2 * SIZE), BYTES),
        (vbri(0, 2 * SIZE), BYTES),
        (xing(None, lame=(0, 0, 2 * SIZE)), BYTES),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tag", [b"", ID3V1, ape() + ID3V1, id3(9000)], ids=range(4))
def test_a_count_of_more_than_is_there_shows_a_cut(first: bytes, flaw: str, tag: bytes) -> None:
    if "bytes" in flaw and tag:
        assert str(looked_at(first + FRAMES + tag)).startswith("is cut short")
    else:
        assert looked_at(first + FRAMES + tag) == f"is cut short: {flaw}"


def test_a_count_of_frames_that_all_bytes_disprove_is_a_warning() -> None:
    states = "has 5.2 s of sound, where its header states 52.2 s"
    lasts(xing(2000, SIZE) + FRAMES, 200, states)
    lasts(xing(2000, SIZE) + FRAMES + ID3V1, 200, states)


def test_bytes_that_count_the_tags_are_no_cut() -> None:
    lasts(xing(200, SIZE + 128) + FRAMES + ID3V1, 200)
    lasts(id3(500) + xing(200, SIZE + 510) + FRAMES, 200)


def test_sound_that_the_count_leaves_out_is_counted_and_named() -> None:
    follow = "5.2 s more follow that some players do not play"
    more = f"has a header that states 5.2 s of sound, and {follow}"
    first = xing(200, SIZE) + FRAMES
    lasts(first + FRAMES, 400, more)
    lasts(first + ID3V1 + id3(70_000) + ape(in_front=True) + FRAMES + ID3V1, 400, more)
    lasts(first + bytes(300) + FRAMES, 400, more)
    other = frame(second=SECOND["mpeg 2"], rate=1, bit_rate=8) * 200  # 24,000 Hz, 24 ms
    lasts(xing(None) + FRAMES + other + FRAMES, 400 + 200 * 0.024 / FRAME_S)


# -- what is not sound -----------------------------------------------------------------------------

JUNK = bytes(range(1, 255)) * 40
N = f"{len(JUNK):,}"


@pytest.mark.parametrize(
    ("before", "warning"),
    [
        (b"\0" * 10, ()),
        (b"ID3\4\0\0\xff\xff\xff\xff" + JUNK[:3000], ()),  # a tag of an impossible size
        (bytes(1 << 20), ("has 1,048,576 bytes before its first frame that are not sound",)),
        (JUNK, (f"has {N} bytes before its first frame that are not sound",)),
        (id3(900) + JUNK, (f"has {N} bytes before its first frame that are not sound",)),
        (MP3_HEAD * 1500, ("has 6,000 bytes before its first frame that are not sound",)),
    ],
    ids=range(6),
)  # fmt: skip
def test_junk_before_the_sound_is_skipped(before: bytes, warning: tuple[str, ...]) -> None:
    lasts(before + FRAMES, 200, *warning)


def test_two_frames_after_junk_are_found_if_nothing_follows() -> None:
    lasts(JUNK[:300] + frame() * 2, 2)
    lasts(frame() * 2 + id3(50), 2)
    assert isinstance(identify(BytesIO(JUNK[:300] + frame() * 2 + JUNK[:300])), str)


def test_junk_between_the_frames_is_named() -> None:
    lasts(FRAMES + JUNK[:400] + FRAMES, 400)
    between = f"has {N} bytes between its frames that are not sound"
    lasts(FRAMES + JUNK + FRAMES, 400, between)
    lasts(FRAMES + JUNK[:1_501] + FRAMES, 400, between.replace(N, "1,501"))
    lasts(FRAMES + frame()[:-1] + FRAMES, 400)
    lasts(frame() + FRAMES + bytes(len(JUNK)) + FRAMES, 401, between)
    lost = xing(400, 2 * SIZE) + FRAMES + bytes(3 * len(frame())) + frame() * 197
    assert looked_at(lost) == (
        "is damaged: its header promises 400 frames, 397 are there,"
        f" and {3 * len(frame()):,} bytes between its frames are not sound"
    )


@pytest.mark.parametrize(
    ("after", "warning"),
    [
        (ID3V1, ()),
        (id3(90_000), ()),
        (id3(90_000) + ape(9000) + LYRICS3 + ID3V1, ()),
        (bytes(100_000) + ID3V1, ()),
        (JUNK, (f"is followed by {N} bytes that are not sound",)),
        (JUNK + ID3V1, (f"is followed by {N} bytes that are not sound",)),
        (id3(90_000) + JUNK, (f"is followed by {N} bytes that are not sound",)),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("first", [b"", xing(200, SIZE)], ids=["bare", "counted"])
def test_what_follows_the_sound_is_not_sound(
    first: bytes, after: bytes, warning: tuple[str, ...]
) -> None:
    lasts(first + FRAMES + after, 200, *warning)


@pytest.mark.parametrize("tag", [b"", ID3V1, ape(9000), id3(9000), id3(9000) + ID3V1], ids=range(5))
def test_a_cut_in_the_last_frame_shows_whatever_follows(tag: bytes) -> None:
    for missing in (1, 200, 400):
        flaw = str(looked_at(FRAMES[:-missing] + tag))
        assert flaw.startswith("is cut short")


def test_zeros_from_within_the_last_frame_are_named() -> None:
    """As a download leaves them that made room for the whole file and then broke off."""
    half = FRAMES[:-200]
    zeros = "continues with zero bytes from within its last frame: it may be cut short"
    lasts(half + bytes(80_000), 200, zeros)
    assert "is cut short" in str(looked_at(xing(400) + half + bytes(80_000)))
    silent = frame(body=b"\1").rstrip(FILLING).ljust(len(frame()), b"\0")
    lasts(silent * 200 + bytes(80_000), 200)


def test_full_checks_say_where_frames_do_not_decode() -> None:
    data = bytearray(sample("mp3 without a count"))
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xff\xfb" * 1000
    with pytest.raises(ValueError, match=r"at [01]\.\d s"):
        decode_frames(BytesIO(bytes(data)), "MP3")


# -- cost ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [MP3_HEAD, b"\xff", frame(1) * 2 + b"\0", frame(1) * 3 + b"\0", b"ID3\4\0\0\0\0\0\0"],
    ids=range(5),
)  # fmt: skip
def test_what_looks_like_frames_takes_little_work(piece: bytes) -> None:
    data = FRAMES + piece * ((1 << 20) // len(piece))
    with few_calls(1_000_000):
        measured = looked_at(data)
    assert isinstance(measured, Measured)
    if not measured.is_exact:
        assert "what follows byte" in measured.warnings[0]
