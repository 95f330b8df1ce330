"""The waveform: its two forms, as their description says, and the overview made of it."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st

from audiostore.analysis import (
    BARS,
    MAX_BAR,
    Analysis,
    InvalidWaveformError,
    Loudness,
    Waveform,
    WaveformBuilder,
    building,
    is_analysed,
    overview_of,
    overview_text,
    read_overview,
)


def described(dat: bytes) -> tuple[dict[str, int], list[int]]:
    """Read a ``.dat`` file as DataFormat.md of audiowaveform describes it, and accept no other."""
    names = ("version", "flags", "sample_rate", "samples_per_pixel", "length", "channels")
    fields = dict(zip(names, struct.unpack_from("<iIiiIi", dat), strict=True))
    assert fields["version"] == 2
    assert fields["flags"] == 1, "8 bit"
    count = 2 * fields["length"] * fields["channels"]
    assert len(dat) == 24 + count
    return fields, list(struct.unpack_from(f"<{count}b", dat, 24))


def built(samples: bytes, rate: int = 24_000, channels: int = 1, piece: int = 1_000) -> Waveform:
    builder = WaveformBuilder(rate, channels)
    for start in range(0, len(samples), piece):
        builder.add(samples[start : start + piece])
    return builder.finish()


def test_each_point_is_the_smallest_and_the_largest_sample_of_its_time() -> None:
    samples = np.random.default_rng(1).integers(0, 256, 256 * 40 + 17, np.uint8)
    waveform = built(samples.tobytes())
    signed = samples.astype(int) - 128
    parts = [signed[start : start + 256] for start in range(0, signed.size, 256)]
    assert waveform.points == [(int(part.min()), int(part.max())) for part in parts]
    assert waveform.length == 41
    assert waveform.duration_s == pytest.approx(41 * 256 / 24_000)


def test_channels_are_one_waveform_that_none_can_cancel() -> None:
    left = np.random.default_rng(2).integers(1, 256, 256 * 5, np.uint8)
    right = (256 - left.astype(int)).astype(np.uint8)  # their sum is silence
    waveform = built(np.stack([left, right], axis=1).tobytes(), channels=2)
    signed = np.stack([left, right]).astype(int) - 128
    for index, point in enumerate(waveform.points):
        part = signed[:, index * 256 : (index + 1) * 256]
        assert point == (part.min(), part.max())


@given(st.binary(max_size=3_000), st.integers(1, 700), st.sampled_from([1, 2, 6]))
def test_pieces_of_any_size_give_the_same_waveform(samples: bytes, piece: int, count: int) -> None:
    samples = samples[: len(samples) - len(samples) % count]
    whole = built(samples, 8_000, count, max(1, len(samples)))
    assert built(samples, 8_000, count, piece) == whole


def test_long_audio_gets_fewer_points_and_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MAX_POINTS", 64)
    generator = np.random.default_rng(3)
    for points in (63, 64, 65, 100, 127, 128, 129, 1_000, 4_097):
        samples = generator.integers(0, 256, points * 64 - 5, np.uint8)
        waveform = built(samples.tobytes(), 6_000, piece=777)
        assert 32 <= waveform.length <= 64
        size = waveform.samples_per_point
        signed = samples.astype(int) - 128
        parts = [signed[start : start + size] for start in range(0, signed.size, size)]
        assert waveform.points == [(int(part.min()), int(part.max())) for part in parts], points


@pytest.mark.parametrize(
    ("rate", "samples"),
    [(8_000, 128), (22_050, 256), (44_100, 512), (48_000, 512), (96_000, 1024), (192_000, 2048)],
)
def test_a_second_has_47_to_94_points(rate: int, samples: int) -> None:
    assert built(bytes(rate), rate).samples_per_point == samples
    assert 46.875 < rate / samples <= 93.75


def test_a_file_is_as_its_format_is_described() -> None:
    waveform = Waveform(44_100, 256, bytes([0x80, 0xFF, 0]), bytes([0x7F, 1, 0]))
    fields, data = described(waveform.to_dat())
    assert fields == {
        "version": 2,
        "flags": 1,
        "sample_rate": 44_100,
        "samples_per_pixel": 256,
        "length": 3,
        "channels": 1,
    }
    assert data == [-128, 127, -1, 1, 0, 0]
    assert Waveform.from_dat(waveform.to_dat()) == waveform
    assert json.loads(json.dumps(waveform.to_dict())) == {
        "version": 2,
        "channels": 1,
        "sample_rate": 44_100,
        "samples_per_pixel": 256,
        "bits": 8,
        "length": 3,
        "data": data,
    }
    assert list(waveform.peaks) == [128, 1, 0]


HEADER = (2, 1, 44_100, 256, 3, 1)


@pytest.mark.parametrize(
    "dat",
    [
        b"",
        bytes(23),
        struct.pack("<iIiiIi", 1, *HEADER[1:]) + bytes(6),
        struct.pack("<iIiiIi", 2, 0, *HEADER[2:]) + bytes(6),
        struct.pack("<iIiiIi", 2, 1, 0, *HEADER[3:]) + bytes(6),
        struct.pack("<iIiiIi", 2, 1, 44_100, -1, 3, 1) + bytes(6),
        struct.pack("<iIiiIi", *HEADER[:5], 2) + bytes(6),
        struct.pack("<iIiiIi", *HEADER) + bytes(5),
        struct.pack("<iIiiIi", *HEADER) + bytes(7),
        struct.pack("<iIiiIi", 2, 1, 44_100, 256, 1 << 30, 1) + bytes(6),
    ],
)
def test_other_bytes_are_refused(dat: bytes) -> None:
    with pytest.raises(InvalidWaveformError, match=r"^a waveform "):
        Waveform.from_dat(dat)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_waveform_or_refused(dat: bytes) -> None:
    try:
        waveform = Waveform.from_dat(dat)
    except InvalidWaveformError:
        return
    assert waveform.to_dat() == dat


def test_an_overview_shows_where_it_is_loud() -> None:
    peaks = [0] * 500 + [128] * 250 + [64] * 250
    bars = overview_of(peaks)
    assert bars == (0,) * 100 + (MAX_BAR,) * 50 + (32,) * 50
    assert read_overview(overview_text(bars)) == bars


def test_a_single_peak_does_not_fill_a_bar_and_does_not_vanish() -> None:
    bars = overview_of([128] + [0] * 99_999)
    assert bars == (1,) + (0,) * (BARS - 1)


@given(st.lists(st.integers(0, 128), max_size=1_000))
def test_an_overview_has_200_bars_of_any_audio(peaks: list[int]) -> None:
    bars = overview_of(peaks)
    assert len(bars) == BARS
    assert all(0 <= bar <= MAX_BAR for bar in bars)
    text = overview_text(bars)
    assert len(text) == BARS
    assert text.isascii()
    assert read_overview(text) == bars


@pytest.mark.parametrize("text", [None, "", "A" * 199, "A" * 201, "A" * 199 + "=", "Ä" * 200])
def test_what_is_no_overview_is_none(text: str | None) -> None:
    assert read_overview(text) is None


ANALYSIS = Analysis(Loudness(-14.2, 6.1, -0.05), tuple(range(50)) * 4)


def test_an_analysis_survives_the_metadata_of_its_audio() -> None:
    metadata = ANALYSIS.metadata
    assert Analysis.from_metadata({"title": "Song", **metadata}) == ANALYSIS
    assert sum(len(key) + len(value) for key, value in metadata.items()) < 300
    assert Analysis.from_metadata({"title": "Song"}) is None


def test_an_analysis_is_current_if_it_has_all_that_is_wanted() -> None:
    metadata = ANALYSIS.metadata
    assert is_analysed(metadata)
    assert not is_analysed(metadata, true_peak=True)
    assert is_analysed({**metadata, "true_peak_dbtp": "0.30"}, true_peak=True)
    assert not is_analysed({**metadata, "analysis": "0"})
    assert not is_analysed({**metadata, "overview": "?"})
    silent = Analysis(Loudness(None), (0,) * BARS).metadata
    assert is_analysed(silent, true_peak=True)
