"""Frames of MPEG audio, layers II and III (ISO/IEC 11172-3, 13818-3, and "MPEG 2.5")."""

import re
from functools import cache

from audiostore.media.parsing.frames import Frames, Row, header_pattern

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
    padding = third >> 1 & 1
    return samples_per_frame(second) // 8 * bits_per_s // _rate_hz(version, rate) + padding


def samples_per_frame(second: int) -> int:
    """Return the samples in a frame by the second byte of its header."""
    is_half = second >> 1 & 3 == LAYER_3 and second >> 3 & 3 != MPEG_1
    return 576 if is_half else 1152


def seconds_per_frame(second: int, third: int) -> float:
    """Return how long a frame plays, by the second and the third byte of its header."""
    return samples_per_frame(second) / _rate_hz(second >> 3 & 3, third >> 2 & 3)


def rate_hz(second: int, third: int) -> int:
    """Return the sampling rate, by the second and the third byte of a frame's header."""
    return _rate_hz(second >> 3 & 3, third >> 2 & 3)


def bit_rate_bps(second: int, third: int) -> int:
    """Return the bit rate that the second and the third byte of a frame's header state."""
    return 1000 * _KBITS[second >> 3 & 3 == MPEG_1, second >> 1 & 3][third >> 4]


def _rate_hz(version: int, rate: int) -> int:
    return _HERTZ[rate] // _RATE_DIVISOR[version]


# -- rows of frames --------------------------------------------------------------------------------

_BATCH = 32
_MANY_BYTES = 64 << 10
_KIND = 0xFFFE0C00  # sync, version, layer, sampling rate


def _follow(data: bytes, at: int) -> Row:
    """Follow frames of one version, layer and sampling rate.

    A table gives the length of each frame. As long as the bit rate stays the same, a pattern of
    many frames takes a fifth of the time.
    """
    head = data[at : at + 3]
    if not mpeg_length(head + b"\0", 0):
        return Row(0, at, 0.0)
    lengths = _lengths(head[1] & 0xFE, head[2] & 0x0C)
    size, count, many = len(data), 0, None
    while True:
        for _ in range(_BATCH):
            length = lengths.get(data[at : at + 3], 0)
            if length == 0 or at + length > size:
                return Row(count, at, count * seconds_per_frame(head[1], head[2]))
            at += length
            count += 1
        if many is None and size - at > _MANY_BYTES and data[at : at + 3] in lengths:
            many = _many(data[at + 1] & 0xFE, data[at + 2] & 0xFC)
        while many and (found := many.match(data, at)):
            at = found.end()
            count += _BATCH


@cache
def _lengths(second: int, rate: int) -> dict[bytes, int]:
    """Return the length of each frame of one kind by the first three bytes of its header."""
    heads = (
        bytes((0xFF, second | protection, third))
        for protection in (0, 1)
        for third in range(256)
        if third & 0x0C == rate
    )
    return {head: length for head in heads if (length := _mpeg_length_by(head[1], head[2]))}


@cache
def _many(second: int, third: int) -> re.Pattern[bytes]:
    """Return a pattern of many frames of one kind and bit rate, with and without padding."""
    escape = re.escape
    frames = [
        b"[%s%s].{%d}"
        % (escape(bytes([n])), escape(bytes([n | 1])), _mpeg_length_by(second, n) - 3)
        for n in (third, third | 2)
    ]
    heads = escape(bytes([second])) + escape(bytes([second | 1]))
    return re.compile(b"(?s:\xff[%s](?:%s)){%d}+" % (heads, b"|".join(frames), _BATCH))


_BIT_RATES_AND_RATES = b"".join(rb"\x%x0-\x%xb" % (n, n) for n in range(1, 15))

MPEG_FRAMES = Frames(
    name="MP3",
    header_size=4,
    length=mpeg_length,
    follow=_follow,
    constant=_KIND,
    header=header_pattern(rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][" + _BIT_RATES_AND_RATES + rb"]"),
)
