"""Tags that any tool may put in front of audio data or behind it, to be looked past."""

from audiostore.media.formats.reading import Reader, big, little

_MAX_TAGS = 16
"""Taggers that know only their own kind leave several; more than this is no music file."""

_ID3V2_HEADER = 10
_ID3V1_SIZE = 128
_APE_SIZE = 32  # of its header and of its footer alike
_APE_HAS_HEADER = 1 << 31
_LYRICS3V1_MAX = 5100 + 20


def start_of_data(reader: Reader) -> int:
    """Return where the first byte stands that belongs to no tag (ID3v2 section 3.1, APEv2)."""
    offset = 0
    for _ in range(_MAX_TAGS):
        size = _tag_in_front(reader.at(offset, _APE_SIZE))
        if size == 0:
            break
        offset += size
    return offset


def _tag_in_front(head: bytes) -> int:
    if head[:8] == b"APETAGEX":  # the size counts all but the header
        return _APE_SIZE + little(head, 12)
    return _id3v2_size(head, b"ID3")


def _id3v2_size(head: bytes, magic: bytes) -> int:
    """Return the size of a tag with its header and footer; 0 if these bytes begin none."""
    if head[:3] != magic or len(head) < _ID3V2_HEADER or any(b & 0x80 for b in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    has_footer = head[5] & 0x10
    return _ID3V2_HEADER + size + (_ID3V2_HEADER if has_footer else 0)


def end_of_data(reader: Reader, start: int) -> int:
    """Return where the data end that begin at `start`: before any tags at the end of the file."""
    end = reader.size
    for _ in range(_MAX_TAGS):
        size = _tag_behind(reader, end)
        if size == 0 or end - size < start:
            break
        end -= size
    return end


def _tag_behind(reader: Reader, end: int) -> int:
    if reader.at(end - _ID3V1_SIZE, 3) == b"TAG":
        return _ID3V1_SIZE
    footer = reader.at(end - _APE_SIZE, _APE_SIZE)
    if footer[:8] == b"APETAGEX":
        header = _APE_SIZE if little(footer, 20) & _APE_HAS_HEADER else 0
        return little(footer, 12) + header
    if footer[-10:-7] == b"3DI":
        return _id3v2_size(footer[-10:], b"3DI")
    return _lyrics3_size(reader, end, footer)


def _lyrics3_size(reader: Reader, end: int, footer: bytes) -> int:
    # Lyrics3 v2: "LYRICSBEGIN" …, six digits that count both, "LYRICS200". v1: no count at all.
    if footer[-9:] == b"LYRICS200" and footer[-15:-9].isdigit():
        return int(footer[-15:-9]) + 15
    if footer[-9:] == b"LYRICSEND":
        text = reader.at(max(0, end - _LYRICS3V1_MAX), min(end, _LYRICS3V1_MAX))
        begin = text.rfind(b"LYRICSBEGIN")
        return len(text) - begin if begin >= 0 else 0
    return 0


def id3v2_words(reader: Reader) -> str | None:
    """Say it if an ID3 tag claims all of the file: nothing but the tag is there."""
    head = reader.at(0, _ID3V2_HEADER)
    size = _id3v2_size(head, b"ID3")
    if size >= reader.size:
        return f"an ID3 tag of {size:,} bytes without audio behind it" if big(head) else None
    return None
