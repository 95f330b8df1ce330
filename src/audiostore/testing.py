"""Small audio files and covers for the tests of programs that use audiostore.

Example::

    from audiostore import AudioStorageManager, MemoryStore
    from audiostore.testing import cover, tone

    def test_it_stores_what_it_is_given() -> None:
        with AudioStorageManager(store=MemoryStore()) as manager:
            stored = manager.upload_audio_with_thumbnail(tone(), cover(), filename="a song.wav")
            assert manager.read_bytes(stored.audio_id) == tone()
"""

import math
import struct
import zlib

_MOST_SECONDS = 3600.0
_RATE_HZ = 44_100
_LOUDNESS = 0.25
_MOST_PIXELS = 4_096


def tone(
    seconds: float = 1.0, *, hz: float = 440.0, channels: int = 1, title: str | None = None
) -> bytes:
    """Return a sine tone as a WAV file: 16 bits, 44.1 kHz, a quarter of full scale.

    The same arguments give the same bytes; another `hz` gives another file.

    Args:
        seconds: how long it is, up to an hour.
        hz: its frequency.
        channels: 1 or 2, of the same sound.
        title: a title to tag it with.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 < seconds <= _MOST_SECONDS:
        raise ValueError(f"seconds is {seconds!r}: it must be above 0, and at most 3600")
    if not 0 < hz < _RATE_HZ / 2:
        raise ValueError(f"hz is {hz!r}: it must be between 0 and {_RATE_HZ // 2}")
    if channels not in (1, 2):
        raise ValueError(f"channels is {channels!r}: it must be 1 or 2")
    peak, step = _LOUDNESS * 32_767, 2 * math.pi * hz / _RATE_HZ
    samples = (round(peak * math.sin(step * n)) for n in range(round(seconds * _RATE_HZ)))
    sound = b"".join(struct.pack("<h", sample) * channels for sample in samples)
    # RIFF, "Multimedia Programming Interface and Data Specifications 1.0": PCM is format 1.
    width = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, _RATE_HZ, _RATE_HZ * width, width, 16)
    chunks = _chunk(b"fmt ", form)
    if title is not None:
        chunks += _chunk(b"LIST", b"INFO" + _chunk(b"INAM", title.encode() + b"\0"))
    return _chunk(b"RIFF", b"WAVE" + chunks + _chunk(b"data", sound))


def cover(
    width: int = 64, height: int = 64, *, rgb: tuple[int, int, int] = (70, 110, 160)
) -> bytes:
    """Return an image of one colour as a PNG file.

    Args:
        width: in pixels, up to 4,096.
        height: the same.
        rgb: red, green and blue, 0 to 255 each: another colour gives another file.

    Raises:
        ValueError: an argument is out of range.
    """
    if not (1 <= width <= _MOST_PIXELS and 1 <= height <= _MOST_PIXELS):
        raise ValueError(f"{width!r} x {height!r} pixels: each side must have 1 to 4096")
    if len(rgb) != 3 or not all(0 <= value <= 255 for value in rgb):
        raise ValueError(f"rgb is {rgb!r}: it must be three numbers from 0 to 255")
    # PNG (ISO/IEC 15948), 11.2.2: 8 bits, colour type 2, and a filter type before each row.
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(rgb) * width) * height
    pieces = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in pieces
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
