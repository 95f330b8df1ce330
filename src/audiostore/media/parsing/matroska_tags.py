"""Tags, chapters and attached pictures of WebM and Matroska (RFC 9559, sections 5.1.6 to 5.1.8)."""

from collections.abc import Iterator
from functools import partial

from audiostore.dataclass import dataclass, field
from audiostore.media.parsing.ebml import Element, elements, find_element
from audiostore.media.parsing.embedded import (
    FRONT_COVER,
    IMAGE,
    OTHER,
    Embedded,
    Part,
    UnreadPicture,
)
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.text import MAX_TEXT_BYTES, decode_8_bit

_SEGMENT, _CLUSTER, _SEEK_HEAD, _INFO = 0x18538067, 0x1F43B675, 0x114D9B74, 0x1549A966
_TRACKS, _TAGS, _CHAPTERS, _ATTACHMENTS = 0x1654AE6B, 0x1254C367, 0x1043A770, 0x1941A469
_TOP = (_INFO, _TRACKS, _TAGS, _CHAPTERS, _ATTACHMENTS)
_SEEK, _SEEK_ID, _SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
_TITLE = 0x7BA9
_TRACK, _TRACK_UID, _TRACK_TYPE, _TRACK_NAME, _SOUND = 0xAE, 0x73C5, 0x83, 0x536E, 2
_TAG, _TARGETS, _TARGET_TYPE, _TARGET_TRACK, _LEVEL = 0x7373, 0x63C0, 0x63CA, 0x63C5, 0x68CA
_OTHER_TARGETS = (0x63C4, 0x63C6, 0x63C9)  # a chapter, an attachment, an edition
_SIMPLE_TAG, _NAME, _STRING = 0x67C8, 0x45A3, 0x4487
_EDITION, _ATOM, _START, _END, _DISPLAY, _CHAPTER_TITLE = 0x45B9, 0xB6, 0x91, 0x92, 0x80, 0x85
_FILE, _FILE_NAME, _FILE_DATA = 0x61A7, 0x466E, 0x465C

_NAMES = {"LEAD_PERFORMER": "performer"}  # as FFmpeg has them
_NAMES_OF_ALBUMS = {"ARTIST": "album_artist", "PART_NUMBER": "disc", "TITLE": "album"}
_ALBUM = 50
_MAX_DEPTH = 2
_MAX_PARTS = 32
_MAX_VALUES = 2_000
_NANOSECONDS = 1e9


@dataclass(slots=True)
class _Found:
    levels: dict[int, Embedded] = field(default_factory=dict)
    """By what they are of: 30 is a track, 50 an album; 0 if that is not said."""
    whole: Embedded = field(default_factory=Embedded)
    track: Embedded = field(default_factory=Embedded)
    names: Embedded = field(default_factory=Embedded)
    sound_uid: int = 0


def read_matroska_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the Matroska data that begin at an offset: the file's, then the track's."""
    segment = find_element(reader, _SEGMENT, offset, reader.size)
    if segment is None:
        return []
    found = _Found()
    # The seek head leads to what is in front of the sound, too. The tracks come before the tags.
    parts = {part.start: part for part in _top_elements(reader, segment) if part.id in _TOP}
    for part in sorted(parts.values(), key=lambda part: _TOP.index(part.id))[
        :_MAX_PARTS
    ]:  # tracks before tags
        _READERS[part.id](reader, part, found)
    levels = [found.levels[level] for level in sorted(found.levels)]
    return [*levels, found.whole, found.track, found.names]


def _top_elements(reader: Reader, segment: Element) -> Iterator[Element]:
    """Yield what comes before the sound, and after it where the seek head leads to."""
    sought: list[int] = []
    for part in elements(reader, segment.start, reader.size):
        if part.id == _CLUSTER or part.size is None:
            break
        yield part
        if part.id == _SEEK_HEAD:
            for seek in _inside(reader, part):
                fields = _fields(reader, seek)
                if seek.id == _SEEK and _number(reader, fields.get(_SEEK_ID)) in _TOP:
                    sought.append(_number(reader, fields.get(_SEEK_POSITION)))
    for position in sought:
        after = next(elements(reader, segment.start + position, reader.size), None)
        if after and after.size is not None:
            yield after


def _inside(reader: Reader, parent: Element) -> Iterator[Element]:
    """Walk the elements in another one; they end where it ends."""
    end = min(parent.start + (parent.size or 0), reader.size)
    for each in elements(reader, parent.start, end):
        size = end - each.start if each.size is None else min(each.size, end - each.start)
        yield Element(each.id, each.start, max(0, size))


def _fields(reader: Reader, parent: Element) -> dict[int, Element]:
    """Return the elements in another one by their ids: the first of each."""
    found: dict[int, Element] = {}
    for each in _inside(reader, parent):
        found.setdefault(each.id, each)
    return found


def _number(reader: Reader, element: Element | None) -> int:
    size = min((element and element.size) or 0, 8)
    return big(reader.at(element.start, size), 0, size) if element else 0


def _text(reader: Reader, element: Element | None) -> str:
    if element is None:
        return ""
    data = reader.at(element.start, min(element.size or 0, MAX_TEXT_BYTES))
    return decode_8_bit(data.partition(b"\0")[0])


def _read_info(reader: Reader, info: Element, found: _Found) -> None:
    title = next((each for each in _inside(reader, info) if each.id == _TITLE), None)
    found.whole.tags.append(("title", _text(reader, title)))


def _read_tracks(reader: Reader, tracks: Element, found: _Found) -> None:
    for entry in _inside(reader, tracks):
        fields = _fields(reader, entry)
        if entry.id == _TRACK and _number(reader, fields.get(_TRACK_TYPE)) == _SOUND:
            found.sound_uid = _number(reader, fields.get(_TRACK_UID))
            found.names.tags.append(("title", _text(reader, fields.get(_TRACK_NAME))))
            break


def _read_tags(reader: Reader, tags: Element, found: _Found) -> None:
    for tag in _inside(reader, tags):
        parts = [*_inside(reader, tag)]
        targets = [each for part in parts if part.id == _TARGETS for each in _inside(reader, part)]
        if any(each.id in _OTHER_TARGETS and _number(reader, each) for each in targets):
            continue
        track = next((_number(reader, each) for each in targets if each.id == _TARGET_TRACK), 0)
        if track not in (0, found.sound_uid):
            continue
        named = next((each for each in targets if each.id == _TARGET_TYPE), None)
        kind = "" if track else _text(reader, named)
        level = next((_number(reader, each) for each in targets if each.id == _LEVEL), 0)
        names = _NAMES_OF_ALBUMS if level >= _ALBUM else _NAMES
        is_of_track = track and not level
        into = found.track if is_of_track else found.levels.setdefault(level, Embedded())
        for part in parts:
            if part.id == _SIMPLE_TAG and len(into.tags) < _MAX_VALUES:
                inside = _simple_tags(reader, part, f"{kind}/" if kind else "", _MAX_DEPTH)
                into.tags += [(names.get(name, name), value) for name, value in inside]


def _simple_tags(
    reader: Reader, tag: Element, prefix: str, depth: int
) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of a tag, and of those in it."""
    fields = _fields(reader, tag)
    name = prefix + _text(reader, fields.get(_NAME))
    if _STRING in fields:
        yield name, _text(reader, fields[_STRING])
    for part in _inside(reader, tag) if depth else ():
        if part.id == _SIMPLE_TAG:
            yield from _simple_tags(reader, part, f"{name}/", depth - 1)


def _read_chapters(reader: Reader, chapters: Element, found: _Found) -> None:
    edition = next((each for each in _inside(reader, chapters) if each.id == _EDITION), None)
    for atom in _inside(reader, edition) if edition else ():
        fields = _fields(reader, atom)
        if atom.id != _ATOM or _START not in fields:
            continue
        shown = fields.get(_DISPLAY)
        inside = _inside(reader, shown) if shown else ()
        title = _text(reader, next((e for e in inside if e.id == _CHAPTER_TITLE), None))
        start_s = _number(reader, fields[_START]) / _NANOSECONDS
        end_s = _number(reader, fields[_END]) / _NANOSECONDS if _END in fields else None
        found.whole.chapters.append(Part(start_s, end_s, title))


def _read_attachments(reader: Reader, attachments: Element, found: _Found) -> None:
    for attached in _inside(reader, attachments):
        fields = _fields(reader, attached)
        data = fields.get(_FILE_DATA)
        if attached.id == _FILE and data and IMAGE.match(reader.at(data.start, 12)):
            size = data.size or 0
            is_cover = _text(reader, fields.get(_FILE_NAME)).lower().startswith("cover")
            kind = FRONT_COVER if is_cover else OTHER
            read = partial(reader.at, data.start, size)
            found.whole.pictures.append(UnreadPicture(size, read, kind))


_READERS = {
    _INFO: _read_info,
    _TRACKS: _read_tracks,
    _TAGS: _read_tags,
    _CHAPTERS: _read_chapters,
    _ATTACHMENTS: _read_attachments,
}
