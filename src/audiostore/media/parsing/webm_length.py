"""How long the sound of a WebM file plays, by its blocks (RFC 9559 sections 5 and 10)."""

import struct
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from audiostore.dataclass import dataclass
from audiostore.media.parsing.ebml import (
    HEADER_MAX,
    Element,
    elements,
    find_element,
    parse_element,
)
from audiostore.media.parsing.ogg_codecs import opus_samples
from audiostore.media.parsing.reading import Reader, big

EBML: Final = 0x1A45DFA3
SEGMENT: Final = 0x18538067
CLUSTER: Final = 0x1F43B675
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _NUMBER, _TYPE, _CODEC, _DELAY = 0x1654AE6B, 0xAE, 0xD7, 0x83, 0x86, 0x56AA
_TIME, _SIMPLE_BLOCK, _GROUP, _BLOCK, _LASTS, _DISCARD = 0xE7, 0xA3, 0xA0, 0xA1, 0x9B, 0x75A2
_VOID, _CRC = 0xEC, 0xBF
# What stands besides clusters (section 5.1): places, the index, tags, chapters, attachments.
_BESIDES = (0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469)
_BETWEEN = frozenset((EBML, _INFO, _TRACKS, _VOID, _CRC, *_BESIDES))
_INSIDE = frozenset((_TIME, _SIMPLE_BLOCK, _GROUP, _VOID, _CRC, 0xA7, 0xAB))
_SOUND = 2
_LACED = 6  # flags of a block
_CLUSTER_ID = CLUSTER.to_bytes(4, "big")
_MOST_BLOCKS = 100_000
_PIECE = 256 << 10
_NS = 1_000_000_000


class Played(NamedTuple):
    """What the blocks of the first track of sound hold."""

    seconds: float
    stated_s: float
    """By the header; 0 if it says nothing."""
    recordings: int
    """How many recordings one after the other, each with times of its own."""
    end: int
    """Where the last cluster ends, and the elements after it."""


@dataclass(frozen=True, slots=True)
class _Header:
    scale_ns: int
    """Of a tick."""
    duration: float
    """In ticks."""
    track: int
    is_opus: bool
    delay_ns: int
    """How much of the first sound is not played."""


class _Cluster(NamedTuple):
    start: int
    end: int
    """Where the next one begins, if it has no size."""
    time: int
    is_sized: bool


class _Block(NamedTuple):
    time: int
    """In ticks."""
    lasts_ns: int
    """0: unknown."""


def play(reader: Reader, start: int) -> Played | None:
    """Return how long the sound plays; None if there is none.

    Args:
        reader: the whole file.
        start: where its data begin.
    """
    segment = find_element(reader, SEGMENT, start, reader.size)
    if segment is None:
        return None
    header = _header(reader, segment.start)
    plays_ns = recordings = 0
    first: _Cluster | None = None
    last: deque[_Cluster] = deque(maxlen=2)
    for cluster in _clusters(reader, segment.start):
        if first is None or cluster.time <= last[-1].time:  # another recording begins
            plays_ns += _span_ns(reader, header, first, last)
            recordings += 1
            first = cluster
            last.clear()
        last.append(cluster)
    if first is None:
        return None
    plays_ns += _span_ns(reader, header, first, last)
    stated_s = header.duration * header.scale_ns / _NS
    at = last[-1].end if last[-1].is_sized else _after(reader, last[-1].start, _INSIDE)
    end = _after(reader, at, _BETWEEN)
    return Played(max(0, plays_ns - header.delay_ns) / _NS, stated_s, recordings, end)


def _header(reader: Reader, start: int) -> _Header:
    scale_ns, duration, track, codec, delay_ns = 1_000_000, 0.0, 0, b"", 0
    for part in elements(reader, start, reader.size):
        if part.id == CLUSTER or part.size is None:
            break
        inside = elements(reader, part.start, part.start + part.size)
        if part.id == _INFO:
            for each in inside:
                if each.id == _SCALE:
                    scale_ns = big(reader.at(each.start, each.size or 0), 0, 8)
                elif each.id == _DURATION:
                    duration = _float(reader.at(each.start, min(each.size or 0, 8)))
        elif part.id == _TRACKS and not track:
            for each in inside:
                fields = _fields(reader, each) if each.id == _TRACK else {}
                if big(fields.get(_TYPE, b""), 0, 8) == _SOUND and not track:
                    track = big(fields.get(_NUMBER, b""), 0, 8)
                    codec, delay = fields.get(_CODEC, b""), fields.get(_DELAY, b"")
                    delay_ns = big(delay, 0, 8)
    return _Header(scale_ns, duration, track, codec.startswith(b"A_OPUS"), delay_ns)


def _fields(reader: Reader, element: Element) -> dict[int, bytes]:
    inside = elements(reader, element.start, element.start + (element.size or 0))
    return {each.id: reader.at(each.start, min(each.size or 0, 64)) for each in inside}


def _float(data: bytes) -> float:
    if len(data) not in (4, 8):
        return 0.0
    (number,) = struct.unpack(">f" if len(data) == 4 else ">d", data)
    return number if 0 <= number < float("inf") else 0.0


def _clusters(reader: Reader, at: int) -> Iterator[_Cluster]:
    """Yield all clusters, of further segments, too; what is not an element is skipped."""
    while at < reader.size:
        element = parse_element(reader.at(at, HEADER_MAX), at)
        if element is not None and element.id == SEGMENT:
            at = element.start
            continue
        time = _time(reader, element) if element is not None else None
        if element is not None and element.size is not None:
            end = element.start + element.size
            if time is not None:
                yield _Cluster(element.start, end, time, is_sized=True)
            if time is not None or element.id in _BETWEEN:
                at = end
                continue
        end = _next_cluster(reader, at + 1)
        if element is not None and time is not None:
            yield _Cluster(element.start, end, time, is_sized=False)
        at = end


def _time(reader: Reader, element: Element) -> int | None:
    """Return the time of a cluster, which is the first that it holds; None if it is none."""
    if element.id != CLUSTER:
        return None
    for each in elements(reader, element.start, min(reader.size, element.start + 64)):
        if each.id == _TIME and each.size is not None and each.size <= 8:
            return big(reader.at(each.start, each.size), 0, 8)
        if each.id not in (_VOID, _CRC):
            break
    return None


def _next_cluster(reader: Reader, at: int) -> int:
    """Return where the next cluster begins; the size of the file if none does."""
    while at < reader.size:
        piece = reader.at(at, _PIECE)
        found = piece.find(_CLUSTER_ID)
        while found >= 0:
            element = parse_element(piece[found : found + HEADER_MAX], at + found)
            if element is not None and _time(reader, element) is not None:
                return at + found
            found = piece.find(_CLUSTER_ID, found + 1)
        if len(piece) < _PIECE:
            break
        at += len(piece) - len(_CLUSTER_ID) - HEADER_MAX
    return reader.size


def _after(reader: Reader, at: int, ids: frozenset[int]) -> int:
    """Return where the whole elements with these ids end."""
    for each in elements(reader, at, reader.size, _MOST_BLOCKS):
        if each.id not in ids or each.size is None or each.start + each.size > reader.size:
            break
        at = each.start + each.size
    return at


def _span_ns(reader: Reader, header: _Header, first: _Cluster | None, last: deque[_Cluster]) -> int:
    """Return how long it is from the first block of a recording to the end of its last one."""
    if first is None:
        return 0
    begins = next(_blocks(reader, header, first), None)
    ends: deque[_Block] = deque(maxlen=2)
    for each in reversed(last):  # as a rule, the last cluster is enough
        ends.extendleft(reversed(deque(_blocks(reader, header, each), maxlen=2 - len(ends))))
        if len(ends) == 2 or (ends and ends[-1].lasts_ns):
            break
    if begins is None or not ends:
        return 0
    lasts_ns = ends[-1].lasts_ns or (ends[-1].time - ends[0].time) * header.scale_ns
    return (ends[-1].time - begins.time) * header.scale_ns + lasts_ns


def _blocks(reader: Reader, header: _Header, cluster: _Cluster) -> Iterator[_Block]:
    """Yield the blocks of the track (sections 10.1 and 10.2)."""
    for each in elements(reader, cluster.start, min(cluster.end, reader.size), _MOST_BLOCKS):
        if each.size is None or each.id == CLUSTER:
            return
        if each.id == _SIMPLE_BLOCK:
            data, fields = reader.at(each.start, min(each.size, 16)), {}
        elif each.id == _GROUP:
            fields = _fields(reader, each)
            data = fields.get(_BLOCK, b"")
        else:
            continue
        size = 9 - data[0].bit_length() if data else 9
        number = big(data, 0, size) & (1 << 7 * size) - 1
        if number != header.track or len(data) < size + 3:
            continue
        relative = int.from_bytes(data[size : size + 2], "big", signed=True)
        yield _Block(cluster.time + relative, _lasts_ns(header, data[size + 2 :], fields))


def _lasts_ns(header: _Header, data: bytes, fields: dict[int, bytes]) -> int:
    if _LASTS in fields:
        return big(fields[_LASTS], 0, 8) * header.scale_ns
    if not header.is_opus or data[0] & _LACED:
        return 0
    discarded_ns = int.from_bytes(fields.get(_DISCARD, b""), "big", signed=True)
    return max(0, opus_samples(data[1:3]) * _NS // 48_000 - discarded_ns)
