"""AAC in ADTS (ISO/IEC 14496-3): nothing but frames; ADIF is recognised, to say what it is."""

import struct

from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict
from audiostore.media.parsing.aac_config import RATES_HZ
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.embedded import no_own_tags
from audiostore.media.parsing.frames import (
    Frames,
    Row,
    check_tail,
    find_sound,
    header_pattern,
    repeats,
    search,
)
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.tags import end_of_data

_HEADER_SIZE = 7
_BLOCK_SAMPLES = 1024
_READ_HEADER = struct.Struct(">HIB").unpack_from


def _adts_length(data: bytes, at: int) -> int:
    # ISO/IEC 14496-3 1.A.2: 12 sync bits, layer 00, sampling frequency index below 13, a length
    # of 13 bits that counts the header of 7 or, with a checksum, 9 bytes.
    if len(data) < at + 6 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return 0
    if data[at + 2] >> 2 & 15 >= len(RATES_HZ):
        return 0
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return length if length >= (_HEADER_SIZE if data[at + 1] & 1 else 9) else 0


def _follow(data: bytes, at: int) -> Row:
    """Follow frames of one profile and sampling rate, all with a checksum or all without.

    The last two bits of the header are the blocks of 1,024 samples in a frame, minus one.
    """
    if not _adts_length(data, at):
        return Row(0, at, 0.0)
    sync, kind, least = big(data, at, 2), data[at + 2] >> 2, 7 if data[at + 1] & 1 else 9
    count = more_blocks = length = ends = 0
    most = len(data) - _HEADER_SIZE
    while at <= most:
        begins, fields, ends = _READ_HEADER(data, at)
        length = fields >> 5 & 0x1FFF
        if begins != sync or fields >> 26 != kind or length < least:
            break
        at += length
        count += 1
        if ends & 3:
            more_blocks += ends & 3
    if at > len(data):  # the last one is not whole
        at -= length
        count -= 1
        more_blocks -= ends & 3
    samples = (count + more_blocks) * _BLOCK_SAMPLES
    return Row(count, at, samples / RATES_HZ[kind & 15])


_FRAMES = Frames(
    name="AAC",
    header_size=_HEADER_SIZE,
    length=_adts_length,
    follow=_follow,
    constant=0xFFFEFC00,  # sync … profile, sampling rate
    header=header_pattern(rb"\xff[\xf0\xf1\xf8\xf9][\x00-\x33\x40-\x73\x80-\xb3\xc0-\xf3]"),
)


def _is_adif(reader: Reader, offset: int) -> bool:
    # ISO/IEC 14496-3 1.A.1: a header, then raw blocks of unknown length.
    return reader.at(offset, 4) == b"ADIF"


def _recognise(reader: Reader, offset: int) -> Recognised | None:
    is_adts = _adts_length(reader.at(offset, _HEADER_SIZE), 0) and repeats(reader, offset, _FRAMES)
    if is_adts or _is_adif(reader, offset):
        return Recognised(FORMAT, "aac", offset)
    return None


def _search(reader: Reader, offset: int, padding: int) -> Recognised | None:
    found = search(reader, offset, _FRAMES, padding)
    return None if found is None else Recognised(FORMAT, "aac", found)


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Look for the last whole frame; refuse ADIF, whose end nothing marks."""
    if _is_adif(reader, found.offset):
        return (
            "is AAC in the old ADIF form, which FFmpeg cannot read: convert it to ADTS (.aac) or "
            'MP4 (.m4a), or store it without checks (check="none")'
        )
    return check_tail(reader, found.offset, end_of_data(reader, found.offset), _FRAMES)


def _audio_data(reader: Reader, found: Recognised) -> Parts:
    """Return the frames: all but the tags in front and at the end."""
    return Parts([(found.offset, end_of_data(reader, found.offset))])


def _measure(stated: Stated) -> Measured | str:
    """Count the frames: no header does."""
    sound = find_sound(stated.reader, stated.offset, _FRAMES)
    if sound.flaw:
        return sound.flaw
    bps = round(8 * sound.size_bytes / sound.seconds) if sound.is_exact and sound.seconds else None
    return Measured(sound.seconds, sound.is_exact, sound.warnings, sound.end, bps)


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="AAC",
    kind="audio",
    content_type="audio/aac",
    extensions=(".aac",),
    recognise=_recognise,
    search=_search,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the frames between the tags",
    cut_found_by="a last frame that is not whole",
    cut_missed="between two frames (ADIF is refused)",
    counts=(
        "length of each frame by its header: where the next one begins",
        "blocks of samples in each frame: added up to the duration",
    ),
    demuxer="aac",
    decoders=("aac", "aac_latm"),
    measure=_measure,
    read_embedded=no_own_tags,
)
