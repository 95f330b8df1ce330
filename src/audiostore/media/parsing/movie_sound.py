"""The sound of an MP4 file by its index, where that is a usual one (ISO/IEC 14496-12).

Usual is an index of one track, with each table once and as long as it says, and nothing that is not
known to be harmless. Of others, only a player can say what it makes of them.
"""

from typing import NamedTuple

from audiostore.media.parsing.boxes import FULL, Box
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.sample_entry import SampleEntry, parse_sample_entry
from audiostore.media.parsing.usual_boxes import (
    FREE,
    UnusualBoxError,
    require,
    usual_boxes,
    usual_parts,
)
from audiostore.media.parsing.usual_samples import TABLES, read_usual_samples
from audiostore.media.parsing.usual_tags import require_usual_tags

_LEAST_MOVIE, _LEAST_TRACK, _LEAST_MEDIA = 100, 84, 24
"""Of the headers mvhd, tkhd and mdhd with times of 32 bits; those of 64 bits are longer."""
_LEAST_HANDLER, _REFERENCE = 24, 12
_LONGEST = 1 << 31
"""Ticks of a sample, or of an edit; what is longer may be meant to be negative."""
_SAMPLE_HEAD = 320
_GROUPS, _PRE_ROLL = (b"sgpd", b"sbgp"), b"roll"
_PACKED, _UNSPECIFIED, _ENGLISH = 0x400, 0x7FFF, 0


class MovieSound(NamedTuple):
    """What the headers of a track say."""

    entry: SampleEntry
    language: str | None
    """Three letters of ISO 639-2."""


def read_movie_sound(reader: Reader) -> MovieSound | None:
    """Return what the index of a file says of its sound; None if it is not a usual one.

    Args:
        reader: the whole file.
    """
    try:
        return _read(reader)
    except UnusualBoxError:
        return None


def _read(reader: Reader) -> MovieSound:
    moov, has_sound = None, False
    for number, box in enumerate(usual_boxes(reader, Box(b"", 0, reader.size))):
        if box.type == b"moov":
            require(moov is None)
            moov = box
        elif box.type == b"mdat":
            has_sound = True
        elif box.type == b"ftyp":
            require(number == 0, box.end - box.start >= 8)
        else:
            require(box.type in FREE or (box.type == b"wide" and box.start == box.end))
    require(has_sound)
    if moov is None:
        raise UnusualBoxError
    return _read_index(reader, moov)


def _read_index(reader: Reader, moov: Box) -> MovieSound:
    track, movie_scale = None, 0
    for box in usual_boxes(reader, moov):
        if box.type == b"mvhd":
            require(not movie_scale)
            head = reader.at(box.start, _LEAST_MOVIE)
            movie_scale = big(head, 20 if _is_wide(head, 0) else 12)
            require(len(head) == _LEAST_MOVIE, box.end - box.start >= len(head), movie_scale)
        elif box.type == b"trak":
            require(track is None)
            track = box
        elif box.type == b"udta":
            require_usual_tags(reader, box)
        else:
            require(box.type == b"iods" or box.type in FREE)
    require(movie_scale)
    if track is None:
        raise UnusualBoxError
    data = reader.at(track.start, track.end - track.start)
    require(len(data) == track.end - track.start)
    return _Track(reader, data, track.start).read()


def _is_wide(data: bytes, at: int) -> bool:
    """Say whether the times after a version have 64 bits."""
    version = big(data, at, 1)
    require(version <= 1)
    return version == 1


class _Track:
    """A track, all of whose bytes were read."""

    def __init__(self, reader: Reader, data: bytes, at: int) -> None:
        self._reader = reader
        self._data = data
        self._at = at

    def read(self) -> MovieSound:
        data = self._data
        whole = Box(b"trak", 0, len(data))
        parts = usual_parts(data, whole, (b"tkhd", b"edts", b"mdia", b"udta"))
        require(b"tkhd" in parts, b"mdia" in parts)
        head = parts[b"tkhd"]
        require(head.end - head.start >= _LEAST_TRACK + 12 * _is_wide(data, head.start))
        if b"udta" in parts:
            _, start, end = parts[b"udta"]
            place = Box(b"udta", start + self._at, end + self._at)
            require_usual_tags(self._reader, place, is_of_track=True)
        media = usual_parts(data, parts[b"mdia"], (b"mdhd", b"hdlr", b"minf"))
        require(len(media) == 3, media[b"hdlr"].start < media[b"minf"].start)
        self._require_handler(media[b"hdlr"])
        language = self._language(media[b"mdhd"])
        info = usual_parts(data, media[b"minf"], (b"dinf", b"stbl"), (b"smhd",))
        require(len(info) == 2)
        self._require_own_data(info[b"dinf"])
        entry = self._samples(info[b"stbl"], self._begins(parts.get(b"edts")))
        return MovieSound(entry, language)

    def _require_handler(self, hdlr: Box) -> None:
        kind = self._data[hdlr.start + FULL + 4 : hdlr.start + FULL + 8]
        require(kind == b"soun", hdlr.end - hdlr.start >= _LEAST_HANDLER)

    def _language(self, mdhd: Box) -> str | None:
        """Return the language of the media header: letters of five bits, or a number of Apple's."""
        data = self._data
        is_wide = _is_wide(data, mdhd.start)
        at = mdhd.start + (20 if is_wide else 12)
        size = 8 if is_wide else 4
        require(mdhd.end - mdhd.start >= _LEAST_MEDIA + 12 * is_wide)
        require(0 < big(data, at) < _LONGEST, big(data, at + 4, size) < 1 << 8 * size - 1)
        code = big(data, at + 4 + size, 2)
        if code == _UNSPECIFIED:
            return None
        if code == _ENGLISH:
            return "eng"
        require(code >= _PACKED)
        return "".join(chr(0x60 + (code >> shift & 31)) for shift in (10, 5, 0))

    def _require_own_data(self, dinf: Box) -> None:
        """Refuse references to other files."""
        data = self._data
        parts = usual_parts(data, dinf, (b"dref",))
        require(b"dref" in parts)
        dref = parts[b"dref"]
        at = dref.start + FULL
        is_own = data[at + 8 : at + 12] in (b"url ", b"alis") and big(data, at + 12) == 1
        require(big(data, at) == 1, big(data, at + 4) == _REFERENCE, is_own)
        require(at + 4 + _REFERENCE <= dref.end)

    def _begins(self, edts: Box | None) -> int:
        """Return at which tick the track begins to play, by an edit list of one part."""
        if edts is None:
            return 0
        data = self._data
        parts = usual_parts(data, edts, (b"elst",))
        if not parts:
            return 0
        elst = parts[b"elst"]
        size = 8 if _is_wide(data, elst.start) else 4
        row, count = 2 * size + 4, big(data, elst.start + FULL)
        require(1 <= count <= 2, elst.end - elst.start == 8 + count * row)
        begins = 0
        for number in range(count):
            at = elst.start + 8 + number * row
            lasts = big(data, at, size)
            begins = int.from_bytes(data[at + size : at + 2 * size], "big", signed=True)
            is_silence = number == 0 and count == 2 and begins == -1
            require(0 < lasts < _LONGEST, is_silence or (begins >= 0 and number == count - 1))
        return begins

    def _samples(self, stbl: Box, begins: int) -> SampleEntry:
        """Return what the samples are, of which the first ones that are played were looked at."""
        data = self._data
        parts = usual_parts(data, stbl, (b"stsd", *TABLES, *_GROUPS))
        require(b"stsd" in parts)
        for group in (parts.pop(kind) for kind in _GROUPS if kind in parts):
            require(data[group.start + FULL : group.start + FULL + 4] == _PRE_ROLL)
        entry = parse_sample_entry(data, parts.pop(b"stsd"))
        samples = read_usual_samples(data, parts)
        require(samples.size_bytes <= self._reader.size)
        if entry.is_right is not None:
            for at, size in samples.first(begins):
                require(at + size <= self._reader.size)
                require(entry.is_right(self._reader.at(at, min(size, _SAMPLE_HEAD))))
        return entry
