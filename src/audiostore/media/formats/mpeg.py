"""MP3 (MPEG audio layers II and III) and AAC in ADTS: nothing but frames, one behind the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from audiostore.media.formats.kinds import AAC, MP3, Recognised
from audiostore.media.formats.reading import NO_SOUND, Reader, big, cut_short
from audiostore.media.formats.tags import end_of_data

_FRAMES_IN_A_ROW = 3
"""A sync word is 11 bits and turns up in any data; three frames at computed distances do not."""

_SEARCHED = 16 << 10
_SEARCH_WINDOW = 32 << 10
_TAIL = 32 << 10
_NEAR = 4 << 10
_GARBAGE = 4 << 10
"""So much that is no frame may follow the last one: padding, tags of kinds that we do not know."""


@dataclass(frozen=True, slots=True)
class _Frames:
    """How frames of one kind are told and followed."""

    name: str
    header_size: int
    length: Callable[[bytes, int], int]
    """The frame's length by its header in these bytes at this place; 0 if none is there."""
    constant: int
    """The bits of the first four bytes that are the same in all frames of a stream."""

    def same_stream(self, data: bytes, one: int, other: int) -> bool:
        """Whether headers at these two places may belong to one stream."""
        differing = big(data, one) ^ big(data, other)
        return len(data) >= other + 4 and differing & self.constant == 0


# ISO/IEC 11172-3 2.4.2.3 and 13818-3 2.4.2.3, in kbit/s: index 0 is "free", 15 is forbidden.
_LAYER_3, _LAYER_2 = 1, 2
_MPEG_1 = 3
_KBITS = {
    (True, _LAYER_2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)
_RATE_DIVISOR = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2, 2.5


def _mp3_fields(data: bytes, at: int) -> tuple[int, int, int, int] | None:
    """Return version, layer, bit rate index and sampling rate index; None if it is no header."""
    # Layer I and ADTS (layer 00) are something else, as are the reserved values.
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bit_rate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer not in (_LAYER_3, _LAYER_2) or bit_rate == 15 or rate == 3:
        return None
    return version, layer, bit_rate, rate


def _mp3_length(data: bytes, at: int) -> int:
    if len(data) < at + 4 or data[at] != 0xFF:
        return 0
    return _mp3_length_by(data[at + 1], data[at + 2])


@cache
def _mp3_length_by(second: int, third: int) -> int:
    """Return a frame's length by the second and the third byte of its header."""
    fields = _mp3_fields(bytes((0xFF, second, third, 0)), 0)
    if fields is None:
        return 0
    version, layer, bit_rate, rate = fields
    bits_per_s = 1000 * _KBITS[version == _MPEG_1, layer][bit_rate]
    if bits_per_s == 0:
        return 0
    half = layer == _LAYER_3 and version != _MPEG_1  # 576 samples a frame, else 1152
    padding = third >> 1 & 1
    return (72 if half else 144) * bits_per_s // (_HERTZ[rate] // _RATE_DIVISOR[version]) + padding


def _adts_length(data: bytes, at: int) -> int:
    # ISO/IEC 14496-3 1.A.2: 12 sync bits, layer 00, sampling frequency index below 13, a length
    # of 13 bits that counts the header of 7 or, with a checksum, 9 bytes.
    if len(data) < at + 6 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return 0
    if data[at + 2] >> 2 & 15 > 12:
        return 0
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return length if length >= (7 if data[at + 1] & 1 else 9) else 0


_MP3_FRAMES = _Frames("MP3", 4, _mp3_length, 0xFFFE0C00)  # sync, version, layer, sampling rate
_ADTS_FRAMES = _Frames("AAC", 7, _adts_length, 0xFFFEFC00)  # sync … layer, profile, sampling rate


def examine(reader: Reader, offset: int) -> Recognised | str | None:
    """Recognise MP3 or AAC whose frames begin at the offset."""
    head = reader.at(offset, 8)
    if head[:4] == b"ADIF":  # ISO/IEC 14496-3 1.A.1: a header, then raw blocks of unknown length
        return Recognised(AAC, "aac", offset)
    for frames in (_MP3_FRAMES, _ADTS_FRAMES):
        if frames.length(head, 0) and _repeats(reader, offset, frames):
            return _recognised(frames, head, offset)
    return None


def _repeats(reader: Reader, offset: int, frames: _Frames) -> bool:
    first = reader.at(offset, 4)
    for _ in range(_FRAMES_IN_A_ROW):
        head = reader.at(offset, frames.header_size)
        length = frames.length(head, 0)
        if length == 0 or not frames.same_stream(first + head, 0, 4):
            # A file of one or two frames is as good as any other.
            return offset >= end_of_data(reader, 0)
        offset += length
    return True


def search(reader: Reader, offset: int) -> Recognised | str | None:
    """Recognise MP3 or AAC behind some padding or the rest of a frame that was cut through."""
    data = reader.at(offset, _SEARCH_WINDOW)
    at = data.find(b"\xff")
    while 0 <= at < _SEARCHED:
        for frames in (_MP3_FRAMES, _ADTS_FRAMES):
            count, _, _ = _follow(data, at, frames, _FRAMES_IN_A_ROW + 1)
            if count > _FRAMES_IN_A_ROW:
                return _recognised(frames, data[at : at + 4], offset + at)
        at = data.find(b"\xff", at + 1)
    fields = _mp3_fields(data, 0)
    if fields is not None and fields[2] == 0 and data.find(data[:2], 4) > 0:
        # FFmpeg, and with it Chromium and Firefox, does not play it.
        return "MP3 audio of a free-format bit rate, which players do not play"
    return None


def _recognised(frames: _Frames, head: bytes, offset: int) -> Recognised:
    if frames is _ADTS_FRAMES:
        return Recognised(AAC, "aac", offset)
    return Recognised(MP3, "mp3" if head[1] >> 1 & 3 == _LAYER_3 else "mp2", offset)


def _follow(data: bytes, at: int, frames: _Frames, most: int | None = None) -> tuple[int, int, int]:
    """Follow whole frames: how many, where the last one begins, where it ends."""
    length_at, constant, size = frames.length, frames.constant, len(data)
    kind = big(data, at) & constant
    count, last = 0, at
    while most is None or count < most:
        length = length_at(data, at)
        if length == 0 or at + length > size or big(data, at) & constant != kind:
            break
        count, last, at = count + 1, at, at + length
    return count, last, at


def check_mp3(reader: Reader, found: Recognised) -> str | None:
    """Compare the byte count of a Xing, Info or VBRI header, and look for the last whole frame."""
    end = end_of_data(reader, found.offset)
    first = reader.at(found.offset, 2048)  # the longest frame has 1,729 bytes
    length = _mp3_length(first, 0)
    if length == 0:
        return "is damaged: no frame begins where its sound should"
    promised = _promised_bytes(first)
    there = end - found.offset
    if promised is not None and there <= length:
        return NO_SOUND
    # Some encoders count a frame more than they write.
    if promised is not None and promised > there + length:
        return cut_short("its header promises", promised, there)
    return _check_tail(reader, found.offset, end, _MP3_FRAMES)


def check_adts(reader: Reader, found: Recognised) -> str | None:
    """Look for the last whole frame; refuse ADIF, of which nobody can say whether it is whole."""
    if reader.at(found.offset, 4) == b"ADIF":
        return (
            "is AAC in the old ADIF form, which FFmpeg cannot read: convert it to ADTS (.aac) or "
            'MP4 (.m4a), or store it unseen (check="none")'
        )
    return _check_tail(reader, found.offset, end_of_data(reader, found.offset), _ADTS_FRAMES)


def _promised_bytes(frame: bytes) -> int | None:
    # The header stands where layer III keeps its side information of 9, 17 or 32 bytes; flag 2
    # says that a byte count follows (behind the frame count of flag 1). VBRI: always at 36.
    mpeg_1, mono = frame[1] >> 3 & 3 == _MPEG_1, frame[3] >> 6 == 3
    at = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = big(frame, at + 4)
        return big(frame, at + (12 if flags & 1 else 8)) or None if flags & 2 else None
    if frame[36:40] == b"VBRI":
        return big(frame, 46) or None
    return None


def _check_tail(reader: Reader, start: int, end: int, frames: _Frames) -> str | None:
    # Mostly a few frames tell that the last one is whole; where they do not, more are looked at.
    return _flaw_behind(reader, max(start, end - _NEAR), start, end, frames) and _flaw_behind(
        reader, max(start, end - _TAIL), start, end, frames
    )


def _flaw_behind(reader: Reader, begin: int, start: int, end: int, frames: _Frames) -> str | None:
    tail = reader.at(begin, end - begin)
    last, rest_at = _last_frame(tail, frames, exact=begin == start)
    if rest_at == 0:
        if begin == start:
            return f"is cut short: not one whole {frames.name} frame is in it"
        return f"is damaged: its last {len(tail):,} bytes are no {frames.name} frames"
    rest = tail[rest_at:]
    needed = frames.length(rest, 0)
    if needed > len(rest) and frames.same_stream(tail, last, rest_at):
        return cut_short("its last frame needs", needed, len(rest))
    if 0 < len(rest) < frames.header_size and tail[last : last + 2].startswith(rest[:2]):
        return f"is cut short: its last frame ends after {len(rest)} bytes"
    if len(rest) > _GARBAGE:
        return f"is damaged: its last {len(rest):,} bytes are no {frames.name} frames"
    return None


def _last_frame(tail: bytes, frames: _Frames, *, exact: bool) -> tuple[int, int]:
    """Return where the last frame of the last row of frames begins and ends; (0, 0) if none."""
    found = (0, 0)
    at = tail.find(b"\xff")
    while at >= 0:
        count, last, behind = _follow(tail, at, frames)
        if count >= _FRAMES_IN_A_ROW or (count and exact and at == 0):
            found, at = (last, behind), behind
        else:
            at += 1
        at = tail.find(b"\xff", at)
    return found
