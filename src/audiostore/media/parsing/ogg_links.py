"""How long the sound in an Ogg file is: by its packets, which the pages' positions trim or spread.

Players play the packets that are there. A page's position says where its sound ends; writers get
that wrong (never set, in another unit, those of the longer recording that this was cut from), so
that the last position alone tells no duration.
"""

from audiostore.dataclass import dataclass
from audiostore.media.parsing.ogg_codecs import SETUP_TAIL, Codec, codec_of
from audiostore.media.parsing.ogg_pages import BEGINS, CONTINUES, ENDS, Page, Pages
from audiostore.media.parsing.reading import Reader

_GAP_S = 0.1
_END_BYTES = 240 << 10
_MOST_DENSITY = 1.6
"""How much larger or smaller a sample may be, on the average, between the ends of a file."""
_AGREEING = 3
"""After so many pages whose positions agree with their packets, plausible ones are trusted."""


@dataclass(slots=True)
class Link:
    """One of the streams that follow each other in a file (RFC 3533 section 4)."""

    start: int
    """Where its first page begins in the file."""
    end: int
    serial: int | None = None
    """Of its sound; beside it there may be lyrics, or an index."""
    codec: Codec | None = None
    is_ended: bool = False
    """Whether a page of its sound is marked as the last one."""
    samples: int = 0
    """Of all packets."""
    trimmed: int = 0
    """How many of these are not played, by the positions of the first and the last page."""
    missing: int = 0
    """How many samples are missing where positions leap ahead."""
    first: int | None = None
    """Where the sound begins, by the position of its first page."""
    last: int = 0
    """Where the sound ends, by the position of its last page."""
    pages: int = 0
    leaps: int = 0
    """How often they do."""
    longest_leap: tuple[int, int] = (0, 0)
    """How many samples it is, and how many are before it."""
    _headers_left: int = 0
    _header_tail: bytes = b""
    _pending: bytes | None = None
    """The first bytes of a packet that goes on on the next page."""
    _in_last_page: int = 0
    _agreeing: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it plays; None if its packets cannot be counted."""
        if self.codec is None or self.codec.rate_hz == 0:
            return None
        there = max(0, self.samples - self.trimmed - self.codec.skipped)
        return there / self.codec.rate_hz + self.missing_s

    @property
    def missing_s(self) -> float:
        """How much of that is missing: nothing if most positions are too far on, and so wrong."""
        if self.codec is None or self.codec.rate_hz == 0 or self.leaps * 2 > self.pages:
            return 0.0
        return self.missing / self.codec.rate_hz

    @property
    def stated_s(self) -> float:
        """How long it is by the positions alone."""
        if self.codec is None or self.codec.rate_hz == 0:
            return 0.0
        return max(0, self.last - (self.first or 0) - self.codec.skipped) / self.codec.rate_hz

    @property
    def promised_s(self) -> float:
        """How long it is by the codec's header; 0 if that does not say."""
        if self.codec is None or self.codec.rate_hz == 0:
            return 0.0
        return self.codec.promised / self.codec.rate_hz

    @property
    def is_as_stated(self) -> bool:
        """Whether the positions say the same as the packets."""
        return not self.missing and self.samples - self.trimmed == self.last - (self.first or 0)

    @property
    def ends_within_packet(self) -> bool:
        """Whether its last packet goes on, on a page that is not there."""
        return self._pending is not None and not self.is_ended

    def begin(self, packet: bytes, serial: int) -> None:
        """Take a first packet, which may be that of the sound."""
        self.codec = codec_of(packet)
        if self.codec:
            self.serial = serial
            self._headers_left = self.codec.headers

    def add(self, page: Page, data: bytes, at: int) -> None:
        """Take the next page of the sound, which is in `data` at an offset."""
        codec = self.codec
        if codec is None:
            return
        self.is_ended = page.flags & ENDS != 0
        packets = len(page.lacing) - page.lacing.count(255)
        samples = page.position - self.last
        if self._agreeing >= _AGREEING and codec.is_plausible(packets, samples):
            self._pending = self._unfinished(page, data, at)
            self.pages += 1
            self.samples += samples
            self.last, self._in_last_page = page.position, samples
        else:
            samples = self._count(codec, page, data, at)
            self._place(codec, page.position, samples, packets)

    def _count(self, codec: Codec, page: Page, data: bytes, at: int) -> int:
        """Return the samples in the packets that end in a page."""
        begin = end = at + page.body
        pending = (self._pending or b"") if page.flags & CONTINUES else None
        heads: list[bytes] = []
        for length in page.lacing:
            end += length
            if length < 255:
                head = data[begin : begin + codec.head_size] if end > begin else b""
                heads.append(head if pending is None else pending)
                begin, pending = end, None
        self._pending = self._unfinished(page, data, at)
        if self._headers_left:
            self._header_tail = (self._header_tail + data[at + page.body : end])[-SETUP_TAIL:]
            seen = min(self._headers_left, len(heads))
            self._headers_left -= seen
            if self._headers_left == 0:
                codec.set_up(self._header_tail)
            del heads[:seen]
        return codec.count(heads)

    def _unfinished(self, page: Page, data: bytes, at: int) -> bytes | None:
        """Return the first bytes of the packet that goes on on the next page, if one does."""
        if page.lacing[-1:] != b"\xff":
            return None
        finished = page.lacing.rstrip(b"\xff")
        if not finished and page.flags & CONTINUES:
            return self._pending
        begin = at + page.body + sum(finished)
        return data[begin : begin + (self.codec.head_size if self.codec else 0)]

    def _place(self, codec: Codec, position: int, samples: int, packets: int) -> None:
        """Compare the position of a page with the samples in it."""
        if samples == 0:
            before = self.last - self._in_last_page
            if self.is_ended and before < position < self.last:
                self.trimmed += self.last - position  # an empty page may cut the one before
                self.last = position
            return
        self.pages += 1
        self.samples += samples
        is_first = self.first is None
        if self.first is None:
            self.first = self.last = max(0, position - samples)
        expected = self.last + samples
        if position < 0:
            position = expected
        surplus = expected - position
        self._agreeing = 0 if surplus else self._agreeing + 1
        if surplus < -_GAP_S * codec.rate_hz:
            self.missing -= surplus
            self.leaps += 1
            leap = (-surplus, self.last - self.first - codec.skipped)
            self.longest_leap = max(self.longest_leap, leap)
        elif position and (
            (self.is_ended and codec.trims_end and 0 < surplus <= samples)
            # Vorbis I section A.2. Not more than a packet or two: else the positions are wrong.
            or (is_first and codec.trims_start and 0 < surplus * packets < 2 * samples)
        ):
            self.trimmed += surplus
        self.last, self._in_last_page = position, samples


def stated_link(reader: Reader, start: int, end: int) -> tuple[Link, Pages] | None:
    """Return the link of a file that is a single one, by both ends of it, and the pages at its end.

    It is what `read_links` returns for a file whose positions are right, and which is whole. None:
    that is not so, or the ends do not bear it out.

    Args:
        reader: the whole file.
        start: where its first page begins.
        end: where its last page ends.
    """
    if end - start < 2 * _END_BYTES:
        return None
    tail_at = _first_whole_packet(Pages(reader, end - _END_BYTES, end))
    links = read_links(Pages(reader, start, start + _END_BYTES))
    link = links[0] if len(links) == 1 else None
    if tail_at is None or link is None or link.codec is None or link.serial is None:
        return None
    tail, pages = Link(tail_at, end, link.serial, link.codec), Pages(reader, tail_at, end)
    for _, page, data, at in pages:
        if page.serial != link.serial or page.flags & BEGINS:
            return None
        tail.add(page, data, at)
    is_whole = tail.is_ended and not (tail.ends_within_packet or pages.damaged) and pages.end == end
    agree = all(each.is_as_stated and each.pages >= _AGREEING for each in (link, tail))
    missing, missing_bytes = (tail.first or 0) - link.last, tail_at - link.end
    if not (is_whole and agree and missing > 0):
        return None
    density = missing_bytes * link.samples / (missing * (link.end - start))
    if not 1 / _MOST_DENSITY < density < _MOST_DENSITY:
        return None
    link.samples += tail.last - link.last + tail.trimmed
    link.trimmed += tail.trimmed
    link.last, link.end, link.is_ended, link._pending = tail.last, end, True, None
    return link, pages


def _first_whole_packet(pages: Pages) -> int | None:
    """Return where the first page begins that does not go on with a packet."""
    return next((each.offset for each in pages if not each.page.flags & CONTINUES), None)


def read_links(pages: Pages) -> list[Link]:
    """Return the links of a file, in order."""
    links: list[Link] = []
    link: Link | None = None
    begins = False
    for offset, page, data, at in pages:
        _, _, serial, _, body, size = page
        if page.flags & BEGINS:
            if link is None or not begins:
                link = Link(offset, offset)
                links.append(link)
            if link.codec is None:
                link.begin(data[at + body : at + size], serial)
            begins = True
        else:
            begins = False
        if link is not None:
            link.end = offset + size
            if serial == link.serial:
                link.add(page, data, at)
    return links
