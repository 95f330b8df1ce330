"""APE tags (Hydrogenaudio's wiki: APEv2 specification), in front of the data or at the end."""

from functools import partial

from audiostore.media.parsing.embedded import (
    FRONT_COVER,
    OTHER,
    Embedded,
    UnreadPicture,
    find_image,
)
from audiostore.media.parsing.reading import Reader, little
from audiostore.media.parsing.text import decode_8_bit
from audiostore.patterns import pattern

_MAGIC = b"APETAGEX"
_EDGE_SIZE = 32
"""Of the header and of the footer alike."""
_MAX_ITEMS = 1_000
_MAX_TEXT_BYTES, _MAX_VALUES = 16 << 10, 1_000
_MAX_KEY_BYTES, _MAX_NAME_BYTES = 256, 1 << 10
_PICTURE = "cover art ("
_TYPES = {
    "front": FRONT_COVER,
    "back": 4,
    "icon": 1,
    "other icon": 2,
    "leaflet": 5,
    "media": 6,
    "disc": 6,
    "lead artist": 7,
    "artist": 8,
    "conductor": 9,
    "band": 10,
    "composer": 11,
    "lyricist": 12,
    "recording location": 13,
    "during recording": 14,
    "during performance": 15,
    "video capture": 16,
    "fish": 17,
    "illustration": 18,
    "band logotype": 19,
    "publisher logotype": 20,
}
_BINARY = 1
_KEY = pattern(rb"([ -~]{2,255})\0")


def read_apev2(reader: Reader, start: int, end: int) -> Embedded:
    """Read the APE tag that lies between two offsets, with its header or footer or both."""
    embedded = Embedded()
    at = start + _EDGE_SIZE if reader.at(start, 8) == _MAGIC else start
    last = end - _EDGE_SIZE if reader.at(end - _EDGE_SIZE, 8) == _MAGIC else end
    for _ in range(_MAX_ITEMS):
        head = reader.at(at, min(8 + _MAX_KEY_BYTES, last - at))
        size, flags, key = little(head), little(head, 4), _KEY.match(head, 8)
        if key is None or at + key.end() + size > last:
            break
        first = at + key.end()
        name = key[1].decode("ascii")
        if name.lower().startswith(_PICTURE):
            embedded.pictures.append(_picture(reader, name, first, size))
        elif flags >> 1 & 3 != _BINARY:
            text = decode_8_bit(reader.at(first, min(size, _MAX_TEXT_BYTES)))
            values = text.split("\0", _MAX_VALUES)[:_MAX_VALUES]
            embedded.tags += [(name, value) for value in values]
        at = first + size
    if at < last:
        embedded.warnings.append(f"has an APE tag of which {last - at:,} bytes cannot be read")
    return embedded


def _picture(reader: Reader, key: str, start: int, size: int) -> UnreadPicture:
    """Return a picture: a file's name that ends with a zero byte, and its data."""
    head = reader.at(start, min(size, _MAX_NAME_BYTES))
    skipped = find_image(head, head.find(b"\0") + 1)
    at, left = start + skipped, size - skipped
    kind = _TYPES.get(key.lower().removeprefix(_PICTURE).rstrip(")"), OTHER)
    return UnreadPicture(left, partial(reader.at, at, left), kind)
