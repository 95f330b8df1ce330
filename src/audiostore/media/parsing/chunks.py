"""Chunks of an identifier, a size and data, as in RIFF, IFF and CAF."""

import struct
from collections.abc import Iterator

from audiostore.dataclass import dataclass
from audiostore.media.parsing.reading import NO_SOUND, BudgetSpentError, Reader, cut_short
from audiostore.media.parsing.tags import after_sound, end_of_data
from audiostore.patterns import pattern

_MOST_CHUNKS = 500
SLACK = 8
"""Writers count their own 8 bytes of header or not, and forget the padding byte."""

RIFF = struct.Struct("<4sI")
IFF = struct.Struct(">4sI")

_IDENTIFIER = pattern(rb"[ -~]{3}[ -~\0]")
_WHOLE_FILES = (b"RIFF", b"RF64", b"BW64", b"FORM", b"caff")
"""What begins another file, where files were joined."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a chunk's data are."""

    id: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """The offset after the data."""
        return self.start + self.size


def walk_chunks(
    reader: Reader, at: int, header: struct.Struct, *, align: int = 2
) -> Iterator[Chunk]:
    """Yield the chunks from an offset on.

    Args:
        reader: the file.
        at: where the first chunk's header begins.
        header: how to unpack an identifier and a size.
        align: chunks begin at multiples of this many bytes; writers that forget the padding are
            understood.

    Raises:
        BudgetSpentError: more chunks than any honest file has.
    """
    for _ in range(_MOST_CHUNKS):
        head = reader.at(at, header.size)
        if len(head) < header.size:
            return
        identifier, size = header.unpack(head)
        chunk = Chunk(identifier, at + header.size, size)
        yield chunk
        at = _after(reader, chunk, header, align)
    raise BudgetSpentError


def _after(reader: Reader, chunk: Chunk, header: struct.Struct, align: int) -> int:
    """Return where the next chunk begins: at once, if the padding was forgotten."""
    padded = chunk.end + -chunk.size % align
    if padded > chunk.end and not _begins(reader, padded, header):
        return chunk.end if _begins(reader, chunk.end, header) else padded
    return padded


def _begins(reader: Reader, at: int, header: struct.Struct) -> bool:
    """Say whether a chunk begins at an offset that ends in the file."""
    head = reader.at(at, header.size)
    if len(head) < header.size or not is_identifier(head[:4]):
        return False
    _, size = header.unpack(head)
    return bool(at + header.size + size <= reader.size + SLACK)


def end_after(reader: Reader, sound: Chunk, header: struct.Struct, *, align: int = 2) -> int:
    """Return where the chunks after the sound end: where something else, or nothing, follows."""
    end = end_of_chunks(reader, _after(reader, sound, header, align), header, align=align)
    return min(end, reader.size)


def end_after_if_known(reader: Reader, sound: Chunk, header: struct.Struct) -> int | None:
    """Return where the chunks after the sound end; None if they are too many to look at."""
    try:
        return end_after(reader, sound, header)
    except BudgetSpentError:
        return None


def end_of_chunks(reader: Reader, at: int, header: struct.Struct, *, align: int = 2) -> int:
    """Return where the chunks from an offset on end."""
    for chunk in walk_chunks(reader, at, header, align=align):
        is_other = not is_identifier(chunk.id) or chunk.id in _WHOLE_FILES
        if is_other or chunk.end > reader.size + SLACK:
            break
        at = min(chunk.end, reader.size)
    return at


def is_identifier(data: bytes) -> bool:
    """Say whether bytes can be the name of a chunk."""
    return _IDENTIFIER.fullmatch(data) is not None


def check_sound(
    reader: Reader, begin: int, sound: Chunk, whole_end: int, header: struct.Struct
) -> str | None:
    """Compare the sizes of a chunk of sound and of the whole file with what is there.

    Args:
        reader: the file.
        begin: where the format's data begin.
        sound: where the sound begins, and its size by its chunk's header.
        whole_end: where the file ends, by its own header.
        header: that of the chunks which may follow.
    """
    there = max(0, reader.size - sound.start)
    more, whole_more = sound.size - there, whole_end - reader.size
    is_whole = whole_more <= SLACK or not is_known(whole_end - begin - 8)
    if not is_known(sound.size):
        is_empty = sound.size == 0 and end_of_chunks(reader, sound.start, header) == reader.size
        if there == 0 or is_empty:
            return NO_SOUND
        return None if is_whole else cut_short("its header promises", whole_end, reader.size)
    before = sound.start - begin
    # Recorders write the size of the whole file, or what is before the sound, into either field.
    counts_header = more in (before, before - SLACK) or (more <= before and whole_more <= SLACK)
    if more > SLACK and not counts_header:
        percent = 100 * there // sound.size
        return (
            f"is cut short: its header promises {sound.size:,} bytes of sound,"
            f" {there:,} are there ({percent} %)"
        )
    if not is_whole:
        end = end_after(reader, sound, header)
        head = reader.at(end, header.size)
        if len(head) == header.size and is_identifier(head[:4]):
            return cut_short("after its sound: its header promises", whole_end, reader.size)
    return None  # all of the sound is there, and of what follows nothing has begun


def sound_in(reader: Reader, start: int, size: int) -> tuple[int, int]:
    """Return where a chunk of sound begins and ends; if unknown, with the file but for its tags."""
    return start, min(start + size, reader.size) if is_known(size) else end_of_data(reader, start)


def describe_rest(
    reader: Reader,
    sound: Chunk,
    header: struct.Struct,
    seconds: float,
    *,
    whole_end: int = 0,
    align: int = 2,
) -> tuple[str, ...]:
    """Say what follows the sound besides chunks, tags, zeros and a little else.

    Args:
        reader: the whole file.
        sound: where the sound begins, and its size by its chunk's header.
        header: that of the chunks which may follow.
        seconds: how long the sound is by that size; 0 if that is not known.
        whole_end: where the file ends, by its own header.
        align: as for `walk_chunks`.

    Returns:
        At most one text: the rest of a sentence about the file, for a warning.
    """
    if not is_known(sound.size):
        return (_UNFINISHED,) if sound.size == 0 else ()
    missing = whole_end - reader.size
    if missing > sound.start and is_known(whole_end):  # and not only the header, counted twice
        return (f"ends {missing:,} bytes before its stated end, with all of its sound",)
    end = end_after(reader, sound, header, align=align)
    more = reader.size - end
    if reader.at(end, 4) in _WHOLE_FILES:
        return (f"is followed by another file ({more:,} bytes), which most players do not play",)
    rest = after_sound(reader, end)
    if rest and seconds and end <= sound.end + 1:  # a recorder that lost power, or 4 GiB and more
        more_s = seconds * more / sound.size
        return (
            f"states {seconds:.1f} s of sound in its header, and {more:,} bytes follow, which most"
            f" players do not play: {more_s:.1f} s more, if they are sound",
        )
    return rest


_UNFINISHED = "was never finished: its header states no size, and its sound ends with the file"

# What programs that write to a pipe put as a size, because they cannot go back to fill it in. All
# ones less some header (FFmpeg, mpg123, lame), 2 GiB or a little less (SoX, arecord, espeak). And
# 0, which the size of the whole file distinguishes from true emptiness.
_OPEN = 0xFFFFFFFF
_PLACEHOLDERS = (
    range(0xFFFFFF00, 1 << 32),
    range(0x7FFFEE00, 0x80000100),
    range((1 << 64) - 256, 1 << 64),
)


def pack_chunk(name: bytes, header: struct.Struct, data: bytes, *, more: int = 0) -> bytes:
    """Return a chunk, the last `more` bytes of whose data are left out."""
    size = len(data) + more
    return header.pack(name, min(size, _OPEN)) + data + bytes(0 if more else size & 1)


def is_known(size: int) -> bool:
    """Say whether a size is more than a placeholder, which was never filled in."""
    return size != 0 and not any(size in sizes for sizes in _PLACEHOLDERS)
