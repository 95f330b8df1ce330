"""Tags, covers and chapters of MP4 and QuickTime.

ISO/IEC 14496-12 sections 8.9 and 8.10 (udta, meta); Apple's QuickTime File Format specification,
chapters "Movie atoms" (user data) and "Metadata"; iTunes' list (ilst), which no standard describes.
"""

import struct
from collections.abc import Iterator
from functools import partial

from audiostore.media.parsing.boxes import FULL, Box, boxes, boxes_in
from audiostore.media.parsing.embedded import Embedded, UnreadPicture
from audiostore.media.parsing.genres import genre
from audiostore.media.parsing.mp4_tracks import (
    read_chapter_tracks,
    read_nero_chapters,
    read_track,
)
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.text import MAX_TEXT_BYTES, decode_8_bit

_MAX_NAME_BYTES = 256
_MAX_VALUES = 2_000
_PACKED_LANGUAGE, _NO_LANGUAGE = 0x400, 0x7FFF
_MOST_TRACKS = 32

# The names that FFmpeg gives.
_NAMES = {
    b"aART": "album_artist",
    b"akID": "account_type",
    b"apID": "account_id",
    b"catg": "category",
    b"cpil": "compilation",
    b"cprt": "copyright",
    b"desc": "description",
    b"disk": "disc",
    b"egid": "episode_uid",
    b"gnre": "genre",
    b"hdvd": "hd_video",
    b"keyw": "keywords",
    b"ldes": "synopsis",
    b"pcst": "podcast",
    b"pgap": "gapless_playback",
    b"purd": "purchase_date",
    b"rtng": "rating",
    b"soaa": "sort_album_artist",
    b"soal": "sort_album",
    b"soar": "sort_artist",
    b"soco": "sort_composer",
    b"sonm": "sort_name",
    b"sosn": "sort_show",
    b"stik": "media_type",
    b"tmpo": "bpm",
    b"trkn": "track",
    b"tven": "episode_id",
    b"tves": "episode_sort",
    b"tvnn": "network",
    b"tvsh": "show",
    b"tvsn": "season_number",
    b"manu": "make",
    b"modl": "model",
    b"\xa9ART": "artist",
    b"\xa9PRD": "producer",
    b"\xa9alb": "album",
    b"\xa9aut": "author",
    b"\xa9chp": "chapter",
    b"\xa9cmt": "comment",
    b"\xa9com": "composer",
    b"\xa9con": "conductor",
    b"\xa9cpy": "copyright",
    b"\xa9day": "date",
    b"\xa9dir": "director",
    b"\xa9dis": "disclaimer",
    b"\xa9ed1": "edit_date",
    b"\xa9enc": "encoder",
    b"\xa9fmt": "original_format",
    b"\xa9gen": "genre",
    b"\xa9grp": "grouping",
    b"\xa9hst": "host_computer",
    b"\xa9inf": "comments",
    b"\xa9lyr": "lyrics",
    b"\xa9mak": "make",
    b"\xa9mod": "model",
    b"\xa9mvi": "movement",
    b"\xa9mvn": "movement_name",
    b"\xa9nam": "title",
    b"\xa9nrt": "narrator",
    b"\xa9ope": "original_artist",
    b"\xa9prd": "producer",
    b"\xa9prf": "performers",
    b"\xa9pub": "publisher",
    b"\xa9req": "playback_requirements",
    b"\xa9src": "original_source",
    b"\xa9st3": "subtitle",
    b"\xa9swr": "encoder",
    b"\xa9too": "encoder",
    b"\xa9trk": "track",
    b"\xa9url": "URL",
    b"\xa9wrk": "work",
    b"\xa9wrn": "warning",
    b"\xa9wrt": "composer",
    b"\xa9xyz": "location",
}
_OF_TOTAL = (b"trkn", b"disk")
_GENRE = b"gnre"
_TEMPO = b"tmpo"
_COVERS = (b"covr", b"com.apple.quicktime.artwork")
_FREEFORM = b"----"
_NUMBERS = frozenset(
    (
        b"akID",
        b"cpil",
        b"egid",
        b"hdvd",
        b"pcst",
        b"pgap",
        b"rtng",
        b"stik",
        b"tmpo",
        b"tves",
        b"tvsn",
    )
)
_NAMES_OF_3GPP = {
    b"albm": "album",
    b"auth": "author",
    b"cprt": "copyright",
    b"dscp": "description",
    b"gnre": "genre",
    b"perf": "artist",
    b"titl": "title",
}
_HINTS = "cdec"
"""iTunes' notes to itself."""
# Types of data ("Well-known types" in Apple's specification).
_TEXTS, _UTF_16, _SHIFT_JIS = (1, 4), (2, 5), 3
_SIGNED, _UNSIGNED = (21, 65, 66, 67, 74), (22, 75, 76, 77, 78)
_FLOATS = {(23, 4): ">f", (24, 8): ">d"}
_MARKS = (b"\xfe\xff", b"\xff\xfe")


def read_mp4_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the MP4 data that begin at an offset, those first that count most."""
    moov = next((b for b in boxes(reader, offset, reader.size) if b.type == b"moov"), None)
    if moov is None:
        return []
    inside = [*boxes_in(reader, moov)]
    tracks = [read_track(reader, box) for box in inside if box.type == b"trak"][:_MOST_TRACKS]
    sound = next((track for track in tracks if track.handler == b"soun"), None)
    found = [read_chapter_tracks(reader, moov, tracks), *_read_metadata(reader, inside)]
    if sound:  # what is said of the whole counts more than what is said of a track
        found += _read_metadata(reader, sound.inside)
    return found


def _read_metadata(reader: Reader, inside: list[Box]) -> Iterator[Embedded]:
    for box in inside:
        if box.type == b"udta":
            yield from _read_user_data(reader, box)
        elif box.type == b"meta":
            yield from _read_meta(reader, box)


def _read_user_data(reader: Reader, udta: Box) -> Iterator[Embedded]:
    """Yield a list as iTunes has it, and texts as QuickTime or 3GPP have them."""
    texts = Embedded()
    for box in boxes_in(reader, udta):
        if box.type == b"meta":
            yield from _read_meta(reader, box)
        elif box.type == b"chpl":
            texts.chapters += read_nero_chapters(reader, box)
        elif box.type in _NAMES and box.type.startswith(b"\xa9"):
            text = _quicktime_text(reader.at(box.start, _text_size(box)))
            texts.tags.append((_NAMES[box.type], text))
        elif box.type == b"loci":
            texts.tags.append(("location", _location(reader.at(box.start, _text_size(box)))))
        elif box.type == b"name":
            texts.tags.append(("name", decode_8_bit(reader.at(box.start, _text_size(box)))))
        elif box.type in _NAMES_OF_3GPP:
            # A version, flags, a language, and a text (3GPP TS 26.244 section 8.2).
            text = _text_by_mark(reader.at(box.start + FULL + 2, _text_size(box)))
            texts.tags.append((_NAMES_OF_3GPP[box.type], text.partition("\0")[0]))
    yield texts


def _location(data: bytes) -> str:
    """Return a place as ISO 6709 has it; it comes after a name and a role (TS 26.244, 8.10)."""
    at = data.find(b"\0", FULL + 2) + 2
    if not at >= FULL + 4 or len(data) < at + 8:
        return ""
    longitude, latitude = (each / 65536 for each in struct.unpack_from(">ii", data, at))
    return f"{latitude:+08.4f}{longitude:+09.4f}/"


def _text_size(box: Box) -> int:
    return min(box.end - box.start, MAX_TEXT_BYTES)


def _quicktime_text(data: bytes) -> str:
    """Return the first of the texts in user data: each after its size and its language."""
    size, language = big(data, 0, 2), big(data, 2, 2)
    if 4 + size > len(data):  # neither is there
        return decode_8_bit(data)
    text = data[4 : 4 + size]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        is_macintosh = language < _PACKED_LANGUAGE or language == _NO_LANGUAGE
        return text.decode("mac-roman") if is_macintosh else decode_8_bit(text)


def _read_meta(reader: Reader, meta: Box) -> Iterator[Embedded]:
    """Yield a list of items, whose names may be in a table of their own (Apple: "Metadata")."""
    is_quicktime = reader.at(meta.start + 4, 4) == b"hdlr"  # in ISO's files, a version comes first
    names: list[bytes] = []
    for box in boxes_in(reader, meta, 0 if is_quicktime else FULL):
        if box.type == b"keys":
            names = [
                reader.at(key.start, min(key.end - key.start, _MAX_NAME_BYTES))
                for key in boxes_in(reader, box, FULL + 4)
            ]
        elif box.type == b"ilst":
            yield from _read_items(reader, box, names)


def _read_items(reader: Reader, ilst: Box, names: list[bytes]) -> tuple[Embedded, Embedded]:
    """Return what the items say, and what their numbers mean where these are not exact."""
    found, numbered = Embedded(), Embedded()
    for item in boxes_in(reader, ilst):
        number = big(item.type)
        kind = names[number - 1] if 0 < number <= len(names) else item.type
        if kind in _COVERS:
            found.pictures += _covers(reader, item)
            continue
        name = decode_8_bit(kind) if kind is not item.type else _NAMES.get(kind, "")
        for box in boxes_in(reader, item):
            if box.type == b"name" and kind == _FREEFORM:
                size = min(box.end - box.start - FULL, _MAX_NAME_BYTES)
                name = decode_8_bit(reader.at(box.start + FULL, size))
            elif box.type == b"data" and name and name != _HINTS and len(found.tags) < _MAX_VALUES:
                data_type = big(reader.at(box.start, 4), 1, 3)
                value = _value(kind, data_type, reader.at(box.start + 8, _text_size(box) - 8))
                if value is None and kind == _FREEFORM:  # programs' own, such as iTunes' settings
                    continue
                if value is None:
                    found.warnings.append(f"has a tag ({name!a}) whose value is not text")
                else:
                    (numbered if kind == _GENRE else found).tags.append((name, value))
    return found, numbered


def _covers(reader: Reader, item: Box) -> Iterator[UnreadPicture]:
    """Yield pictures, whatever their type is said to be: FAAC writes 0, some shops 21."""
    for box in boxes_in(reader, item):
        if box.type == b"data":
            start, size = box.start + 8, box.end - box.start - 8
            if size > 0:
                yield UnreadPicture(size, partial(reader.at, start, size))


def _value(kind: bytes, data_type: int, data: bytes) -> str | None:
    """Return an item's value as text; None if it is none."""
    is_text = data_type in _TEXTS
    if kind in _OF_TOTAL and not is_text:
        number, total = big(data, 2, 2), big(data, 4, 2)
        return f"{number}/{total}" if total else str(number)
    if kind == _GENRE and not is_text:  # counted from one
        return genre(big(data, 0, 2) - 1) or ""
    if data_type in _SIGNED or data_type in _UNSIGNED or (kind in _NUMBERS and not is_text):
        whole = int.from_bytes(data, "big", signed=data_type in _SIGNED)
        if kind == _TEMPO and whole == 0:  # how programs write that they do not know
            return ""
        return str(whole) if len(data) <= 8 else None
    if shape := _FLOATS.get((data_type, len(data))):
        return f"{struct.unpack(shape, data)[0]:f}"
    return _text(kind, data_type, data)


def _text(kind: bytes, data_type: int, data: bytes) -> str | None:
    if data_type in _UTF_16:
        return _utf_16(data)
    if data_type == _SHIFT_JIS:
        return data.decode("shift-jis", "replace")
    if data_type in _TEXTS or (data_type == 0 and kind != _FREEFORM):
        return decode_8_bit(data)
    text = data.decode("utf-8", "replace").rstrip("\0")
    return text if text.isprintable() and "\ufffd" not in text else None


def _text_by_mark(data: bytes) -> str:
    return _utf_16(data) if data[:2] in _MARKS else decode_8_bit(data)


def _utf_16(data: bytes) -> str:
    codec = "utf-16-le" if data.startswith(_MARKS[1]) else "utf-16-be"
    return data[: len(data) & ~1].decode(codec, "replace").removeprefix("\ufeff")
