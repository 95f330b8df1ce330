"""The metadata blocks of FLAC that hold tags, pictures and chapters (RFC 9639, section 8)."""

from functools import partial

from audiostore.media.parsing.embedded import Embedded, Part, UnreadPicture
from audiostore.media.parsing.flac_pictures import locate_picture
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.vorbis_comments import read_comments

STREAMINFO, VORBIS_COMMENT, CUESHEET, PICTURE = 0, 4, 5, 6
_LAST = 0x80
_MOST_BLOCKS = 20_000
MOST_COMMENTS = 8
"""There must not be more than one block of them."""


def read_flac_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the FLAC data that begin at an offset."""
    found, at, rate_hz, comments = Embedded(), offset + 4, 0, 0
    for _ in range(_MOST_BLOCKS):
        head = reader.at(at, 4)
        if len(head) < 4:
            break
        kind, start, size = head[0] & ~_LAST, at + 4, big(head, 1, 3)
        at = start + size
        if kind == STREAMINFO:
            rate_hz = big(reader.at(start + 10, 3)) >> 4
        elif kind == VORBIS_COMMENT and comments < MOST_COMMENTS:
            found.extend(read_comments(reader.at(start, size)))
            comments += 1
        elif kind == PICTURE:
            where, length, type_ = locate_picture(reader, start, size)
            found.pictures.append(UnreadPicture(length, partial(reader.at, where, length), type_))
        elif kind == CUESHEET and rate_hz:
            found.chapters += _cue_tracks(reader.at(start, size), rate_hz)
        if head[0] & _LAST:
            break
    return [found]


_TRACKS_AT = 128 + 8 + 259
_TRACK_SIZE, _INDEX_SIZE = 36, 12


def _cue_tracks(sheet: bytes, rate_hz: int) -> list[Part]:
    """Return the tracks of a CUESHEET block but the last one, where the disc ends (section 8.7)."""
    found = []
    at = _TRACKS_AT + 1
    for _ in range(big(sheet, _TRACKS_AT, 1) - 1):
        track = sheet[at : at + _TRACK_SIZE]
        if len(track) < _TRACK_SIZE:
            break
        code = track[9:21].rstrip(b"\0").decode("latin-1")  # an ISRC: FLAC knows no titles
        found.append(Part(big(track, 0, 8) / rate_hz, None, code))
        at += _TRACK_SIZE + _INDEX_SIZE * track[-1]
    return found
