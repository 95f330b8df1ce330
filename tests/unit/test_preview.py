"""A version that every browser plays is made in the sandbox, of any audio, and checked."""

import json
import os
import resource
import tempfile
import tracemalloc
import wave
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from audiostore.errors import InspectionLimitError, UnplayableAudioError
from audiostore.media.info import (
    PREVIEW_BITRATES_KBPS,
    PREVIEW_HEAD_BYTES,
    AnalysedAudio,
    AudioInfo,
    PreviewInfo,
    PreviewTarget,
)
from audiostore.media.probe import Encoder, decode_frames, listen_to_frames, read_audio
from audiostore.media.probe.encode import SAMPLES_PER_FRAME
from audiostore.media.sandbox import pool as pool_module
from audiostore.media.sandbox.output import HEAD_PART, NEXT_PART, OutputFile
from audiostore.media.sandbox.pool import SandboxPool, analyse_audio
from tests.audio_samples import AUDIO, encode, recognise_audio, sample
from tests.sandbox_child import HostileWorker

TAGS = {
    "title": "Ünï ☃",
    "artist": "Nina Simone",
    "album": "Pastel Blues",
    "album_artist": "Various",
    "track": "3",
    "track_total": "12",
    "disc": "1",
    "date": "1965-10-01",
    "genre": "Jazz",
    "composer": "Rudy Stevenson",
    "compilation": "1",
    "isrc": "GBAYE6800023",
    "publisher": "Philips",
    "copyright": "1965",
}


def encoded(
    data: bytes, name: str, *, kbps: int = 128, tags: dict[str, str] | None = None
) -> tuple[bytes, PreviewInfo]:
    rest = bytearray()
    encoder = Encoder(rest.extend, stereo_bps=kbps * 1000, tags=tags or {})
    listen_to_frames(BytesIO(data), name, encoder)
    found = encoder.finish()
    assert found is not None, encoder.problem
    info, head = found
    return head + bytes(rest), info


def read(preview: bytes) -> AudioInfo:
    return read_audio(BytesIO(preview), "MP3")


@pytest.mark.slow
def test_of_every_format_a_preview_of_the_same_duration_is_made() -> None:
    for name in AUDIO:
        data = sample(name)
        kind = recognise_audio(f"song{AUDIO[name][0]}", BytesIO(data)).name
        preview, info = encoded(data, kind)
        found, length_s = read(preview), decode_frames(BytesIO(data), kind).duration_s
        frame_s = SAMPLES_PER_FRAME / found.sample_rate_hz
        assert found.codec == "mp3", name
        assert found.duration_is_exact, name
        assert found.duration_s == pytest.approx(info.duration_s, abs=0.0001), name
        # What FFmpeg decodes of WMA lacks the beginning.
        allowed_s = 2 * frame_s if name == "wma" else frame_s
        assert found.duration_s == pytest.approx(length_s, abs=allowed_s), name
        assert decode_frames(BytesIO(preview), "MP3").duration_s == found.duration_s, name


def samples_of(data: bytes) -> np.ndarray:
    with av.open(BytesIO(data), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)


def test_the_sound_begins_and_ends_where_it_did() -> None:
    # The tone changes at a known sample: what the encoder adds in front is taken away again.
    rate, seconds = 44_100, 2.0
    silence, loud = np.zeros(rate), 0.5 * np.sin(np.arange(rate) * 2 * np.pi * 1000 / rate)
    both = (np.concatenate([silence, loud]) * 32_767).astype("<i2")
    preview, _ = encoded(wav(both.tobytes(), rate), "WAV")
    heard = np.abs(samples_of(preview)[0]) > 0.1
    assert heard.size == seconds * rate
    assert np.flatnonzero(heard)[0] == pytest.approx(rate, abs=20)
    assert np.flatnonzero(heard)[-1] == pytest.approx(2 * rate, abs=60)


def wav(samples: bytes, rate: int, channels: int = 1) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file.getvalue()


def test_tags_are_kept() -> None:
    preview, _ = encoded(sample("aiff"), "AIFF", tags={**TAGS, "lyrics": "la " * 300, "mood": "x"})
    assert dict(read(preview).tags) == TAGS


def test_the_longest_tags_fit_the_beginning() -> None:
    tags = dict.fromkeys([*TAGS, "performer"], "\N{GRINNING FACE}" * 1000)
    preview, _ = encoded(sample("aiff"), "AIFF", tags=tags)
    assert len(preview) > PREVIEW_HEAD_BYTES
    assert read(preview).tags["title"] == tags["title"]


@pytest.mark.parametrize(
    ("rate", "layout", "expected"),
    [
        (8_000, "mono", (48_000, 1)),
        (11_025, "stereo", (44_100, 2)),
        (22_050, "mono", (44_100, 1)),
        (32_000, "stereo", (48_000, 2)),
        (44_100, "5.1", (44_100, 2)),
        (48_000, "7.1", (48_000, 2)),
        (88_200, "stereo", (44_100, 2)),
        (96_000, "3.0", (48_000, 2)),
        (192_000, "mono", (48_000, 1)),
    ],
)
def test_rates_and_channels_are_those_that_every_browser_plays(
    rate: int, layout: str, expected: tuple[int, int]
) -> None:
    data = encode("wav", "pcm_s24le", rate=rate, layout=layout, seconds=0.5)
    found = read(encoded(data, "WAV")[0])
    assert (found.sample_rate_hz, found.channels) == expected
    assert found.duration_s == pytest.approx(0.5, abs=0.001)
    assert found.bitrate_bps == 64_000 * expected[1]


@pytest.mark.slow
@pytest.mark.parametrize("kbps", PREVIEW_BITRATES_KBPS)
def test_the_bit_rate_is_the_one_asked_for(kbps: int) -> None:
    for layout, share in (("stereo", 1), ("mono", 2)):
        data = encode("wav", "pcm_s16le", layout=layout)
        assert read(encoded(data, "WAV", kbps=kbps)[0]).bitrate_bps == kbps * 1000 // share


def test_loud_channels_are_mixed_down_without_clipping() -> None:
    rate = 48_000
    tone = np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 32_000
    six = np.repeat(tone.astype("<i2")[:, None], 6, axis=1)
    preview, _ = encoded(wav(six.tobytes(), rate, channels=6), "WAV")
    assert 0.9 < np.abs(samples_of(preview)).max() < 1.0


def test_what_changes_in_the_middle_is_encoded_to_the_end() -> None:
    # A chained Ogg file, whose second song has other channels and another rate.
    first = encode("ogg", "flac", layout="stereo", rate=48_000)
    data = first + encode("ogg", "flac", layout="mono", rate=16_000)
    preview, info = encoded(data, "Ogg")
    assert info.duration_s == pytest.approx(4.0)
    assert read(preview).duration_s == pytest.approx(4.0, abs=0.001)


def test_a_clip_of_a_few_samples_is_encoded() -> None:
    preview, _ = encoded(wav(bytes(2 * 7), 44_100), "WAV")
    assert read(preview).duration_s == pytest.approx(7 / 44_100, abs=0.002)


@pytest.mark.slow
def test_long_sound_takes_no_more_memory() -> None:
    def peak(seconds: int) -> int:
        data = BytesIO(encode("flac", "flac", seconds=10))
        encoder = Encoder(lambda _: None, stereo_bps=128_000, tags={})
        tracemalloc.start()
        for _ in range(seconds // 10):
            listen_to_frames(data, "FLAC", encoder)
        encoder.finish()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(120) < peak(40) + 100_000


def previewed(
    path: Path, name: str, pool: SandboxPool, **options: int
) -> tuple[AnalysedAudio, bytes]:
    with tempfile.TemporaryFile() as file:
        target = PreviewTarget(file.fileno(), options.get("kbps", 128))
        found = pool.analyse(path, name, preview=target)
        file.seek(0)
        return found, file.read()


@pytest.mark.slow
def test_the_sandbox_encodes_what_this_process_would(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(encode("flac", "flac", seconds=20, layout="stereo", tags={"title": "Ünï"}))
    with SandboxPool() as pool:
        found, preview = previewed(path, "FLAC", pool)
        again, shorter = previewed(path, "FLAC", pool, kbps=64)
    expected, info = encoded(path.read_bytes(), "FLAC", tags={"title": "Ünï"})
    assert preview == expected
    assert len(preview) > 3 * PREVIEW_HEAD_BYTES
    assert found.preview == info
    assert found.waveform is not None
    assert not found.preview_problem
    assert again.preview is not None
    assert len(shorter) < len(preview)


def test_what_is_not_asked_for_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(sample("wav"))
    found = analyse_audio(path, "WAV")
    assert (found.preview, found.preview_problem) == (None, "")


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_worker_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(encode("wav", "pcm_s16le", seconds=20, layout="stereo"))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with SandboxPool() as pool:
        pool.start()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                previewed(path, "WAV", pool)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert not pool._workers
        assert previewed(path, "WAV", pool)[0].preview is not None


def test_a_second_worker_begins_the_file_anew() -> None:
    with tempfile.TemporaryFile() as file:
        output = OutputFile(file.fileno(), 1 << 20)
        output.take(NEXT_PART, b"left of another")
        output.restart()
        output.take(HEAD_PART, b"all")
        file.seek(0)
        assert file.read() == b"all"
        assert output.is_complete


def receive(output: OutputFile, parts: Sequence[tuple[int, int]]) -> None:
    for part, size in parts:
        output.check(part, size)
        output.take(part, bytes(size))


@pytest.mark.parametrize(
    "parts",
    [
        [(7, 10)],
        [(NEXT_PART, 0)],
        [(NEXT_PART, PREVIEW_HEAD_BYTES + 1)],
        [(NEXT_PART, 10), (HEAD_PART, 10)],
        [(HEAD_PART, 10), (NEXT_PART, 10)],
        [(HEAD_PART, 10), (HEAD_PART, 10)],
        [(HEAD_PART, PREVIEW_HEAD_BYTES + 1)],
        [(NEXT_PART, 60_000)] * 5,
    ],
)
def test_parts_that_no_honest_worker_sends_are_refused(parts: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryFile() as file:
        output = OutputFile(file.fileno(), 300_000)
        with pytest.raises(ValueError, match=r"part of the file|too large"):
            receive(output, parts)
        assert os.fstat(file.fileno()).st_size <= 300_000


ANSWER: dict[str, object] = {
    "duration_s": 1.0,
    "samples": 44_100,
    "sample_rate_hz": 44_100,
    "channels": 1,
    "warnings": [],
    "damage": "",
    "problem": "",
}
PREVIEW: dict[str, object] = {
    "duration_s": 1.0,
    "sample_rate_hz": 44_100,
    "channels": 1,
    "bitrate_bps": 64_000,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        ([(HEAD_PART, 100)], {"problem": "none"}),
        ([], {"problem": "none", "preview": PREVIEW}),
        ([(NEXT_PART, 100)], {"problem": "none", "preview": PREVIEW}),
        ([(NEXT_PART, 100), (HEAD_PART, 100)], {"problem": "none", "preview": PREVIEW}),
        ([(7, 100)], {"problem": "none"}),
    ],
)
def test_a_worker_that_lies_about_what_it_made_is_found_out(
    parts: list[tuple[int, int]],
    fields: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "WorkerProcess", HostileWorker)
    path = tmp_path / "song.wav"
    path.write_text(json.dumps({"parts": parts, "fields": ANSWER | fields}))
    with SandboxPool() as pool, pytest.raises(UnplayableAudioError, match="invalid results"):
        previewed(path, "WAV", pool)


def test_a_worker_may_say_that_it_made_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "WorkerProcess", HostileWorker)
    path = tmp_path / "song.wav"
    fields = {"problem": "none", "preview_problem": "no encoder"}
    path.write_text(json.dumps({"parts": [(NEXT_PART, 9)], "fields": ANSWER | fields}))
    with SandboxPool() as pool:
        assert previewed(path, "WAV", pool)[0].preview_problem == "no encoder"


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(encode("wav", "pcm_s16le", seconds=30))
    with SandboxPool(cpu_s=0.05) as pool, pytest.raises(InspectionLimitError):
        previewed(path, "WAV", pool)


def test_what_holds_no_sound_has_no_preview(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(wav(b"", 44_100))
    with SandboxPool() as pool, pytest.raises(UnplayableAudioError):
        previewed(path, "WAV", pool)
