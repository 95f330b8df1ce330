"""Small audio files of each kind that we store, and of kinds that we do not, made when asked for.

FFmpeg's writers, called by PyAV, make them; what they cannot make is put together by hand.
"""

import io
import struct
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.resampler import AudioResampler

from audiostore.media.kinds import Format
from audiostore.media.recognition import identify, require_audio, require_image

EXAMPLES = Path(__file__).parent.parent / "examples"
RATE = 48_000
SECONDS = 2.0


class Pipe:
    """A file to write that cannot go back."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.written.write(data)


def _sound(seconds: float, rate: int) -> av.AudioFrame:
    generator = np.random.default_rng(7)
    t = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.05 * generator.standard_normal(t.size)
    samples = (wave * 32000).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
    frame.sample_rate = rate
    frame.pts, frame.time_base = 0, Fraction(1, rate)
    return frame


def encode(
    container: str,
    codec: str | None,
    *,
    video: str | None = None,
    pipe: bool = False,
    seconds: float = SECONDS,
    rate: int = RATE,
    bit_rate: int | None = None,
    layout: str = "mono",
    options: Mapping[str, str] | None = None,
) -> bytes:
    """Return a file of this container with sound of this codec, and a moving picture if asked."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sample"
        target: Any = Pipe() if pipe else str(path)
        with av.open(target, "w", format=container, options=dict(options or {})) as output:
            picture: Any = output.add_stream(video, rate=5) if video else None
            if picture is not None:
                picture.width, picture.height = 64, 64
                picture.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(video or "", "yuv420p")
            sound: Any = None
            if codec:
                sound = output.add_stream(codec, rate=rate, layout=layout)
                sound.codec_context.options = {"strict": "experimental"}
                if bit_rate:
                    sound.bit_rate = bit_rate
            if sound is not None:
                _write_sound(output, sound, seconds, rate)
            if picture is not None:
                _write_picture(output, picture, 5)
        return target.written.getvalue() if pipe else path.read_bytes()


def _write_sound(output: Any, stream: Any, seconds: float, rate: int) -> None:
    context = stream.codec_context
    context.open()
    output.start_encoding()
    if not seconds:
        return
    resampler = AudioResampler(context.format, context.layout, rate, context.frame_size or None)
    for piece in [*resampler.resample(_sound(seconds, rate)), *resampler.resample(None)]:
        piece.time_base = Fraction(1, rate)
        output.mux(stream.encode(piece))
    # The FLAC encoder ends with an empty packet that no writer but FLAC's understands.
    keeps_empty = output.format.name == "flac"
    output.mux([last for last in stream.encode(None) if last.size or keeps_empty])


def _write_picture(output: Any, stream: Any, count: int) -> None:
    for i in range(count):
        pixels = np.full((64, 64, 3), 40 * i, np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
    output.mux(stream.encode(None))


def id3(size: int = 300, *, footer: bool = False) -> bytes:
    """Return an ID3v2 tag of this size, full of what looks like frames."""
    sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    tag = (
        b"ID3\x04\0" + bytes([0x10 if footer else 0]) + sizes + (b"\xff\xfb\x90\x64" * size)[:size]
    )
    return tag + (b"3DI\x04\0\x10" + sizes if footer else b"")


def ape(size: int = 200, *, in_front: bool = False) -> bytes:
    """Return an APEv2 tag, with a footer or as it stands in front of a file."""
    body = b"a" * size

    def edge(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, size + 32, 1, flags) + bytes(8)

    header = edge(1 << 31 | 1 << 29)
    return header + body + edge(1 << 31)


ID3V1 = b"TAG" + bytes(125)
LYRICS3 = b"LYRICSBEGIN" + b"IND00002" + b"10" + b"000021" + b"LYRICS200"


def riff(*chunks: tuple[bytes, bytes], kind: bytes = b"WAVE") -> bytes:
    """Return a RIFF file of these chunks."""
    body = kind + b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


PCM_FMT = (b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
INFO = (b"LIST", b"INFOISFT" + struct.pack("<I", 5) + b"tests\0")


def ogg_page(packet: bytes, *, flags: int = 2, serial: int = 1, position: int = 0) -> bytes:
    """Return a page of one packet, its checksum left open."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, serial, 0, 0, len(lacing))
    return head + lacing + packet


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return an MP4 box."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_wide_mdat(data: bytes) -> bytes:
    """Return an MP4 whose mdat, which must stand behind moov's place, has a size of 64 bits."""
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    free = data.index(b"free") - 4  # FFmpeg leaves room for just that in front of mdat
    assert free == at - 8
    return data[:free] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + data[at + 8 :]


def of_unknown_sizes(data: bytes) -> bytes:
    """Return a WebM file as browsers record it: its clusters tell no sizes either."""
    parts = data.split(b"\x1f\x43\xb6\x75")
    unknown = b"\x01" + b"\xff" * 7
    cut = [part[9 - part[0].bit_length() :] for part in parts[1:]]
    return parts[0] + b"".join(b"\x1f\x43\xb6\x75" + unknown + part for part in cut)


def adif() -> bytes:
    """Return the sample "aac" without its frames' headers, behind one header for all of it."""
    # ISO/IEC 14496-3, 1.A.2 and 4.4.1.1: each field's value, and how many bits it has.
    header = [(0, 3), (1, 1), (96_000, 23), (0, 4)]  # of variable rate; one programme
    programme = [(0, 4), (1, 2), (3, 4), (1, 4), (0, 4), (0, 4), (0, 2), (0, 3), (0, 4)]
    front = [(0, 3), (0, 1), (0, 4)]  # no mix-downs; a single channel
    bits = "".join(f"{value:0{count}b}" for value, count in header + programme + front)
    bits += "0" * (-len(bits) % 8) + "0" * 8  # no comment
    data, at, blocks = sample("aac"), 0, []
    while at < len(data):
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        blocks.append(data[at + 7 : at + size])
        at += size
    return b"ADIF" + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"".join(blocks)


def _example(suffix: str) -> bytes:
    return next(EXAMPLES.glob("*" + suffix)).read_bytes()


@cache
def sample(name: str) -> bytes:
    """Return the bytes of one of the samples."""
    return (AUDIO.get(name) or IMPOSTORS[name])[2]()


_PLAIN = {"id3v2_version": "0", "write_id3v1": "0"}
_NO_COUNT = {**_PLAIN, "write_xing": "0"}

# Name -> (extension, what `recognise` says of the codec, how to make it).
Sample = tuple[str, str | None, Callable[[], bytes]]
AUDIO: Mapping[str, Sample] = {
    "mp3": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame")),
    "mp3 without tags": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame", options=_PLAIN)),
    "mp3 without a count": (".mp3", "mp3", lambda: encode("mp3", "libmp3lame", options=_NO_COUNT)),
    "mp3 of 22 kHz": (
        ".mp3",
        "mp3",
        lambda: encode("mp3", "libmp3lame", rate=22050, options=_NO_COUNT),
    ),
    "mp3 after two tags": (".mp3", "mp3", lambda: id3() + id3(7) + sample("mp3 without tags")),
    "mp3 after APE": (".mp3", "mp3", lambda: ape() + sample("mp3 without tags")),
    "mp3 with tags at the end": (
        ".mp3",
        "mp3",
        lambda: sample("mp3") + ape() + LYRICS3 + ID3V1,
    ),
    "mp3 example": (".mp3", "mp3", lambda: _example(".mp3")),
    "mp2": (".mp3", "mp2", lambda: encode("mp2", "mp2", seconds=2.02)),
    "wav": (".wav", "pcm", lambda: encode("wav", "pcm_s16le")),
    "wav of floats": (".wav", "pcm_float", lambda: encode("wav", "pcm_f32le")),
    "wav of 24 bits": (".wav", "pcm", lambda: encode("wav", "pcm_s24le")),
    "wav of a-law": (".wav", "alaw", lambda: encode("wav", "pcm_alaw")),
    "wav from a pipe": (".wav", "pcm", lambda: encode("wav", "pcm_s16le", pipe=True)),
    "rf64": (".wav", "pcm", lambda: encode("wav", "pcm_s16le", options={"rf64": "always"})),
    "bw64": (".wav", "pcm", lambda: b"BW64" + sample("rf64")[4:]),
    "wav example": (".wav", "pcm", lambda: _example(".wav")),
    "flac": (".flac", "flac", lambda: encode("flac", "flac")),
    "flac after ID3": (".flac", "flac", lambda: id3() + sample("flac")),
    "flac from a pipe": (".flac", "flac", lambda: encode("flac", "flac", pipe=True)),
    "flac example": (".flac", "flac", lambda: _example(".flac")),
    "ogg vorbis": (".ogg", "vorbis", lambda: _example(".ogg")),
    "ogg opus": (".opus", "opus", lambda: encode("ogg", "libopus")),
    "ogg flac": (".oga", "flac", lambda: encode("ogg", "flac")),
    "opus example": (".opus", "opus", lambda: _example(".opus")),
    "m4a": (".m4a", "aac", lambda: encode("ipod", "aac")),
    "m4a with moov in front": (
        ".m4a",
        "aac",
        lambda: encode("ipod", "aac", options={"movflags": "faststart"}),
    ),
    "m4a of brand isom": (".m4a", "aac", lambda: encode("mp4", "aac")),
    "m4a of brand 3gp": (".m4a", "aac", lambda: encode("3gp", "aac")),
    "m4a of wide sizes": (".m4a", "aac", lambda: with_wide_mdat(sample("m4a"))),
    "m4a in fragments": (
        ".m4a",
        "aac",
        lambda: encode(
            "mp4",
            "aac",
            options={"movflags": "empty_moov+default_base_moof", "frag_duration": "5e5"},
        ),
    ),
    "m4a of alac": (".m4a", "alac", lambda: encode("ipod", "alac")),
    "m4a of opus": (".m4a", "opus", lambda: encode("mp4", "libopus")),
    "m4a of flac": (".m4a", "flac", lambda: encode("mp4", "flac")),
    "m4b with pictures": (".m4b", "aac", lambda: encode("mp4", "aac", video="mjpeg")),
    "m4a example": (".m4a", "aac", lambda: _example(".m4a")),
    "aac": (".aac", "aac", lambda: encode("adts", "aac")),
    "aac after ID3": (".aac", "aac", lambda: id3() + sample("aac")),
    "aac example": (".aac", "aac", lambda: _example(".aac")),
    "aiff": (".aiff", "pcm", lambda: encode("aiff", "pcm_s16be")),
    "aifc": (".aif", "pcm", lambda: encode("aiff", "pcm_s16le")),
    "aifc of mu-law": (".aiff", "mulaw", lambda: encode("aiff", "pcm_mulaw")),
    "webm": (".webm", "opus", lambda: encode("webm", "libopus")),
    "webm of vorbis": (".webm", "vorbis", lambda: encode("webm", "vorbis", layout="stereo")),
    "webm from a pipe": (".webm", "opus", lambda: encode("webm", "libopus", pipe=True)),
    "webm from a browser": (".webm", "opus", lambda: of_unknown_sizes(sample("webm from a pipe"))),
    "wma": (".wma", "wmav2", lambda: encode("asf", "wmav2", bit_rate=96_000)),
    "caf": (".caf", "pcm", lambda: encode("caf", "pcm_s16be")),
    "caf of alac": (".caf", "alac", lambda: encode("caf", "alac")),
    "caf from a pipe": (".caf", "pcm", lambda: encode("caf", "pcm_s16be", pipe=True)),
}

# Name -> (extension it goes under, words for it, how to make it).
IMPOSTORS: Mapping[str, tuple[str, str, Callable[[], bytes]]] = {
    "film in mp4": (
        ".m4a",
        r"is video \(H.264 with sound\): only audio is stored",
        lambda: encode("mp4", "aac", video="libx264"),
    ),
    "silent film in mp4": (
        ".m4a",
        r"is video \(MPEG-4\): only audio",
        lambda: encode("mp4", None, video="mpeg4"),
    ),
    "pictures in mp4": (
        ".m4a",
        "is MP4 data without a sound track",
        lambda: encode("mp4", None, video="mjpeg"),
    ),
    "protected mp4": (
        ".m4a",
        "copy-protected MP4",
        lambda: sample("m4a").replace(b"mp4a", b"drms"),
    ),
    "avif": (".m4a", "is an AVIF image", lambda: box(b"ftyp", b"avif", bytes(4), b"mif1miaf")),
    "avif by its second brand": (
        ".m4a",
        "is an AVIF image",
        lambda: box(b"ftyp", b"mif1", bytes(4), b"mif1avif"),
    ),
    "heic": (".m4a", "is a HEIC image", lambda: box(b"ftyp", b"heic", bytes(4), b"mif1heic")),
    "heif": (".m4a", "is a HEIF image", lambda: box(b"ftyp", b"mif1", bytes(4), b"mif1")),
    "film in ogg": (
        ".ogg",
        r"is video \(Theora with sound\)",
        lambda: ogg_page(b"\x80theora" + bytes(35)) + ogg_page(b"\x01vorbis" + bytes(23), serial=2),
    ),
    "unknown ogg": (
        ".ogg",
        "Ogg data without a known audio codec",
        lambda: ogg_page(b"\x80kate\0\0\0"),
    ),
    "film in webm": (
        ".webm",
        r"is video \(VP8 with sound\)",
        lambda: encode("webm", "libopus", video="libvpx"),
    ),
    "matroska": (".webm", "is Matroska audio, not WebM", lambda: encode("matroska", "libopus")),
    "film in wma": (
        ".wma",
        r"is video \(Windows Media with sound\)",
        lambda: encode("asf", "wmav2", video="mpeg4", bit_rate=96_000),
    ),
    "film in avi": (
        ".wav",
        r"is video \(AVI\)",
        lambda: encode("avi", "libmp3lame", video="mpeg4"),
    ),
    "transport stream": (
        ".aac",
        "is video .an MPEG transport stream",
        lambda: encode("mpegts", "aac"),
    ),
    "ac3": (".mp3", "is Dolby Digital", lambda: encode("ac3", "ac3")),
    "au": (".wav", "is Sun AU audio", lambda: encode("au", "pcm_s16be")),
    "latm": (".aac", "LATM", lambda: encode("latm", "aac")),
    "web page": (".mp3", r"is a web page \(HTML\), not MP3", lambda: b"\n<!DOCTYPE html><html>"),
    "web page after a byte order mark": (
        ".mp3",
        "is a web page",
        lambda: b"\xef\xbb\xbf<html lang='en'>",
    ),
    "svg": (".mp3", "is XML, SVG", lambda: b"<?xml version='1.0'?><svg/>"),
    "gcs error": (".mp3", "is an error message", lambda: b"<Error><Code>AccessDenied</Code>"),
    "json": (".mp3", "is JSON text", lambda: b'{"error": {"code": 404}}'),
    "pdf": (".mp3", "is a PDF document", lambda: b"%PDF-1.7\n"),
    "zip": (".mp3", "is a ZIP archive", lambda: b"PK\x03\x04...."),
    "gif": (".mp3", "is a GIF image", lambda: b"GIF89a"),
    "gzip": (".mp3", "is gzip data", lambda: b"\x1f\x8b\x08"),
    "midi": (".mp3", "is MIDI notes", lambda: b"MThd\0\0\0\6\0\1"),
    "playlist": (".mp3", r"is a playlist \(M3U\)", lambda: b"#EXTM3U\nfile:///etc/passwd\n"),
    "lfs pointer": (".mp3", "Git LFS pointer", lambda: b"version https://git-lfs.github.com/spec/"),
    "zeros": (".mp3", "is zero bytes", lambda: bytes(100_000)),
    "nothing": (".mp3", "is empty", lambda: b""),
    "text": (".mp3", "is text", lambda: b"File not found\n"),
    "noise": (".mp3", "is unknown data that begins with 01 02 03", lambda: b"\x01\x02\x03"),
    "free format": (
        ".mp3",
        "free-format bit rate",
        lambda: (b"\xff\xfb\x00\x64" + bytes(413)) * 20,
    ),
}


def recognise_audio(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the format of an audio file of this name and content."""
    return require_audio(name, identify(stream), fix_extension=fix_extension).format


def recognise_image(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the format of an image file of this name and content."""
    return require_image(name, identify(stream), fix_extension=fix_extension).format
