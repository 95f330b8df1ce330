"""FLAC's STREAMINFO and frames (RFC 9639)."""

from typing import Final

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import big

STREAMINFO_SIZE: Final = 34
FRAME_HEADER_MAX: Final = 16
_BLOCK_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << n for n in range(8)))
_EXTRA_RATE_BYTES = {12: 1, 13: 2, 14: 2}


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """The fields of STREAMINFO that are needed (section 8.2)."""

    min_block: int
    max_block: int
    max_frame_size: int
    rate_hz: int
    channels: int
    bits: int
    samples: int
    """In all; 0 if that was not known when it was written."""

    @classmethod
    def parse(cls, data: bytes) -> "StreamInfo":
        """Parse the content of the block."""
        packed = big(data, 10, 8)  # 20 bits rate, 3 channels - 1, 5 bits - 1, 36 samples
        return cls(
            min_block=big(data, 0, 2),
            max_block=big(data, 2, 2),
            max_frame_size=big(data, 7, 3),
            rate_hz=packed >> 44,
            channels=(packed >> 41 & 7) + 1,
            bits=(packed >> 36 & 31) + 1,
            samples=packed & (1 << 36) - 1,
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's header (section 9.1)."""

    number: int
    """Of its first sample if `counts_samples`, else of the frame."""
    samples: int
    counts_samples: bool
    """By the bit that the format has had since 1.2.0; before, files with blocks of varying size
    counted samples without saying so."""
    size: int
    """Of the header, in bytes."""
    kind: int
    """The codes of its sample rate and bits per sample, which are the same in nearly all files."""
    channels: int
    side: int | None
    """The number of the channel that is the difference of two, and has one bit more."""


def parse_frame(head: bytes) -> Frame | None:
    """Parse a frame's header; None if these bytes do not begin with one."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    if size_code == 0 or rate_code == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    number, i = _coded_number(head, 4)
    samples = _BLOCK_SIZES[size_code]
    if size_code in (6, 7):
        extra = size_code - 5
        samples, i = big(head, i, extra) + 1, i + extra
    i += _EXTRA_RATE_BYTES.get(rate_code, 0)
    if number < 0 or i >= len(head) or _crc8(head[:i]) != head[i]:
        return None
    assignment = head[3] >> 4
    return Frame(
        number,
        samples,
        counts_samples=bool(head[1] & 1),
        size=i + 1,
        kind=rate_code << 8 | head[3] & 0x0E,
        channels=assignment + 1 if assignment < 8 else 2,
        side={8: 1, 9: 0, 10: 1}.get(assignment),
    )


_RATES_HZ = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
             96_000)  # fmt: skip
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)
_LEAST_BLOCK, _LEAST_BITS = 16, 4


def is_as_stated(head: bytes, info: StreamInfo) -> bool:
    """Say whether a frame has the rate, the channels and the bits of a valid STREAMINFO.

    Decoders take the rate and the channels of the frame, if these differ.

    Args:
        head: the first bytes of the frame.
        info: what STREAMINFO says.
    """
    frame = parse_frame(head)
    if frame is None or info.max_block < _LEAST_BLOCK or info.bits < _LEAST_BITS:
        return False
    code, at = frame.kind >> 8, frame.size - 1 - _EXTRA_RATE_BYTES.get(frame.kind >> 8, 0)
    if code < len(_RATES_HZ):
        rate = _RATES_HZ[code] or info.rate_hz
    else:
        rate = (head[at] * 1000, big(head, at, 2), big(head, at, 2) * 10)[code - len(_RATES_HZ)]
    bits = _BITS[frame.kind >> 1 & 7] or info.bits
    is_same = (rate, frame.channels, bits) == (info.rate_hz, info.channels, info.bits)
    return is_same and info.rate_hz > 0


def _coded_number(head: bytes, at: int) -> tuple[int, int]:
    """Return a number coded like a character in UTF-8, and where it ends; -1 if invalid."""
    lead = head[at]
    ones = 8 - (lead ^ 0xFF).bit_length()
    if ones == 0:
        return lead, at + 1
    following = head[at + 1 : at + ones]
    if ones in (1, 8) or len(following) < ones - 1 or any(b & 0xC0 != 0x80 for b in following):
        return -1, at
    number = lead & 0x7F >> ones
    for byte in following:
        number = number << 6 | byte & 0x3F
    return number, at + ones


def _crc8_table() -> bytes:
    table = bytearray()
    for crc in range(256):
        for _ in range(8):
            crc = (crc << 1) ^ (0x107 if crc & 0x80 else 0)  # noqa: PLW2901  x^8 + x^2 + x + 1
        table.append(crc)
    return bytes(table)


_CRC8 = _crc8_table()


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


class InvalidFrameError(Exception):
    """What begins like a frame is none; never leaves this room."""


def frame_length(data: bytes, frame: Frame, info: StreamInfo) -> int | None:
    """Return the size of a frame, with its checksum, from its header and its coded samples.

    Nothing else tells where the last frame ends if it is followed by something.

    Args:
        data: the frame, and what follows it.
        frame: its header.
        info: the stream's.

    Returns:
        The size; None if the data end before the frame does.

    Raises:
        InvalidFrameError: these are not coded samples.
    """
    bits = _Bits(data[frame.size :])
    depth = _BITS[frame.kind >> 1 & 7] or info.bits
    try:
        for channel in range(frame.channels):
            _skip_subframe(bits, depth + (channel == frame.side), frame.samples)
    except EOFError:
        return None
    size = frame.size + (bits.at + 7) // 8 + 2
    return size if size <= len(data) else None


class _Bits:
    """A string of bits, and how far it was read."""

    def __init__(self, data: bytes) -> None:
        self.text = bin(int.from_bytes(b"\1" + data, "big"))[3:]
        self.at = 0

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        begin = self.at
        self.at += count
        if self.at > len(self.text):
            raise EOFError
        return int(self.text[begin : self.at], 2) if count else 0

    def skip_rice(self, count: int, low: int) -> None:
        """Skip numbers of so many low bits, the rest of which is counted in zeros."""
        find, at, low = self.text.find, self.at, low + 1
        for _ in range(count):
            at = find("1", at)
            if at < 0:
                raise EOFError
            at += low
        self.at = at


def _skip_subframe(bits: _Bits, depth: int, samples: int) -> None:
    """Read over the samples of one channel (sections 9.2.1 to 9.2.7)."""
    kind = bits.take(7)
    if bits.take(1):  # wasted bits, counted in zeros
        begin = bits.at
        bits.skip_rice(1, 0)
        depth -= bits.at - begin
    is_linear = kind >= 32
    order = kind - 31 if is_linear else kind - 8
    if kind > 63 or depth < 1:
        raise InvalidFrameError
    if kind < 2:
        bits.at += depth * (samples if kind else 1)
        return
    if not (is_linear or 0 <= order <= 4):
        raise InvalidFrameError
    bits.at += order * depth
    if is_linear:
        precision = bits.take(4) + 1
        bits.at += 5 + order * precision
    coding, partitions = bits.take(2), 1 << bits.take(4)
    if coding > 1 or samples % partitions or samples // partitions < order:
        raise InvalidFrameError
    size = 5 if coding else 4
    for i in range(partitions):
        count = samples // partitions - (0 if i else order)
        low = bits.take(size)
        if low == (1 << size) - 1:  # not coded
            bits.at += count * bits.take(5)
        else:
            bits.skip_rice(count, low)


def crc16_is_zero(frame: bytes) -> bool:
    """Say whether a frame matches the CRC-16 after it: together they divide by P exactly.

    P is x^16 + x^15 + x^2 + 1 (section 9.3), which is (x + 1)(x^15 + x + 1). x + 1 divides what has
    an even number of bits. Over GF(2), Q(x)^m = Q(x^m) for each power of two m, so that
    x^15m = x^m + 1 modulo the other factor. That folds down whatever is above bit 15m of the frame,
    taken as one number; m is halved each time. A frame of 20 KB takes 0.1 ms, where a table and a
    loop over its bytes take 2 ms.
    """
    rest = int.from_bytes(frame, "big")
    if rest.bit_count() % 2:
        return False
    m = 1 << (rest.bit_length() // 15).bit_length()
    while m:
        while high := rest >> 15 * m:
            rest ^= high << 15 * m ^ high << m ^ high
        m >>= 1
    return rest == 0
