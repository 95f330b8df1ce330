"""One decode of a file gives its loudness and its waveform, whatever the file does meanwhile."""

import tracemalloc
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from audiostore.analysis import Waveform, WaveformBuilder
from audiostore.errors import UnplayableAudioError
from audiostore.media.probe import Analyser, decode_frames, listen_to_frames
from audiostore.media.probe.analyse import Measured
from audiostore.media.sandbox.pool import SandboxPool, analyse_audio
from tests.audio_samples import AUDIO, encode, recognise_audio, sample
from tests.unit.test_loudness import frames


def analysed(data: bytes, name: str) -> Measured:
    analyser = Analyser()
    _, damage = listen_to_frames(BytesIO(data), name, analyser)
    found = analyser.finish()
    assert not damage
    assert found is not None, analyser.problem
    return found


def lasts(waveform: Waveform) -> float:
    return waveform.duration_s - waveform.samples_per_point / waveform.sample_rate_hz / 2


@pytest.mark.slow
def test_every_format_is_measured_alike() -> None:
    measured: dict[str, float | None] = {}
    for name in AUDIO:
        data = sample(name)
        kind = recognise_audio(f"song{AUDIO[name][0]}", BytesIO(data)).name
        found = analysed(data, kind)
        length_s = decode_frames(BytesIO(data), kind).duration_s
        assert lasts(found.waveform) == pytest.approx(length_s, abs=0.15), name
        if not name.endswith("example"):
            measured[name] = found.loudness.integrated_lufs
    levels = [level for level in measured.values() if level is not None]
    assert len(levels) > 40
    assert max(levels) - min(levels) < 3, measured


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("wav", "pcm_u8", "WAV"),
        ("wav", "pcm_s24le", "WAV"),
        ("wav", "pcm_s32le", "WAV"),
        ("wav", "pcm_f32le", "WAV"),
        ("wav", "pcm_f64le", "WAV"),
        ("aiff", "pcm_s16be", "AIFF"),
        ("wav", "pcm_mulaw", "WAV"),
    ],
)
def test_samples_of_any_kind_are_measured_alike(container: str, codec: str, name: str) -> None:
    reference = analysed(encode("wav", "pcm_s16le"), "WAV")
    found = analysed(encode(container, codec), name)
    assert found.loudness.integrated_lufs == pytest.approx(
        reference.loudness.integrated_lufs, abs=0.05
    )
    assert found.waveform.length == reference.waveform.length
    differences = np.subtract(found.waveform.points, reference.waveform.points)
    assert abs(differences).max() <= 4


def test_what_changes_in_the_middle_is_measured_to_the_end() -> None:
    # A chained Ogg file, whose second song has other channels and another rate.
    first = encode("ogg", "flac", layout="stereo", rate=48_000)
    data = first + encode("ogg", "flac", layout="mono", rate=16_000)
    found = analysed(data, "Ogg")
    assert lasts(found.waveform) == pytest.approx(4.0, abs=0.05)
    halves = len(found.waveform.peaks) // 2
    quiet, loud = sorted(
        max(found.waveform.peaks[part])
        for part in (slice(10, halves - 10), slice(halves + 10, -10))
    )
    assert quiet > 0.6 * loud


def test_a_change_of_format_alone_loses_no_sample() -> None:
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 48_000)).astype(np.float32)
    plain, mixed = Analyser(), Analyser()
    for frame in frames(wave, "stereo"):
        plain.add(frame)
    formats = ("fltp", "s32", "flt", "s32p")
    for index, frame in enumerate(frames(wave, "stereo")):
        kind = formats[index // 3 % 4]
        for each in av.AudioResampler(kind, "stereo", 48_000).resample(frame):
            mixed.add(each)
    expected, found = plain.finish(), mixed.finish()
    assert expected is not None
    assert found is not None, mixed.problem
    assert found.loudness == expected.loudness
    assert found.waveform == expected.waveform


def test_short_sounds_have_a_waveform_and_peaks() -> None:
    found = analysed(encode("wav", "pcm_s16le", seconds=0.2), "WAV")
    assert (found.loudness.integrated_lufs, found.loudness.range_lu) == (None, None)
    assert found.loudness.sample_peak_dbfs == pytest.approx(-6.5, abs=2)
    assert lasts(found.waveform) == pytest.approx(0.2, abs=0.01)


def test_what_cannot_be_measured_is_decoded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(WaveformBuilder, "add", fail)
    analyser = Analyser()
    data = encode("wav", "pcm_s16le")
    decoded, damage = listen_to_frames(BytesIO(data), "WAV", analyser)
    assert (decoded.samples, damage) == (96_000, "")
    assert analyser.finish() is None
    assert analyser.problem == "too little memory"


def test_hours_take_no_more_memory() -> None:
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 48_000)).astype(np.float32)
    second = list(frames(wave, "mono"))
    analyser = Analyser()

    def grown(seconds: int) -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(seconds):
            for frame in second:
                analyser.add(frame)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        grown(2)
        assert grown(60) < 200_000  # 2 bytes a point, and what is at work
    finally:
        tracemalloc.stop()


def write(folder: Path, data: bytes) -> Path:
    path = folder / "song"
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_the_sandbox_gives_the_same(tmp_path: Path) -> None:
    data = encode("flac", "flac", layout="stereo")
    found = analyse_audio(write(tmp_path, data), "FLAC", true_peak=True)
    expected = analysed(data, "FLAC")
    assert found.decoded == decode_frames(BytesIO(data), "FLAC")
    assert (found.damage, found.problem) == ("", "")
    assert found.waveform == expected.waveform
    assert found.loudness is not None
    assert found.loudness.integrated_lufs == expected.loudness.integrated_lufs
    assert found.loudness.true_peak_dbtp is not None


@pytest.mark.slow
def test_the_sandbox_converts_what_changes_in_the_middle(tmp_path: Path) -> None:
    data = encode("ogg", "flac", layout="stereo") + encode("ogg", "flac", rate=16_000)
    found = analyse_audio(write(tmp_path, data), "Ogg")
    assert found.problem == ""
    assert found.waveform is not None
    assert lasts(found.waveform) == pytest.approx(4.0, abs=0.05)


@pytest.mark.slow
def test_damaged_sound_is_measured_as_far_as_it_decodes(tmp_path: Path) -> None:
    data = bytearray(encode("flac", "flac", seconds=4.0))
    middle = len(data) // 2
    data[middle : middle + 3_000] = bytes(3_000)
    with SandboxPool() as pool:
        found = pool.analyse(write(tmp_path, bytes(data)), "FLAC")
        assert found.damage
        assert found.waveform is not None
        assert 2.0 < found.waveform.duration_s <= 4.01
        with pytest.raises(UnplayableAudioError):
            pool.decode(tmp_path / "song", "FLAC")


def test_no_frames_are_no_measurement() -> None:
    assert Analyser().finish() is None
