"""MP4: bytes after whole sound do no harm, and every count in the index is compared."""

import struct
from io import BytesIO

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.faststart import needs_faststart, write_faststart
from audiostore.media.kinds import Measured, Stated
from audiostore.media.parsing.reading import Reader
from audiostore.media.probe import decode_frames, read_audio
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure, find_audio_data
from tests.audio_samples import ID3V1, ape, box, encode, id3, sample

JUNK = bytes(range(1, 256)) * 40
LAST, FIRST, FRAGMENTS = "m4a", "m4a with moov in front", "m4a in fragments"


def check(data: bytes) -> tuple[str, ...]:
    """Check the structure; return the warnings."""
    recognised = recognise(BytesIO(data))
    assert recognised is not None
    return check_structure(BytesIO(data), recognised, len(data))


def replaced(data: bytes, kind: bytes, at: int, value: bytes) -> bytes:
    """Return the data with other bytes within the last box of a type."""
    start = data.rindex(kind) + 4 + at
    return data[:start] + value + data[start + len(value) :]


# -- after the sound -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trailer", "warnings"),
    [
        (ID3V1, 0),
        (bytes(100_000), 0),
        (ape(9_000) + ID3V1, 0),
        (id3(9_000), 0),
        (b"<html>not found</html>", 0),
        (box(b"free", bytes(90))[:40], 0),
        (struct.pack(">I4s", 7, b"uuid") + bytes(200), 0),
        (JUNK, 1),
        (JUNK + ID3V1, 1),
    ],
    ids=["ID3v1", "zeros", "APE", "ID3v2", "text", "cut box", "broken box", "junk", "junk and tag"],
)
@pytest.mark.parametrize("name", [LAST, FIRST, FRAGMENTS])
def test_what_follows_whole_sound_is_no_damage(name: str, trailer: bytes, warnings: int) -> None:
    data = sample(name) + trailer
    assert check(data) == (f"is followed by {len(JUNK):,} bytes that are not sound",) * warnings
    before, found = recognise(BytesIO(sample(name))), recognise(BytesIO(data))
    assert before is not None
    assert found is not None
    assert needs_faststart(BytesIO(data)) == (name == LAST)
    parts = find_audio_data(BytesIO(data), found, len(data))
    whole = find_audio_data(BytesIO(sample(name)), before, len(sample(name)))
    assert parts is not None
    assert whole is not None
    assert parts._edges == whole._edges  # type: ignore[attr-defined]


def test_an_index_moves_to_the_front_past_what_follows_it() -> None:
    moved = BytesIO()
    write_faststart(BytesIO(sample(LAST) + ID3V1), moved)
    assert moved.getvalue().endswith(ID3V1)
    assert not needs_faststart(moved)
    assert (
        decode_frames(moved, "MP4").samples == decode_frames(BytesIO(sample(LAST)), "MP4").samples
    )


def test_sound_that_claims_more_bytes_than_its_index_needs_is_whole() -> None:
    data = sample(FIRST)
    at = data.rindex(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    (warning,) = check(data[:at] + struct.pack(">I", size + 8) + data[at + 4 :])
    assert warning.startswith(f"states {size:,} bytes of sound, {size - 8:,} are there")
    for cut in (data[:-1], sample(FRAGMENTS)[:-300], sample(LAST)[:-300]):
        with pytest.raises(UnplayableAudioError, match="is cut short"):
            check(cut)


# -- counts ---------------------------------------------------------------------------------------


def measured(data: bytes) -> Measured:
    """Return the duration, which FFmpeg need not know."""
    found = recognise(BytesIO(data))
    assert found is not None
    assert found.format.measure is not None
    reader = Reader(
        BytesIO(data),
        reads=200 + len(data) // (64 << 10),
        total=len(data) + (1 << 20),
        window=4 << 10,
    )
    result = found.format.measure(Stated(0.0, "aac", b"", reader, 0))
    if isinstance(result, str):
        raise UnplayableAudioError(result)
    assert result is not None
    return result


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def without(data: bytes, kind: bytes) -> bytes:
    """Return the data with the last box of a type renamed, so that nobody finds it."""
    return replaced(data, kind, -4, b"skip")


def gapless(delay: int, padding: int, length: int) -> bytes:
    """Return iTunes' tag of what an encoder added."""
    text = f" 00000000 {delay:08X} {padding:08X} {length:016X}".encode() + b" 00000000" * 8
    mean = box(b"mean", bytes(4) + b"com.apple.iTunes")
    return box(b"----", mean + box(b"name", bytes(4) + b"iTunSMPB") + box(b"data", bytes(8) + text))


def with_gapless(delay: int, padding: int, length: int) -> bytes:
    """Return an MP4 that says by iTunes' tag alone what is not played of its 97,024 samples."""
    items = box(b"ilst", gapless(delay, padding, length))
    meta = box(b"meta", bytes(4) + box(b"hdlr", bytes(25)) + items)
    data = without(without(sample(LAST), b"edts"), b"udta")
    at = data.rindex(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    added = box(b"udta", meta)
    return data[:at] + number(size + len(added)) + data[at + 4 : at + size] + added


PLAYS = 2.0  # 97,024 samples at 48 kHz, of which the first 1,024 are not played
ALL = 97_024 / 48_000


@pytest.mark.parametrize(
    ("data", "seconds", "warning"),
    [
        (sample(LAST), PLAYS, ""),
        (sample("m4b with pictures"), PLAYS, ""),
        (without(sample(LAST), b"edts"), ALL, ""),
        (replaced(sample(LAST), b"mdhd", 16, bytes(4)), PLAYS, ""),
        (replaced(sample(LAST), b"mdhd", 16, b"\xff" * 4), PLAYS, ""),
        (replaced(sample(LAST), b"mdhd", 16, number(480_000)), PLAYS, "states a duration of 10.00"),
        (replaced(sample(LAST), b"mdhd", 16, number(4_800)), PLAYS, "states a duration of 0.10 s"),
        (replaced(sample(LAST), b"mvhd", 16, number(60_000)), PLAYS, "states a duration of 60.00"),
        (replaced(sample(LAST), b"elst", 8, number(0)), PLAYS, ""),
        (replaced(sample(LAST), b"elst", 8, number(90_000)), PLAYS, ""),
        (replaced(sample(LAST), b"elst", 8, number(500)), 0.5, "has 2.02 s of sound, of which its"),
        (replaced(sample(LAST), b"elst", 12, b"\xff" * 4), ALL, ""),
        (replaced(sample(LAST), b"stts", 8, number(91)), 1.984, ""),  # the last has 768 samples
        (replaced(sample(LAST), b"stts", 20, b"\xff" * 4), 95_233 / 48_000, ""),
        (with_gapless(1024, 924, 95_076), 95_076 / 48_000, ""),
        (with_gapless(2048, 1848, 190_152), 95_076 / 48_000, ""),  # HE-AAC
        (with_gapless(1024, 924, 20), ALL, ""),
        (sample(FRAGMENTS), ALL, ""),
    ],
    ids=range(18),
)  # fmt: skip
def test_the_samples_decide_how_long_it_plays(data: bytes, seconds: float, warning: str) -> None:
    found = measured(data)
    assert found.is_exact
    assert found.seconds == pytest.approx(seconds, abs=0.0001)
    assert [each[: len(warning)] for each in found.warnings] == [warning][: bool(warning)]


def with_more_sound(data: bytes, extra: bytes) -> bytes:
    """Return the data with more in the box of sound than the index names."""
    at = data.rindex(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    end = at + size
    return data[:at] + number(size + len(extra)) + data[at + 4 : end] + extra + data[end:]


def test_sound_that_the_index_does_not_name_is_mentioned() -> None:
    assert measured(with_more_sound(sample(LAST), JUNK[:4000])).warnings == ()
    found = measured(with_more_sound(sample(LAST), JUNK))
    assert found.warnings == (f"holds {len(JUNK):,} bytes of sound that its index does not name",)
    assert found.seconds == PLAYS


@pytest.mark.parametrize(
    ("kind", "at", "value", "words"),
    [
        (b"stsz", 8, number(1000), "is damaged: its index counts 1,000 frames and has 95 sizes"),
        (b"stsz", 8, number(50), "its index promises 95 frames of sound, and has 50"),
        (b"stts", 8, number(104), "its index promises 105 frames of sound, and has 95"),
        (b"stsc", 12, number(1), "its index promises 95 frames of sound, and has "),
        (b"stsz", 12, number(10**6), r"cut short: the frames in its index have 1,0\d\d,\d+ bytes"),
        (b"stco", 8, number(8), "is damaged: its index points at bytes that are not sound"),
        (b"stco", 8, number(10**9), "is damaged: its index points at bytes that are not sound"),
    ],
)
def test_an_index_that_promises_more_than_there_is_is_refused(
    kind: bytes, at: int, value: bytes, words: str
) -> None:
    with pytest.raises(UnplayableAudioError, match=words):
        measured(replaced(sample(LAST), kind, at, value))


def fragmented(*flags: str) -> bytes:
    options = {"movflags": "+".join(("default_base_moof", *flags)), "frag_duration": "500000"}
    return encode("mp4", "aac", options=options)


def with_promise(data: bytes, milliseconds: int) -> bytes:
    """Return the data with a header (mehd) that says how long all fragments last."""
    promise = box(b"mehd", bytes(4) + number(milliseconds))
    for kind in (b"moov", b"mvex"):
        at = data.rindex(kind) - 4
        size = int.from_bytes(data[at : at + 4], "big") + len(promise)
        data = data[:at] + number(size) + data[at + 4 :]
    at = data.rindex(b"mvex") + 4
    return data[:at] + promise + data[at:]


@pytest.mark.slow
def test_fragments_are_counted_and_compared_with_what_promises_them() -> None:
    plain = fragmented("empty_moov", "skip_trailer")
    assert measured(plain).seconds == pytest.approx(ALL)
    assert measured(fragmented("delay_moov")).seconds == pytest.approx(PLAYS)  # by its edit list
    half = plain[: plain.index(b"moof", len(plain) // 2) - 4]
    assert 0.4 < measured(half).seconds < 1.6
    assert measured(with_promise(plain, 2021)).seconds == pytest.approx(ALL)
    with pytest.raises(UnplayableAudioError, match=r"promises 2\.0 s of sound, 1\.\d s are there"):
        measured(with_promise(half, 2021))
    indexed = fragmented("dash", "global_sidx")
    assert measured(indexed).seconds == pytest.approx(ALL)
    with pytest.raises(
        UnplayableAudioError, match=r"its segments end at byte [\d,]+ by their index"
    ):
        measured(indexed[: indexed.rindex(b"moof") - 4])


def test_many_small_fragments_take_few_reads() -> None:
    data = fragmented("empty_moov", "skip_trailer")
    first = data.index(b"moof") - 4
    end = data.index(b"moof", first + 8) - 4
    one = measured(data[:end]).seconds
    assert measured(data[:end] + data[first:end] * 1999).seconds == pytest.approx(one * 2000)


@pytest.mark.parametrize("scale", [24_000, 96_000, 134_261_828])
def test_a_wrong_time_scale_does_not_make_frames_longer_or_shorter(scale: int) -> None:
    info = read_audio(BytesIO(replaced(sample(LAST), b"mdhd", 12, number(scale))), "MP4")
    assert info.duration_s == pytest.approx(PLAYS)
    assert [each.startswith("states a duration of ") for each in info.warnings] == [True]


def test_the_delay_of_opus_is_left_out_also_without_an_edit_list() -> None:
    for data in (sample("m4a of opus"), without(sample("m4a of opus"), b"edts")):
        assert read_audio(BytesIO(data), "MP4").duration_s == pytest.approx(2.0)
