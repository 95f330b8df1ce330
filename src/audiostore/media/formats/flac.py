"""FLAC (RFC 9639): recognised by its marker, checked by the checksum of its last frame."""

from collections.abc import Iterator
from dataclasses import dataclass

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.reading import NO_SOUND, Reader, big
from audiostore.media.parsing.tags import end_of_data

_MARKER = b"fLaC"
_STREAMINFO, _STREAMINFO_SIZE = 0, 34
_MOST_BLOCKS = 200
_TAIL_MIN, _TAIL_MAX = 64 << 10, 1 << 20
_MOST_CHECKSUMS = 8
_MOST_SYNCS = 500
"""Random bytes look like a frame's sync code once in 65 KB, like a header once in 17 MB."""


def _recognise(_reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, "flac", offset)  # the marker is all there is to see


@dataclass(frozen=True, slots=True)
class _StreamInfo:
    """The fields of STREAMINFO that are needed (section 8.2)."""

    min_block: int
    max_block: int
    max_frame_size: int
    rate_hz: int
    channels: int
    bits: int
    samples: int

    @classmethod
    def parse(cls, data: bytes) -> "_StreamInfo":
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

    def flaw(self) -> str | None:
        if self.rate_hz == 0:
            return "is damaged: its header says a sample rate of zero"
        if not 16 <= self.min_block <= self.max_block or self.bits < 4:
            return "is damaged: its header (STREAMINFO) contradicts itself"
        return None

    @property
    def tail_size(self) -> int:
        """The number of bytes at the end in which the last frame must begin."""
        # A frame is hardly longer than its uncompressed samples (section 9.2.2: verbatim).
        raw = self.max_block * self.channels * (self.bits + 1) // 8 + 64
        return min(max(self.max_frame_size or raw, _TAIL_MIN), _TAIL_MAX)


@dataclass(frozen=True, slots=True)
class _Frame:
    first_sample: int
    samples: int

    @property
    def end(self) -> int:
        return self.first_sample + self.samples


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the last frame's checksum, and the samples up to there with the header's count."""
    blocks = _walk_blocks(reader, found.offset + 4)
    if isinstance(blocks, str):
        return blocks
    info, start = blocks
    end = end_of_data(reader, start)
    flaw = info.flaw()
    if flaw or end <= start:
        # An encoder that got no samples writes the header alone.
        return flaw or (NO_SOUND if info.samples == 0 else _cut(info, 0))
    begin = max(start, end - info.tail_size)
    tail = reader.at(begin, end - begin)
    head = reader.at(start, _FRAME_HEADER_MAX)
    first = _parse_frame(head, info)
    if first is None:
        return "is damaged: no frame begins where its sound should"
    return _check_last_frame(tail, head[:2], info, first)


def _walk_blocks(reader: Reader, at: int) -> tuple[_StreamInfo, int] | str:
    info = None
    for _ in range(_MOST_BLOCKS):
        head = reader.at(at, 4)
        size = big(head, 1, 3)
        if at + 4 + size > reader.size or len(head) < 4:
            return "is cut short: it ends within its header, before the sound"
        if info is None:
            if head[0] & 0x7F != _STREAMINFO or size != _STREAMINFO_SIZE:
                return "is damaged: its header does not begin with STREAMINFO"
            info = _StreamInfo.parse(reader.at(at + 4, size))
        at += 4 + size
        if head[0] & 0x80:  # the last metadata block
            return info, at
    return "is damaged: its header has no end"


def _check_last_frame(tail: bytes, sync: bytes, info: _StreamInfo, first: _Frame) -> str | None:
    seen: _Frame | None = None
    for start, frame in _frames_backwards(tail, sync, info):
        seen = seen or frame
        if _crc16_is_zero(tail[start:]):
            length = frame.end - first.first_sample  # an excerpt keeps the numbers of the whole
            if info.samples and length < info.samples:
                return _cut(info, length)
            if info.samples and length > info.samples:
                return f"is damaged: it holds more sound ({length:,} samples) than its header says"
            return None
    if seen is None:
        return f"is damaged: its last {len(tail):,} bytes are not a FLAC frame"
    if info.samples and seen.end - first.first_sample >= info.samples:
        return "is cut short or damaged: the checksum of its last frame is wrong"
    return _cut(info, seen.first_sample - first.first_sample)


def _cut(info: _StreamInfo, samples: int) -> str:
    there_s = samples / info.rate_hz
    if info.samples == 0:
        return f"is cut short or damaged: its last frame, at {there_s:,.1f} s, is not whole"
    percent = min(99, 100 * samples // info.samples)
    return (
        f"is cut short: its header promises {info.samples / info.rate_hz:,.1f} s of sound,"
        f" {there_s:,.1f} s are there ({percent} %)"
    )


def _frames_backwards(tail: bytes, sync: bytes, info: _StreamInfo) -> Iterator[tuple[int, _Frame]]:
    at, left = len(tail), _MOST_CHECKSUMS
    for _ in range(_MOST_SYNCS):
        at = tail.rfind(sync, 0, at)
        if at < 0 or left == 0:
            return
        frame = _parse_frame(tail[at : at + _FRAME_HEADER_MAX], info)
        if frame:
            left -= 1
            yield at, frame


_FRAME_HEADER_MAX = 16
_BLOCK_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << n for n in range(8)))
_EXTRA_RATE_BYTES = {12: 1, 13: 2, 14: 2}


def _parse_frame(head: bytes, info: _StreamInfo) -> _Frame | None:
    """Parse a frame's header (section 9.1); None if these bytes are not one."""
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
    variable = head[1] & 1  # then the number counts samples, else frames
    return _Frame(number if variable else number * info.max_block, samples)


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


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ (0x107 if crc & 0x80 else 0)  # x^8 + x^2 + x + 1
    return crc


def _crc16_is_zero(frame: bytes) -> bool:
    """Say whether a frame matches the CRC-16 after it: together they divide by P exactly.

    P is x^16 + x^15 + x^2 + 1 (section 9.3). Over GF(2), P(x)^m = P(x^m) for each power of two m,
    so that x^16m = x^15m + x^2m + 1 modulo P. That folds down whatever is above bit 16m of the
    frame, taken as one number; with m halved each time, a frame of 20 KB takes 0.2 ms, where
    a table and a loop over its bytes take 2 ms.
    """
    rest = int.from_bytes(frame, "big")
    m = 1 << max(0, rest.bit_length() // 16).bit_length()
    while m:
        while high := rest >> 16 * m:
            rest ^= high << 16 * m ^ high << 15 * m ^ high << 2 * m ^ high
        m >>= 1
    return rest == 0


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the frames: all that follows the metadata blocks."""
    blocks = _walk_blocks(reader, found.offset + 4)
    if isinstance(blocks, str):
        return None
    _, start = blocks
    return Parts([(start, end_of_data(reader, start))])


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="FLAC",
    kind="audio",
    content_type="audio/flac",
    extensions=(".flac",),
    magic=(_MARKER,),
    recognise=_recognise,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the frames: what follows the metadata blocks",
    cut_found_by="CRC-16 and sample number of the last frame",
    cut_missed="between two frames, if the header counts no samples (a pipe's output)",
    demuxer="flac",
    frames_are_numbered=True,
    decoders=("flac",),
)
