"""What is inside audio files of every kind, and that no file makes FFmpeg open another."""

import ctypes
import io
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from audiostore.errors import (
    InspectionLimitError,
    InvalidSourceError,
    SourceNotFoundError,
    UnplayableAudioError,
)
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.info import AudioInfo
from audiostore.media.parsing.text import MAX_TAG_CHARS, MAX_TAGS
from audiostore.media.probe import decode_frames, read_audio
from audiostore.media.probe.open import FileView
from audiostore.media.sandbox.pool import SandboxPool, check_audio, decode_audio, probe_audio
from audiostore.media.sandbox.worker import OpenFile, Request
from tests.hostile_files import flac_of_many_tags
from tests.timing import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.append(str(EXAMPLES))  # the script is not in a package; it imports its neighbour

from make_examples import TRACKS, Track  # noqa: E402

FORMATS = {
    "mp3": "MP3",
    "flac": "FLAC",
    "wav": "WAV",
    "ogg": "Ogg",
    "mp4": "MP4",
    "adts": "AAC",
    "opus": "Ogg",
}
TAGS = {"title": "Tön", "artist": "Wir", "album": "Eins", "track": "3", "genre": "Ambient"}


def encode(
    path: Path,
    container: str,
    codec: str,
    *,
    rate: int = 44_100,
    layout: str = "stereo",
    seconds: float = 2.0,
    sample_format: str | None = None,
    tags: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    picture: bytes = b"",
) -> None:
    """Write a tone, a pitch a channel."""
    with av.open(str(path), "w", format=container, container_options=container_options) as out:
        out.metadata.update(TAGS if tags is None else tags)
        stream = out.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        if sample_format:
            stream.format = av.AudioFormat(sample_format)
        if not codec.startswith("pcm") and codec not in ("flac", "alac"):
            stream.bit_rate = 128_000
        if picture:
            cover = out.add_mux_stream("mjpeg", width=8, height=8)
            cover.disposition = av.stream.Disposition.attached_pic
            packet = av.Packet(picture)
            packet.stream, packet.time_base, packet.is_keyframe = cover, Fraction(1, 1000), True
            packet.pts = packet.dts = 0
            out.mux(packet)
        channels = stream.layout.nb_channels
        t = np.arange(round(seconds * rate)) / rate
        tone = [0.3 * np.sin(2 * np.pi * (220 + 55 * c) * t) for c in range(channels)]
        packed = np.ascontiguousarray(np.stack(tone).astype(np.float32).T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


def jpeg(size: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(out, "JPEG")
    return out.getvalue()


def probe_here(path: Path, format_name: str) -> AudioInfo:
    with path.open("rb", buffering=0) as stream:
        return read_audio(stream, format_name)


def read(data: bytes, format_name: str) -> AudioInfo:
    return read_audio(io.BytesIO(data), format_name)


def id3(*frames: tuple[bytes, bytes]) -> bytes:
    def size(value: int) -> bytes:
        return bytes([value >> 21 & 127, value >> 14 & 127, value >> 7 & 127, value & 127])

    body = b"".join(name + size(len(text)) + b"\0\0" + text for name, text in frames)
    return b"ID3\x04\0\0" + size(len(body)) + body


def mp3() -> bytes:
    data = (EXAMPLES / "morning-in-c.mp3").read_bytes()
    a, b, c, d = data[6:10]
    return data[10 + (a << 21 | b << 14 | c << 7 | d) :]


# -- what is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("track", TRACKS, ids=lambda track: track.name)
def test_the_examples_are_what_they_were_made_to_be(track: Track) -> None:
    path, name = EXAMPLES / track.name, FORMATS[track.container]
    info = probe_here(path, name)
    assert info.codec == track.codec.removeprefix("lib").removesuffix("lame")
    assert (info.container, info.sample_rate_hz) == (name, track.rate)
    assert info.channels == (1 if track.layout == "mono" else 2)
    assert dict(info.tags) == track.tags
    assert info.duration_s == pytest.approx(track.seconds, abs=0.06)
    assert info.duration_is_exact
    assert (info.artwork is not None, info.artwork_problem) == (bool(track.embedded), None)
    if info.artwork:
        assert (info.artwork.info.width, info.artwork.info.height) == (300, 300)
        assert info.artwork.info.content_type == f"image/{'png' if name == 'FLAC' else 'jpeg'}"
        assert info.artwork.data in path.read_bytes()
    assert info.bits_per_sample == (16 if name in ("FLAC", "WAV") else None)
    if track.bit_rate:
        assert info.bitrate_bps == pytest.approx(track.bit_rate, rel=0.45)
    with path.open("rb") as stream:
        decoded = decode_frames(stream, name)
    assert decoded.duration_s == pytest.approx(info.duration_s, abs=0.03)
    json.dumps(info.to_dict())


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
MADE: dict[str, tuple[str, str, str, dict[str, object], str, int | None]] = {
    # name: format, muxer, codec, options, expected codec, expected bits
    "wma": ("WMA", "asf", "wmav2", {}, "wmav2", None),
    "webm": ("WebM", "webm", "libopus", {"rate": 48_000}, "opus", None),
    "caf": ("CAF", "caf", "pcm_s16be", {}, "pcm_s16be", 16),
    "caf alac": ("CAF", "caf", "alac", {"sample_format": "s16p"}, "alac", 16),
    "aiff": ("AIFF", "aiff", "pcm_s24be", {}, "pcm_s24be", 24),
    "alac": ("MP4", "mp4", "alac", {"sample_format": "s32p"}, "alac", 24),
    "wav24": ("WAV", "wav", "pcm_s24le", {}, "pcm_s24le", 24),
    "wav float": ("WAV", "wav", "pcm_f32le", {}, "pcm_f32le", 32),
    "wav 7.1": ("WAV", "wav", "pcm_s16le", {"layout": "7.1"}, "pcm_s16le", 16),
    "flac24": ("FLAC", "flac", "flac", {"sample_format": "s32"}, "flac", 24),
    "ogg flac": ("Ogg", "ogg", "flac", {}, "flac", 16),
    "fragments": ("MP4", "mp4", "aac", {"container_options": FRAGMENTS}, "aac", None),
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    files = {}
    for name, (_, muxer, codec, options, _, _) in MADE.items():
        files[name] = folder / name
        encode(files[name], muxer, codec, **options)  # type: ignore[arg-type]
    return files


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_every_other_kind_is_understood(made: dict[str, Path], name: str) -> None:
    format_name, _, _, options, codec, bits = MADE[name]
    info = probe_here(made[name], format_name)
    assert (info.container, info.codec, info.bits_per_sample) == (format_name, codec, bits)
    assert info.channels == (8 if options.get("layout") else 2)
    assert info.duration_s == pytest.approx(2.0, abs=0.06)
    assert info.tags["title"] == "Tön"
    with made[name].open("rb") as stream:
        decoded = decode_frames(stream, format_name)
    assert decoded.duration_s == pytest.approx(2.0, abs=0.05)


def test_a_wav_of_a_pipe_has_the_duration_of_its_bytes() -> None:
    data = bytearray((EXAMPLES / "a-brisk-walk.wav").read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff" * 4
    assert read(bytes(data), "WAV").duration_s == pytest.approx(6.064853, abs=0.01)


def test_a_flac_of_unknown_length_is_measured() -> None:
    data = bytearray((EXAMPLES / "Lied für Ümläute.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert read(bytes(data), "FLAC").duration_s == pytest.approx(8.819, abs=0.01)


def test_chapters_are_found_and_limited(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a"), "w", format="mp4") as out:
        out.set_chapters(
            [
                {"id": i, "start": i, "end": i + 1, "time_base": Fraction(1, 2),
                 "metadata": {"title": f"Teil\x01 {i}"}}
                for i in range(3)
            ]
        )  # fmt: skip
        stream = out.add_stream("aac", rate=44_100, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 66_150), np.float32), "fltp", "mono")
        frame.rate, frame.pts = 44_100, 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    found = probe_here(tmp_path / "a", "MP4").chapters
    assert [(c.start_s, c.end_s, c.title) for c in found] == [
        (0.0, 0.5, "Teil 0"),
        (0.5, 1.0, "Teil 1"),
        (1.0, 1.5, "Teil 2"),
    ]


# -- tags --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tags_are_clean_text_of_limited_length_and_number() -> None:
    frames = [
        (b"TIT2", b"\3a\x07b\x1b[31m\nc\xe2\x80\xaed\xff"),
        (b"TPE2", b"\3" + b"x" * 5_000),
        (b"TXXX", b"\3MAJOR_BRAND\0hidden"),
        *[(b"TXXX", b"\3my tag %d\0v" % i) for i in range(10_000)],
    ]
    tags = read(id3(*frames) + mp3(), "MP3").tags
    assert tags["title"].startswith("ab[31m cd")
    assert len(tags["album_artist"]) == MAX_TAG_CHARS
    assert len(tags) == MAX_TAGS
    assert "major_brand" not in tags
    with pytest.raises(TypeError):
        tags["title"] = "x"  # type: ignore[index]


@pytest.mark.slow
def test_ten_thousand_vorbis_comments_are_taken_in_time(tmp_path: Path) -> None:
    def flac(count: int) -> bytes:
        data = (EXAMPLES / "Lied für Ümläute.flac").read_bytes()
        at, last = 4, 0
        while not last:
            last, at = data[at] & 128, at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        texts = [f"{i:x}=v".encode() for i in range(count)]
        body = b"\0\0\0\0" + struct.pack("<I", count)
        body += b"".join(struct.pack("<I", len(t)) + t for t in texts)
        return data[:42] + b"\x84" + len(body).to_bytes(3, "big") + body + data[at:]

    (tmp_path / "few").write_bytes(flac(10_000))
    (tmp_path / "many").write_bytes(flac(90_000))
    with SandboxPool(cpu_s=20) as pool:
        assert len(pool.probe(tmp_path / "few", "FLAC").tags) == MAX_TAGS
    with (
        SandboxPool(cpu_s=0.5) as pool,
        pytest.raises(InspectionLimitError, match=r"more than 0\.5 s of CPU time.* limit"),
    ):
        pool.probe(tmp_path / "many", "FLAC")


# -- artwork -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (jpeg(200)[:-20], "cut short"),
        (jpeg()[:100], "is cut short"),
        (b"hello, I am no picture", "the image is text"),
        (b"GIF89a" + bytes(30), "GIF"),
    ],
)
def test_a_bad_embedded_picture_is_a_problem_and_no_failure(picture: bytes, words: str) -> None:
    info = read(id3((b"APIC", b"\0image/jpeg\0\3\0" + picture)) + mp3(), "MP3")
    assert info.artwork is None
    assert words in str(info.artwork_problem)
    assert info.duration_s > 10


def test_a_picture_is_what_its_bytes_are_and_the_front_cover_comes_first() -> None:
    frames = [(b"APIC", b"\0image/png\0\4back\0" + jpeg(8))]
    frames += [(b"APIC", b"\0image/png\0\3front\0" + jpeg(16))]
    artwork = read(id3(*frames) + mp3(), "MP3").artwork
    assert artwork is not None
    assert (artwork.info.content_type, artwork.info.width) == ("image/jpeg", 16)


@pytest.mark.parametrize("picture", [jpeg(64), jpeg(64)[:100]])
def test_a_picture_that_nobody_wants_is_left_alone(tmp_path: Path, picture: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(id3((b"APIC", b"\0image/jpeg\0\x03\0" + picture)) + mp3())
    looked = probe_here(path, "MP3")
    assert looked.artwork or looked.artwork_problem
    unseen = replace(looked, artwork=None, artwork_problem=None)
    assert probe_audio(path, "MP3", artwork=False) == unseen


def test_what_was_recognised_is_not_recognised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = id3((b"TIT2", b"\3A"))
    looked = read(tag + mp3(), "MP3")
    monkeypatch.setattr("audiostore.media.probe.open.recognise", pytest.fail)
    assert read_audio(io.BytesIO(tag + mp3()), "MP3", offset=len(tag)) == looked


def test_a_small_file_is_read_once_and_a_large_one_where_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"RIFF" * 100)
    with path.open("rb+", buffering=0) as stream:
        small = OpenFile(stream.fileno()).at_hand()
        stream.truncate(0)
        assert (small.seek(0, io.SEEK_END), small.seek(4)) == (400, 4)
        assert small.read(400) == b"RIFF" * 99
        stream.truncate(1 << 20)
        large = OpenFile(stream.fileno()).at_hand()
        assert large.seek(0, io.SEEK_END) == 1 << 20
        stream.truncate(7)
        assert large.seek(0, io.SEEK_END) == 7


def test_a_picture_of_3_600_000_000_pixels_is_a_problem() -> None:
    bomb = bytearray(jpeg())
    at = bomb.index(b"\xff\xc0")
    bomb[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    info = read(id3((b"APIC", b"\0image/jpeg\0\3\0" + bytes(bomb))) + mp3(), "MP3")
    assert "60,000 x 60,000" in str(info.artwork_problem)


def test_a_picture_that_is_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with canary() as (path, opened):
        link = b"\0-->\0\3\0" + f"file://{path}".encode()
        info = read(id3((b"APIC", link)) + mp3(), "MP3")
        assert info.artwork is None
        assert not opened()


def test_a_hundred_megabytes_of_id3_are_skipped(tmp_path: Path) -> None:
    size = 100 << 20
    head = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(b"ID3\x04\0\0" + head + b"APIC\x2f\x7f\x7f\x7f\0\0\0image/png\0\3\0")
        file.seek(10 + size)
        file.write(mp3())
    with SandboxPool() as pool:
        info = pool.probe(path, "MP3")
        assert resident_mib(pool) < 100
    assert info.duration_s == pytest.approx(10.43, abs=0.01)
    assert not info.tags
    assert "larger than 20,000,000 bytes" in str(info.artwork_problem)
    os.truncate(path, 1000)
    with pytest.raises(UnplayableAudioError):
        probe_here(path, "MP3")


# -- decoding ----------------------------------------------------------------------------------


def resident_mib(pool: SandboxPool) -> float:
    """The peak of the worker's memory."""
    status = Path(f"/proc/{worker_of(pool).pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("track", TRACKS, ids=lambda track: track.name)
def test_a_sandboxed_probe_finds_the_same(track: Track) -> None:
    path, name = EXAMPLES / track.name, FORMATS[track.container]
    assert probe_audio(path, name) == probe_here(path, name)
    with path.open("rb") as stream:
        decoded = decode_frames(stream, name)
    assert decode_audio(path, name) == decoded
    assert check_audio(path, name) == (probe_here(path, name), decoded)


def damaged(name: str, at: float, count: int) -> bytes:
    data = bytearray((EXAMPLES / name).read_bytes())
    start = round(len(data) * at)
    data[start : start + count] = b"\x55" * count
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("Lied für Ümläute.flac", "FLAC"),
        ("small-rain.aac", "AAC"),
        ("harbour-lights.ogg", "Ogg"),
        ("last-tram-home.opus", "Ogg"),
        ("paper-lanterns.m4a", "MP4"),
    ],
)
def test_damage_in_the_middle_is_found_with_its_second(
    tmp_path: Path, name: str, format_name: str
) -> None:
    (tmp_path / "song").write_bytes(damaged(name, 0.5, 4000))
    assert probe_audio(tmp_path / "song", format_name).duration_s > 5
    with pytest.raises(UnplayableAudioError, match=r"at \d+\.\d s|misses \d+\.\d\d s"):
        decode_audio(tmp_path / "song", format_name)


@pytest.mark.parametrize("percent", [10, 50, 90])
@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("Lied für Ümläute.flac", "FLAC"),
        ("morning-in-c.mp3", "MP3"),
        ("small-rain.aac", "AAC"),
        ("paper-lanterns.m4a", "MP4"),
    ],
)
def test_a_cut_file_does_not_pass(name: str, format_name: str, percent: int) -> None:
    data = (EXAMPLES / name).read_bytes()
    with pytest.raises(UnplayableAudioError):
        decode_frames(io.BytesIO(data[: len(data) * percent // 100]), format_name)


def test_an_mp3_that_ends_within_a_frame_is_found_without_any_header(tmp_path: Path) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"}
    encode(tmp_path / "a", "mp3", "libmp3lame", container_options=options)
    data = (tmp_path / "a").read_bytes()
    decode_frames(io.BytesIO(data), "MP3")
    with pytest.raises(UnplayableAudioError, match=r"ends within a frame at 2\.0 s"):
        decode_frames(io.BytesIO(data[:-100]), "MP3")


def ape(size: int) -> bytes:
    ends = [struct.pack("<8sIIII8x", b"APETAGEX", 2000, 32 + size, 1, f << 29) for f in (5, 4)]
    return ends[0] + b"x" * size + ends[1]


@pytest.mark.parametrize(
    "trailer",
    [
        b"TAG" + b"x" * 125,
        ape(300) + b"TAG" + b"x" * 125,
        b"ID3\4\0\0\0\0\2\0" + b"y" * 256,
        b"LYRICSBEGININD0000200000026LYRICS200TAG" + b"x" * 125,
        bytes(5000),
    ],
    ids=["ID3v1", "APE", "ID3v2", "Lyrics3", "padding"],
)
@pytest.mark.parametrize(
    ("name", "format_name"),
    [("morning-in-c.mp3", "MP3"), ("small-rain.aac", "AAC"), ("Lied für Ümläute.flac", "FLAC")],
)
def test_tags_and_padding_after_the_sound_are_not_damage(
    trailer: bytes, name: str, format_name: str
) -> None:
    data = (EXAMPLES / name).read_bytes()
    expected = read(data, format_name).duration_s
    info = read(data + trailer, format_name)
    assert info.duration_is_exact
    assert info.duration_s == pytest.approx(expected, abs=0.03)
    decoded = decode_frames(io.BytesIO(data + trailer), format_name)
    assert decoded.duration_s == pytest.approx(expected, abs=0.03)


def worker_of(pool: SandboxPool) -> subprocess.Popen[bytes]:
    (worker,) = pool._workers
    return worker._process


def wait_until_at_it(worker: subprocess.Popen[bytes]) -> None:
    """Wait until a worker computes."""
    before_s = computed_s(worker.pid)
    while computed_s(worker.pid) < before_s + 0.05:
        time.sleep(0.001)


def open_descriptors(pid: int) -> set[int]:
    return {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def computed_s(pid: int) -> float:
    """What a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hours_of_sound(path: Path, size_bytes: int = 4_000_000_000) -> Path:
    data = (EXAMPLES / "a-brisk-walk.wav").read_bytes()
    at = data.index(b"data")
    with path.open("wb") as file:
        file.write(b"RIFF\xff\xff\xff\xff" + data[8 : at + 4] + b"\xff" * 4)
        file.truncate(size_bytes)
    return path


@pytest.mark.slow
def test_a_file_that_takes_too_much_cpu_time_fails_and_the_next_does_not(
    tmp_path: Path,
) -> None:
    song = EXAMPLES / "last-tram-home.opus"
    with SandboxPool(cpu_s=0.3) as pool:
        assert pool.probe(song, "Ogg").codec == "opus"
        before_s = computed_s(worker_of(pool).pid)
        others = resource.getrusage(resource.RUSAGE_CHILDREN)
        with pytest.raises(InspectionLimitError, match=r"0\.3 s of CPU time.*check=.quick"):
            pool.decode(hours_of_sound(tmp_path / "long.wav"), "WAV")
        all_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent_s = all_s.ru_utime + all_s.ru_stime - others.ru_utime - others.ru_stime - before_s
        assert 0.1 < spent_s < 0.6
        assert pool.probe(song, "Ogg").codec == "opus"


@pytest.mark.slow
def test_a_file_does_not_fail_because_its_worker_rarely_runs(tmp_path: Path) -> None:
    path = hours_of_sound(tmp_path / "long.wav", 100_000_000)
    with SandboxPool(cpu_s=60) as pool:
        pool.probe(path, "WAV")
        before_s = computed_s(worker_of(pool).pid)
        pool.decode(path, "WAV")
        needs_s = computed_s(worker_of(pool).pid) - before_s
    cpu_s = max(1.0, 4 * needs_s)
    with SandboxPool(cpu_s=cpu_s) as pool, ThreadPoolExecutor(1) as threads:
        pool.probe(path, "WAV")
        worker = worker_of(pool)

        def decode_and_stop_in_the_middle() -> bool:
            before_s = computed_s(worker.pid)
            decoding = threads.submit(pool.decode, path, "WAV")
            wait_until(lambda: computed_s(worker.pid) > before_s or decoding.done())
            worker.send_signal(signal.SIGSTOP)
            time.sleep(cpu_s + 0.2)  # longer than it may compute
            was_in_the_middle = not decoding.done()
            worker.send_signal(signal.SIGCONT)
            assert decoding.result().duration_s > 500
            return was_in_the_middle

        # On a busy machine, the signal may come when it has just finished.
        assert any(decode_and_stop_in_the_middle() for _ in range(20))
        assert worker_of(pool) is worker


def test_a_worker_that_was_started_early_is_the_one_used() -> None:
    with SandboxPool() as pool:
        pool.start()
        worker = worker_of(pool)
        assert pool.probe(EXAMPLES / "last-tram-home.opus", "Ogg").codec == "opus"
        assert worker_of(pool) is worker


@pytest.mark.slow
def test_several_workers_run_at_once_and_no_more_than_the_limit(tmp_path: Path) -> None:
    path = hours_of_sound(tmp_path / "long.wav", 20_000_000)
    with SandboxPool(cpu_s=60, limit=2) as pool, ThreadPoolExecutor(6) as threads:
        jobs = [threads.submit(pool.decode, path, "WAV") for _ in range(6)]
        assert len({job.result().duration_s for job in jobs}) == 1
        assert len(pool._workers) == 2
        assert all(worker._process.poll() is None for worker in pool._workers)


@pytest.mark.slow
def test_cpu_time_spent_on_one_file_does_not_count_for_the_next() -> None:
    song = EXAMPLES / "last-tram-home.opus"
    with SandboxPool(cpu_s=0.1) as pool:
        pool.probe(song, "Ogg")
        worker = worker_of(pool)
        before_s = computed_s(worker.pid)
        while computed_s(worker.pid) - before_s < 0.3:
            pool.probe(song, "Ogg")
        assert worker_of(pool) is worker


@pytest.mark.slow
def test_a_worker_that_hangs_times_out_and_the_file_is_not_blamed() -> None:
    song = EXAMPLES / "last-tram-home.opus"
    with SandboxPool() as pool:
        pool.probe(song, "Ogg")
        pool._timeout_s = 0.2
        worker_of(pool).send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError, match=r"not respond for 0\.2 s.*last-tram-home"):
            pool.probe(song, "Ogg")
        pool._timeout_s = 60
        assert pool.probe(song, "Ogg").codec == "opus"


@pytest.mark.slow
def test_a_worker_ends_itself_if_nobody_kills_it(tmp_path: Path) -> None:
    with SandboxPool(cpu_s=0.2) as pool:
        pool.probe(EXAMPLES / "last-tram-home.opus", "Ogg")
        request = Request("decode", "WAV", 256 << 20, 0.2).pack()
        ours, theirs = socket.socketpair()
        with ours, theirs, hours_of_sound(tmp_path / "long.wav").open("rb") as file:
            descriptors = [file.fileno(), theirs.fileno()]
            socket.send_fds(pool._workers[0]._requests, [request], descriptors)
            assert worker_of(pool).wait(60) == -signal.SIGPROF


@pytest.mark.slow
def test_a_worker_that_died_is_replaced() -> None:
    song = EXAMPLES / "last-tram-home.opus"
    with SandboxPool() as pool:
        assert pool.probe(song, "Ogg")
        worker = worker_of(pool)
        worker.kill()
        worker.wait()
        assert pool.probe(song, "Ogg")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (signal.SIGSEGV, UnplayableAudioError, r"crashes FFmpeg \(signal 11\)"),
        (signal.SIGKILL, InspectionLimitError, "this machine has too little memory for it"),
    ],
)
def test_the_file_that_kills_a_worker_fails_and_the_queued_ones_do_not(
    tmp_path: Path, number: signal.Signals, kind: type[Exception], reason: str
) -> None:
    song, path = EXAMPLES / "last-tram-home.opus", flac_of_many_tags(tmp_path / "tags.flac")
    with SandboxPool(cpu_s=60) as pool, ThreadPoolExecutor(8) as threads:
        pool.probe(song, "Ogg")
        worker = worker_of(pool)
        deadly = threads.submit(pool.probe, path, "FLAC")
        wait_until_at_it(worker)
        waiting = [threads.submit(pool.probe, song, "Ogg") for _ in range(7)]
        while pool._workers[0].queued < 8:
            time.sleep(0.001)
        worker.send_signal(number)
        wait_until(lambda: pool._alone, "the file is looked at again, in a fresh worker")
        (fresh,) = pool._alone
        wait_until_at_it(fresh._process)
        fresh._process.send_signal(number)
        with pytest.raises(kind, match=reason):
            deadly.result()
        assert [job.result().codec for job in waiting] == ["opus"] * 7
        assert worker_of(pool) is not worker


@pytest.mark.slow
def test_many_files_queue_for_one_worker_and_each_gets_its_own_response() -> None:
    songs = {
        "Ogg": (EXAMPLES / "last-tram-home.opus", "opus"),
        "WAV": (EXAMPLES / "a-brisk-walk.wav", "pcm_s16le"),
        "MP3": (EXAMPLES / "morning-in-c.mp3", "mp3"),
    }
    with SandboxPool() as pool, ThreadPoolExecutor(20) as threads:
        names = [*songs] * 60
        jobs = [threads.submit(pool.probe, songs[name][0], name) for name in names]
        assert [job.result().codec for job in jobs] == [songs[name][1] for name in names]
        assert worker_of(pool).poll() is None


def test_a_worker_can_open_no_file_and_no_socket_and_takes_little_memory() -> None:
    with SandboxPool() as pool:
        pool.probe(EXAMPLES / "last-tram-home.opus", "Ogg")
        pid = worker_of(pool).pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        allowed = int(limits.split("Max open files")[1].split()[0])
        # Two are for the file itself and for the response; it closes them when it has responded.
        while len(set(range(allowed)) - open_descriptors(pid)) < 2:
            time.sleep(0.001)
        assert len(set(range(allowed)) - open_descriptors(pid)) == 2
        assert int(limits.split("Max address space")[1].split()[0]) < 600 << 20


class FailingDisk(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_disk_that_fails_is_not_the_files_fault() -> None:
    with pytest.raises(OSError, match="Input/output") as caught:
        decode_frames(FailingDisk((EXAMPLES / "a-brisk-walk.wav").read_bytes()), "WAV")
    assert not isinstance(caught.value, UnplayableAudioError)


def test_a_place_beyond_any_file_is_its_end() -> None:
    with (EXAMPLES / "a-brisk-walk.wav").open("rb", 0) as file:
        reader = FileView(file, 4, 12)
        assert reader.seek(2**62) == 2**62
        assert reader.read(10) == b""
        assert reader.seek(-3, os.SEEK_CUR) == 2**62 - 3
        assert reader.seek(-9, os.SEEK_END) < 0
        assert reader.seek(-4, os.SEEK_END) == 4
        assert reader.read(4) == b"WAVE"


@pytest.mark.slow
def test_many_requests_leave_nothing_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with SandboxPool() as pool:
        for _ in range(300):
            pool.probe(EXAMPLES / "a-brisk-walk.wav", "WAV")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- what is refused ---------------------------------------------------------------------------


def test_video_and_files_without_sound_are_refused_in_words(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v"), "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=25)
        assert isinstance(video, av.VideoStream)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        picture = av.VideoFrame(32, 32, "yuv420p")
        out.mux([*video.encode(picture), *video.encode(None)])
    with pytest.raises(UnplayableAudioError, match="video and no sound"):
        probe_here(tmp_path / "v", "MP4")


def test_no_samples_at_all_are_refused() -> None:
    wav = (EXAMPLES / "a-brisk-walk.wav").read_bytes()
    at = wav.index(b"data")
    with pytest.raises(UnplayableAudioError):
        read(wav[: at + 4] + bytes(4), "WAV")


@pytest.mark.parametrize("name", [each.name for each in AUDIO_FORMATS])
def test_noise_is_refused(name: str) -> None:
    with pytest.raises(UnplayableAudioError):
        read(b"noise" * 1000, name)


def test_no_file_or_no_regular_file_is_refused(tmp_path: Path) -> None:
    for look in (probe_audio, decode_audio):
        with pytest.raises(SourceNotFoundError):
            look(tmp_path / "none", "MP3")
        with pytest.raises(InvalidSourceError):
            look(tmp_path, "MP3")


# -- no other file, no address -----------------------------------------------------------------


@contextmanager
def canary() -> Iterator[tuple[Path, Callable[[], bool]]]:
    """A sound file in the working directory, and whether any code, in C or Python, opened it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("inotify shows what C code opens")
    libc = ctypes.CDLL(None, use_errno=True)
    path = Path("canary.wav").absolute()
    path.write_bytes((EXAMPLES / "a-brisk-walk.wav").read_bytes())
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(path), 0x20) > 0  # IN_OPEN

    def opened() -> bool:
        try:
            return bool(os.read(watch, 4096))
        except BlockingIOError:
            return False

    try:
        yield path, opened
    finally:
        os.close(watch)


def mp4_box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def mp4_that_refers_to(target: str) -> bytes:
    """An MP4 whose data reference is a QuickTime alias of another file."""
    name = target.encode()
    alias = bytes(10) + bytes([3]) + b"vol".ljust(27, b"\0") + bytes(12)
    alias += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1)
    alias += bytes(16) + struct.pack(">HH", 2, len(name)) + name + b"\0" * (len(name) % 2)
    alias += b"\xff\xff\0\0" + bytes(40)
    dref = mp4_box(b"dref", struct.pack(">II", 0, 1), mp4_box(b"alis", bytes(4), alias))
    entry = (
        bytes(6)
        + struct.pack(">H", 1)
        + bytes(8)
        + struct.pack(">HHHHI", 1, 16, 0, 0, 22_050 << 16)
    )
    stbl = mp4_box(
        b"stbl",
        mp4_box(b"stsd", struct.pack(">II", 0, 1), mp4_box(b"sowt", entry)),
        mp4_box(b"stts", struct.pack(">IIII", 0, 1, 1000, 1)),
        mp4_box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1000, 1)),
        mp4_box(b"stsz", struct.pack(">III", 0, 2, 1000)),
        mp4_box(b"stco", struct.pack(">III", 0, 1, 44)),
    )
    minf = mp4_box(b"minf", mp4_box(b"smhd", bytes(8)), mp4_box(b"dinf", dref), stbl)
    mdhd = mp4_box(b"mdhd", bytes(12), struct.pack(">II", 22_050, 1000), bytes(4))
    hdlr = mp4_box(b"hdlr", bytes(8), b"soun", bytes(13))
    tkhd = mp4_box(b"tkhd", struct.pack(">I", 7), bytes(8), struct.pack(">I", 1), bytes(68))
    mvhd = mp4_box(b"mvhd", bytes(12), struct.pack(">II", 22_050, 1000), bytes(80))
    trak = mp4_box(b"trak", tkhd, mp4_box(b"mdia", mdhd, hdlr, minf))
    return mp4_box(b"ftyp", b"qt  \0\0\0\0") + mp4_box(b"moov", mvhd, trak)


PLAYLISTS = {
    "concat": b"ffconcat version 1.0\nfile canary.wav\n",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ncanary.wav\n#EXT-X-ENDLIST\n",
    "dash": b"<?xml version='1.0'?><MPD type='static'><Period><BaseURL>canary.wav</BaseURL>"
    b"</Period></MPD>",
}


def test_ffmpeg_left_to_itself_does_open_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests below: the canary does sing."""
    monkeypatch.chdir(tmp_path)
    with canary() as (_, opened):
        Path("song.mp3").write_bytes(PLAYLISTS["concat"])
        with av.open("song.mp3"):
            assert opened()
        Path("song.m4a").write_bytes(mp4_that_refers_to("canary.wav"))
        with av.open("song.m4a", format="mov", options={"enable_drefs": "1"}):
            assert opened()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PLAYLISTS, "dref", "absolute dref"])
@pytest.mark.parametrize("name", [each.name for each in AUDIO_FORMATS])
def test_no_file_makes_us_open_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with canary() as (path, opened):
        target = str(path) if kind.startswith("absolute") else "canary.wav"
        data = PLAYLISTS.get(kind) or mp4_that_refers_to(target)
        Path("song").write_bytes(data)
        for look in (probe_here, decode_audio if name in ("MP3", "MP4") else probe_audio):
            with suppress(UnplayableAudioError):
                look(Path("song"), name)
        assert not opened()
