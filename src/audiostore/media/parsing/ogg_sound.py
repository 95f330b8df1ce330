"""What the headers of an Ogg file say of its sound, if it is one stream without damage.

RFC 3533; RFC 7845 section 5.1 (Opus), Vorbis I section 4.2.2, RFC 9639 section 10.1 (FLAC).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from audiostore.media.parsing.flac import STREAMINFO_SIZE, StreamInfo, is_as_stated
from audiostore.media.parsing.ogg_codecs import FLAC_MAPPING, SETUP_TAIL, vorbis_modes
from audiostore.media.parsing.ogg_pages import (
    BEGINS,
    CONTINUES,
    ENDS,
    HEADER,
    Page,
    is_intact,
    parse_page,
)
from audiostore.media.parsing.reading import Reader, big, little
from audiostore.media.parsing.vorbis_setup import is_valid_setup

_AHEAD: Final = 32 << 10
_HEAD: Final = 16 << 10
"""How much of a packet is kept: the setup of Vorbis has 3 to 9 KB."""
_MOST_MODES, _LEAST_SETUP = 63, 100
"""What FFmpeg takes when it searches for the modes from the end of the setup packet, as we do."""


class OggSound(NamedTuple):
    """The sound of a stream, by its headers."""

    codec: str
    rate_hz: int
    channels: int
    bitrate_bps: int | None = None
    """As the headers state it, if they do."""
    codec_header: bytes = b""
    """STREAMINFO of FLAC."""


class _Packet(NamedTuple):
    head: bytes
    """Its first bytes: of all headers but those of tags, all."""
    size: int
    is_last_of_page: bool


def read_ogg_sound(reader: Reader, start: int, end: int) -> OggSound | None:
    """Return what the headers say; None where a player might find something else.

    So it is if there are several streams, if pages of headers are damaged, or if something is
    between them.

    Args:
        reader: the whole file.
        start: where its first page begins.
        end: where its pages end.
    """
    packets = _packets(reader, start, end)
    first = next(packets, None)
    if first is None or not first.is_last_of_page:
        return None
    for magic, read in _CODECS.items():
        if first.head.startswith(magic):
            return read(first, packets)
    return None


def _packets(reader: Reader, start: int, end: int) -> Iterator[_Packet]:
    """Yield the packets of a file that is one stream; stop at anything that is not one."""
    reader.at(start, min(_AHEAD, end - start))
    at, serial = start, None
    head, size = b"", -1  # of the packet that goes on; -1: none does
    while at < end:
        page = parse_page(reader.at(at, min(HEADER + 255, end - at)))
        if page is None or at + page.size > end:
            return
        data = reader.at(at, page.size)
        follows = page.flags & BEGINS == 0 and page.serial == serial
        is_alone = page.flags & ENDS == 0 or at + page.size == end
        continues = page.flags & CONTINUES != 0
        is_next = (follows or (at == start and page.flags & BEGINS)) and continues == (size >= 0)
        if not (is_next and is_alone and is_intact(data)):
            return
        serial = page.serial
        for piece, is_whole, is_last in _pieces(page, data):
            head = head + piece[: _HEAD - len(head)]
            size = max(0, size) + len(piece)
            if is_whole:
                yield _Packet(head, size, is_last)
                head, size = b"", -1
        at += page.size


def _pieces(page: Page, data: bytes) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield the parts of packets on a page; whether they end there, and the page with them."""
    begin = at = page.body
    for length in page.lacing:
        at += length
        if length < 255:
            yield data[begin:at], True, at == len(data)
            begin = at
    if begin < at:
        yield data[begin:at], False, True


def _opus(first: _Packet, packets: Iterator[_Packet]) -> OggSound | None:
    tags, sound = next(packets, None), next(packets, None)
    if tags is None or sound is None or not tags.head.startswith(b"OpusTags") or not sound.size:
        return None
    channels = opus_channels(first.head) if first.size <= _HEAD else 0
    return OggSound("opus", 48_000, channels) if channels else None


def opus_channels(head: bytes) -> int:
    """Return the channels by an OpusHead (RFC 7845 section 5.1); 0 if it is not a usual one."""
    version, channels, family = big(head, 8, 1), big(head, 9, 1), big(head, 18, 1)
    if len(head) < 19 or version != 1 or family > 1:
        return 0
    if family == 0:
        return channels if channels <= 2 and len(head) == 19 else 0
    streams, coupled, mapping = big(head, 19, 1), big(head, 20, 1), head[21:]
    is_valid = coupled <= streams and all(n < streams + coupled for n in mapping)
    is_whole = len(mapping) == channels and 1 <= channels <= 8
    return channels if streams and is_valid and is_whole else 0


def _vorbis(first: _Packet, packets: Iterator[_Packet]) -> OggSound | None:
    tags, setup, sound = next(packets, None), next(packets, None), next(packets, None)
    if tags is None or setup is None or sound is None:
        return None
    head = first.head
    version, channels, rate = little(head, 7), big(head, 11, 1), little(head, 12)
    sizes, nominal = big(head, 28, 1), little(head, 20)
    fits = 6 <= sizes & 15 <= sizes >> 4 <= 13
    if first.size != 30 or version or head[29] != 1 or not (channels and fits):
        return None
    modes = vorbis_modes(setup.head[-SETUP_TAIL:])
    is_set_up = (
        _LEAST_SETUP <= setup.size == len(setup.head)
        and 0 < len(modes) <= _MOST_MODES
        and is_valid_setup(setup.head, channels, 1 << (sizes >> 4))
    )
    has_sound = sound.size and sound.head[0] & 1 == 0
    if not (tags.head.startswith(b"\x03vorbis") and is_set_up and has_sound):
        return None
    return OggSound("vorbis", rate, channels, nominal if 0 < nominal < 1 << 31 else None)


def _flac(first: _Packet, packets: Iterator[_Packet]) -> OggSound | None:
    head, size = first.head, FLAC_MAPPING + STREAMINFO_SIZE
    header = head[FLAC_MAPPING:size]
    # Version 1, its own marker, and STREAMINFO, which is not the last block.
    is_usual = head[5:6] == b"\1" and head[9:13] == b"fLaC" and big(head, 13) == STREAMINFO_SIZE
    if first.size != size or not is_usual:
        return None
    info = StreamInfo.parse(header)
    sound = next((each for each in packets if each.head[:1] == b"\xff"), None)
    if sound is None or not is_as_stated(sound.head, info):
        return None
    return OggSound("flac", info.rate_hz, info.channels, codec_header=header)


_CODECS = {b"OpusHead": _opus, b"\x01vorbis": _vorbis, b"\x7fFLAC": _flac}
