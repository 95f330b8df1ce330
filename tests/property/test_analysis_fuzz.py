"""Any bytes are measured, or refused, or not measured for a reason: no crash, and no nonsense."""

import random
import struct
import time
from collections.abc import Iterator
from math import inf, isfinite, nan
from pathlib import Path

import pytest

from audiostore.errors import InspectionLimitError, UnplayableAudioError
from audiostore.media.info import AnalysedAudio
from audiostore.media.sandbox.pool import SandboxPool
from tests.audio_samples import riff
from tests.property.test_probe_fuzz import FUZZ_S, SONGS, mutated
from tests.timing import PATIENCE_S


@pytest.fixture(scope="module")
def pool() -> Iterator[SandboxPool]:
    with SandboxPool(cpu_s=20.0) as pool:
        yield pool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "song"


def analysed(pool: SandboxPool, path: Path, data: bytes, name: str) -> AnalysedAudio | str:
    path.write_bytes(data or b"\0")
    try:
        found = pool.analyse(path, name, true_peak=len(data) % 2 == 0)
    except (InspectionLimitError, UnplayableAudioError) as error:
        reason = str(error)
    else:
        reason = ""
    assert "crash" not in reason, data.hex()
    assert "invalid results" not in reason, data.hex()
    if reason:
        return reason
    assert bool(found.problem) != (found.waveform is not None)
    return found


def test_mutated_examples_are_measured_or_refused(pool: SandboxPool, path: Path) -> None:
    rng = random.Random(6)
    measured = refused = 0
    end = time.monotonic() + FUZZ_S
    patience_ends = end + PATIENCE_S
    while (now := time.monotonic()) < patience_ends:
        data, name = rng.choice(SONGS)
        found = analysed(pool, path, mutated(rng, data), name)
        measured += not isinstance(found, str)
        refused += isinstance(found, str)
        if now > end and measured > 15 and refused > 3:
            break  # a busy machine takes longer to get there
    assert measured > 15
    assert refused > 3


def wav(rate: int, channels: int, bits: int, samples: bytes, tag: int = 1) -> bytes:
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xFFFF_FFFF, align, bits)
    return riff((b"fmt ", fmt), (b"data", samples))


@pytest.mark.parametrize("rate", [1, 9, 10, 99, 7_999, 47_999, 768_001, 2_822_400, 9_999_999])
@pytest.mark.parametrize("channels", [1, 2, 3, 7, 9, 24, 64])
def test_odd_rates_and_channels_are_measured_or_there_is_a_reason(
    pool: SandboxPool, path: Path, rate: int, channels: int
) -> None:
    samples = random.Random(rate).randbytes(
        min(2 * channels * rate, 600_000 // channels * channels)
    )
    found = analysed(pool, path, wav(rate, channels, 16, samples), "WAV")
    if not isinstance(found, str) and found.waveform is not None:
        assert found.waveform.length > 0


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e38, 3.4e38, 1e-45])
def test_samples_that_are_no_numbers_have_no_figures_that_are_none(
    pool: SandboxPool, path: Path, value: float
) -> None:
    samples = struct.pack("<f", 0.25) * 24_000 + struct.pack("<f", value) + bytes(100_000)
    found = analysed(pool, path, wav(48_000, 1, 32, samples, tag=3), "WAV")
    assert not isinstance(found, str)
    if found.loudness is not None:
        figures = found.loudness.to_dict().values()
        assert all(figure is None or isfinite(figure) for figure in figures)
