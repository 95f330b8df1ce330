"""APE tags (wiki.hydrogenaud.io: APEv2 specification), in front of the data or at the end."""

from functools import partial

from audiostore.media.parsing.embedded import FRONT_COVER, OTHER, Embedded, UnreadPicture
from audiostore.media.parsing.reading import Reader, little
from audiostore.media.parsing.text import decode_8_bit

EDGE_SIZE = 32
"""Of the header and of the footer alike."""
_MAX_ITEMS = 1_000
_MAX_TEXT_BYTES = 64 << 10
_MAX_KEY_BYTES = 256
_PICTURE = "cover art ("
_TYPES = {
    "front": FRONT_COVER,
    "back": 4,
    "icon": 1,
    "other icon": 2,
    "leaflet": 5,
    "media": 6,
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
_TEXT, _BINARY = 0, 1


def read_apev2(reader: Reader, start: int, end: int) -> Embedded:
    """Read the APE tag that lies between two offsets, with its header or footer or both."""
    embedded = Embedded()
    has_header = reader.at(start, 8) == b"APETAGEX"
    edge = reader.at(start if has_header else end - EDGE_SIZE, EDGE_SIZE)
    at = start + EDGE_SIZE if has_header else start
    count = little(edge, 16)
    for _ in range(min(count, _MAX_ITEMS)):
        head = reader.at(at, min(8 + _MAX_KEY_BYTES, end - at))
        size, flags = little(head), little(head, 4)
        key_end = head.find(b"\0", 8)
        first = at + key_end + 1
        if key_end < 0 or first + size > end:
            embedded.warnings.append(f"has an APE tag of which {end - at:,} bytes cannot be read")
            break
        key = decode_8_bit(head[8:key_end])
        kind = flags >> 1 & 3
        if key.lower().startswith(_PICTURE):
            embedded.pictures.append(_picture(reader, key, first, size))
        elif kind != _BINARY:
            text = decode_8_bit(reader.at(first, min(size, _MAX_TEXT_BYTES)))
            embedded.tags += [(key, value) for value in text.split("\0") if value]
        at = first + size
    if count > _MAX_ITEMS:
        embedded.warnings.append(f"has more than {_MAX_ITEMS:,} APE items: not all were read")
    return embedded


def _picture(reader: Reader, key: str, start: int, size: int) -> UnreadPicture:
    """Return a picture: a file's name that ends with a zero byte, and its data."""
    name_end = reader.at(start, min(size, _MAX_KEY_BYTES)).find(b"\0") + 1
    at, left = start + name_end, size - name_end
    kind = _TYPES.get(key.lower().removeprefix(_PICTURE).rstrip(")"), OTHER)
    return UnreadPicture(left, partial(reader.at, at, left), kind)
