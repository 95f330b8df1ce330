"""A file described by its own headers: in this process, without FFmpeg, and at a bounded cost.

Most files are as their formats say, and then a few parsers in Python know what FFmpeg would say of
them. What is odd, damaged or takes much is left to FFmpeg in a sandbox worker, whose verdict
counts: nothing is refused here.
"""

from audiostore.errors import UnplayableAudioError
from audiostore.media.facts.describe import (
    Found,
    choose_view,
    describe_sound,
    measure_sound,
    require_sound,
)
from audiostore.media.facts.embedded import read_own_tags, read_tags_around
from audiostore.media.info import AudioInfo
from audiostore.media.kinds import Recognised
from audiostore.media.parsing.reading import BudgetSpentError, Reader, Seekable

_WINDOW = 4 << 10
_READS = 2_000
_STEPS = 200_000
_HEADER_BYTES = 512 << 10
_SOUND_BYTES = 16 << 20
"""What may be read to measure the sound; some formats read all of it."""
_TAGS_BYTES = 1 << 20
"""What may be read of tags, besides pictures: most costly are many short texts."""
_PICTURES, _PICTURES_BYTES = 2, 32 << 20
"""How many pictures are tried until one is usable, and what may be read of them."""


def describe_by_headers(
    stream: Seekable,
    size_bytes: int,
    found: Recognised,
    *,
    artwork: bool = True,
    is_fetched: bool = False,
) -> AudioInfo | None:
    """Return what is inside an open audio file, just as FFmpeg would describe it.

    Args:
        stream: the file; its position changes.
        size_bytes: its size.
        found: what it was recognised as.
        artwork: whether to look at embedded pictures; else none are found.
        is_fetched: whether the file is elsewhere, and fetched as it is read.

    Returns:
        None if FFmpeg has to be asked: the format leaves it to FFmpeg, the file is odd or damaged,
        or it takes more than is read here.

    Raises:
        OSError: the file cannot be read.
    """
    kind, offset = found.format, found.offset
    if kind.describe is None:
        return None
    readers: list[Reader] = []

    def reader(total: int) -> Reader:
        readers.append(
            Reader(stream, size_bytes, reads=_READS, total=total, window=_WINDOW, steps=_STEPS)
        )
        return readers[-1]

    try:
        header = kind.describe(reader(_HEADER_BYTES), found)
        if header is None:
            return None
        sound = reader(_SOUND_BYTES)
        length = measure_sound(kind, header, sound, offset, is_fetched=is_fetched)
        if length is None:
            return None
        require_sound(length)
        tags = reader(_TAGS_BYTES)
        own = read_own_tags(kind, tags, offset, header.language)
        around = read_tags_around(tags, offset, length.end)
        tags.renew(reads=_PICTURES, total=_PICTURES_BYTES)
        read = Found(header, length, own, around, lambda: choose_view(sound, found).size_bytes)
        info = describe_sound(kind, read, artwork=artwork)
    except (BudgetSpentError, UnplayableAudioError):
        return None
    # Parsers that go on without what they could not read say something else than FFmpeg would.
    return None if any(each.is_spent for each in readers) else info
