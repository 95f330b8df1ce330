"""First bytes and extension -> format and MIME type, for audio and images.

A file is what its extension says only if its first bytes agree. Reads at most a few kilobytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

from audiostore.errors import UnsupportedFormatError

_HEAD_BYTES = 64
_MAX_ID3_TAGS = 16


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that we store."""

    name: str
    content_type: str
    extensions: tuple[str, ...]
    matches: Callable[[bytes], bool]
    """Whether a file that begins with these bytes (any ID3 tag skipped) is of this format."""


def _is_mp3(head: bytes) -> bool:
    # ISO/IEC 11172-3 2.4.1.3: 11 sync bits, then version, layer, bit rate, sampling rate; layer I
    # and ADTS (layer 00) are something else, as are the reserved values.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, sampling_rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer in (1, 2) and bitrate != 15 and sampling_rate != 3


def _is_aac(head: bytes) -> bool:
    # ISO/IEC 13818-7: ADTS has 12 sync bits and layer 00, sampling frequency index below 13.
    adts = len(head) >= 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13
    return adts or head[:4] == b"ADIF"


AUDIO_FORMATS = (
    Format("MP3", "audio/mpeg", (".mp3",), _is_mp3),
    Format("WAV", "audio/wav", (".wav",), lambda h: h[:4] == b"RIFF" and h[8:12] == b"WAVE"),
    Format("FLAC", "audio/flac", (".flac",), lambda h: h[:4] == b"fLaC"),
    Format("Ogg", "audio/ogg", (".ogg", ".oga", ".opus"), lambda h: h[:4] == b"OggS"),
    Format("MP4", "audio/mp4", (".m4a", ".m4b"), lambda h: h[4:8] == b"ftyp"),
    Format("AAC", "audio/aac", (".aac",), _is_aac),
    Format(
        "AIFF",
        "audio/aiff",
        (".aiff", ".aif"),
        lambda h: h[:4] == b"FORM" and h[8:12] in (b"AIFF", b"AIFC"),
    ),
)

IMAGE_FORMATS = (
    Format("JPEG", "image/jpeg", (".jpg", ".jpeg"), lambda h: h[:3] == b"\xff\xd8\xff"),
    Format("PNG", "image/png", (".png",), lambda h: h[:8] == b"\x89PNG\r\n\x1a\n"),
    Format("WebP", "image/webp", (".webp",), lambda h: h[:4] == b"RIFF" and h[8:12] == b"WEBP"),
)

# What people store by mistake; named in the error so that they see it at once.
_IMPOSTORS = (
    (
        "a web page (HTML)",
        lambda h: (
            h.lstrip()[:9].lower() in (b"<!doctype", b"<html>")
            or h.lstrip()[:5].lower() == b"<html"
        ),
    ),
    ("XML or SVG text", lambda h: h.lstrip()[:5] == b"<?xml" or h.lstrip()[:4] == b"<svg"),
    ("a PDF document", lambda h: h[:5] == b"%PDF-"),
    ("a ZIP archive", lambda h: h[:4] == b"PK\x03\x04"),
    ("a GIF image", lambda h: h[:4] == b"GIF8"),
    ("gzip data", lambda h: h[:2] == b"\x1f\x8b"),
    ("JSON text", lambda h: h.lstrip()[:1] in (b"{", b"[")),
    ("zero bytes", lambda h: not h.strip(b"\0")),
)


def recognise_audio(name: str, stream: BinaryIO) -> Format:
    """Return the audio format of a file by its name's extension and its first bytes.

    Args:
        name: the file's name.
        stream: its content, seekable, at the start.

    Raises:
        UnsupportedFormatError: unknown extension, or other content than the extension says.
    """
    return _recognise(name, stream, "audio", AUDIO_FORMATS)


def recognise_image(name: str, stream: BinaryIO) -> Format:
    """Return the image format of a file; as `recognise_audio`."""
    return _recognise(name, stream, "image", IMAGE_FORMATS)


def _recognise(name: str, stream: BinaryIO, kind: str, formats: tuple[Format, ...]) -> Format:
    extension = PurePath(name).suffix.lower()
    expected = next((f for f in formats if extension in f.extensions), None)
    if expected is None:
        known = " ".join(e for f in formats for e in f.extensions)
        has = f"has the extension {extension!r}" if extension else "has no extension"
        raise UnsupportedFormatError(f"{name!r} {has}: {kind} files we store end in {known}")
    head = _head_behind_id3(stream)
    if not expected.matches(head):
        raise UnsupportedFormatError(
            f"{name!r} is not {expected.name} {kind} as its name says: it is {describe(head)}"
        )
    return expected


def describe(head: bytes) -> str:
    """Say in a few words what a file that begins with these bytes is."""
    for found in AUDIO_FORMATS + IMAGE_FORMATS:
        if found.matches(head):
            return f"{found.name} data"
    for words, matches in _IMPOSTORS:
        if matches(head):
            return words
    return f"unknown data that begins with {head[:8].hex(' ')}"


def _head_behind_id3(stream: BinaryIO) -> bytes:
    # ID3v2 section 3.1: "ID3", version, flags, then a size of four 7-bit bytes. A tag may stand
    # before MP3, AAC and FLAC data alike; taggers that know only their own leave several.
    head = stream.read(_HEAD_BYTES)
    for _ in range(_MAX_ID3_TAGS):
        if head[:3] != b"ID3" or len(head) < 10 or any(b & 0x80 for b in head[6:10]):
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        footer = 10 if head[5] & 0x10 else 0
        stream.seek(10 + size + footer - len(head), 1)
        head = stream.read(_HEAD_BYTES)
    return head
