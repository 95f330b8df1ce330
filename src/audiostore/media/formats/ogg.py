"""Ogg (RFC 3533): the codec by each stream's first packet, a cut by the last page."""

from collections.abc import Iterator, Sequence

import google_crc32c

from audiostore.media.kinds import (
    Format,
    Measured,
    Recognised,
    SoundHeader,
    Stated,
    Verdict,
    View,
)
from audiostore.media.parsing.ogg_links import Link, read_links, stated_link
from audiostore.media.parsing.ogg_pages import (
    BEGINS,
    CAPTURE,
    HEADER,
    LARGEST_PAGE,
    Pages,
    header_packets,
    is_intact,
    parse_page,
)
from audiostore.media.parsing.ogg_sound import read_ogg_sound
from audiostore.media.parsing.ogg_tags import read_ogg_tags
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, little
from audiostore.media.parsing.searching import search_for
from audiostore.media.parsing.tags import MUCH_JUNK, after_sound, before_sound, end_of_data
from audiostore.patterns import pattern

_HEAD = HEADER + 255
_FIRST_PAGE = pattern(rb"OggS\0[\2\6]")
_AFTER = 4 << 10
"""How much may follow the last page for `_check` to find it."""
_MISSTATED_S = 0.5
_MOST_STREAMS = 16
_NO_PAGE = "is damaged: no page begins where its sound should"
_DAMAGED_END = "is damaged: the checksum of its last page is wrong"

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
        page = parse_page(reader.at(at, _HEAD))
        if page is None or not page.flags & BEGINS:
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


def _search(reader: Reader, offset: int, padding: int) -> Recognised | None:
    places = search_for(_FIRST_PAGE, reader, offset, padding)
    found = (_recognise(reader, place) for place in places)
    return next((each for each in found if isinstance(each, Recognised)), None)


def _named(packet: bytes, known: dict[bytes, str]) -> str | None:
    return next((name for magic, name in known.items() if packet.startswith(magic)), None)


def _check(reader: Reader, found: Recognised) -> Verdict:
    """Look at the last page: whole, and its checksum right."""
    end = end_of_data(reader, found.offset)
    begin = max(found.offset, end - LARGEST_PAGE - _AFTER)
    tail = reader.at(begin, end - begin)
    at = len(tail)
    page = None
    while page is None and (at := tail.rfind(CAPTURE, 0, at)) >= 0:
        page = parse_page(tail, at)
        if page is None and len(tail) - at < HEADER:
            return Verdict("is cut short: its last page ends within its header")
    if page is None:
        # If much follows that is not sound, `measure` finds the last page.
        return Verdict(_NO_PAGE if begin == found.offset or not tail else None)
    there = len(tail) - at
    if there < page.size:
        return Verdict(f"is cut short: its last page has {page.size:,} bytes, {there:,} are there")
    if not is_intact(tail[at : at + page.size]):
        return Verdict(_DAMAGED_END)
    if begin == found.offset and _seconds(read_links(Pages(reader, begin, end))) == 0:
        return Verdict(NO_SOUND)
    return Verdict()


def _describe(reader: Reader, found: Recognised) -> SoundHeader | None:
    """Read the headers of a file that is one stream of Opus, Vorbis or FLAC."""
    sound = read_ogg_sound(reader, found.offset, end_of_data(reader, found.offset))
    if sound is None:
        return None
    return SoundHeader(
        sound.codec,
        sound.rate_hz,
        sound.channels,
        codec_header=sound.codec_header,
        bitrate_bps=sound.bitrate_bps,
    )


def _measure(stated: Stated) -> Measured | str:
    """Count the packets of all links."""
    reader = stated.reader
    end = end_of_data(reader, stated.offset)
    # Of a file that is elsewhere, the ends tell as much if they agree with themselves.
    known = stated_link(reader, stated.offset, end) if stated.is_fetched else None
    pages = known[1] if known else Pages(reader, stated.offset, end)
    links = [known[0]] if known else read_links(pages)
    if pages.ends_damaged:
        return _DAMAGED_END
    if not links:
        return _NO_PAGE
    if links[-1].ends_within_packet:
        return "is cut short: its last packet goes on in a page that is missing"
    flaw = next(filter(None, map(_cut, links)), None)
    seconds = _seconds(links)
    if flaw or seconds == 0:
        return flaw or NO_SOUND
    warnings = (
        *before_sound(reader, stated.offset, "page"),
        *_warnings(pages, links),
        *after_sound(reader, pages.end),
    )
    plays_s = stated.seconds if seconds is None else seconds
    return Measured(plays_s, seconds is not None, warnings, pages.end)


def _parts(reader: Reader, found: Recognised) -> list[View]:
    """Return the links: FFmpeg decodes all only if they are alike, and trims none but the last."""
    links = read_links(Pages(reader, found.offset, end_of_data(reader, found.offset)))
    return [View(link.start, link.end) for link in links if link.seconds != 0]


def _seconds(links: Sequence[Link]) -> float | None:
    """Return how long all links play; None if the packets of one cannot be counted."""
    known = [link.seconds for link in links if link.seconds is not None]
    return sum(known) if len(known) == len(links) else None


def _cut(link: Link) -> str | None:
    """Compare the count in FLAC's header with the samples there are."""
    promised_s, there_s = link.promised_s, link.seconds or 0
    if link.is_ended or promised_s <= there_s:
        return None
    return (
        f"is cut short: its header promises {promised_s:,.1f} s of sound,"
        f" {there_s:,.1f} s are there ({100 * there_s / promised_s:.0f} %)"
    )


def _warnings(pages: Pages, links: Sequence[Link]) -> Iterator[str]:
    if not pages.is_complete:
        yield "has more damaged pages than are looked at: what follows them was not examined"
    elif pages.damaged:
        yield f"has damaged pages ({pages.damaged}): the sound in them is not played"
    elif pages.foreign_bytes > MUCH_JUNK:
        yield f"contains {pages.foreign_bytes:,} bytes between its pages that are not sound"
    if not links[-1].is_ended:
        # RFC 3533 section 6: the last page of a stream must be marked.
        yield "is not marked as complete: it was recorded live, or cut between two pages"
    if (count := sum(link.seconds != 0 for link in links)) > 1:
        yield f"is a chain of {count} streams, of which some players play only the first"
    yield from _gaps(links)
    there_s = sum(link.seconds or 0 for link in links)
    for name, stated_s in (
        ("pages state", sum(link.stated_s for link in links)),
        ("header states", sum(link.promised_s or link.seconds or 0 for link in links)),
    ):
        if abs(stated_s - there_s) > _MISSTATED_S:
            yield f"plays for {there_s:,.1f} s, where its {name} {stated_s:,.1f} s"


def _gaps(links: Sequence[Link]) -> Iterator[str]:
    """Say where positions leave room, in the words of a full check."""
    count, longest, before_s = 0, (0.0, 0.0), 0.0
    for link in links:
        if link.missing_s and link.codec:
            count += link.leaps
            missing_s, at_s = (samples / link.codec.rate_hz for samples in link.longest_leap)
            longest = max(longest, (missing_s, before_s + at_s))
        before_s += link.seconds or 0
    if count:
        more = f": the longest of {count:,} gaps" if count > 1 else ""
        yield f"has a gap of {longest[0]:,.2f} s in its sound at {longest[1]:,.1f} s{more}"


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
    first = parse_page(reader.at(found.offset, _HEAD))
    if first is None or codec not in _HEADER_PACKETS:
        return None
    headers = b""
    for number, packet in enumerate(header_packets(reader, found.offset, first.serial)):
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
        while (body := at + HEADER + big(data, at + 26, 1)) <= len(data):
            end = body + sum(data[at + HEADER : body])
            if end > len(data):
                break
            head = data[at : at + HEADER]
            is_ours = head[:4] == CAPTURE and not head[5] & BEGINS
            if not is_ours or little(head, 14) != self._serial:
                return None
            self._crc = google_crc32c.extend(self._crc, data[body:end])
            self._size += end - body
            at = end
        return data[at:]


# A page that asks `canPlayType` with the plain type audio/ogg gets "maybe" whatever is inside, and
# a true answer with the codec. RFC 7845 section 9 allows "audio/ogg; codecs=opus", RFC 5334 section
# 4 "codecs=vorbis" and "codecs=flac". Gecko considers a type without a codec playable and refuses
# one with a codec that it does not know (OggDecoder::IsSupportedType), so Speex stays plain.
_CODECS_IN_TYPE = ("opus", "vorbis", "flac")


def _find_damage(reader: Reader, offset: int) -> str | None:
    """Compare every page with its checksum: what does not match is skipped by FFmpeg."""
    pages = Pages(reader, offset, end_of_data(reader, offset))
    unmatched = sum(not is_intact(p.data[p.at : p.at + p.page.size]) for p in pages)
    damaged = unmatched + pages.damaged
    return f"has damaged pages ({damaged:,})" if damaged else None


FORMAT = Format(
    name="Ogg",
    kind="audio",
    content_type="audio/ogg",
    extensions=(".ogg", ".oga", ".opus"),
    magic=(CAPTURE,),
    recognise=_recognise,
    search=_search,
    codecs_in_type=_CODECS_IN_TYPE,
    check=_check,
    describe=_describe,
    audio_data=_audio_data,
    audio_data_are="all packets of the stream, except those of tags and pictures",
    counts=(
        "samples up to the end of each page (its granule position): packets",
        "STREAMINFO samples of FLAC: frames",
        "sizes of segments and packets: pages",
    ),
    cut_found_by="last page whole, its CRC-32; a last packet that goes on; of FLAC, its samples",
    cut_missed="between two pages and packets: it shows, as a warning, by the missing end mark",
    read_embedded=read_ogg_tags,
    demuxer="ogg",
    plays=("flac", "opus", "vorbis"),
    decoders=("vorbis", "opus", "libopus", "speex"),
    parts=_parts,
    measure=_measure,
    find_damage=_find_damage,
)
