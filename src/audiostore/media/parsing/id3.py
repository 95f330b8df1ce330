"""ID3v2 tags (id3.org: ID3v2.2.0, ID3v2.3.0, ID3v2.4.0 structure), as writers really write them.

Whatever a tag claims, it is read in the way in which walking from frame to frame works: sizes may
be plain numbers where they should have 7 bits a byte (iTunes), and a tag that is marked as
unsynchronised may be so as a whole, frame by frame, or not at all.
"""

import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import NamedTuple

from audiostore.dataclass import dataclass
from audiostore.media.parsing.embedded import Embedded, Part, UnreadPicture
from audiostore.media.parsing.id3_frames import TextTags, locate_picture
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.tags import ID3V2_HEADER_SIZE, id3v2_size, id3v2_size_any
from audiostore.patterns import pattern

_MAX_FRAMES = 3_000
_TOO_MANY = f"has more than {_MAX_FRAMES:,} ID3 frames: not all were read"
_MAX_MEMORY_BYTES = 24 << 20
"""What may have to be in memory at once: a little more than an image may have."""
_MAX_TEXT_BYTES = 16 << 10
_HEAD_BYTES = 1 << 10
_WINDOW = 4 << 10
_READ_AT_ONCE = 64 << 10
"""All of most tags, or at least the texts in front of the picture."""
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10  # flags of a tag
_GROUPED, _COMPRESSED, _ENCRYPTED, _STUFFED, _COUNTED = 0x40, 8, 4, 2, 1  # flags of a frame
_FLAGS_OF_V2_3 = {0x80: _COMPRESSED | _COUNTED, 0x40: _ENCRYPTED, 0x20: _GROUPED}
_IMPOSSIBLE = pattern(rb"\xff[\xe0-\xff]")
"""What unsynchronised data do not contain (ID3v2.4.0 structure, section 6.1)."""
_FRAME_ID = pattern(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]?")
_OPEN_ENDS = (0, 0xFFFFFFFF)
_PICTURES = ("APIC", "PIC")


class _Frame(NamedTuple):
    id: str
    start: int
    size: int
    flags: int


@dataclass(slots=True)
class _Frames:
    """Frames from one offset to another, in one of the ways to read them."""

    source: Reader
    at: int
    end: int
    version: int
    has_plain_sizes: bool
    is_stuffed: bool = False
    memory_left: int = _MAX_MEMORY_BYTES

    def walk(self) -> tuple[list[_Frame], int]:
        """Return the frames, and how many bytes after the last one are not padding."""
        id_size, header_size = (3, 6) if self.version == 2 else (4, 10)
        found: list[_Frame] = []
        at, read = self.at, self.source.at
        held, held_at = b"", at
        while at + header_size < self.end and len(found) < _MAX_FRAMES:
            if at + header_size > held_at + len(held):
                held, held_at = read(at, min(_WINDOW, self.end - at)), at
            head = held[at - held_at : at - held_at + header_size]
            if not _FRAME_ID.fullmatch(head[:id_size]):
                break
            size = big(head, id_size, id_size)
            if not self.has_plain_sizes:
                if size & 0x80808080:
                    break
                size = head[4] << 21 | head[5] << 14 | head[6] << 7 | head[7]
            start = at + header_size
            if start + size > self.end:
                break
            name = head[:id_size].rstrip(b" \0").decode("ascii")
            found.append(_Frame(name, start, size, self._flags(head)))
            at = start + size
        rest = read(at, min(self.end - at, header_size))
        return found, self.end - at if rest.strip(b"\0") else 0

    def _flags(self, head: bytes) -> int:
        if self.version == 2:
            return 0
        if self.version == 4:
            return head[9]
        return sum(flags for bit, flags in _FLAGS_OF_V2_3.items() if head[9] & bit)

    def is_plain(self, frame: _Frame) -> bool:
        """Say whether a frame's data stand in the file as they are."""
        return not self.is_stuffed and not frame.flags & (_COMPRESSED | _STUFFED)

    def data(self, frame: _Frame, most: int) -> bytes:
        """Return up to `most` bytes of what is in a frame.

        Raises:
            _UnreadableError: encrypted, too large, or not what its flags say.
        """
        if not frame.flags and not self.is_stuffed:
            return self.source.at(frame.start, min(most, frame.size))
        if frame.flags & _ENCRYPTED:
            raise _UnreadableError("is encrypted")
        if self.is_plain(frame):
            return self.source.at(frame.start + self.prefix(frame), min(most, self.size(frame)))
        if frame.size > self.memory_left:
            raise _UnreadableError(f"is too large to be unpacked ({frame.size:,} bytes)")
        data = self.source.at(frame.start + self.prefix(frame), self.size(frame))
        if self.is_stuffed or frame.flags & _STUFFED:
            data = _without_stuffing(data) or data
        if frame.flags & _COMPRESSED:
            try:
                data = zlib.decompressobj().decompress(data, min(most, self.memory_left))
            except zlib.error as error:
                raise _UnreadableError("cannot be decompressed") from error
        self.memory_left -= len(data)
        return data[:most]

    def prefix(self, frame: _Frame) -> int:
        """Return how many bytes of numbers stand in front of a frame's data."""
        flags = frame.flags
        return (4 if flags & _COUNTED else 0) + bool(flags & _GROUPED) + bool(flags & _ENCRYPTED)

    def size(self, frame: _Frame) -> int:
        """Return the size of a frame's data as they are stored."""
        return max(0, frame.size - self.prefix(frame))


class _UnreadableError(Exception):
    """A frame cannot be read: why, in words."""


def read_id3v2(reader: Reader, start: int, end: int | None = None) -> Embedded:
    """Read the ID3v2 tag that begins at an offset.

    Args:
        reader: the file.
        start: where the tag begins.
        end: where what contains the tag ends.
    """
    embedded = Embedded()
    head = reader.at(start, _READ_AT_ONCE)
    size = id3v2_size_any(head)
    if not size:
        return embedded
    version, flags = head[3], head[5]
    if version not in (2, 3, 4) or (version == 2 and flags & _EXTENDED):
        embedded.warnings.append(f"has an ID3v2 tag of an unknown kind (version 2.{version})")
        return embedded
    if version == 4 and flags & _FOOTER:
        size -= ID3V2_HEADER_SIZE
    last = min(start + size, reader.size, reader.size if end is None else end)
    frames, found, rest = _best(_ways(reader, start + ID3V2_HEADER_SIZE, last, version, flags))
    if len(found) == _MAX_FRAMES:
        embedded.warnings.append(_TOO_MANY)
    elif rest:
        embedded.warnings.append(f"has an ID3 tag of which {rest:,} bytes cannot be read")
    _read_frames(frames, found, embedded)
    return embedded


def _ways(reader: Reader, at: int, end: int, version: int, flags: int) -> Iterator[_Frames]:
    """Yield the ways to read a tag, what its header says first."""
    is_stuffed = bool(flags & _UNSYNCHRONISED)
    is_extended = bool(flags & _EXTENDED)
    whole = None
    if is_stuffed and end - at <= _MAX_MEMORY_BYTES:
        whole = _without_stuffing(reader.at(at, end - at))
    plain = version != 4
    sizes = (plain,) if version == 2 else (plain, not plain)
    if whole is not None and version != 4:
        yield _whole(whole, version, plain, is_extended)
    for has_plain_sizes in sizes:
        first = at + _extended_size(reader, at, version, is_extended)
        yield _Frames(reader, first, end, version, has_plain_sizes, is_stuffed)
    if whole is not None and version == 4:
        yield _whole(whole, version, plain, is_extended)


def _whole(data: bytes, version: int, has_plain_sizes: bool, is_extended: bool) -> _Frames:
    size = len(data)
    source = Reader(BytesIO(data), size, reads=1 << 30, total=1 << 50, window=_WINDOW)
    first = _extended_size(source, 0, version, is_extended)
    return _Frames(source, first, size, version, has_plain_sizes)


def _best(ways: Iterable[_Frames]) -> tuple[_Frames, list[_Frame], int]:
    """Return the first way that reads a tag to its end, else the one that finds most frames."""
    tried: list[tuple[_Frames, list[_Frame], int]] = []
    for way in ways:
        found, rest = way.walk()
        tried.append((way, found, rest))
        if rest == 0:
            return tried[-1]
    return max(tried, key=lambda each: len(each[1]))


def _without_stuffing(data: bytes) -> bytes | None:
    """Return data before they were unsynchronised; None if they are not.

    ID3v2.4.0 structure, section 6.1: a zero byte follows each byte of ones.
    """
    return None if _IMPOSSIBLE.search(data) else data.replace(b"\xff\0", b"\xff")


def _extended_size(source: Reader, at: int, version: int, is_extended: bool) -> int:
    """Return the size of an extended header (ID3v2.3.0 and ID3v2.4.0 structure, section 3.2)."""
    head = source.at(at, 4)
    if not is_extended or _FRAME_ID.fullmatch(head):
        return 0
    if version == 3:
        return 4 + big(head)
    return big(head) if any(b & 0x80 for b in head) else id3v2_size(b"ID3\4\0\0" + head) - 10


# -- frames ----------------------------------------------------------------------------------------


def _read_frames(frames: _Frames, found: list[_Frame], embedded: Embedded) -> None:
    tags = TextTags()
    for frame in found:
        if len(tags) > _MAX_FRAMES:
            embedded.warnings.append(_TOO_MANY)
            break
        try:
            if frame.id in _PICTURES:
                _read_picture(frames, frame, embedded)
            elif frame.id == "CHAP":
                _read_chapter(frames, frame, embedded)
            elif tags.wants(frame.id):
                tags.add(frame.id, frames.data(frame, _MAX_TEXT_BYTES))
        except _UnreadableError as error:
            embedded.warnings.append(f"has an ID3 frame ({frame.id}) that {error}")
    embedded.tags += tags.result()
    if tags.is_guessed:
        embedded.warnings.append(
            "has ID3 text that is not in its stated encoding: letters are a guess"
        )


def _read_picture(frames: _Frames, frame: _Frame, embedded: Embedded) -> None:
    is_plain = frames.is_plain(frame)
    data = frames.data(frame, _HEAD_BYTES if is_plain else _MAX_MEMORY_BYTES)
    located = locate_picture(frame.id, data[:_HEAD_BYTES])
    if located is None:
        embedded.warnings.append("refers to a picture at an address, which is not read")
        return
    at, kind = located
    if is_plain:
        start, size = frame.start + frames.prefix(frame) + at, frames.size(frame) - at
        embedded.pictures.append(UnreadPicture(size, partial(frames.source.at, start, size), kind))
    else:
        embedded.pictures.append(UnreadPicture(len(data) - at, partial(bytes, data[at:]), kind))


def _read_chapter(frames: _Frames, frame: _Frame, embedded: Embedded) -> None:
    """Read a chapter (id3.org: ID3v2 chapter frame addendum): times in ms, then frames."""
    data = frames.data(frame, _MAX_MEMORY_BYTES)
    at = data.find(b"\0") + 1
    start_ms, end_ms = big(data, at), big(data, at + 4)
    if at == 0 or len(data) < at + 16 or start_ms == _OPEN_ENDS[1]:
        raise _UnreadableError("gives a chapter no time")
    inside = Reader(BytesIO(data), len(data), reads=1 << 30, total=1 << 50, window=_WINDOW)
    plain = frames.has_plain_sizes
    ways = (
        _Frames(inside, at + 16, len(data), frames.version, sizes) for sizes in (plain, not plain)
    )
    parts, found, _ = _best(ways)
    titles = TextTags()
    for each in found:
        if each.id in ("TIT2", "TT2"):
            titles.add("TIT2", parts.data(each, _MAX_TEXT_BYTES))
    title = next((value for _, value in titles.result()), "")
    is_open = end_ms in _OPEN_ENDS or end_ms <= start_ms
    embedded.chapters.append(Part(start_ms / 1000, None if is_open else end_ms / 1000, title))
