"""Vorbis comments (xiph.org: Vorbis I specification, section 5; RFC 9639, section 8.6)."""

import binascii
from functools import partial
from io import BytesIO

from audiostore.media.parsing.embedded import FRONT_COVER, OTHER, Embedded, Part, UnreadPicture
from audiostore.media.parsing.flac_pictures import locate_picture
from audiostore.media.parsing.reading import Reader, big, little
from audiostore.media.parsing.text import MAX_TEXT_BYTES, decode_8_bit
from audiostore.patterns import pattern

_MAX_COMMENTS = 4_000
_MAX_NAME_BYTES = 256
_PICTURE = "METADATA_BLOCK_PICTURE"
_OLD_PICTURE, _OLD_TYPE = "COVERART", "COVERARTTYPE"
_OLD_NOTES = ("COVERARTMIME", "COVERARTDESCRIPTION")
_CHAPTER = pattern(r"CHAPTER([0-9]{3})(NAME)?")
_TIME = pattern(r"([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")


def read_comments(data: bytes) -> Embedded:
    """Read comments: a vendor's name, a count, and that many texts such as "ARTIST=Ada"."""
    comments = _Comments(data)
    at = 4 + little(data, 0)
    count = little(data, at)
    at += 4
    for _ in range(min(count, _MAX_COMMENTS)):
        start, at = at + 4, at + 4 + little(data, at)
        if not start <= at <= len(data):
            if left := max(0, len(data) - start + 4):
                comments.found.warnings.append(f"has tags of which {left:,} bytes cannot be read")
            break
        comments.add(start, at)
    if count > _MAX_COMMENTS:
        comments.found.warnings.append(f"has more than {_MAX_COMMENTS:,} tags: not all were read")
    return comments.result()


class _Comments:
    """Sorts comments into texts, pictures and chapters."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._old_types: list[int] = []
        self._old_pictures: list[memoryview] = []
        self._starts: dict[str, float] = {}
        self._titles: dict[str, str] = {}
        self.found = Embedded()

    def add(self, start: int, end: int) -> None:
        """Take the comment between two offsets."""
        at = self._data.find(b"=", start, min(end, start + _MAX_NAME_BYTES))
        if at < 0:
            return
        name = self._data[start:at].decode("latin-1")
        known = name.upper()
        if known == _PICTURE:
            self._add_picture(memoryview(self._data)[at + 1 : end])
        elif known == _OLD_PICTURE:
            self._old_pictures.append(memoryview(self._data)[at + 1 : end])
        elif known not in _OLD_NOTES:
            self._add_text(
                name, known, decode_8_bit(self._data[at + 1 : min(end, at + 1 + MAX_TEXT_BYTES)])
            )

    def _add_picture(self, text: memoryview) -> None:
        """Add a FLAC picture in base64 (wiki.xiph.org: VorbisComment, cover art)."""
        kind = big(_from_base64(text[:8]))
        size = len(text) // 4 * 3
        self.found.pictures.append(UnreadPicture(size, partial(_picture_in, text), kind))

    def _add_text(self, name: str, known: str, text: str) -> None:
        if known == _OLD_TYPE:
            self._old_types.append(int(text) if text.isdecimal() and len(text) < 4 else OTHER)
        elif chapter := _CHAPTER.fullmatch(known):
            number, is_title = chapter.groups()
            if is_title:
                self._titles.setdefault(number, text)
            elif time := _TIME.fullmatch(text.strip()):
                hours, minutes, seconds = time.groups()
                start_s = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
                self._starts.setdefault(number, start_s)
            else:
                self.found.tags.append((name, text))
        else:
            self.found.tags.append((name, text))

    def result(self) -> Embedded:
        """Return what was found."""
        found = self.found
        for i, text in enumerate(self._old_pictures):
            kind = self._old_types[i] if i < len(self._old_types) else FRONT_COVER
            size = len(text) // 4 * 3
            found.pictures.append(UnreadPicture(size, partial(_from_base64, text), kind))
        for number, start_s in self._starts.items():
            found.chapters.append(Part(start_s, None, self._titles.get(number, "")))
        names = {name.upper() for name, _ in found.tags}
        if "COMMENT" not in names:  # what most programs call so is a "description" here
            found.tags = [
                ("comment" if name.upper() == "DESCRIPTION" else name, text)
                for name, text in found.tags
            ]
        return found


def _from_base64(text: memoryview) -> bytes:
    """Decode base64 with line breaks and without padding, too; nothing, if it is not base64."""
    try:
        return binascii.a2b_base64(bytes(text) + b"==")
    except binascii.Error:
        return b""


def _picture_in(text: memoryview) -> bytes:
    data = _from_base64(text)
    reader = Reader(BytesIO(data), len(data), reads=100, total=1 << 40, window=64)
    at, size, _ = locate_picture(reader, 0, len(data))
    return data[at : at + size]
