"""Ogg (RFC 3533): the codec by each stream's first packet, a cut by the last page."""

import zlib
from dataclasses import dataclass

from audiostore.media.kinds import Format, Recognised, StatedDuration
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, little
from audiostore.media.parsing.tags import end_of_data

_CAPTURE = b"OggS"
_HEADER = 27
_LARGEST_PAGE = _HEADER + 255 + 255 * 255
_GARBAGE = 4 << 10
_MOST_STREAMS = 16
_BEGINS, _ENDS = 2, 4  # flags of a page
_NO_POSITION = (1 << 64) - 1

_SOUND = {
    b"\x01vorbis": "vorbis",
    b"OpusHead": "opus",
    b"\x7fFLAC": "flac",
    b"Speex   ": "speex",
    b"CELT    ": "celt",
}
_VIDEO = {
    b"\x80theora": "Theora",
    b"BBCD\0": "Dirac",
    b"\x01video\0": "Ogg media",
    b"OVP80": "VP8",
    b"\x80daala": "Daala",
}


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    position: int
    serial: int
    body: int
    """Where the packets begin."""
    size: int


def _page(head: bytes) -> _Page | None:
    """Parse a page's header (RFC 3533 section 6)."""
    if head[:5] != _CAPTURE + b"\0" or len(head) < _HEADER:
        return None
    lacing = head[_HEADER : _HEADER + head[26]]
    body = _HEADER + head[26]
    size = body + sum(lacing) if len(lacing) == head[26] else _LARGEST_PAGE
    return _Page(head[5], little(head, 6, 8), little(head, 14), body, size)


def _recognise(reader: Reader, offset: int) -> Recognised | str:
    """Recognise Ogg by the first packets of its streams, which come before all others."""
    sound = video = None
    at = offset
    for _ in range(_MOST_STREAMS):
        page = _page(reader.at(at, _HEADER + 255))
        if page is None or not page.flags & _BEGINS:
            break
        packet = reader.at(at + page.body, 8)
        sound = sound or _named(packet, _SOUND)
        video = video or _named(packet, _VIDEO)
        at += page.size
    if video:
        return f"video ({video}{' with sound' if sound else ''})"
    if sound is None:
        return "Ogg data without a known audio codec (Vorbis, Opus, FLAC, Speex)"
    return Recognised(FORMAT, sound, offset)


def _named(packet: bytes, known: dict[bytes, str]) -> str | None:
    return next((name for magic, name in known.items() if packet.startswith(magic)), None)


def _check(reader: Reader, found: Recognised) -> str | None:
    """Find the last page: whole, its checksum right, and marked as the end of its stream."""
    end = end_of_data(reader, found.offset)
    begin = max(found.offset, end - _LARGEST_PAGE - _GARBAGE)
    tail = reader.at(begin, end - begin)
    at = len(tail)
    page = None
    while page is None and (at := tail.rfind(_CAPTURE, 0, at)) >= 0:
        page = _page(tail[at : at + _HEADER + 255])
        if page is None and len(tail) - at < _HEADER:
            return f"is cut short: its last page ends after {len(tail) - at} bytes"
    if page is None:
        return f"is damaged: no page begins in its last {len(tail):,} bytes"
    there = len(tail) - at
    if there < page.size:
        return f"is cut short: its last page has {page.size:,} bytes, {there:,} are there"
    if there > page.size + _GARBAGE:
        return f"is damaged: its last {there - page.size:,} bytes are not an Ogg page"
    return _check_last_page(reader, found, page, tail[at : at + page.size])


def _check_last_page(reader: Reader, found: Recognised, page: _Page, data: bytes) -> str | None:
    if _checksum(data[:22] + bytes(4) + data[26:]) != little(data, 22):
        return "is damaged: the checksum of its last page is wrong"
    if _is_silent(reader, found, page):
        return NO_SOUND
    if not page.flags & _ENDS:
        # Section 6: the last page of a stream must be marked. Recordings of a live stream lack the
        # mark, as does a file cut between two pages; a copy repairs the former.
        return (
            "is cut short, or recorded from a live stream: its last page is not marked as the end"
            " (if nothing is missing, copying it repairs that: ffmpeg -i IN -c copy OUT)"
        )
    return None


def _is_silent(reader: Reader, found: Recognised, last: _Page) -> bool:
    """Say whether the last page ends where the stream's sound begins."""
    first = _page(reader.at(found.offset, _HEADER + 255))
    if first is None or first.serial != last.serial or last.position == _NO_POSITION:
        return False
    skipped = 0
    if found.codec == "opus":  # RFC 7845 section 5.1: samples to drop at the start
        skipped = little(reader.at(found.offset + first.body, 12), 10, 2)
    return last.position <= skipped


_MIRRORED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def _checksum(page: bytes) -> int:
    """Return Ogg's CRC-32: zlib's polynomial, each byte's bits mirrored, nothing inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return big(mirrored.to_bytes(4, "little").translate(_MIRRORED))


def _duration(stated: StatedDuration) -> tuple[float, bool] | None:
    """Leave out Opus' pre-skip, which is not played (RFC 7845, 4.3 and 5.1)."""
    if stated.codec != "opus":
        return None
    seconds = stated.seconds
    if len(stated.codec_header) >= 12 and seconds > 0:
        seconds = max(0.0, seconds - little(stated.codec_header, 10, 2) / 48_000)
    return seconds, True


# A page that asks `canPlayType` with the plain type audio/ogg gets "maybe" whatever is inside, and
# a true answer with the codec. RFC 7845 section 9 allows "audio/ogg; codecs=opus", RFC 5334 section
# 4 "codecs=vorbis" and "codecs=flac". Gecko considers a type without a codec playable and refuses
# one with a codec that it does not know (OggDecoder::IsSupportedType), so Speex stays plain.
_CODECS_IN_TYPE = ("opus", "vorbis", "flac")

FORMAT = Format(
    name="Ogg",
    kind="audio",
    content_type="audio/ogg",
    extensions=(".ogg", ".oga", ".opus"),
    magic=(_CAPTURE,),
    recognise=_recognise,
    codecs_in_type=_CODECS_IN_TYPE,
    check=_check,
    cut_found_by="last page whole, its CRC-32, its end-of-stream mark",
    cut_missed=("none: an end without the mark is refused, also of a recording of a live stream"),
    demuxer="ogg",
    decoders=("vorbis", "opus", "libopus", "speex"),
    duration=_duration,
)
