"""Streams that are nothing but frames, one after the other, as MPEG audio and ADTS are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from audiostore.media.parsing.reading import Reader, big, cut_short
from audiostore.media.parsing.tags import end_of_data

_FRAMES_IN_A_ROW = 3
"""A sync word is 11 bits and turns up in any data; three frames at computed distances do not."""

SEARCH_WINDOW = 32 << 10
_SEARCHED = 16 << 10
_TAIL = 32 << 10
_NEAR = 4 << 10
_GARBAGE = 4 << 10
"""How much may follow the last frame without being one: padding, tags of unknown kinds."""


@dataclass(frozen=True, slots=True)
class Frames:
    """How to recognise and follow the frames of one kind."""

    name: str
    header_size: int
    length: Callable[[bytes, int], int]
    """The length of the frame whose header is at this offset of these bytes; 0 if none is."""
    constant: int
    """The bits of the first four bytes that are the same in all frames of a stream."""

    def same_stream(self, data: bytes, one: int, other: int) -> bool:
        """Say whether the headers at two offsets may belong to one stream."""
        differing = big(data, one) ^ big(data, other)
        return len(data) >= other + 4 and differing & self.constant == 0


def repeats(reader: Reader, offset: int, frames: Frames) -> bool:
    """Say whether three frames follow each other from an offset on, or frames fill the file."""
    first = reader.at(offset, 4)
    for _ in range(_FRAMES_IN_A_ROW):
        head = reader.at(offset, frames.header_size)
        length = frames.length(head, 0)
        if length == 0 or not frames.same_stream(first + head, 0, 4):
            # A file of one or two frames is as good as any other.
            return offset >= end_of_data(reader, 0)
        offset += length
    return True


def search(reader: Reader, offset: int, frames: Frames) -> int | None:
    """Return where frames begin after padding, or after the rest of a frame that was cut."""
    data = reader.at(offset, SEARCH_WINDOW)
    at = data.find(b"\xff")
    while 0 <= at < _SEARCHED:
        count, _, _ = _follow(data, at, frames, _FRAMES_IN_A_ROW + 1)
        if count > _FRAMES_IN_A_ROW:
            return offset + at
        at = data.find(b"\xff", at + 1)
    return None


def _follow(data: bytes, at: int, frames: Frames, most: int | None = None) -> tuple[int, int, int]:
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


def check_tail(reader: Reader, start: int, end: int, frames: Frames) -> str | None:
    """Look for the last whole frame, and say what is wrong with what follows it."""
    # Usually a few frames show that the last one is whole; if they do not, look at more.
    return _check_from(reader, max(start, end - _NEAR), start, end, frames) and _check_from(
        reader, max(start, end - _TAIL), start, end, frames
    )


def _check_from(reader: Reader, begin: int, start: int, end: int, frames: Frames) -> str | None:
    tail = reader.at(begin, end - begin)
    last, rest_at = _last_frame(tail, frames, exact=begin == start)
    if rest_at == 0:
        if begin == start:
            return f"is cut short: it contains not one whole {frames.name} frame"
        return f"is damaged: its last {len(tail):,} bytes are not {frames.name} frames"
    rest = tail[rest_at:]
    needed = frames.length(rest, 0)
    if needed > len(rest) and frames.same_stream(tail, last, rest_at):
        return cut_short("its last frame needs", needed, len(rest))
    if 0 < len(rest) < frames.header_size and tail[last : last + 2].startswith(rest[:2]):
        return f"is cut short: its last frame ends after {len(rest)} bytes"
    if len(rest) > _GARBAGE:
        return f"is damaged: its last {len(rest):,} bytes are not {frames.name} frames"
    return None


def _last_frame(tail: bytes, frames: Frames, *, exact: bool) -> tuple[int, int]:
    """Return where the last frame of the last row of frames begins and ends; (0, 0) if none."""
    found = (0, 0)
    at = tail.find(b"\xff")
    while at >= 0:
        count, last, end = _follow(tail, at, frames)
        if count >= _FRAMES_IN_A_ROW or (count and exact and at == 0):
            found, at = (last, end), end
        else:
            at += 1
        at = tail.find(b"\xff", at)
    return found


# -- MPEG audio, layers II and III -----------------------------------------------------------------

# ISO/IEC 11172-3 2.4.2.3 and 13818-3 2.4.2.3, in kbit/s: index 0 is "free", 15 is forbidden.
LAYER_3, _LAYER_2 = 1, 2
MPEG_1 = 3
_KBITS = {
    (True, _LAYER_2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, LAYER_3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, LAYER_3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)
_RATE_DIVISOR = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2, 2.5


def mpeg_fields(data: bytes) -> tuple[int, int, int, int] | None:
    """Return the version, layer, bit rate index and sampling rate index of a frame's header.

    None if the bytes do not begin with a header of layer II or III: layer I and ADTS (layer 00)
    are something else, as are the reserved values.
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate, rate = data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer not in (LAYER_3, _LAYER_2) or bit_rate == 15 or rate == 3:
        return None
    return version, layer, bit_rate, rate


def mpeg_length(data: bytes, at: int) -> int:
    """Return the length of the frame at an offset by its header; 0 if none begins there."""
    if len(data) < at + 4 or data[at] != 0xFF:
        return 0
    return _mpeg_length_by(data[at + 1], data[at + 2])


@cache
def _mpeg_length_by(second: int, third: int) -> int:
    """Return a frame's length by the second and the third byte of its header."""
    fields = mpeg_fields(bytes((0xFF, second, third, 0)))
    if fields is None:
        return 0
    version, layer, bit_rate, rate = fields
    bits_per_s = 1000 * _KBITS[version == MPEG_1, layer][bit_rate]
    if bits_per_s == 0:
        return 0
    half = layer == LAYER_3 and version != MPEG_1  # 576 samples a frame, else 1152
    padding = third >> 1 & 1
    return (72 if half else 144) * bits_per_s // (_HERTZ[rate] // _RATE_DIVISOR[version]) + padding
