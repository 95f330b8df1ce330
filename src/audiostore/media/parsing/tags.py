"""Skips the tags that tools put before or after the audio data, without parsing them.

The only code that reads an ID3v2 header.
"""

from typing import Final

from audiostore.media.parsing.reading import BudgetSpentError, Reader, big, little

_MAX_TAGS = 16
"""Tag editors that know only their own kind leave several; a music file has no more than this."""

ID3V2_HEADER_SIZE = 10
_ID3V1_SIZE = 128
_ENHANCED_SIZE = 227  # of an "enhanced" ID3v1 tag, in front of the other
_APE_SIZE = 32  # of its header and of its footer alike
_LYRICS3V1_MAX = 5100 + 20

MUCH_JUNK: Final = 4 << 10
"""Fewer bytes that are neither sound nor tags are not worth a warning."""
TAG_HEAD_SIZE: Final = 8 << 10
"""How much of a tag shows its size: of Lyrics3, all of it."""
_ZEROS_READ, _PIECE, _SAMPLES = 256 << 10, 64 << 10, 32


def id3v2_size(head: bytes, magic: bytes = b"ID3") -> int:
    """Return the size of an ID3v2 tag with its header and footer; 0 if none begins here.

    ID3v2.4.0 structure, section 3.1. The size itself is 28 bits, 7 in each byte.

    Args:
        head: at least the first 10 bytes.
        magic: "3DI" for a footer instead of a header.
    """
    if head[:3] != magic or len(head) < ID3V2_HEADER_SIZE or any(b & 0x80 for b in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    has_footer = head[5] & 0x10
    return ID3V2_HEADER_SIZE + size + (ID3V2_HEADER_SIZE if has_footer else 0)


def id3v2_size_any(head: bytes) -> int:
    """Return the size as `id3v2_size`, also if it is a plain number, as RealJukebox writes it."""
    is_tag = head[:3] == b"ID3" and head[3:4] in (b"\2", b"\3", b"\4")
    return id3v2_size(head) or (ID3V2_HEADER_SIZE + big(head, 6) if is_tag else 0)


def leading_tags(reader: Reader) -> list[tuple[int, int]]:
    """Return where each tag in front of the data begins and ends (ID3v2 section 3.1, APEv2)."""
    found: list[tuple[int, int]] = []
    at = 0
    while size := _leading_tag_size(reader.at(at, _APE_SIZE)):
        if len(found) == _MAX_TAGS:
            raise BudgetSpentError
        found.append((at, at + size))
        at += size
    return found


def start_of_data(reader: Reader) -> int:
    """Return the offset of the first byte after any tags."""
    found = leading_tags(reader)
    return found[-1][1] if found else 0


def _leading_tag_size(head: bytes) -> int:
    if head[:8] == b"APETAGEX":  # the size counts all but the header
        return _APE_SIZE + little(head, 12)
    return id3v2_size(head)


def trailing_tags(reader: Reader, start: int) -> list[tuple[int, int]]:
    """Return where each tag at the end of the file begins and ends, the last one first.

    Args:
        reader: the file.
        start: where the data begin, which no tag may overlap.
    """
    found: list[tuple[int, int]] = []
    end = reader.size
    while len(found) < _MAX_TAGS:
        size = _trailing_tag_size(reader, end)
        if size == 0 or end - size < start:
            break
        found.append((end - size, end))
        end -= size
    return found


def end_of_data(reader: Reader, start: int) -> int:
    """Return where the data that begin at `start` end: before any tags at the end of the file."""
    found = trailing_tags(reader, start)
    return found[-1][0] if found else reader.size


def _trailing_tag_size(reader: Reader, end: int) -> int:
    if reader.at(end - _ID3V1_SIZE, 3) == b"TAG":
        both = _ENHANCED_SIZE + _ID3V1_SIZE
        return both if reader.at(end - both, 4) == b"TAG+" else _ID3V1_SIZE
    footer = reader.at(end - _APE_SIZE, _APE_SIZE)
    if footer[:8] == b"APETAGEX":
        size = little(footer, 12)
        has_header = reader.at(end - size - _APE_SIZE, 8) == b"APETAGEX"
        return size + (_APE_SIZE if has_header else 0)
    if footer[-10:-7] == b"3DI":
        size = id3v2_size(footer[-10:], b"3DI")
        return size if reader.at(end - size, 3) == b"ID3" else 0
    return _lyrics3_size(reader, end, footer)


def _lyrics3_size(reader: Reader, end: int, footer: bytes) -> int:
    # Lyrics3 v2: "LYRICSBEGIN" …, six digits that count both, "LYRICS200". v1: no size at all.
    begins = b"LYRICSBEGIN"
    if footer[-9:] == b"LYRICS200" and footer[-15:-9].isdigit():
        size = int(footer[-15:-9]) + 15
        if reader.at(end - size, len(begins)) == begins:
            return size
    if footer[-9:] in (b"LYRICS200", b"LYRICSEND"):
        text = reader.at(max(0, end - _LYRICS3V1_MAX), min(end, _LYRICS3V1_MAX))
        begin = text.rfind(begins)
        return len(text) - begin if begin >= 0 else 0
    return 0


def before_sound(reader: Reader, start: int, what: str) -> tuple[str, ...]:
    """Say what is in front of a format's data besides tags, unless it is only a little.

    Args:
        reader: the whole file.
        start: where the data begin.
        what: what they begin with, in a word.
    """
    junk = start - start_of_data(reader)
    text = f"has {junk:,} bytes before its first {what} that are not sound"
    return (text,) if junk > MUCH_JUNK else ()


def after_sound(reader: Reader, end: int) -> tuple[str, ...]:
    """Say what follows the sound of a file: nothing, if it is only tags, zeros or a little else.

    Tags of any kind are skipped, also an ID3v2 tag without a footer, which cannot be found from the
    end. Reads 300 KB at most.

    Args:
        reader: the whole file.
        end: where its sound ends.

    Returns:
        At most one text: the rest of a sentence about the file, for a warning.
    """
    _, start, stop = _walk_after(reader, end)
    junk = stop - start
    return (f"is followed by {junk:,} bytes that are not sound",) if junk > MUCH_JUNK else ()


def tags_after(reader: Reader, end: int) -> list[tuple[int, int]]:
    """Return where each tag begins and ends that follows the sound, but not those at the end."""
    return _walk_after(reader, end)[0]


def _walk_after(reader: Reader, end: int) -> tuple[list[tuple[int, int]], int, int]:
    """Return the tags that follow the sound, and where what follows them begins and ends."""
    found: list[tuple[int, int]] = []
    start, stop = end, end_of_data(reader, end)
    for _ in range(_MAX_TAGS):
        if start >= stop:  # the last tag may be cut short itself
            break
        start = _after_zeros(reader, start, stop)
        size = tag_size(reader.at(start, TAG_HEAD_SIZE))
        if size == 0:
            break
        found.append((start, min(start + size, stop)))
        start += size
    return found, start, stop


def tag_size(head: bytes) -> int:
    """Return the size of the tag of any kind that begins with these bytes; 0 if none does."""
    if head.startswith(b"TAG"):
        return _ENHANCED_SIZE if head.startswith(b"TAG+") else _ID3V1_SIZE
    if head.startswith(b"LYRICSBEGIN"):
        ends = [head.find(mark) for mark in (b"LYRICS200", b"LYRICSEND")]
        return min((found + 9 for found in ends if found > 0), default=0)
    return _leading_tag_size(head)


def _after_zeros(reader: Reader, at: int, stop: int) -> int:
    """Return where zero bytes end; of very many, only samples are read."""
    first = at
    while at < stop and at - first < _ZEROS_READ:
        piece = reader.at(at, min(stop - at, _PIECE))
        rest = piece.lstrip(b"\0")
        at += len(piece) - len(rest)
        if rest or not piece:
            return at
    step = (stop - at) // _SAMPLES + 1
    for place in range(at, stop, step):
        if reader.at(place, min(stop - place, _APE_SIZE)).strip(b"\0"):
            return at
    return stop


def describe_lone_id3v2(reader: Reader) -> str | None:
    """Describe a file that an ID3 tag claims all of: there is nothing but the tag."""
    head = reader.at(0, ID3V2_HEADER_SIZE)
    size = id3v2_size(head)
    if size >= reader.size:
        return f"an ID3 tag of {size:,} bytes without audio after it" if big(head) else None
    return None
