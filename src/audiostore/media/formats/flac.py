"""FLAC (RFC 9639): recognised by its marker, checked by its last frame and its count of samples."""

from collections.abc import Iterator

from audiostore.dataclass import dataclass
from audiostore.media.kinds import Format, Measured, Recognised, SoundHeader, Stated, Verdict
from audiostore.media.parsing.audio_data import Parts
from audiostore.media.parsing.flac import (
    FRAME_HEADER_MAX,
    STREAMINFO_SIZE,
    Frame,
    InvalidFrameError,
    StreamInfo,
    crc16_is_zero,
    frame_length,
    is_as_stated,
    parse_frame,
)
from audiostore.media.parsing.flac_tags import read_flac_tags
from audiostore.media.parsing.reading import NO_SOUND, Reader, big
from audiostore.media.parsing.searching import search_for
from audiostore.media.parsing.tags import after_sound, before_sound, end_of_data
from audiostore.patterns import pattern

_MARKER = b"fLaC"
_STREAMINFO, _CUESHEET = 0, 5
_BEGINNING = pattern(rb"fLaC[\0\x80]\0\0\x22")
"""The marker and the header of the first block, with its size."""
_MOST_BLOCKS = 10_000
_PROBED = 128 << 10
"""How many bytes of sound FFmpeg looks at."""
_TAIL_MIN, _TAIL_MAX = 64 << 10, 1 << 20
_MOST_TRIED = 3
_MOST_SYNCS = 500
"""Random bytes look like a frame's sync code once in 65 KB, like a header once in 17 MB."""
_PIECE = 1 << 20
_PLACES = (17, 39, 62, 85)
_DIFFERS_S = 0.1
_FRAME_STEPS = 3
"""What it takes to look at a frame's header."""


def _recognise(_reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, "flac", offset)  # the marker is all there is to see


def _search(reader: Reader, offset: int, padding: int) -> Recognised | None:
    found = next(search_for(_BEGINNING, reader, offset, padding), None)
    return None if found is None else Recognised(FORMAT, "flac", found)


# -- header ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stream:
    """A file's header, and where its sound is."""

    info: StreamInfo
    blocks: "_Blocks"
    start: int
    end: int
    """Of the file."""
    sync: bytes
    """The first bytes of each frame."""
    first: Frame


def _open(reader: Reader, offset: int) -> _Stream | Verdict:
    """Read the header and the first frame's."""
    blocks = _walk_blocks(reader, offset + len(_MARKER))
    if isinstance(blocks, Verdict):
        return blocks
    info, start = blocks.info, blocks.end
    end = end_of_data(reader, start)
    if info.rate_hz == 0:
        return Verdict("is damaged: its header says a sample rate of zero")
    if (info.max_block and not info.min_block <= info.max_block) or info.bits < 4:
        return Verdict("is damaged: its header (STREAMINFO) contradicts itself")
    if end <= start:
        # An encoder that got no samples writes the header alone.
        return Verdict(_cut(info, 0) if info.samples else NO_SOUND)
    head = reader.at(start, FRAME_HEADER_MAX)
    first = parse_frame(head)
    if first is None:
        return Verdict("is damaged: no frame begins where its sound should")
    return _Stream(info, blocks, start, reader.size, head[:2], first)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The metadata blocks of a file."""

    info: StreamInfo
    kinds: tuple[int, ...]
    """In their order."""
    end: int


def _walk_blocks(reader: Reader, at: int) -> _Blocks | Verdict:
    info, kinds = None, bytearray()
    for _ in range(_MOST_BLOCKS):
        head = reader.at(at, 4)
        size = big(head, 1, 3)
        if at + 4 + size > reader.size or len(head) < 4:
            return Verdict("is cut short: it ends within its header, before the sound")
        if info is None:
            if head[0] & 0x7F != _STREAMINFO or size != STREAMINFO_SIZE:
                return Verdict("is damaged: its header does not begin with STREAMINFO")
            info = StreamInfo.parse(reader.at(at + 4, size))
        at += 4 + size
        kinds.append(head[0] & 0x7F)
        if head[0] & 0x80:  # the last metadata block
            return _Blocks(info, tuple(kinds), at)
    limit = f"has more than {_MOST_BLOCKS:,} header blocks: what follows them was not examined"
    return Verdict(None, (limit,))


def _cut(info: StreamInfo, samples: int) -> str:
    there_s = samples / info.rate_hz
    if info.samples == 0:
        return f"is cut short or damaged: its last frame, at {there_s:,.1f} s, is not whole"
    percent = min(99, 100 * samples // info.samples)
    return (
        f"is cut short: its header promises {info.samples / info.rate_hz:,.1f} s of sound,"
        f" {there_s:,.1f} s are there ({percent} %)"
    )


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Describe the sound by STREAMINFO, if the first frames agree: FFmpeg believes those."""
    stream = _open(reader, found.offset)
    if isinstance(stream, Verdict):
        return None
    kinds, info = stream.blocks.kinds, stream.info
    if kinds.count(_STREAMINFO) > 1 or _CUESHEET in kinds:  # of which FFmpeg refuses some
        return None
    data = reader.at(stream.start, min(stream.end - stream.start, _PROBED))
    for at, _ in _frames_in(reader, data, stream):
        if not is_as_stated(data[at : at + FRAME_HEADER_MAX], info):
            return None
    header = reader.at(found.offset + len(_MARKER) + 4, STREAMINFO_SIZE)
    return SoundHeader("flac", info.rate_hz, info.channels, codec_header=header)


# -- the last frame --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    """Where the sound ends."""

    offset: int
    """In the file."""
    samples: int
    """From the first frame to there, by their numbers."""


def _find_end(reader: Reader, stream: _Stream) -> _End | str | None:
    """Look for the last frame at the end of the file: a flaw in words; None if none is there."""
    found = None
    # A tag at the end may give a wrong size: then it seems to begin within the sound.
    for end in sorted({end_of_data(reader, stream.start), stream.end}):
        begin = max(stream.start, end - _tail_size(stream.info))
        found = _last_frame(reader.at(begin, end - begin), begin, stream)
        if isinstance(found, _End):
            break
    return found


def _tail_size(info: StreamInfo) -> int:
    """Return the number of bytes at the end in which the last frame must begin."""
    # A frame is hardly longer than its uncompressed samples (section 9.2.2: verbatim).
    raw = info.max_block * info.channels * (info.bits + 1) // 8 + 64
    return min(max(info.max_frame_size or raw, _TAIL_MIN), _TAIL_MAX)


def _last_frame(data: bytes, base: int, stream: _Stream) -> _End | str | None:
    """Look for the last frame in the bytes from `base` on."""
    for at, frame in _frames_backwards(data, stream):
        samples = _samples_before(frame, stream)
        if crc16_is_zero(data[at:]):  # also if zeros follow
            return _End(base + len(data), samples + frame.samples)
        try:
            length = frame_length(data[at:], frame, stream.info)
        except InvalidFrameError:
            continue
        if length is None:
            return _cut(stream.info, samples)
        if not crc16_is_zero(data[at : at + length]):
            return "is cut short or damaged: the checksum of its last frame is wrong"
        rest = data[at + length :][:FRAME_HEADER_MAX]
        if len(rest) < FRAME_HEADER_MAX and rest[:2] == stream.sync[: len(rest)]:
            return _cut(stream.info, samples + frame.samples)
        return _End(base + at + length, samples + frame.samples)
    return None


def _frames_backwards(data: bytes, stream: _Stream) -> Iterator[tuple[int, Frame]]:
    at, left = len(data), _MOST_TRIED
    for _ in range(_MOST_SYNCS):
        at = data.rfind(stream.sync, 0, at)
        if at < 0 or left == 0:
            return
        frame = parse_frame(data[at : at + FRAME_HEADER_MAX])
        if frame:
            left -= 1
            yield at, frame


def _samples_before(frame: Frame, stream: _Stream) -> int:
    """Return how many samples are before a frame, by its number and that of the first."""
    # An excerpt keeps the numbers of the whole. Until version 1.2.0 of the format, no bit said
    # whether samples or frames are counted, but only varying sizes of blocks.
    first, info = stream.first, stream.info
    number = frame.number - first.number
    by_frames = number * first.samples
    if frame.counts_samples or by_frames + frame.samples == info.samples:
        return number if frame.counts_samples else by_frames
    is_varying = info.min_block != info.max_block or number + frame.samples == info.samples
    return number if is_varying else by_frames


def _check(reader: Reader, found: Recognised) -> Verdict:
    """Look at the header, and at the last frame, if it is near the end of the file."""
    stream = _open(reader, found.offset)
    if isinstance(stream, Verdict):
        return stream
    end = _find_end(reader, stream)
    return Verdict(end if isinstance(end, str) else None)


def _numbers_rise(reader: Reader, stream: _Stream) -> bool:
    """Say whether a few frames are in order: not if files were put one after the other."""
    before = -1
    for percent in _PLACES:
        at = stream.start + (stream.end - stream.start) * percent // 100
        data = reader.at(at, min(_TAIL_MIN, stream.end - at))
        number = next((f.number for _, f in _frames_in(reader, data, stream)), before)
        if number < before:
            return False
        before = number
    return True


# -- all frames ------------------------------------------------------------------------------------


def _measure(stated: Stated) -> Measured | str | None:
    """Compare the count of samples with the number of the last frame, or count those of all."""
    reader = stated.reader
    stream = _open(reader, stated.offset)
    if isinstance(stream, Verdict):
        return stream.flaw
    end = _find_end(reader, stream)
    if isinstance(end, str):
        return end
    if end is None or end.samples != stream.info.samples or not _numbers_rise(reader, stream):
        end = _count(reader, stream)
    if isinstance(end, str):
        return end
    info = stream.info
    if end.samples < info.samples:
        return _cut(info, end.samples)
    seconds = end.samples / info.rate_hz
    warnings = (*before_sound(reader, stated.offset, "block"), *after_sound(reader, end.offset))
    stated_s = info.samples / info.rate_hz
    if info.samples and seconds - stated_s > _DIFFERS_S:
        more = f"plays for {seconds:,.1f} s, where its header states {stated_s:,.1f} s"
        warnings = (f"{more}: some players stop there", *warnings)
    return Measured(seconds, warnings=warnings, end=end.offset)


def _count(reader: Reader, stream: _Stream) -> _End | str:
    """Count the samples of all frames, also of files that were put one after the other."""
    reader.require(stream.end - stream.start)
    samples, last = 0, stream.start
    following: int | None = None
    for at, frame in _frames(reader, stream):
        # What is common to all frames, or a number that follows the last one: chance has neither.
        if frame.kind == stream.first.kind or frame.number == following:
            samples, last = samples + frame.samples, at
            following = frame.number + (frame.samples if frame.counts_samples else 1)
    end = _last_frame(reader.at(last, min(stream.end - last, _TAIL_MAX)), last, stream)
    if end is None:
        return "is damaged: its last frame cannot be read"
    return end if isinstance(end, str) else _End(end.offset, samples)


def _frames(reader: Reader, stream: _Stream) -> Iterator[tuple[int, Frame]]:
    """Yield the frames of the whole file, and where they begin."""
    base, data = stream.start, b""
    while piece := reader.at(base + len(data), min(_PIECE, stream.end - base - len(data))):
        data += piece
        # What begins in the last bytes is looked at again, with the next piece.
        kept = 0 if base + len(data) >= stream.end else FRAME_HEADER_MAX
        for at, frame in _frames_in(reader, data, stream):
            if at < len(data) - kept:
                yield base + at, frame
        base, data = base + len(data) - kept, data[len(data) - kept :]


def _frames_in(reader: Reader, data: bytes, stream: _Stream) -> Iterator[tuple[int, Frame]]:
    """Yield what begins like a frame of the stream in data that were read."""
    at = data.find(stream.sync)
    while at >= 0:
        reader.spend(_FRAME_STEPS)
        frame = parse_frame(data[at : at + FRAME_HEADER_MAX])
        if frame:
            yield at, frame
        at = data.find(stream.sync, at + 1)


def _audio_data(reader: Reader, found: Recognised) -> Parts | None:
    """Return the frames: all that follows the metadata blocks."""
    blocks = _walk_blocks(reader, found.offset + len(_MARKER))
    if isinstance(blocks, Verdict):
        return None
    return Parts([(blocks.end, end_of_data(reader, blocks.end))])


FORMAT = Format(
    name="FLAC",
    kind="audio",
    content_type="audio/flac",
    extensions=(".flac",),
    magic=(_MARKER,),
    recognise=_recognise,
    search=_search,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="the frames: what follows the metadata blocks",
    counts=(
        "STREAMINFO samples: number of the last frame, or samples of all frames",
        "coded samples of the last frame: bytes",
    ),
    cut_found_by="last frame whole, its CRC-16; the count of samples",
    cut_missed="between two frames, if the header counts no samples (a pipe's output)",
    read_embedded=read_flac_tags,
    demuxer="flac",
    plays=("flac",),
    frames_are_numbered=True,
    decoders=("flac",),
    describe=_describe,
    measure=_measure,
)
