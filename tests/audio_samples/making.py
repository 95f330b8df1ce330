"""How samples are made: by FFmpeg's muxers and encoders, or by hand what these cannot make."""

import io
import struct
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

EXAMPLES = Path(__file__).parents[2] / "examples"
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
    tags: Mapping[str, str] | None = None,
    times: int = 1,
) -> bytes:
    """Return a file of this container with sound of this codec, and a moving picture if asked.

    It holds the frames of the sound so many times, one after the other: a long file, made quickly.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sample"
        target: Any = Pipe() if pipe else str(path)
        with av.open(target, "w", format=container, options=dict(options or {})) as output:
            output.metadata.update(tags or {})
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
                _write_sound(output, sound, seconds, rate, times)
            if picture is not None:
                _write_picture(output, picture, 5)
        return target.written.getvalue() if pipe else path.read_bytes()


def _write_sound(output: Any, stream: Any, seconds: float, rate: int, times: int) -> None:
    context = stream.codec_context
    context.open()
    output.start_encoding()
    if not seconds:
        return
    resampler = AudioResampler(context.format, context.layout, rate, context.frame_size or None)
    packets = []
    for piece in [*resampler.resample(_sound(seconds, rate)), *resampler.resample(None)]:
        piece.time_base = Fraction(1, rate)
        packets += stream.encode(piece)
    # The FLAC encoder ends with an empty packet that no writer but FLAC's understands.
    keeps_empty = output.format.name == "flac"
    packets += [last for last in stream.encode(None) if last.size or keeps_empty]
    if times == 1:
        output.mux(packets)
        return
    packets = packets[:-2]  # the last may be cut short, which only the end of a file can be
    lasts = sum(packet.duration for packet in packets)
    for at in range(times):
        for packet in packets:
            copy = av.Packet(bytes(packet))
            copy.pts, copy.dts = packet.pts + at * lasts, packet.dts + at * lasts
            copy.duration, copy.time_base = packet.duration, packet.time_base
            copy.stream = stream
            output.mux(copy)


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
    """Return an APEv2 tag, with a footer, or with a header at the start of a file."""
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


_OGG_CRC = []
for _n in range(256):
    _crc = _n << 24
    for _ in range(8):
        _crc = (_crc << 1) ^ (0x104C11DB7 if _crc >> 31 else 0)
    _OGG_CRC.append(_crc)


def ogg_pages(data: bytes) -> list[bytes]:
    """Return the pages of an Ogg file."""
    pages = []
    while data:
        body = 27 + data[26]
        size = body + sum(data[27:body])
        pages.append(data[:size])
        data = data[size:]
    return pages


def ogg_changed(
    page: bytes, *, flags: int | None = None, position: int | None = None, serial: int | None = None
) -> bytes:
    """Return a page with other fields, and the checksum that it then has."""
    changed = bytearray(page)
    for place, value in (("<5xB", flags), ("<6xq", position), ("<14xI", serial), ("<22xI", 0)):
        if value is not None:
            at = struct.calcsize(place) - struct.calcsize(place[0] + place[-1])
            struct.pack_into(place[0] + place[-1], changed, at, value)
    crc = 0
    for byte in changed:
        crc = (crc << 8) & 0xFFFFFFFF ^ _OGG_CRC[crc >> 24 ^ byte]
    changed[22:26] = struct.pack("<I", crc)
    return bytes(changed)


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return an MP4 box."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def example(suffix: str) -> bytes:
    """Return the example with this extension."""
    return next(EXAMPLES.glob("*" + suffix)).read_bytes()


Sample = tuple[str, str | None, Callable[[], bytes]]
"""The extension, the codec as recognised, and how to make it."""
