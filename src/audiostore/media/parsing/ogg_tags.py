"""The header packets of Ogg streams that hold tags and pictures.

Vorbis I section 4.2, RFC 7845 section 5.2, RFC 9639 section 10.1, the Speex manual section 7.
"""

from functools import partial
from io import BytesIO

from audiostore.media.parsing.embedded import Embedded, UnreadPicture
from audiostore.media.parsing.flac_pictures import locate_picture
from audiostore.media.parsing.flac_tags import MOST_COMMENTS, PICTURE, VORBIS_COMMENT
from audiostore.media.parsing.ogg_pages import (
    BEGINS,
    HEADER,
    HeaderPacket,
    header_packets,
    parse_page,
)
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.vorbis_comments import read_comments

_COMMENTS_AFTER = {
    b"\x01vorbis": b"\x03vorbis",
    b"OpusHead": b"OpusTags",
    b"Speex   ": b"",
    b"CELT    ": b"",
}
"""By the beginning of a stream's first packet: what the comments in its second come after."""
_FLAC = b"\x7fFLAC"
_LAST_BLOCK = 0x80
_MOST_STREAMS = 16
_MAX_BYTES = 32 << 20
"""Of tags: an image of the largest size in base64, and texts."""


def read_ogg_tags(reader: Reader, offset: int) -> list[Embedded]:
    """Read the tags of the first stream of sound in the Ogg data that begin at an offset."""
    at = offset
    for _ in range(_MOST_STREAMS):
        page = parse_page(reader.at(at, HEADER + 255))
        if page is None or not page.flags & BEGINS:
            break
        magic = reader.at(at + page.body, 8)
        if magic.startswith(_FLAC):
            return [_read_flac(reader, at, page.serial)]
        for first, before in _COMMENTS_AFTER.items():
            if magic.startswith(first):
                return [_read_comments(reader, at, page.serial, before)]
        at += page.size
    return []


def _read_comments(reader: Reader, at: int, serial: int, before: bytes) -> Embedded:
    packets = header_packets(reader, at, serial)
    next(packets, None)
    packet = next(packets, None)
    if packet is None:
        return Embedded(warnings=["has tags that cannot be read: they have no end"])
    if packet.size > _MAX_BYTES:
        return Embedded(warnings=[f"has {packet.size:,} bytes of tags: too many to read them"])
    data = _joined(reader, packet)
    if not data.startswith(before):
        return Embedded(warnings=["has no tags where they should be"])
    return read_comments(data[len(before) :])


def _read_flac(reader: Reader, at: int, serial: int) -> Embedded:
    found, comments = Embedded(), 0
    packets = header_packets(reader, at, serial)
    next(packets, None)
    for packet in packets:
        head = reader.at(packet.parts[0][0], 12)
        kind = big(head, 0, 1) & ~_LAST_BLOCK
        if packet.size > _MAX_BYTES:
            found.warnings.append(f"has {packet.size:,} bytes of tags: too many to read them")
        elif kind == VORBIS_COMMENT and comments < MOST_COMMENTS:
            found.extend(read_comments(_joined(reader, packet)[4:]))
            comments += 1
        elif kind == PICTURE:
            read = partial(_picture_in, reader, packet)
            found.pictures.append(UnreadPicture(packet.size, read, big(head, 4)))
        if big(head, 0, 1) & _LAST_BLOCK:
            break
    return found


def _joined(reader: Reader, packet: HeaderPacket) -> bytes:
    return b"".join(reader.at(start, end - start) for start, end in packet.parts)


def _picture_in(reader: Reader, packet: HeaderPacket) -> bytes:
    data = _joined(reader, packet)
    block = Reader(BytesIO(data), len(data), reads=100, total=1 << 40, window=64)
    at, size, _ = locate_picture(block, 4, len(data) - 4)
    return data[at : at + size]
