"""Decoding all of a file accuses none that plays: what is odd about one is a warning."""

import struct
import tempfile
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media.info import DecodedInfo
from audiostore.media.probe import decode_frames, describe
from tests.audio_samples import encode, riff, sample


def with_gap(container: str, codec: str, *, gaps: tuple[float, ...]) -> bytes:
    """Return 4 s of sound, with a gap of 5 s in the times of its frames at each of these."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song"
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream(codec, rate=48_000, layout="mono")
            assert isinstance(stream, av.AudioStream)
            stream.codec_context.open()
            out.start_encoding()
            noise = np.random.default_rng(1).integers(-9000, 9000, (1, 4 * 48_000), np.int16)
            frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            context = stream.codec_context
            resampler = av.AudioResampler(context.format, "mono", 48_000, context.frame_size)
            packets = [p for piece in resampler.resample(frame) for p in stream.encode(piece)]
            for packet in [*packets, *stream.encode(None)]:
                if packet.pts is not None and packet.time_base:
                    begun = sum(float(packet.pts * packet.time_base) > gap for gap in gaps)
                    packet.pts = packet.dts = packet.pts + int(5 * begun / packet.time_base)
                    out.mux(packet)
        return path.read_bytes()


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [("webm", "libopus", "WebM"), ("ipod", "aac", "MP4"), ("ogg", "libopus", "Ogg")],
)
def test_a_gap_in_a_recording_is_a_warning(container: str, codec: str, name: str) -> None:
    decoded = decode_frames(BytesIO(with_gap(container, codec, gaps=(2.0,))), name)
    (warning,) = decoded.warnings
    assert warning.startswith("has a gap of 5.0")
    assert " in its sound at 2.0" in warning
    decoded = decode_frames(BytesIO(with_gap(container, codec, gaps=(1.0, 2.0, 3.0))), name)
    assert [w.endswith(": the longest of 3 gaps") for w in decoded.warnings] == [True]


def test_a_file_is_opened_again_only_if_it_was_read_to_measure_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, av_open = [0], av.open

    def count(*args: Any, **options: Any) -> Any:
        opened[0] += 1
        return av_open(*args, **options)

    data = encode("ipod", "aac")
    monkeypatch.setattr(av, "open", count)
    once = decode_frames(BytesIO(data), "MP4")
    assert opened == [1]
    monkeypatch.setattr(describe, "measure_sound", lambda *_, **__: None)
    again = decode_frames(BytesIO(data), "MP4")
    assert opened == [3]
    assert again.samples == once.samples > 0


@pytest.mark.parametrize("seconds", [0.3, 1.2935])
def test_a_frame_more_than_is_stated_is_nothing_to_mention(seconds: float) -> None:
    """A frame of AAC at 8 kHz lasts 0.128 s."""
    data = encode("ipod", "aac", rate=8_000, seconds=seconds, bit_rate=24_000)
    decoded = decode_frames(BytesIO(data), "MP4")
    assert decoded.warnings == ()
    assert decoded.duration_s == pytest.approx(seconds, abs=0.001)  # as the file counts it
    assert decoded.samples > seconds * 8_000


def test_a_wrong_duration_is_no_damage() -> None:
    """The time between the frames is stated wrongly; all of them decode."""
    data = bytearray(sample("m4a of alac"))
    at = data.rindex(b"mdhd") + 4 + 12
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") * 2).to_bytes(4, "big")
    decoded: DecodedInfo = decode_frames(BytesIO(bytes(data)), "MP4")
    assert decoded.duration_s == pytest.approx(2.0, abs=0.1)
    (warning,) = decoded.warnings
    assert warning.endswith("s as it states")


def test_damage_of_one_kind_is_named_once() -> None:
    data = bytearray(sample("m4a"))
    for share in (0.3, 0.5, 0.7):
        at = int(len(data) * share)
        data[at : at + 200] = b"U" * 200
    words = r"its sound does not decode \([^()]*\) at 0\.\d s: the first of \d places"
    with pytest.raises(UnplayableAudioError, match=f"^{words}$"):
        decode_frames(BytesIO(bytes(data)), "MP4")


def test_what_a_container_cuts_off_or_players_ignore_is_no_damage() -> None:
    """The last packet of MP3 in a WAV need not be whole; nor is a checksum of AC-3 kept by all."""
    mp3 = sample("mp3 without a count")
    layer3 = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 48_000, 8_000, 1, 0, 12, 1, 2, 192, 1, 0)
    wav = riff((b"fmt ", layer3), (b"data", mp3[:-100]))
    assert decode_frames(BytesIO(wav), "WAV").samples > 1.9 * 48_000
    ac3 = bytearray(encode("mp4", "ac3"))
    end = ac3.rindex(b"moov") - 4
    ac3[end - 1] ^= 1
    decoded = decode_frames(BytesIO(bytes(ac3)), "MP4")
    assert decoded.samples >= 2 * 48_000
    assert decoded.warnings == ()
