"""Tags in the chunks of WAV and AIFF.

Microsoft's Multimedia Programming Interface and Data Specifications 1.0 (1991), chapter 2 (LIST
INFO, CSET); EBU Tech 3285 section 2.3 (bext); Apple's Audio Interchange File Format 1.3 (1989),
"Text chunks". ID3 chunks are in no specification, and written by many.
"""

from collections.abc import Iterator

from audiostore.media.parsing.chunks import IFF, RIFF, Chunk, is_identifier, sound_in, walk_chunks
from audiostore.media.parsing.embedded import Embedded, Part
from audiostore.media.parsing.id3 import read_id3v2
from audiostore.media.parsing.reading import Reader, little
from audiostore.media.parsing.text import (
    CODE_PAGES,
    MAX_CHAPTERS,
    MAX_TEXT_BYTES,
    decode_8_bit,
    looks_misread,
)
from audiostore.patterns import pattern

# The names that FFmpeg gives.
_NAMES = {
    b"IART": "artist",
    b"ICMT": "comment",
    b"ICOP": "copyright",
    b"ICRD": "date",
    b"IGNR": "genre",
    b"ILNG": "language",
    b"INAM": "title",
    b"IPRD": "album",
    b"IPRT": "part_number",
    b"ISFT": "encoder",
    b"ISMP": "timecode",
    b"ITCH": "encoded_by",
    b"ITRK": "track",
    b"TRCK": "track",
}
_NAMES_IN_AIFF = {
    b"(c) ": "copyright",
    b"ANNO": "comment",
    b"AUTH": "author",
    b"NAME": "title",
}
_OF_BROADCASTS = (("comment", 0, 256), ("originator_reference", 288, 32), ("date", 320, 10))
_LEFT_OPEN = 0xFFFFFFFF
_CUE_SIZE = 24
_IDENTIFIER = pattern(rb"[ -~]{4}")
_MAX_ITEMS = 4_000
_MAX_LIST_BYTES = 1 << 20


def read_wav_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the WAV data that begin at an offset: ID3, INFO, a broadcast's, cues."""
    id3: list[Embedded] = []
    info, broadcast, cues = Embedded(), Embedded(), _Cues()
    code_page = None
    for chunk in _chunks_of_wav(reader, offset + 12):
        if chunk.id == b"CSET":
            code_page = CODE_PAGES.get(little(reader.at(chunk.start, 2), 0, 2))
        elif chunk.id.upper() == b"LIST" and reader.at(chunk.start, 4) == b"INFO":
            _read_info(reader, chunk, code_page, info)
        elif chunk.id.upper() == b"LIST" and reader.at(chunk.start, 4) == b"adtl":
            for name, data in _items(reader, chunk):
                if name == b"labl":
                    cues.titles[little(data)] = _decoded(data[4:], code_page)
        elif chunk.id == b"cue ":
            cues.read(reader, chunk)
        elif chunk.id == b"fmt ":
            cues.rate_hz = little(reader.at(chunk.start + 4, 4))
        elif chunk.id.upper() == b"ID3 ":
            id3.append(read_id3v2(reader, chunk.start, min(chunk.end, reader.size)))
        elif chunk.id == b"bext":
            fields = reader.at(chunk.start, 338)
            for known, start, size in _OF_BROADCASTS:
                broadcast.tags.append((known, _decoded(fields[start : start + size])))
    return [*id3, info, broadcast, Embedded(chapters=cues.chapters())]


def _read_info(reader: Reader, chunk: Chunk, code_page: str | None, found: Embedded) -> None:
    for name, data in _items(reader, chunk):
        found.tags.append((_NAMES.get(name, name.decode()), _decoded(data, code_page)))
        if not code_page and looks_misread(data.partition(b"\0")[0]):
            found.warnings.append("has INFO text in an unknown encoding: letters are a guess")


def _decoded(data: bytes, code_page: str | None = None) -> str:
    text = data.partition(b"\0")[0]
    return text.decode(code_page, "replace") if code_page else decode_8_bit(text)


class _Cues:
    """Marked places of the sound (cue), and their names (adtl)."""

    def __init__(self) -> None:
        self.rate_hz = 0
        self.titles: dict[int, str] = {}
        self._samples: dict[int, int] = {}

    def read(self, reader: Reader, chunk: Chunk) -> None:
        """Read the identifier and the place of each."""
        size = _CUE_SIZE * min(little(reader.at(chunk.start, 4)), MAX_CHAPTERS)
        data = reader.at(chunk.start + 4, min(size, max(0, chunk.size - 4)))
        for at in range(0, len(data) - _CUE_SIZE + 1, _CUE_SIZE):
            self._samples[little(data, at)] = little(data, at + 20)

    def chapters(self) -> list[Part]:
        """Return the places as chapters, each up to the next."""
        return [
            Part(sample / self.rate_hz, None, self.titles.get(number, ""))
            for number, sample in self._samples.items()
            if self.rate_hz
        ]


def _chunks_of_wav(reader: Reader, at: int) -> Iterator[Chunk]:
    wide_size = None
    for chunk in walk_chunks(reader, at, RIFF):
        if chunk.id == b"ds64":  # EBU Tech 3306 section 3.3
            wide_size = little(reader.at(chunk.start + 8, 8), 0, 8)
        if chunk.id == b"data":
            is_wide = chunk.size == _LEFT_OPEN and wide_size is not None
            size = wide_size if is_wide and wide_size is not None else chunk.size
            _, end = sound_in(reader, chunk.start, size)
            if end != chunk.end:
                yield from walk_chunks(reader, end + size % 2, RIFF)
                return
        if not is_identifier(chunk.id):
            return
        yield chunk


def _items(reader: Reader, chunk: Chunk) -> Iterator[tuple[bytes, bytes]]:
    """Yield the identifiers and the data of the chunks in a list; padding may be forgotten."""
    data = reader.at(chunk.start + 4, min(chunk.size - 4, _MAX_LIST_BYTES))
    at = 0
    for _ in range(_MAX_ITEMS):
        if at + RIFF.size > len(data):
            return
        name, size = RIFF.unpack_from(data, at)
        at += RIFF.size
        if not _IDENTIFIER.fullmatch(name):
            return
        yield name, data[at : at + min(size, MAX_TEXT_BYTES)]
        at += size
        if size % 2 and not _IDENTIFIER.fullmatch(data[at : at + 4]):
            at += 1  # what some fill with ones


def read_aiff_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the AIFF data that begin at an offset: ID3, and the chunks of text."""
    id3: list[Embedded] = []
    texts = Embedded()
    for chunk in walk_chunks(reader, offset + 12, IFF):
        if chunk.id.upper() == b"ID3 ":
            id3.append(read_id3v2(reader, chunk.start, min(chunk.end, reader.size)))
        elif name := _NAMES_IN_AIFF.get(chunk.id):
            texts.tags.append(
                (name, _decode_in_aiff(reader.at(chunk.start, min(chunk.size, MAX_TEXT_BYTES))))
            )
        elif not is_identifier(chunk.id):
            break
    return [*id3, texts]


def _decode_in_aiff(data: bytes) -> str:
    """Return text of an encoding that nothing states: on a Macintosh of its time, its own.

    Of Mac Roman and Windows-1252, that one is right in which more bytes are letters, small ones
    above all.
    """
    data = data.partition(b"\0")[0]
    windows = decode_8_bit(data)
    if len(windows) < len(data):  # UTF-8
        return windows
    macintosh = data.decode("mac-roman")
    return macintosh if _likelihood(macintosh) >= _likelihood(windows) else windows


_UNLIKELY = frozenset("\ufb01\ufb02\u0131\u02c6\u02c7\xaa\xba\xff\u0178")
"""Ligatures, and letters that hardly any language has."""


def _likelihood(text: str) -> int:
    return sum(each.isalpha() + each.islower() for each in text if each not in _UNLIKELY)
