"""FLAC (RFC 9639): recognised by its marker, checked by the checksum of its last frame."""

from collections.abc import Iterator
from dataclasses import dataclass

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.flac import (
    FRAME_HEADER_MAX,
    STREAMINFO_SIZE,
    StreamInfo,
    crc16_is_zero,
    parse_frame,
)
from audiostore.media.parsing.flac_tags import read_flac_tags
from audiostore.media.parsing.reading import NO_SOUND, Reader, big
from audiostore.media.parsing.tags import end_of_data

_MARKER = b"fLaC"
_STREAMINFO = 0
_MOST_BLOCKS = 200
_TAIL_MIN, _TAIL_MAX = 64 << 10, 1 << 20
_MOST_CHECKSUMS = 8
_MOST_SYNCS = 500
"""Random bytes look like a frame's sync code once in 65 KB, like a header once in 17 MB."""


def _recognise(_reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, "flac", offset)  # the marker is all there is to see


def _flaw_of(info: StreamInfo) -> str | None:
    if info.rate_hz == 0:
        return "is damaged: its header says a sample rate of zero"
    if not 16 <= info.min_block <= info.max_block or info.bits < 4:
        return "is damaged: its header (STREAMINFO) contradicts itself"
    return None


def _tail_size(info: StreamInfo) -> int:
    """Return the number of bytes at the end in which the last frame must begin."""
    # A frame is hardly longer than its uncompressed samples (section 9.2.2: verbatim).
    raw = info.max_block * info.channels * (info.bits + 1) // 8 + 64
    return min(max(info.max_frame_size or raw, _TAIL_MIN), _TAIL_MAX)


@dataclass(frozen=True, slots=True)
class _Frame:
    first_sample: int
    samples: int

    @property
    def end(self) -> int:
        return self.first_sample + self.samples


def _parse_frame(head: bytes, info: StreamInfo) -> _Frame | None:
    frame = parse_frame(head)
    if frame is None:
        return None
    number = frame.number if frame.counts_samples else frame.number * info.max_block
    return _Frame(number, frame.samples)


def _flaw(reader: Reader, found: Recognised) -> str | None:
    """Compare the last frame's checksum, and the samples up to there with the header's count."""
    blocks = _walk_blocks(reader, found.offset + 4)
    if isinstance(blocks, str):
        return blocks
    info, start = blocks
    end = end_of_data(reader, start)
    flaw = _flaw_of(info)
    if flaw or end <= start:
        # An encoder that got no samples writes the header alone.
        return flaw or (NO_SOUND if info.samples == 0 else _cut(info, 0))
    begin = max(start, end - _tail_size(info))
    tail = reader.at(begin, end - begin)
    head = reader.at(start, FRAME_HEADER_MAX)
    first = _parse_frame(head, info)
    if first is None:
        return "is damaged: no frame begins where its sound should"
    return _check_last_frame(tail, head[:2], info, first)


def _walk_blocks(reader: Reader, at: int) -> tuple[StreamInfo, int] | str:
    info = None
    for _ in range(_MOST_BLOCKS):
        head = reader.at(at, 4)
        size = big(head, 1, 3)
        if at + 4 + size > reader.size or len(head) < 4:
            return "is cut short: it ends within its header, before the sound"
        if info is None:
            if head[0] & 0x7F != _STREAMINFO or size != STREAMINFO_SIZE:
                return "is damaged: its header does not begin with STREAMINFO"
            info = StreamInfo.parse(reader.at(at + 4, size))
        at += 4 + size
        if head[0] & 0x80:  # the last metadata block
            return info, at
    return "is damaged: its header has no end"


def _check_last_frame(tail: bytes, sync: bytes, info: StreamInfo, first: _Frame) -> str | None:
    seen: _Frame | None = None
    for start, frame in _frames_backwards(tail, sync, info):
        seen = seen or frame
        if crc16_is_zero(tail[start:]):
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


def _cut(info: StreamInfo, samples: int) -> str:
    there_s = samples / info.rate_hz
    if info.samples == 0:
        return f"is cut short or damaged: its last frame, at {there_s:,.1f} s, is not whole"
    percent = min(99, 100 * samples // info.samples)
    return (
        f"is cut short: its header promises {info.samples / info.rate_hz:,.1f} s of sound,"
        f" {there_s:,.1f} s are there ({percent} %)"
    )


def _frames_backwards(tail: bytes, sync: bytes, info: StreamInfo) -> Iterator[tuple[int, _Frame]]:
    at, left = len(tail), _MOST_CHECKSUMS
    for _ in range(_MOST_SYNCS):
        at = tail.rfind(sync, 0, at)
        if at < 0 or left == 0:
            return
        frame = _parse_frame(tail[at : at + FRAME_HEADER_MAX], info)
        if frame:
            left -= 1
            yield at, frame


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
    read_embedded=lambda reader, found: [read_flac_tags(reader, found.offset)],
    demuxer="flac",
    frames_are_numbered=True,
    decoders=("flac",),
)
