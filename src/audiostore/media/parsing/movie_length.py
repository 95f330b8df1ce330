"""How long the sound of an MP4 file plays (ISO/IEC 14496-12 sections 8.2 to 8.8)."""

from collections.abc import Iterator
from typing import NamedTuple

from audiostore.media.parsing.boxes import FULL, Box, boxes, find_box
from audiostore.media.parsing.fragments import Fragments, read_fragments
from audiostore.media.parsing.movie import Layout, Track, read_tracks
from audiostore.media.parsing.reading import BudgetSpentError, Reader, big, cut_short
from audiostore.media.parsing.sample_table import SampleTable
from audiostore.media.parsing.tags import MUCH_JUNK

_FEW_SAMPLES = 2
_MISSTATED_S, _HIDDEN_S = 0.5, 1.0
_SHARE = 0.01
"""What is less than this of all is not mentioned."""
_FRAME_SHARE, _FINE_SCALE = 0.05, 500
"""By how much the times of frames may be rounded, in ticks of a millisecond or two."""
_MOST_EDITS = 10_000
_GAPLESS = b"iTunSMPB"


class Length(NamedTuple):
    """How long the sound plays."""

    seconds: float
    warnings: tuple[str, ...]
    """What is odd about it: each the rest of a sentence about the file."""
    end: int | None
    """Where the last box ends; None if there are more than were looked at."""
    bitrate_bps: int | None
    """The average of all samples; None if their sizes are not known."""


class _Clock(NamedTuple):
    """A header's time scale and duration (mvhd: 8.2.2, mdhd: 8.4.2)."""

    scale: int
    """Ticks a second; 0: unknown."""
    ticks: int
    """0: unknown."""

    @classmethod
    def read(cls, reader: Reader, box: Box | None) -> "_Clock":
        data = reader.at(box.start, 32) if box else b""
        size = 8 if data[:1] == b"\1" else 4
        at = FULL + 2 * size  # after two dates
        return cls(big(data, at), _known(big(data, at + 4, size), size))


def _known(number: int, size: int) -> int:
    """Return a number, or 0 for one that means "unknown": all bits set."""
    return 0 if number == (1 << 8 * size) - 1 else number


def measure_movie(
    reader: Reader, start: int, *, delay_s: float = 0.0, frame_s: float = 0.0
) -> Length | str | None:
    """Return how long the samples in the index play; what is wrong with it; None if it has none.

    What the headers state besides is only compared: some writers leave it empty, or wrong.

    Args:
        reader: the whole file.
        start: where its boxes begin.
        delay_s: how much of the first sound its codec leaves out, if no edit list says it.
        frame_s: how long a sample lasts by its codec; 0 if that differs.
    """
    layout = Layout.read(reader, start, fragments=False)
    tracks = read_tracks(reader, layout.moov) if layout.moov else []
    track = next((each for each in tracks if each.is_sound), None)
    if layout.moov is None or track is None or track.table is None:
        return None
    movie = _Clock.read(reader, find_box(reader, layout.moov, b"mvhd"))
    media = _Clock.read(reader, find_box(reader, track.box, b"mdia", b"mdhd"))
    if not movie.scale or not media.scale:
        return None
    table = SampleTable.read(reader, track.table)
    size = table.total_size()
    counted = _count(table, size or 0, layout)
    scale = _scale(table, media.scale, frame_s)
    if isinstance(counted, str):
        return counted
    extends = find_box(reader, layout.moov, b"mvex")
    if extends is not None:
        fragments = read_fragments(reader, start, *_defaults(reader, track, extends))
        counted += fragments.ticks
        flaw = _check_fragments(reader, extends, fragments, movie.scale, counted / scale)
        if flaw:
            return flaw
    if not counted:
        return None
    played = _edited(reader, track, counted, scale / movie.scale)
    if played is None:
        played = _without_padding(reader, layout.moov, counted) - delay_s * scale
    there_s, seconds = counted / scale, max(0.0, played) / scale
    stated = [media.ticks / media.scale, movie.ticks / movie.scale if len(tracks) == 1 else 0]
    warnings = [*_misstated(stated, there_s, seconds)]
    others = [each for each in tracks if each is not track]
    if extends is None and (unused := _unused(reader, size, others, layout)):
        warnings.append(f"holds {unused:,} bytes of sound that its index does not name")
    bitrate_bps = max(1, round(8 * size / there_s)) if size and extends is None else None
    end = layout.end if layout.is_complete else None
    return Length(seconds, tuple(warnings), end, bitrate_bps)


def _count(table: SampleTable, needed: int, layout: Layout) -> int | str:
    """Compare the counts of an index; return how long its samples last, or what is wrong."""
    sized, placed = table.sized(), table.placed()
    if sized < table.samples:
        return f"is damaged: its index counts {table.samples:,} frames and has {sized:,} sizes"
    samples = min(sized, placed) if sized >= 0 else placed
    timed, ticks = table.timed(samples)
    promised = max(sized, placed, timed)
    if promised > samples + _FEW_SAMPLES:
        return f"is cut short: its index promises {promised:,} frames of sound, and has {samples:,}"
    bounds = table.bounds()
    if samples and bounds and layout.sound and layout.is_complete:
        there = sum(box.end - box.start for box in layout.sound)
        if needed > there:
            return cut_short("the frames in its index have", needed, there)
        if bounds[0] < layout.sound[0].start or bounds[1] >= layout.sound[-1].end:
            return "is damaged: its index points at bytes that are not sound"
    return ticks


def _scale(table: SampleTable, stated: int, frame_s: float) -> float:
    """Return the ticks of a second: those of its frames, if the header states quite another."""
    usual = table.usual_time() if frame_s and stated >= _FINE_SCALE else 0
    fits = abs(usual / stated - frame_s) <= _FRAME_SHARE * frame_s
    return stated if fits or not usual else usual / frame_s


def _misstated(stated: list[float], there_s: float, seconds: float) -> Iterator[str]:
    """Say what a player may get wrong about the duration."""
    for each in stated:
        differs_s = min(abs(each - there_s), abs(each - seconds))
        if each and differs_s > max(_MISSTATED_S, _SHARE * there_s):
            yield f"states a duration of {each:,.2f} s, its index has {there_s:,.2f} s"
            break
    if there_s - seconds > _HIDDEN_S:
        yield f"has {there_s:,.2f} s of sound, of which its edit list plays {seconds:,.2f} s"


def _unused(reader: Reader, size: int | None, others: list[Track], layout: Layout) -> int:
    """Return how many bytes of the sound no track uses; 0 if few, or if that is unknown.

    Args:
        reader: the file.
        size: of the samples of the track of sound.
        others: the other tracks.
        layout: where the sound is.
    """
    tables = [SampleTable.read(reader, each.table) for each in others if each.table]
    sizes = [size, *(table.total_size() for table in tables)]
    known = [each for each in sizes if each is not None]
    sound = sum(min(box.end, reader.size) - box.start for box in layout.sound)
    unused = sound - sum(known)
    is_known = layout.is_complete and len(known) == len(sizes)
    return unused if is_known and unused > max(MUCH_JUNK, _SHARE * sound) else 0


def _edited(reader: Reader, track: Track, ticks: int, scale: float) -> float | None:
    """Return how many ticks of a track its edit list plays (8.6.6); None if it has none.

    Args:
        reader: the file.
        track: the track.
        ticks: how long its samples last.
        scale: ticks of the track to one of the movie.
    """
    box = find_box(reader, track.box, b"edts", b"elst")
    if box and box.end - box.start > _MOST_EDITS * 20:
        raise BudgetSpentError
    data = reader.at(box.start, box.end - box.start) if box else b""
    size = 8 if data[:1] == b"\1" else 4
    entry = 2 * size + 4
    played = None
    for at in range(8, min(len(data), 8 + big(data, 4) * entry), entry):
        begins = int.from_bytes(data[at + size : at + 2 * size], "big", signed=True)
        if begins < 0:  # silence
            continue
        lasts, left = big(data, at, size) * scale, max(0, ticks - begins)
        # Up to the end: a length of 0 (in fragmented files), or one to the coarse tick of a movie.
        is_rest = not lasts or lasts > left - 2 * scale
        played = (played or 0) + (left if is_rest else lasts)
    return played


def _without_padding(reader: Reader, moov: Box, ticks: int) -> float:
    """Leave out what an encoder added at both ends, by iTunes' tag: delay, padding, length."""
    meta = find_box(reader, moov, b"udta", b"meta")
    items = find_box(reader, Box(meta.type, meta.start + FULL, meta.end), b"ilst") if meta else None
    for box in boxes(reader, items.start, items.end) if items else ():
        data = reader.at(box.start, min(box.end - box.start, 256)) if box.type == b"----" else b""
        if _GAPLESS in data:
            numbers = data.partition(_GAPLESS)[2].partition(b" ")[2].split()[1:4]
            try:
                delay, padding, length = (int(each, 16) for each in numbers)
            except ValueError:
                return ticks
            # HE-AAC counts twice the samples of its track.
            for factor in (1, 2):
                if length and abs(delay + padding + length - factor * ticks) <= _SHARE * ticks:
                    return length / factor
    return ticks


def _defaults(reader: Reader, track: Track, extends: Box) -> tuple[int, int]:
    """Return the number of a track, and how long its samples last by default (8.3.2, 8.8.3)."""
    head = find_box(reader, track.box, b"tkhd")
    data = reader.at(head.start, 32) if head else b""
    number = big(data, FULL + (16 if data[:1] == b"\1" else 8))
    for box in boxes(reader, extends.start, extends.end):
        fields = reader.at(box.start, 16)
        if box.type == b"trex" and big(fields, FULL) == number:
            return number, big(fields, FULL + 8)
    return number, 0


def _check_fragments(
    reader: Reader, extends: Box, found: Fragments, movie_scale: int, there_s: float
) -> str | None:
    """Compare what a segment index and the header (mehd: 8.8.2) promise with the fragments."""
    if found.promised_end > reader.size:
        return (
            f"is cut short: its segments end at byte {found.promised_end:,} by their index,"
            f" the file at {reader.size:,}"
        )
    box = find_box(reader, extends, b"mehd")
    data = reader.at(box.start, 12) if box else b""
    size = 8 if data[:1] == b"\1" else 4
    promised_s = _known(big(data, FULL, size), size) / movie_scale
    if promised_s - there_s > max(_MISSTATED_S, _SHARE * promised_s):
        return (
            f"is cut short: its header promises {promised_s:,.1f} s of sound,"
            f" {there_s:,.1f} s are there"
        )
    return None
