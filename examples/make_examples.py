"""Compose a small tune, vary it into seven tracks with covers, and check every file written.

Run ``python examples/make_examples.py`` with the dev extra installed (PyAV, Pillow, NumPy). The
files are written next to this script. All randomness is seeded, so a second run on the same machine
with the same library versions writes the same bytes.
"""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from draw_covers import draw
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
TAGS = {"artist": "The audiostore developers", "album": "Seven Small Tracks"}
TAGS |= {"date": "2025", "genre": "Ambient"}
PICTURES = {"mjpeg": "JPEG", "png": "PNG", ".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
TAIL = 1.2  # seconds of ringing after the last beat

MAJOR, DORIAN = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10)
HARMONIC_MINOR, LYDIAN = (0, 2, 3, 5, 7, 8, 11), (0, 2, 4, 6, 7, 9, 11)

# The tune, one bar of four beats per line: the chord roots of its two halves, then (degree, beats).
BARS = (
    ((0, 0), ((4, 1.0), (2, 0.5), (4, 0.5), (7, 1.5), (8, 0.5))),
    ((5, 5), ((9, 1.0), (7, 0.5), (8, 0.5), (5, 2.0))),
    ((3, 1), ((5, 0.5), (6, 0.5), (7, 0.5), (5, 0.5), (3, 1.0), (5, 1.0))),
    ((4, 0), ((1, 0.5), (3, 0.5), (4, 0.5), (6, 0.5), (7, 2.0))),
)

# A voice: its attack in seconds and its partials (frequency ratio, level, decay per second).
VOICES: dict[str, tuple[float, tuple[tuple[float, float, float], ...]]] = {
    "pluck": (0.004, tuple((k, np.sin(0.9 * k) / k**1.6, 1.6 + 0.9 * k) for k in range(1, 10))),
    "marimba": (0.003, ((1.0, 1.0, 4.5), (3.93, 0.28, 11.0), (9.6, 0.06, 24.0))),
    "music box": (0.002, ((1.0, 0.8, 2.4), (2.0, 0.25, 3.5), (2.76, 0.2, 6.0), (5.4, 0.1, 12.0))),
    "flute": (0.06, ((1.0, 1.0, 1.3), (2.0, 0.3, 1.8), (3.0, 0.12, 2.5), (4.0, 0.04, 4.0))),
    "bass": (0.012, ((1.0, 1.0, 2.2), (2.0, 0.35, 3.2), (3.0, 0.1, 5.0))),
}


@dataclass(frozen=True)
class Track:
    """One file: its name, how the tune is varied, and what accompanies the audio."""

    number: int
    name: str
    title: str
    voice: str
    tonic: int
    scale: tuple[int, ...]
    bpm: float
    bars: tuple[int, ...]
    codec: str
    container: str
    style: str = ""
    hue: float = 0.0
    rate: int = 44100
    layout: str = "stereo"
    bit_rate: int | None = None
    embedded: str = ""  # codec of the picture inside the file
    cover: str = ""  # suffix of the picture next to the file

    @property
    def seconds(self) -> float:
        return len(self.bars) * 4 * 60 / self.bpm + TAIL

    @property
    def tags(self) -> dict[str, str]:
        if self.container == "adts":
            return {}
        return {**TAGS, "title": self.title, "track": str(self.number)}

    def melody(self) -> Iterator[tuple[float, int, float]]:
        """Yield beat, scale degree and length in beats of every note of the tune."""
        for index, bar in enumerate(self.bars):
            beat = 4.0 * index
            for degree, beats in BARS[bar][1]:
                yield beat, degree, beats
                beat += beats


AROUND = (0, 1, 2, 3)
TRACKS = (
    Track(1, "morning-in-c.mp3", "Morning, in C", "pluck", 60, MAJOR, 104, AROUND, "libmp3lame",
          "mp3", "waves", 0.04, bit_rate=128_000, embedded="mjpeg", cover=".jpg"),
    Track(2, "Lied für Ümläute.flac", "Lied für Ümläute", "marimba", 57, DORIAN, 126, (1, 0, 2, 3),
          "flac", "flac", "rings", 0.79, layout="mono", embedded="png", cover=".png"),
    Track(3, "a-brisk-walk.wav", "A Brisk Walk", "marimba", 62, MAJOR, 148, (0, 2, 3), "pcm_s16le",
          "wav", "lanterns", 0.45, rate=22050, layout="mono", cover=".webp"),
    Track(4, "harbour-lights.ogg", "Harbour Lights", "music box", 64, HARMONIC_MINOR, 96, AROUND,
          "vorbis", "ogg", "waves", 0.86, bit_rate=112_000, cover=".jpg"),
    Track(5, "paper-lanterns.m4a", "Paper Lanterns", "flute", 65, LYDIAN, 112, (0, 1, 0, 3), "aac",
          "mp4", "lanterns", 0.68, rate=48000, bit_rate=112_000, embedded="mjpeg"),
    Track(6, "small-rain.aac", "Small Rain", "music box", 67, MAJOR, 132, (2, 1, 2, 3), "aac",
          "adts", bit_rate=96_000),
    Track(7, "last-tram-home.opus", "Last Tram Home", "pluck", 55, DORIAN, 92, (0, 1, 3), "libopus",
          "opus", rate=48000, bit_rate=64_000),
)  # fmt: skip


def compose(track: Track) -> Iterator[tuple[str, float, int, float, float]]:
    """Yield voice, beat, degree, loudness and pan (-1 left to 1 right) of every note played."""
    for beat, degree, beats in track.melody():
        yield track.voice, beat, degree, 0.8 + 0.1 * min(beats, 2), 0.25 * np.sin(beat)
    for index, bar in enumerate(track.bars):
        for half, root in enumerate(BARS[bar][0]):
            beat = 4.0 * index + 2 * half
            yield "bass", beat, root - 14, 0.62, 0.0
            for step, degree in enumerate((root - 5, root - 3, root - 5)):
                yield track.voice, beat + 0.5 * (step + 1), degree, 0.26, (-0.7, 0.6)[step % 2]


def render(track: Track) -> NDArray[np.float32]:
    """Return the track, channels by samples: notes, an echo, a small room, a fade, a safe peak."""
    rng = np.random.default_rng(track.number)
    total = round(track.seconds * track.rate)
    out = np.zeros((2, total))
    for voice, beat, degree, loudness, pan in compose(track):
        start = round((beat * 60 / track.bpm + rng.uniform(0, 0.008)) * track.rate)
        t = np.arange(min(total - start, 3 * track.rate)) / track.rate
        octave, step = divmod(degree, 7)
        pitch = 440 * 2 ** ((track.tonic + 12 * octave + track.scale[step] - 69) / 12)
        attack, partials = VOICES[voice]
        note = np.zeros_like(t)
        for ratio, level, decay in partials:
            if pitch * ratio < 0.45 * track.rate:
                note += level * np.exp(-decay * t) * np.sin(2 * np.pi * pitch * ratio * t)
        note *= np.minimum(t / attack, 1) * np.minimum(3 - t, 1) * loudness * rng.uniform(0.92, 1)
        out[:, start : start + len(t)] += np.outer(np.sqrt([(1 - pan) / 2, (1 + pan) / 2]), note)
    delay = round(0.75 * 60 / track.bpm * track.rate)  # a dotted eighth, from side to side
    echo = np.zeros_like(out)
    for repeat, level in enumerate((0.3, 0.14, 0.06), 1):
        echo[:, repeat * delay :] += level * np.roll(out, repeat, axis=0)[:, : -repeat * delay]
    room = rng.normal(size=(2, track.rate)) * np.exp(-9 * np.linspace(0, 1, track.rate))
    size = 2 * total
    wet = np.fft.irfft(np.fft.rfft(out, size) * np.fft.rfft(room, size), size)[:, :total]
    out = out + echo + 0.12 * wet * np.abs(out).max() / np.abs(wet).max()
    fade = round(0.9 * TAIL * track.rate)
    out[:, -fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fade))
    if track.layout == "mono":
        out = out.mean(axis=0, keepdims=True)
    return np.asarray(out * 0.8 / np.abs(out).max(), dtype=np.float32)


def encode(track: Track, path: Path) -> None:
    # bitexact: no encoder version and no random Ogg serial, so a second run writes the same bytes
    options = {"fflags": "+bitexact"}
    if track.container == "mp4":
        options["brand"] = "M4A "  # FFmpeg's own m4a muxer ("ipod") refuses a picture stream
    with av.open(str(path), "w", format=track.container, container_options=options) as out:
        out.metadata.update(track.tags)
        # PyAV's wheels contain FFmpeg's own Vorbis encoder, which must be enabled as experimental
        extra = {"strict": "experimental", "flags": "+bitexact"}
        stream = out.add_stream(track.codec, rate=track.rate, options=extra, layout=track.layout)
        assert isinstance(stream, av.AudioStream)
        if track.bit_rate:
            stream.bit_rate = track.bit_rate
        if track.embedded:
            picture = out.add_mux_stream(track.embedded, width=300, height=300)
            picture.disposition = Disposition.attached_pic
            packet = av.Packet(
                draw(track.style, track.hue, list(track.melody()), 300, PICTURES[track.embedded])
            )
            packet.stream, packet.time_base, packet.is_keyframe = picture, Fraction(1, 1000), True
            packet.pts = packet.dts = 0
            out.mux(packet)
        samples = render(track)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=track.layout)
        frame.rate, frame.pts = track.rate, 0
        out.mux([*stream.encode(frame), *stream.encode(None)])


def check(track: Track, path: Path) -> Iterator[str]:
    """Print what a reader finds in the file; yield each problem."""
    pictures: list[tuple[str, tuple[int, int]]] = []
    sound: list[NDArray[np.float32]] = []
    with av.open(str(path)) as found:
        audio, resampler = found.streams.audio[0], av.AudioResampler(format="fltp")
        # Ogg's tags belong to the stream, those of other formats to the file
        tags = {**found.metadata, **audio.metadata}
        for packet in found.demux():
            if packet.stream.disposition & Disposition.attached_pic and packet.size:
                size = Image.open(io.BytesIO(bytes(packet))).size
                pictures.append((packet.stream.codec.canonical_name, size))
            elif packet.stream is audio:
                for frame in audio.decode(packet):
                    sound += [
                        part.to_ndarray().astype(np.float32) for part in resampler.resample(frame)
                    ]
        codec, samples = audio.codec.canonical_name, np.concatenate(sound, axis=1)
    seconds, peak = samples.shape[1] / audio.rate, np.abs(samples).max()
    rms = np.sqrt(np.mean(samples**2))
    print(
        f"{path.stat().st_size:9,}  {path.name:22} {codec:9} {seconds:5.2f} s  peak {peak:.2f}  "
        f"rms {rms:.2f}  {len(track.tags)} tags  embedded: {track.embedded or 'none'}"
    )
    if codec != track.codec.removeprefix("lib").removesuffix("lame"):
        yield f"codec is {codec}"
    if abs(seconds - track.seconds) > 0.15:
        yield f"duration is {seconds} s, not {track.seconds} s"
    if {key: tags.get(key) for key in track.tags} != track.tags:
        yield f"tags are {tags}"
    if pictures != ([(track.embedded, (300, 300))] if track.embedded else []):
        yield f"embedded pictures are {pictures}"
    if peak > 0.98 or rms < 0.05:
        yield "clips, or is silent"


def main() -> int:
    total, problems = 0, []
    for track in TRACKS:
        path = HERE / track.name
        encode(track, path)
        problems += [f"{track.name}: {problem}" for problem in check(track, path)]
        total += path.stat().st_size
        if track.cover:
            kind, cover = PICTURES[track.cover], path.with_suffix(track.cover)
            total += cover.write_bytes(
                draw(track.style, track.hue, list(track.melody()), 600, kind)
            )
            with Image.open(cover) as picture:
                if (picture.format, picture.size) != (kind, (600, 600)):
                    problems.append(f"{cover.name}: is {picture.format} {picture.size}")
            print(f"{cover.stat().st_size:9,}  {cover.name}")
    if total > 1_500_000:
        problems.append("the total is over 1.5 MB")
    print(f"{total:9,}  in total", *problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
