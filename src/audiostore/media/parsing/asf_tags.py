"""Tags, pictures and markers of Windows Media (Advanced Systems Format, revision 01.20.05)."""

from collections.abc import Iterator
from functools import partial

from audiostore.dataclass import dataclass
from audiostore.media.parsing.asf import Object, guid, header_objects, objects
from audiostore.media.parsing.embedded import Embedded, Part, UnreadPicture
from audiostore.media.parsing.reading import Reader, big, little
from audiostore.media.parsing.text import MAX_TEXT_BYTES

_FILE = guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
_CONTENT = guid("75B22633-668E-11CF-A6D9-00AA0062CE6C")  # section 3.10
_MORE_CONTENT = guid("D2D0A440-E307-11D2-97F0-00A0C95EA850")  # 3.11
_MARKERS = guid("F487CD01-A951-11CF-8EE6-00C00C205365")  # 3.7
_EXTENSION = guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")  # 3.4
_METADATA = guid("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA")  # 4.7
_LIBRARY = guid("44231C94-9498-49D1-A141-1D134E457054")  # 4.8

_OF_CONTENT = ("title", "author", "copyright", "comment", "rating")
# The names that FFmpeg gives.
_NAMES = {
    "Author": "author",
    "Copyright": "copyright",
    "Description": "comment",
    "Title": "title",
    "WM/AlbumArtist": "album_artist",
    "WM/AlbumTitle": "album",
    "WM/Composer": "composer",
    "WM/EncodedBy": "encoded_by",
    "WM/EncodingSettings": "encoder",
    "WM/Genre": "genre",
    "WM/Language": "language",
    "WM/Lyrics": "lyrics",
    "WM/MediaStationCallSign": "service_provider",
    "WM/MediaStationName": "service_name",
    "WM/OriginalFilename": "filename",
    "WM/PartOfSet": "disc",
    "WM/Publisher": "publisher",
    "WM/Tool": "encoder",
    "WM/TrackNumber": "track",
    "WM/Year": "date",
}
_PICTURE = "WM/Picture"
_TEXT, _BYTES, _NUMBERS = 0, 1, (2, 3, 4, 5)
_MAX_ITEMS = 2_000
_MAX_NAME_BYTES = 512
_TICKS_PER_S = 10_000_000


def read_asf_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the ASF data that begin at an offset: known names, then others."""
    known, others, extensions = Embedded(), Embedded(), []
    preroll_s = 0.0
    for part in header_objects(reader, offset):
        if part.id == _FILE:
            preroll_s = little(reader.at(part.start + 56, 8), 0, 8) / 1000
        elif part.id == _CONTENT:
            _read_content(reader, part.start, known)
        elif part.id == _MORE_CONTENT:
            _read_items(reader, _more_content(reader, part), known, others)
        elif part.id == _MARKERS:
            known.chapters += _markers(reader, part.start, preroll_s)
        elif part.id == _EXTENSION:
            extensions.append(part)
    for part in extensions:  # they hold what more values a name has, and may come first
        for inner in objects(reader, part.start + 22, min(part.end, reader.size)):
            if inner.id in (_METADATA, _LIBRARY):
                _read_items(reader, _library(reader, inner), known, others)
    return [known, others]


def _read_content(reader: Reader, at: int, found: Embedded) -> None:
    sizes = reader.at(at, 10)
    at += 10
    for i, name in enumerate(_OF_CONTENT):
        size = little(sizes, 2 * i, 2)
        found.tags.append((name, _text(reader.at(at, size))))
        at += size


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    type: int
    start: int
    size: int


def _more_content(reader: Reader, part: Object) -> Iterator[_Item]:
    count, at = little(reader.at(part.start, 2), 0, 2), part.start + 2
    for _ in range(min(count, _MAX_ITEMS)):
        name_size = little(reader.at(at, 2), 0, 2)
        at += 2 + name_size
        head = reader.at(at, 4)
        if at + len(head) > part.end or len(head) < 4:
            return
        name = _text(reader.at(at - name_size, min(name_size, _MAX_NAME_BYTES)))
        yield _Item(name, little(head, 0, 2), at + 4, little(head, 2, 2))
        at += 4 + little(head, 2, 2)


def _library(reader: Reader, part: Object) -> Iterator[_Item]:
    count, at = little(reader.at(part.start, 2), 0, 2), part.start + 2
    for _ in range(min(count, _MAX_ITEMS)):
        head = reader.at(at, 12)  # language, stream, the name's size, a type, the value's size
        if at + len(head) > part.end or len(head) < 12:
            return
        name_size, size = little(head, 4, 2), little(head, 8)
        start = at + 12 + name_size
        name = _text(reader.at(at + 12, min(name_size, _MAX_NAME_BYTES)))
        yield _Item(name, little(head, 6, 2), start, size)
        at = start + size


def _read_items(reader: Reader, items: Iterator[_Item], known: Embedded, others: Embedded) -> None:
    for item in items:
        name = _NAMES.get(item.name, item.name)
        found = known if item.name in _NAMES else others
        if item.name == _PICTURE and item.type == _BYTES:
            known.pictures.append(_picture(reader, item))
        elif item.type == _TEXT:
            found.tags.append((name, _text(reader.at(item.start, min(item.size, MAX_TEXT_BYTES)))))
        elif item.type in _NUMBERS and item.size <= 8:
            data = reader.at(item.start, item.size)
            found.tags.append((name, str(int.from_bytes(data, "little"))))


def _picture(reader: Reader, item: _Item) -> UnreadPicture:
    """Return a picture: its type, its size, its content type, a description, its data."""
    head = reader.at(item.start, min(item.size, 1 << 10))
    at = 5
    for _ in range(2):
        while head[at : at + 2] not in (b"\0\0", b""):
            at += 2
        at += 2
    end = item.start + item.size
    start = min(item.start + at, end)
    stated, left = little(head, 1), end - start
    size = stated if 0 < stated <= left else left
    return UnreadPicture(size, partial(reader.at, start, size), big(head, 0, 1))


def _markers(reader: Reader, at: int, preroll_s: float) -> Iterator[Part]:
    """Yield markers as chapters: their times count what is loaded before the sound begins."""
    head = reader.at(at + 16, 8)
    at += 24 + little(head, 6, 2)
    for _ in range(min(little(head), _MAX_ITEMS)):
        fields = reader.at(at, 30)
        if len(fields) < 30:
            return
        size = 2 * little(fields, 26)
        title = _text(reader.at(at + 30, min(size, MAX_TEXT_BYTES)))
        yield Part(little(fields, 8, 8) / _TICKS_PER_S - preroll_s, None, title)
        at += max(18 + little(fields, 16, 2), 30 + size)


def _text(data: bytes) -> str:
    return data[: len(data) & ~1].decode("utf-16-le", "replace").partition("\0")[0]
