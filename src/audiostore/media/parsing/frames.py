"""Streams that are nothing but frames, one after the other, as MPEG audio and ADTS are."""

import re
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import Reader, big, cut_short
from audiostore.media.parsing.searching import ROOM
from audiostore.media.parsing.tags import (
    TAG_HEAD_SIZE,
    after_sound,
    before_sound,
    end_of_data,
    tag_size,
)
from audiostore.patterns import pattern

_FRAMES_IN_A_ROW = 3
"""A sync word is 11 bits and turns up in any data; three frames at computed distances do not."""

_TAIL = 32 << 10
_NEAR = 4 << 10
_PIECE = 128 << 10
_MOST_TRIES = 20_000
"""How many places that look like a frame's header are tried: random data have one in 8 KB."""
_TAG = rb"ID3[\x02-\x04]|APETAGEX"
_CUT_FRAME = 1_500
"""Files of MP3 that were cut, then joined, have less than a frame between them."""
_LONGEST = 2 << 10
"""Longer than any frame of MPEG audio."""
_ALIKE = 0.01
_GAP_STEPS = 20
"""What it takes to look for the next frame."""
_OVERLAP = 8
"""More than a header that ends behind a piece has before its end."""
_ZEROS, _ZEROS_IN_FRAME = bytes(4 << 10), bytes(16)


class Row(NamedTuple):
    """Whole frames of one kind that follow each other."""

    frames: int
    end: int
    """Where the last one ends; where the first would begin if there is none."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Frames:
    """How to recognise and follow the frames of one kind."""

    name: str
    header_size: int
    length: Callable[[bytes, int], int]
    """The length of the frame whose header is at this offset of these bytes; 0 if none is."""
    follow: Callable[[bytes, int], Row]
    """The row of frames at an offset."""
    constant: int
    """The bits of the first four bytes that are the same in all frames of a stream."""
    header: re.Pattern[bytes]
    """What the first bytes of a header look like, or those of a tag."""

    def same_stream(self, data: bytes, one: int, other: int) -> bool:
        """Say whether the headers at two offsets may belong to one stream."""
        differing = big(data, one) ^ big(data, other)
        return len(data) >= other + 4 and differing & self.constant == 0


def header_pattern(header: bytes) -> re.Pattern[bytes]:
    """Return a pattern of what frames may begin with, and of the tags between them."""
    return pattern(header + b"|" + _TAG)


# -- the beginning ---------------------------------------------------------------------------------


def repeats(reader: Reader, offset: int, frames: Frames) -> bool:
    """Say whether three frames follow each other from an offset on, or frames fill the file."""
    first = reader.at(offset, 4)
    for _ in range(_FRAMES_IN_A_ROW):
        head = reader.at(offset, frames.header_size)
        length = frames.length(head, 0)
        if length == 0 or not frames.same_stream(first + head, 0, 4):
            # A file of one or two frames is as good as any other.
            return offset >= end_of_data(reader, 0) or tag_size(reader.at(offset, 32)) > 0
        offset += length
    return True


def search(reader: Reader, offset: int, frames: Frames, padding: int) -> int | None:
    """Return where frames begin after padding, or after the rest of a frame that was cut."""
    data = reader.at(offset, padding + ROOM)
    for found in islice(frames.header.finditer(data, 0, padding + frames.header_size), _MOST_TRIES):
        row = frames.follow(data, found.start())
        end = offset + row.end
        is_last = row.frames > 1 and end_of_data(reader, end) == end
        if row.frames > _FRAMES_IN_A_ROW or is_last:
            return offset + found.start()
    return None


# -- the end ---------------------------------------------------------------------------------------


def check_tail(reader: Reader, start: int, end: int, frames: Frames) -> str | None:
    """Look for the last whole frame, and say whether another one begins after it."""
    if not frames.length(reader.at(start, frames.header_size), 0):
        return "is damaged: no frame begins where its sound should"
    # Usually a few frames show that the last one is whole; if they do not, look at more.
    for size in (_NEAR, _TAIL):
        begin = max(start, end - size)
        tail = reader.at(begin, end - begin)
        first, rest_at = _last_row(tail, frames, exact=begin == start)
        if rest_at:
            return _cut_after(tail, first, rest_at, frames)
        if begin == start:
            return f"is cut short: it does not contain one whole {frames.name} frame"
    return None  # it ends with something else


def _cut_after(tail: bytes, first: int, rest_at: int, frames: Frames) -> str | None:
    rest = tail[rest_at:]
    needed = frames.length(rest, 0)
    if needed > len(rest) and frames.same_stream(tail, first, rest_at):
        return cut_short("its last frame needs", needed, len(rest))
    if 0 < len(rest) < frames.header_size and tail[first : first + 2].startswith(rest[:2]):
        return "is cut short: its last frame ends within its header"
    return None


def _last_row(tail: bytes, frames: Frames, *, exact: bool) -> tuple[int, int]:
    """Return where the last row of frames begins and ends; (0, 0) if there is none."""
    found = (0, 0)
    at = tail.find(b"\xff")
    while at >= 0:
        row = frames.follow(tail, at)
        if row.frames >= _FRAMES_IN_A_ROW or (row.frames and exact and at == 0):
            found, at = (at, row.end), row.end
        else:
            at += 1
        at = tail.find(b"\xff", at)
    return found


# -- all of it -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sound:
    """All frames of a file."""

    start: int
    end: int
    """Where the last frame ends."""
    count: int = 0
    seconds: float = 0.0
    size_bytes: int = 0
    """Of all frames."""
    junk: int = 0
    """The bytes between frames that are neither frames nor tags."""
    is_exact: bool = True
    """False if not all of the file was examined."""
    flaw: str | None = None
    warnings: tuple[str, ...] = ()


def find_sound(reader: Reader, start: int, frames: Frames) -> Sound:
    """Count the frames of a file, and say what else is in it; reads all of it once.

    Args:
        reader: the whole file.
        start: where the first frame begins.
        frames: of which kind.
    """
    sound, stop = Sound(start, start), end_of_data(reader, start)
    reader.require(stop - start)
    gaps = _walk(reader, sound, stop, frames)
    sound.is_exact = gaps <= _MOST_TRIES
    found = [*before_sound(reader, start, "frame")]
    if sound.junk > _CUT_FRAME:
        found.append(f"has {sound.junk:,} bytes between its frames that are not sound")
    if not sound.is_exact:
        found.append(
            f"is interrupted in more than {_MOST_TRIES:,} places: what follows byte"
            f" {sound.end:,} was not examined"
        )
    elif sound.end < stop:
        found += _after_last_frame(reader, sound, stop, frames)
    sound.warnings = tuple(found)
    return sound


def stated_sound(reader: Reader, start: int, frames: Frames, count: int) -> Sound | None:
    """Return what `find_sound` does for a whole file of so many frames, by both ends of it alone.

    Args:
        reader: the whole file.
        start: where the first frame begins.
        frames: of which kind.
        count: how many there are, by a header that is right about their bytes.

    Returns:
        None if it has to be counted: the ends are not filled with frames of one stream; or they
        have one size at both, and so many of that size are not there.
    """
    end = end_of_data(reader, start)
    begin = max(start, end - _TAIL)
    head, tail = reader.at(start, _TAIL), reader.at(begin, end - begin)
    row, (first, last) = frames.follow(head, 0), _last_row(tail, frames, exact=begin == start)
    other = frames.follow(tail, first)
    is_filled = row.end > len(head) - _LONGEST and first < _LONGEST and last == len(tail)
    if not (is_filled and row.frames and other.frames) or not frames.same_stream(
        head[:4] + tail[first:], 0, 4
    ):
        return None
    at_start, at_end = row.end / row.frames, (other.end - first) / other.frames
    is_constant = abs(at_start - at_end) < _ALIKE * at_end
    if is_constant and abs((end - start) / count - at_end) > _ALIKE * at_end:
        return None
    seconds = count * row.seconds / row.frames
    warnings = before_sound(reader, start, "frame")
    return Sound(start, end, count, seconds, end - start, warnings=warnings)


def _walk(reader: Reader, sound: Sound, stop: int, frames: Frames) -> int:
    """Follow the frames up to an offset, past what is between them; return how often that was."""
    at = data_at = sound.start
    data, junk, gaps = b"", 0, 0
    kind = big(reader.at(at, 4)) & frames.constant
    while at < stop and gaps <= _MOST_TRIES:
        if at + ROOM > data_at + len(data) < stop:
            data, data_at = data[at - data_at :], at  # no byte is read twice
            more = reader.at(at + len(data), min(_PIECE, stop - at - len(data)))
            if not more:  # the file has become shorter
                break
            data += more
        begin = at - data_at
        row = frames.follow(data, begin)
        reader.spend(row.frames)
        this = big(data, begin) & frames.constant
        goes_on = at == sound.end and this == kind
        is_last = data_at + row.end >= stop
        if row.frames >= _FRAMES_IN_A_ROW or (row.frames and (goes_on or is_last)):
            at, kind = data_at + row.end, this
            sound.count, sound.seconds = sound.count + row.frames, sound.seconds + row.seconds
            sound.size_bytes += row.end - begin
            sound.end, sound.junk, junk = at, sound.junk + junk, 0
            continue
        gaps += 1
        reader.spend(_GAP_STEPS)
        size = tag_size(data[begin : begin + TAG_HEAD_SIZE])
        if 0 < size <= stop - at:
            at += size
            continue
        found = frames.header.search(data, begin + 1)
        skipped = found.start() - begin if found else max(1, len(data) - begin - _OVERLAP)
        at, junk = at + skipped, junk + skipped
    return gaps


def _after_last_frame(reader: Reader, sound: Sound, stop: int, frames: Frames) -> tuple[str, ...]:
    """Say what follows the last frame; find that it is not whole if that begins within it."""
    begin = max(sound.start, sound.end - _TAIL)
    tail = reader.at(begin, sound.end - begin)
    beyond = reader.at(sound.end, len(_ZEROS))
    at, end = _last_row(tail, frames, exact=begin == sound.start)
    last = at
    while at < end:
        last, at = at, at + frames.length(tail, at)
    for found in re.finditer(_TAG, tail[last:] + beyond[:_OVERLAP]):
        place = begin + last + found.start()
        tag_end = place + tag_size(reader.at(place, TAG_HEAD_SIZE))
        if place < sound.end < tag_end <= stop:
            sound.flaw = "is cut short: a tag begins within its last frame"
    # A download that made room for the whole file leaves zeros. Frames may end in zeros by
    # themselves, but then those before do, too.
    breaks_off = tail.endswith(_ZEROS_IN_FRAME) and not tail[:last].endswith(_ZEROS_IN_FRAME)
    if breaks_off and beyond == _ZEROS:
        return ("continues with zero bytes from within its last frame: it may be cut short",)
    return after_sound(reader, sound.end)
