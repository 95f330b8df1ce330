"""Ogg (RFC 3533): the codec by each stream's first packet, a cut by the last page."""

import zlib

import google_crc32c

from audiostore.media.kinds import Format, Measured, Recognised, Stated, Verdict
from audiostore.media.parsing.ogg_pages import (
    CAPTURE as _CAPTURE,
    HEADER as _HEADER,
    LARGEST_PAGE as _LARGEST_PAGE,
    Page as _Page,
    header_packets as _header_packets,
    parse_page as _page,
)
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, little
from audiostore.media.parsing.tags import end_of_data

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


def _flaw(reader: Reader, found: Recognised) -> str | None:
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


# -- audio data -----------------------------------------------------------------------------------

_HEADER_PACKETS = {"vorbis": 3, "opus": 2, "speex": 2, "flac": 0}
"""How many packets come before the sound; of FLAC's, each says whether another one follows."""
_SETUP = 2
"""The number of the packet that holds Vorbis' codebooks; the one before holds the tags."""
_FLAC_MAPPING = 9
"""Bytes before FLAC's own marker (RFC 9639 section 10.1): they count the packets of metadata."""
_LAST_BLOCK = 0x80


def _audio_data(reader: Reader, found: Recognised) -> "_Packets | None":
    """Return all packets but those with tags and pictures.

    Tags that grow shift the pages after them, and change the numbers and checksums in the headers
    of these. The sound begins on a page of its own (RFC 7845 section 3, Vorbis I section A.2, RFC
    9639 section 10.1).
    """
    codec = found.codec or ""
    first = _page(reader.at(found.offset, _HEADER + 255))
    if first is None or codec not in _HEADER_PACKETS:
        return None
    headers = b""
    for number, packet in enumerate(_header_packets(reader, found.offset, first.serial)):
        start = packet.parts[0][0]
        if number == 0 or (codec == "vorbis" and number == _SETUP):
            data = b"".join(reader.at(a, b - a) for a, b in packet.parts)
            headers += data[_FLAC_MAPPING if codec == "flac" else 0 :]
        is_last = number + 1 == _HEADER_PACKETS[codec]
        if codec == "flac" and number:
            is_last = bool(big(reader.at(start, 1), 0, 1) & _LAST_BLOCK)
        if is_last:
            end = end_of_data(reader, found.offset)
            sound = packet.next_page
            return None if sound is None else _Packets(headers, first.serial, sound, end)
    return None


class _Packets:
    """The audio data of a stream: some headers, and what the pages in a part of the file hold."""

    def __init__(self, headers: bytes, serial: int, start: int, end: int) -> None:
        self._crc = google_crc32c.value(headers)
        self._size = len(headers)
        self._serial = serial
        self._start, self._end = start, end
        self._at = 0
        self._rest: bytes | None = b""
        """What may be the beginning of a page; None after something else was found."""

    def add(self, piece: bytes, crc_before: int, crc_after: int) -> None:
        """Take the next piece of the file."""
        del crc_before, crc_after
        skipped, left = max(0, self._start - self._at), max(0, self._end - self._at)
        self._at += len(piece)
        if self._rest is not None:
            self._rest = self._follow(self._rest + piece[skipped:left])

    def result(self) -> tuple[int, int] | None:
        """Return the size and the CRC-32C of the packets; None if anything else is among them."""
        return None if self._rest is None or self._rest else (self._size, self._crc)

    def _follow(self, data: bytes) -> bytes | None:
        """Take whole pages; return what is left, or None if it is not a page of the stream."""
        at = 0
        while (body := at + _HEADER + big(data, at + 26, 1)) <= len(data):
            end = body + sum(data[at + _HEADER : body])
            if end > len(data):
                break
            head = data[at : at + _HEADER]
            is_ours = head[:4] == _CAPTURE and not head[5] & _BEGINS
            if not is_ours or little(head, 14) != self._serial:
                return None
            self._crc = google_crc32c.extend(self._crc, data[body:end])
            self._size += end - body
            at = end
        return data[at:]


_MIRRORED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def _checksum(page: bytes) -> int:
    """Return Ogg's CRC-32: zlib's polynomial, each byte's bits mirrored, nothing inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return big(mirrored.to_bytes(4, "little").translate(_MIRRORED))


def _measure(stated: Stated) -> Measured | None:
    """Leave out Opus' pre-skip, which is not played (RFC 7845, 4.3 and 5.1)."""
    if stated.codec != "opus":
        return None
    seconds = stated.seconds
    if len(stated.codec_header) >= 12 and seconds > 0:
        seconds = max(0.0, seconds - little(stated.codec_header, 10, 2) / 48_000)
    return Measured(seconds)


# A page that asks `canPlayType` with the plain type audio/ogg gets "maybe" whatever is inside, and
# a true answer with the codec. RFC 7845 section 9 allows "audio/ogg; codecs=opus", RFC 5334 section
# 4 "codecs=vorbis" and "codecs=flac". Gecko considers a type without a codec playable and refuses
# one with a codec that it does not know (OggDecoder::IsSupportedType), so Speex stays plain.
_CODECS_IN_TYPE = ("opus", "vorbis", "flac")


def _check(reader: Reader, found: Recognised) -> Verdict:
    return Verdict(_flaw(reader, found))


FORMAT = Format(
    name="Ogg",
    kind="audio",
    content_type="audio/ogg",
    extensions=(".ogg", ".oga", ".opus"),
    magic=(_CAPTURE,),
    recognise=_recognise,
    codecs_in_type=_CODECS_IN_TYPE,
    check=_check,
    audio_data=_audio_data,
    audio_data_are="all packets of the stream, except those of tags and pictures",
    cut_found_by="last page whole, its CRC-32, its end-of-stream mark",
    cut_missed=("none: an end without the mark is refused, also of a recording of a live stream"),
    demuxer="ogg",
    decoders=("vorbis", "opus", "libopus", "speex"),
    measure=_measure,
)
