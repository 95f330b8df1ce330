"""MP4 with its index moved to the front: the same sound, tags and pictures, sample by sample."""

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from audiostore.errors import UnplayableAudioError, UnsupportedFormatError
from audiostore.media.faststart import (
    MAX_MOOV_BYTES,
    _Box,
    _moved_index,
    needs_faststart,
    write_faststart,
)
from audiostore.media.probe import read_audio
from tests.unit.test_probe import encode

LANTERNS = (Path(__file__).parents[2] / "examples" / "paper-lanterns.m4a").read_bytes()


def faststart(data: bytes) -> bytes:
    out = io.BytesIO()
    write_faststart(io.BytesIO(data), out)
    return out.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def kinds(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
    return found


def samples(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with av.open(io.BytesIO(data), "r") as file:
        return np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], axis=1)


def made(tmp_path: Path, codec: str = "aac", **options: str) -> bytes:
    path = tmp_path / "made.m4a"
    encode(path, "mp4", codec, container_options=options)
    return path.read_bytes()


def test_the_sound_tags_and_artwork_survive_sample_by_sample() -> None:
    assert needs_faststart(io.BytesIO(LANTERNS))
    moved = faststart(LANTERNS)
    assert not needs_faststart(io.BytesIO(moved))
    assert kinds(moved).index(b"moov") < kinds(moved).index(b"mdat")
    assert sorted(kinds(moved)) == sorted(kinds(LANTERNS))
    assert len(moved) == len(LANTERNS)
    assert np.array_equal(samples(moved), samples(LANTERNS))
    before, after = (read_audio(io.BytesIO(data), "MP4") for data in (LANTERNS, moved))
    assert before == after
    assert after.artwork is not None


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_other_encoders_files_survive_too(tmp_path: Path, codec: str) -> None:
    data = made(tmp_path, codec)
    assert needs_faststart(io.BytesIO(data))
    assert np.array_equal(samples(faststart(data)), samples(data))


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    for data in (LANTERNS, made(tmp_path, movflags="faststart")):
        once = faststart(data)
        assert faststart(once) == once
    assert once == data


def test_it_agrees_with_ffmpegs_own(tmp_path: Path) -> None:
    late, early = (
        made(tmp_path, fflags="+bitexact"),
        made(tmp_path, fflags="+bitexact", movflags="faststart"),
    )
    assert np.array_equal(samples(faststart(late)), samples(early))


def test_boxes_of_64_bit_sizes_are_understood() -> None:
    at = LANTERNS.index(b"mdat") - 4
    size = int.from_bytes(LANTERNS[at : at + 4], "big")
    # The muxer leaves room for a 64-bit header: an 8-byte free box before mdat.
    assert LANTERNS[at - 8 : at] == struct.pack(">I4s", 8, b"free")
    wide = LANTERNS[: at - 8] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + LANTERNS[at + 8 :]
    assert np.array_equal(samples(faststart(wide)), samples(LANTERNS))


def test_boxes_between_and_after_stay_in_order() -> None:
    extra = box(b"free", b"between")
    at = LANTERNS.rindex(b"moov") - 4
    data = LANTERNS[:at] + extra + LANTERNS[at:] + box(b"uuid", b"trailing" * 3)
    moved = faststart(data)
    assert np.array_equal(samples(moved), samples(LANTERNS))
    assert moved.endswith(extra + box(b"uuid", b"trailing" * 3))


def test_offsets_that_no_longer_fit_into_32_bits_grow() -> None:
    stco = box(b"stco", struct.pack(">III", 0, 2, *[100]) + struct.pack(">I", 2**32 - 20))
    body = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", stco))))
    moov = _Box(b"moov", 2**32 + 50, 8, 2**32 + 50 + 8 + len(body))
    index = _moved_index(body, 40, moov, moov.end)
    assert len(index) == 8 + len(body) + 8
    assert int.from_bytes(index[:4], "big") == len(index)
    at = index.index(b"co64")
    moved = struct.unpack(">IIQQ", index[at + 4 : at + 28])
    assert moved == (0, 2, 100 + len(index), 2**32 - 20 + len(index))


def test_fragments_and_compressed_or_huge_indexes_are_refused(tmp_path: Path) -> None:
    fragmented = made(tmp_path, movflags="frag_keyframe+empty_moov")
    assert not needs_faststart(io.BytesIO(fragmented))
    with pytest.raises(UnsupportedFormatError, match="fragmented"):
        faststart(fragmented)
    ftyp, mdat = box(b"ftyp", b"M4A \0\0\0\0"), box(b"mdat", bytes(10))
    for child, words in (
        (box(b"cmov", b""), "compressed"),
        (box(b"mvex", b""), "fragments"),
        (box(b"meta", bytes(4) + box(b"iloc", b"")), "iloc"),
        (box(b"trak", box(b"saio", b"")), "saio"),
    ):
        with pytest.raises(UnsupportedFormatError, match=words):
            faststart(ftyp + mdat + box(b"moov", child))
    with pytest.raises(UnsupportedFormatError, match="the limit is"):
        faststart(ftyp + mdat + box(b"moov", bytes(MAX_MOOV_BYTES + 1)))
    with pytest.raises(UnsupportedFormatError, match="meta"):
        faststart(ftyp + mdat + box(b"moov", b"") + box(b"meta", b""))


def test_broken_boxes_are_refused_with_the_place() -> None:
    ftyp, mdat = box(b"ftyp", b"M4A \0\0\0\0"), box(b"mdat", bytes(10))
    deep = b""
    for _ in range(1000):
        deep = box(b"trak", deep)
    stco = box(b"stbl", box(b"stco", struct.pack(">III", 0, 1, 10**9)))
    short = box(b"stbl", box(b"stco", struct.pack(">II", 0, 10**6)))
    for data, words in (
        (b"", "empty"),
        (LANTERNS[:-10], "'moov' box at byte .* cut short"),
        (ftyp + mdat, "no index"),
        (ftyp + mdat + box(b"moov", b"") * 2, "2 indexes"),
        (ftyp + mdat + box(b"moov", deep), "too deeply"),
        (ftyp + mdat + box(b"moov", box(b"trak", stco)), "points to byte 1,000,000,000"),
        (ftyp + mdat + box(b"moov", box(b"trak", short)), "stco box is cut short"),
        (ftyp + mdat + box(b"moov", struct.pack(">I4s", 99, b"trak")), "cut short"),
        (ftyp + struct.pack(">I4s", 7, b"mdat") + bytes(20), "cut short"),
    ):
        with pytest.raises(UnplayableAudioError, match=words):
            faststart(data)


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
def test_a_cut_file_is_refused(percent: int) -> None:
    with pytest.raises(UnplayableAudioError):
        faststart(LANTERNS[: len(LANTERNS) * percent // 100])


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (box(b"free", b"") * 100_001, "more than 100,000 boxes"),
        (box(b"meta", bytes(4) + box(b"free", b"") * 100_001), "more than 100,000 boxes"),
        (box(b"trak", box(b"free", b"") * 60_000) * 2, "more than 100,000 boxes"),
        (box(b"trak", box(b"trak", box(b"trak", box(b"trak", box(b"trak", b""))))), "too deeply"),
    ],
)
def test_an_index_that_claims_too_much_is_refused(index: bytes, reason: str) -> None:
    data = box(b"ftyp", b"M4A ") + box(b"mdat", bytes(100)) + box(b"moov", index)
    kind = UnsupportedFormatError if "more than" in reason else UnplayableAudioError
    with pytest.raises(kind, match=reason):
        faststart(data)
