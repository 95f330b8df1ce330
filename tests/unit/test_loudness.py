"""Loudness agrees with the signals of EBU Tech 3341 and Tech 3342, generated from their tables."""

from collections.abc import Iterator
from fractions import Fraction
from math import log10, pi

import av
import numpy as np
import numpy.typing as npt
import pytest

from audiostore.analysis import Loudness
from audiostore.media.probe import Analyser

RATE = 48_000
Samples = npt.NDArray[np.float32]


def tone(seconds: float, dbfs: float, hz: float = 1000.0, phase: float = 0.0) -> Samples:
    """Return a sine of a channel with this peak level."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave: Samples = (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t + phase)).astype(np.float32)
    return wave


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def frames(channels: Samples, layout: str, rate: int = RATE) -> Iterator[av.AudioFrame]:
    """Yield the samples of channels as a decoder might: in frames of an odd length."""
    for start in range(0, channels.shape[1], 1153):
        piece = np.ascontiguousarray(channels[:, start : start + 1153])
        frame = av.AudioFrame.from_ndarray(piece, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def measured(
    channels: Samples, layout: str = "stereo", *, true_peak: bool = False, rate: int = RATE
) -> Loudness:
    analyser = Analyser(true_peak=true_peak)
    for frame in frames(channels, layout, rate):
        analyser.add(frame)
    found = analyser.finish()
    assert found is not None, analyser.problem
    return found.loudness


def stereo(*parts: Samples) -> Samples:
    """Return the parts after each other, the same in both channels."""
    return np.stack([np.concatenate(parts)] * 2)


# Tech 3341 (2023), table 1. Signals 7 and 8 are recordings. 9 to 14 are for the momentary and the
# short-term loudness, which audiostore does not report; 9 and 12 are steady in one of them, and so
# have the same integrated loudness.
INTEGRATED: dict[str, tuple[list[tuple[float, float]], float]] = {
    "1": ([(20, -23)], -23.0),
    "2": ([(20, -33)], -33.0),
    "3": ([(10, -36), (60, -23), (10, -36)], -23.0),
    "4": ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23.0),
    "5": ([(20, -26), (20.1, -20), (20, -26)], -23.0),
    "9": ([(1.34, -20), (1.66, -30)] * 5, -23.0),
    "12": ([(0.18, -20), (0.22, -30)] * 25, -23.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INTEGRATED)
def test_integrated_loudness_is_that_of_ebu_tech_3341(name: str) -> None:
    parts, expected = INTEGRATED[name]
    signal = stereo(*(tone(seconds, dbfs) for seconds, dbfs in parts))
    assert measured(signal).integrated_lufs == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["5.0", "5.0(side)", "5 channels"])
def test_channels_weigh_as_in_signal_6_of_ebu_tech_3341(layout: str) -> None:
    levels = (-28, -28, -24, -30, -30)  # left, right, centre, and those behind
    signal = np.stack([tone(20, level) for level in levels])
    assert measured(signal, layout).integrated_lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.slow
def test_low_frequencies_have_a_channel_that_does_not_count() -> None:
    levels = (-28, -28, -24, -10, -30, -30)  # the fourth
    signal = np.stack([tone(20, level) for level in levels])
    for layout in ("5.1", "6 channels"):
        assert measured(signal, layout).integrated_lufs == pytest.approx(-23.0, abs=0.1)


# Tech 3341 (2023), table 1: 0.2 dB above and 0.4 dB below are allowed.
TRUE_PEAKS = {
    "15": (0.50, RATE / 4, 0.0, -6.0),
    "16": (0.50, RATE / 4, pi / 4, -6.0),
    "17": (0.50, RATE / 6, pi / 3, -6.0),
    "18": (0.50, RATE / 8, 67.5 * pi / 180, -6.0),
    "19": (1.41, RATE / 4, pi / 4, 3.0),
}


@pytest.mark.parametrize("name", TRUE_PEAKS)
def test_true_peak_is_that_of_ebu_tech_3341(name: str) -> None:
    amplitude, hz, phase, expected = TRUE_PEAKS[name]
    # It fades in and out: where it begins at once, it truly has a higher peak.
    signal = tone(3, 20 * log10(amplitude), hz, phase)
    fade = np.minimum(1, np.minimum(np.arange(signal.size), np.arange(signal.size)[::-1]) / 4_800)
    found = measured(stereo(signal * fade.astype(np.float32)), true_peak=True)
    assert found.true_peak_dbtp is not None
    assert -0.4 <= found.true_peak_dbtp - expected <= 0.2
    if name != "15":
        assert found.sample_peak_dbfs is not None
        assert found.sample_peak_dbfs < found.true_peak_dbtp - 0.5


# Tech 3342 (2023), table 1; the recordings are left out.
RANGES = {
    "1": ((-20, -30), 10),
    "2": ((-20, -15), 5),
    "3": ((-40, -20), 20),
    "4": ((-50, -35, -20, -35, -50), 15),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RANGES)
def test_loudness_range_is_that_of_ebu_tech_3342(name: str) -> None:
    levels, expected = RANGES[name]
    found = measured(stereo(*(tone(20, level) for level in levels)))
    assert found.range_lu == pytest.approx(expected, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 44_100, 96_000, 192_000, 1_000_000])
def test_loudness_is_the_same_at_any_sample_rate(rate: int) -> None:
    t = np.arange(3 * rate) / rate
    wave = (0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    reference = (0.1 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    expected = measured(np.stack([reference] * 2)).integrated_lufs
    assert measured(np.stack([wave] * 2), rate=rate).integrated_lufs == pytest.approx(
        expected, abs=0.1
    )


def test_silence_has_no_loudness() -> None:
    assert measured(stereo(silence(5)), true_peak=True) == Loudness(None)


def test_sound_below_the_gate_has_peaks_alone() -> None:
    found = measured(stereo(tone(2, -23), silence(20))[:, : round(0.3 * RATE)])
    assert (found.integrated_lufs, found.range_lu) == (None, None)
    assert found.sample_peak_dbfs == pytest.approx(-23, abs=0.1)


def test_a_block_at_the_end_counts_if_all_of_it_is_there() -> None:
    # BS.1770-4: blocks of 400 ms, every 100 ms. So of 450 ms, the last 50 do not count.
    assert measured(stereo(tone(0.4, -23), tone(0.05, -3))).integrated_lufs == pytest.approx(
        -23, abs=0.1
    )


def test_the_last_moments_count_for_the_peak() -> None:
    found = measured(stereo(tone(1, -23), tone(0.03, -3)), true_peak=True)
    assert found.sample_peak_dbfs == pytest.approx(-3, abs=0.05)
    assert found.true_peak_dbtp is not None
    assert found.true_peak_dbtp >= -3.05


@pytest.mark.parametrize(("rate", "has_true_peak"), [(10, False), (999, False), (1_000, True)])
def test_there_is_no_true_peak_at_rates_at_which_it_is_made_up(
    rate: int, has_true_peak: bool
) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 2 * rate)).astype(np.float32)
    found = measured(noise, rate=rate, true_peak=True)
    assert found.sample_peak_dbfs is not None
    assert (found.true_peak_dbtp is not None) == has_true_peak


def test_gains_follow_from_the_loudness() -> None:
    loud = Loudness(-9.5, 4.0, -0.1, 0.4)
    assert loud.replaygain_db == -8.5  # ReplayGain 2.0: -18 - L
    assert loud.replaygain_peak == pytest.approx(10 ** (0.4 / 20), abs=1e-6)
    assert loud.r128_track_gain == -3456  # RFC 7845, 5.2.1: 256 * (-23 - L)
    assert Loudness(-9.5, None, -6.0).replaygain_peak == pytest.approx(0.501187)
    assert Loudness(-1e6).r128_track_gain == 32767  # it is a 16-bit number
    unknown = Loudness(None)
    assert set(unknown.to_dict().values()) == {None}


def test_metadata_holds_the_figures_to_a_hundredth() -> None:
    found = Loudness(-14.237, 6.1, -0.05, None)
    assert found.metadata == {
        "loudness_lufs": "-14.24",
        "loudness_range_lu": "6.10",
        "sample_peak_dbfs": "-0.05",
    }
    assert Loudness.from_metadata(found.metadata) == Loudness(-14.24, 6.1, -0.05)
    assert Loudness.from_metadata({"loudness_lufs": "loud", "true_peak_dbtp": "nan"}) == Loudness(
        None
    )
