"""Files made of chunks: WAV (RIFF, RF64, BW64), AIFF and CAF; and WebP, which is RIFF too."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from audiostore.media.formats.kinds import AIFF, CAF, WAV, WEBP, Recognised
from audiostore.media.formats.reading import NO_SOUND, Reader, big, cut_short, in_words, little

_MOST_CHUNKS = 500
_SLACK = 8
"""Writers count their own 8 bytes of header or not, and forget the padding byte."""

_RIFF = struct.Struct("<4sI")
_IFF = struct.Struct(">4sI")
_CAF = struct.Struct(">4sQ")
_TO_THE_END = (1 << 64) - 1  # CAF's -1


@dataclass(frozen=True, slots=True)
class _Chunk:
    id: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def _chunks(reader: Reader, at: int, header: struct.Struct, *, align: int = 2) -> Iterator[_Chunk]:
    for _ in range(_MOST_CHUNKS):
        head = reader.at(at, header.size)
        if len(head) < header.size:
            return
        chunk = _Chunk(*_named(header.unpack(head), at + header.size))
        yield chunk
        at = chunk.end + -chunk.size % align


def _named(fields: tuple[bytes, int], start: int) -> tuple[bytes, int, int]:
    return fields[0], start, fields[1]


# -- WAV ------------------------------------------------------------------------------------------

_WAVE_CODECS = {  # RFC 2361, mmreg.h
    0x0001: "pcm",
    0x0002: "adpcm_ms",
    0x0003: "pcm_float",
    0x0006: "alaw",
    0x0007: "mulaw",
    0x0011: "adpcm_ima",
    0x0031: "gsm",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x0161: "wmav2",
    0x2000: "ac3",
}
_EXTENSIBLE = 0xFFFE
_OTHER_RIFFS = {b"AVI ": "video (AVI)", b"RMID": "MIDI notes in RIFF", b"ACON": "a mouse pointer"}


def examine_riff(reader: Reader, offset: int) -> Recognised | str | None:
    """Recognise WAV and WebP (RIFF 1991; EBU Tech 3306 RF64; ITU-R BS.2088 BW64)."""
    head = reader.at(offset, 12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or len(head) < 12:
        return None
    if head[8:] == b"WEBP":
        return Recognised(WEBP, None, offset)
    if head[8:] != b"WAVE":
        return _OTHER_RIFFS.get(head[8:], f"RIFF data of the kind {in_words(head[8:])}")
    for chunk in _chunks(reader, offset + 12, _RIFF):
        if chunk.id == b"fmt ":
            return Recognised(WAV, _wave_codec(reader.at(chunk.start, 40)), offset)
        if chunk.id == b"data":
            break
    return Recognised(WAV, None, offset)


def _wave_codec(fields: bytes) -> str | None:
    tag = little(fields, 0, 2)
    if tag == _EXTENSIBLE:  # the sub-format's GUID begins with the tag
        tag = little(fields, 24, 2)
    return _WAVE_CODECS.get(tag)


def check_wav(reader: Reader, found: Recognised) -> str | None:
    """Compare the sizes of the data chunk and of the whole with what is there."""
    head = reader.at(found.offset, 12)
    whole, wide_data, fields = little(head, 4), None, None
    for chunk in _chunks(reader, found.offset + 12, _RIFF):
        if chunk.id == b"ds64":  # EBU Tech 3306 section 3.3: the sizes that 32 bits cannot hold
            sizes = reader.at(chunk.start, 16)
            whole, wide_data = little(sizes, 0, 8), little(sizes, 8, 8)
        elif chunk.id == b"fmt ":
            fields = reader.at(chunk.start, 16)
        elif chunk.id == b"data":
            size = chunk.size
            if wide_data is not None and size == 0xFFFFFFFF:
                size = wide_data
            flaw = _check_wave_fields(fields)
            return flaw or _check_sound(reader, chunk.start, size, found.offset + 8 + whole)
        if chunk.end > reader.size:
            return cut_short(
                f"its {in_words(chunk.id)} chunk promises", chunk.size, reader.size - chunk.start
            )
    return "is cut short: its sound (the data chunk) is missing"


def _check_wave_fields(fields: bytes | None) -> str | None:
    if fields is None:
        return "is damaged: its sound comes without a description (the fmt chunk)"
    if little(fields, 2, 2) == 0 or little(fields, 4) == 0:
        return "is damaged: its header says zero channels or a sample rate of zero"
    return None


def _check_sound(reader: Reader, start: int, size: int, whole_end: int) -> str | None:
    there = max(0, reader.size - start)
    matches_whole = abs(whole_end - reader.size) <= _SLACK
    if size == 0 or _never_told(size):
        return NO_SOUND if there == 0 or (size == 0 and matches_whole) else None
    if size > there:
        percent = 100 * there // size
        return (
            f"is cut short: its header promises {size:,} bytes of sound,"
            f" {there:,} are there ({percent} %)"
        )
    if whole_end > reader.size + _SLACK and not _never_told(whole_end - 8):
        return cut_short("behind its sound: its header promises", whole_end, reader.size)
    return None


# What programs write as a size that cannot go back to fill it in: a pipe's output. All ones less
# some header (FFmpeg, mpg123, lame), 2 GiB or a little less (SoX, arecord, espeak). And 0, which
# is told from true emptiness by the size of the whole.
_NEVER_TOLD = (
    range(0xFFFFFF00, 1 << 32),
    range(0x7FFFEE00, 0x80000100),
    range((1 << 64) - 256, 1 << 64),
)


def _never_told(size: int) -> bool:
    return any(size in sizes for sizes in _NEVER_TOLD)


# -- AIFF -----------------------------------------------------------------------------------------

_AIFC_CODECS = {
    **dict.fromkeys((b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"42ni"), "pcm"),
    **dict.fromkeys((b"fl32", b"FL32", b"fl64", b"FL64"), "pcm_float"),
    **dict.fromkeys((b"ulaw", b"ULAW"), "mulaw"),
    **dict.fromkeys((b"alaw", b"ALAW"), "alaw"),
    b"ima4": "adpcm_ima",
}


def examine_aiff(reader: Reader, offset: int) -> Recognised | str | None:
    """Recognise AIFF and AIFF-C (Apple, 1989 and 1991)."""
    head = reader.at(offset, 12)
    if head[:4] != b"FORM" or len(head) < 12:
        return None
    if head[8:] == b"AIFF":
        return Recognised(AIFF, "pcm", offset)
    if head[8:] != b"AIFC":
        return f"IFF data of the kind {in_words(head[8:])}"
    for chunk in _chunks(reader, offset + 12, _IFF):
        if chunk.id == b"COMM":
            kind = reader.at(chunk.start + 18, 4)
            return Recognised(AIFF, _AIFC_CODECS.get(kind), offset)
    return Recognised(AIFF, None, offset)


def check_aiff(reader: Reader, found: Recognised) -> str | None:
    """Compare the sizes of the sound chunk and of the whole with what is there."""
    whole_end = found.offset + 8 + big(reader.at(found.offset, 8), 4)
    described = sound = None
    for chunk in _chunks(reader, found.offset + 12, _IFF):
        if chunk.id == b"COMM":
            described = chunk
            fields = reader.at(chunk.start, 8)
            if big(fields, 0, 2) == 0:
                return "is damaged: its header says zero channels"
            if big(fields, 2, 4) == 0 and abs(whole_end - reader.size) <= _SLACK:
                return NO_SOUND
        elif chunk.id == b"SSND":
            sound = chunk
        if described and sound:
            break
        if chunk.end > reader.size:
            break
    if sound is None:
        return "is cut short: its sound (the SSND chunk) is missing"
    # The sound stands behind 8 bytes: an offset and a block size.
    flaw = _check_sound(reader, sound.start + 8, max(0, sound.size - 8), whole_end)
    return flaw or (None if described else "is cut short: the description of its sound is missing")


# -- CAF ------------------------------------------------------------------------------------------

_CAF_CODECS = {b"lpcm": "pcm", b"aac ": "aac", b".mp3": "mp3", b"ulaw": "mulaw"}


def examine_caf(reader: Reader, offset: int) -> Recognised | None:
    """Recognise Apple's Core Audio Format (its specification 1.0, 2011)."""
    head = reader.at(offset, 64)
    if head[:4] != b"caff":
        return None
    codec = head[28:32] if head[8:12] == b"desc" else b""  # "desc" must be the first chunk
    plain = codec.decode("ascii", "replace").strip().lower()
    known = _CAF_CODECS.get(codec, plain if plain.isalnum() else None)
    return Recognised(CAF, known, offset)


def check_caf(reader: Reader, found: Recognised) -> str | None:
    """Compare the size of each chunk with what is there."""
    sound = None
    for chunk in _chunks(reader, found.offset + 8, _CAF, align=1):
        if chunk.id == b"data":
            sound = chunk
            if chunk.size == _TO_THE_END:
                break
        if chunk.end > reader.size:
            what = "sound" if chunk is sound else f"{in_words(chunk.id)} chunk"
            return cut_short(f"its {what} promises", chunk.size, reader.size - chunk.start)
    if sound is None:
        return "is cut short: its sound (the data chunk) is missing"
    # The sound stands behind 4 bytes: a count of edits.
    size = reader.size - sound.start if sound.size == _TO_THE_END else sound.size
    return NO_SOUND if size <= 4 else None
