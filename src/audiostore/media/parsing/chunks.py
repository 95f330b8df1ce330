"""Chunks of an identifier, a size and data, as in RIFF, IFF and CAF."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from audiostore.media.parsing.reading import NO_SOUND, Reader, cut_short

_MOST_CHUNKS = 500
SLACK = 8
"""Writers count their own 8 bytes of header or not, and forget the padding byte."""

RIFF = struct.Struct("<4sI")
IFF = struct.Struct(">4sI")


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
        align: chunks begin at multiples of this many bytes.
    """
    for _ in range(_MOST_CHUNKS):
        head = reader.at(at, header.size)
        if len(head) < header.size:
            return
        identifier, size = header.unpack(head)
        chunk = Chunk(identifier, at + header.size, size)
        yield chunk
        at = chunk.end + -size % align


def check_sound(reader: Reader, start: int, size: int, whole_end: int) -> str | None:
    """Compare the sizes of a chunk of sound and of the whole file with what is there.

    Args:
        reader: the file.
        start: where the sound begins.
        size: its size by its chunk's header.
        whole_end: where the file ends, by its own header.
    """
    there = max(0, reader.size - start)
    matches_whole = abs(whole_end - reader.size) <= SLACK
    if size == 0 or _is_placeholder(size):
        return NO_SOUND if there == 0 or (size == 0 and matches_whole) else None
    if size > there:
        percent = 100 * there // size
        return (
            f"is cut short: its header promises {size:,} bytes of sound,"
            f" {there:,} are there ({percent} %)"
        )
    if whole_end > reader.size + SLACK and not _is_placeholder(whole_end - 8):
        return cut_short("after its sound: its header promises", whole_end, reader.size)
    return None


def sound_in(reader: Reader, start: int, size: int) -> tuple[int, int]:
    """Return where a chunk of sound begins and ends; of an unknown size, it ends with the file."""
    if size == 0 or _is_placeholder(size):
        return start, reader.size
    return start, min(start + size, reader.size)


# What programs that write to a pipe put as a size, because they cannot go back to fill it in. All
# ones less some header (FFmpeg, mpg123, lame), 2 GiB or a little less (SoX, arecord, espeak). And
# 0, which the size of the whole file distinguishes from true emptiness.
_PLACEHOLDERS = (
    range(0xFFFFFF00, 1 << 32),
    range(0x7FFFEE00, 0x80000100),
    range((1 << 64) - 256, 1 << 64),
)


def _is_placeholder(size: int) -> bool:
    return any(size in sizes for sizes in _PLACEHOLDERS)
