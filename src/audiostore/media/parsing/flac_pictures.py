"""Pictures as FLAC has them, which Vorbis comments contain, too (RFC 9639, section 8.8)."""

from audiostore.media.parsing.embedded import IMAGE
from audiostore.media.parsing.reading import Reader, big

_HEAD_BYTES = 1 << 10


def locate_picture(reader: Reader, start: int, size: int) -> tuple[int, int, int]:
    """Return where the picture in a block begins, its size, and its type.

    Where the fields in front of it are wrong, the picture is where one begins.

    Args:
        reader: the file.
        start: where the block's data begin.
        size: how many they are.
    """
    end = start + size
    head = reader.at(start, 8)
    at = start + 8 + big(head, 4)  # after the content type
    at += 4 + big(reader.at(at, 4)) + 16  # after the description, width, height, depth, colours
    stated = big(reader.at(at, 4))
    at += 4
    if at >= end or not IMAGE.match(reader.at(at, 12)):
        image = IMAGE.search(reader.at(start, min(size, _HEAD_BYTES)))
        at = start + image.start() if image else min(at, end)
    left = end - at
    return at, stated if 0 < stated <= left else left, big(head)
