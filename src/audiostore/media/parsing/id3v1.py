"""ID3v1 (id3.org: ID3v1 and ID3v1.1): 128 bytes at the end of a file."""

from audiostore.media.parsing.embedded import Embedded
from audiostore.media.parsing.genres import genre
from audiostore.media.parsing.text import decode_8_bit, looks_misread

ID3V1_SIZE = 128
_FIELDS = (("title", 3, 30), ("artist", 33, 30), ("album", 63, 30), ("date", 93, 4))
_COMMENT, _TRACK, _GENRE = 97, 126, 127


def read_id3v1(tag: bytes) -> Embedded:
    """Read a tag of 128 bytes."""
    embedded = Embedded()
    # ID3v1.1: after a zero byte, the last byte of the comment is the number of the track.
    has_track = tag[_TRACK - 1] == 0 and tag[_TRACK] > 0
    fields = (*_FIELDS, ("comment", _COMMENT, 28 if has_track else 30))
    for name, start, size in fields:
        data = tag[start : start + size].partition(b"\0")[0]
        if text := decode_8_bit(data).strip():
            embedded.tags.append((name, text))
        if looks_misread(data):
            embedded.warnings.append("has ID3v1 text in an unknown encoding: letters are a guess")
    if has_track:
        embedded.tags.append(("track", str(tag[_TRACK])))
    if known := genre(tag[_GENRE]):
        embedded.tags.append(("genre", known))
    return embedded
