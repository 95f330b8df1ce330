"""Tracks of MP4 and QuickTime that are chapters, and Nero's list of chapters.

ISO/IEC 14496-12 sections 8.3 to 8.7; QuickTime File Format specification, "Chapter lists": a track
of sound refers to a track of texts, whose samples are the titles, and to one of pictures.
"""

import struct
from collections.abc import Iterator
from functools import partial

from audiostore.dataclass import dataclass
from audiostore.media.parsing.boxes import FULL, Box, boxes_in, find_box
from audiostore.media.parsing.embedded import OTHER, Embedded, Part, UnreadPicture
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.text import MAX_CHAPTERS, decode_8_bit

_MOST_CHAPTER_TRACKS = 32
_MOST_EDITS = 32
_MAX_TITLE_BYTES = 2 << 10
_NERO_TICKS_PER_S = 10_000_000


@dataclass(frozen=True, slots=True)
class Track:
    """What a track's headers say."""

    box: Box
    inside: list[Box]
    id: int
    handler: bytes
    ticks_per_s: int
    chapters: tuple[int, ...]
    """The ids of the tracks that are its chapters."""


def read_track(reader: Reader, trak: Box) -> Track:
    """Return what the headers of a track say."""
    inside = [*boxes_in(reader, trak)]
    header = media = handler = ids = b""
    for box in inside:
        if box.type == b"tkhd":
            header = reader.at(box.start, 32)
        elif box.type == b"tref":
            chapters = find_box(reader, box, b"chap")
            ids = _start_of(reader, chapters, 4 * _MOST_CHAPTER_TRACKS) if chapters else b""
        elif box.type == b"mdia":
            for part in boxes_in(reader, box):
                if part.type == b"mdhd":
                    media = reader.at(part.start, 24)
                elif part.type == b"hdlr":
                    handler = reader.at(part.start + FULL + 4, 4)
    is_wide = media[:1] == b"\1"  # times of 64 bits
    return Track(
        box=trak,
        inside=inside,
        id=big(header, 20 if header[:1] == b"\1" else 12),
        handler=handler,
        ticks_per_s=big(media, 20 if is_wide else 12),
        chapters=tuple(big(ids, at) for at in range(0, len(ids), 4)),
    )


def _start_of(reader: Reader, box: Box, most: int) -> bytes:
    return reader.at(box.start, min(box.end - box.start, most))


def read_nero_chapters(reader: Reader, chpl: Box) -> list[Part]:
    """Read Nero's list: a count of one byte; starts, and titles after their sizes."""
    found = []
    data = _start_of(reader, chpl, 255 * (9 + 255) + 9)
    at = FULL + (4 if data[:1] != b"\0" else 0)
    count, at = big(data, at, 1), at + 1
    for _ in range(count):
        end = at + 9 + big(data, at + 8, 1)
        if end > len(data):
            break
        found.append(
            Part(big(data, at, 8) / _NERO_TICKS_PER_S, None, decode_8_bit(data[at + 9 : end]))
        )
        at = end
    return found


def read_chapter_tracks(reader: Reader, moov: Box, tracks: list[Track]) -> Embedded:
    """Read the titles and the first picture of the tracks that others call their chapters."""
    found = Embedded()
    wanted = {number for track in tracks for number in track.chapters}
    for track in tracks:
        if track.id not in wanted or not track.ticks_per_s:
            continue
        if track.handler == b"vide":
            for sample in _samples(reader, track, 1):
                read = partial(reader.at, sample.start, sample.size)
                found.pictures.append(UnreadPicture(sample.size, read, OTHER))
        elif not found.chapters and track.handler != b"soun":
            delay_s = _delay_s(reader, moov, track)
            for sample in _samples(reader, track, MAX_CHAPTERS):
                if sample.start + sample.size > reader.size:
                    continue
                start_s = sample.ticks / track.ticks_per_s + delay_s
                end_s = start_s + sample.duration / track.ticks_per_s
                found.chapters.append(Part(start_s, end_s, _title(reader, sample)))
    return found


@dataclass(frozen=True, slots=True)
class _Sample:
    start: int
    size: int
    ticks: int
    duration: int


def _samples(reader: Reader, track: Track, most: int) -> Iterator[_Sample]:
    """Yield the first samples of a track (ISO/IEC 14496-12 sections 8.6.1 and 8.7)."""
    table = find_box(reader, track.box, b"mdia", b"minf", b"stbl")
    found = {b.type: b for b in boxes_in(reader, table)} if table else {}
    times = _rows(reader, found.get(b"stts"), ">II", most)
    groups = _rows(reader, found.get(b"stsc"), ">III", most)
    chunks = _rows(reader, found.get(b"stco"), ">I", most) or _rows(
        reader, found.get(b"co64"), ">Q", most
    )
    sizes_box = found.get(b"stsz")
    if not (times and groups and chunks and sizes_box):
        return
    uniform, count = struct.unpack(">II", reader.at(sizes_box.start + FULL, 8).ljust(8, b"\0"))
    sizes = reader.at(sizes_box.start + FULL + 8, 4 * min(count, most))
    durations = (duration for times_, duration in times for _ in range(min(times_, most)))
    places = _places(chunks, groups)
    ticks, at, chunk = 0, 0, -1
    for i, (number, start), duration in zip(
        range(min(count, most)), places, durations, strict=False
    ):
        if number != chunk:
            chunk, at = number, start
        size = uniform or big(sizes, 4 * i)
        yield _Sample(at, size, ticks, duration)
        at += size
        ticks += duration


def _places(
    chunks: list[tuple[int, ...]], groups: list[tuple[int, ...]]
) -> Iterator[tuple[int, int]]:
    """Yield for each sample the number of its chunk, and where that begins."""
    group = 0
    for number, (start,) in enumerate(chunks, 1):
        while group + 1 < len(groups) and groups[group + 1][0] <= number:
            group += 1
        for _ in range(min(groups[group][1], MAX_CHAPTERS)):
            yield number, start


def _rows(reader: Reader, box: Box | None, shape: str, most: int) -> list[tuple[int, ...]]:
    """Return the first rows of a table: a count of them, then numbers."""
    if box is None:
        return []
    row = struct.Struct(shape)
    count = min(big(reader.at(box.start + FULL, 4)), most)
    data = reader.at(box.start + FULL + 4, count * row.size)
    return [*row.iter_unpack(data[: len(data) // row.size * row.size])]


def _delay_s(reader: Reader, moov: Box, track: Track) -> float:
    """Return when a track begins, by its edit list (ISO/IEC 14496-12 section 8.6.6)."""
    header = find_box(reader, moov, b"mvhd")
    edits = find_box(reader, track.box, b"edts", b"elst")
    if header is None or edits is None:
        return 0.0
    fields = reader.at(header.start, 24)
    ticks_per_s = big(fields, 20 if fields[:1] == b"\1" else 12)
    is_wide = reader.at(edits.start, 1) == b"\1"
    delay_s = 0.0
    for duration, media_time, *_ in _rows(
        reader, edits, ">QqI" if is_wide else ">IiI", _MOST_EDITS
    ):
        if media_time >= 0:
            return delay_s - media_time / track.ticks_per_s
        delay_s += duration / ticks_per_s if ticks_per_s else 0
    return delay_s


def _title(reader: Reader, sample: _Sample) -> str:
    """Return a title: it comes after its size, and a style may follow it."""
    data = reader.at(sample.start, min(sample.size, 2 + _MAX_TITLE_BYTES))
    text = data[2 : 2 + big(data, 0, 2)]
    if text[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return text.decode("utf-16", "replace")
    return decode_8_bit(text)
