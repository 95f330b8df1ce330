"""What the tags of a file hold: its format's own, and those in front of its data and at its end."""

import codecs
from collections.abc import Iterator
from functools import partial

from audiostore.media.info import MAX_DURATION_S, Chapter
from audiostore.media.kinds import Format
from audiostore.media.parsing.embedded import OTHER, Embedded, Part, UnreadPicture
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.parsing.surrounding import read_surrounding_tags
from audiostore.media.parsing.text import CODECS, MAX_TAG_CHARS, clean
from audiostore.media.probe.open import OpenAudio, ffmpeg_errors, is_picture

for _codec in CODECS:
    codecs.lookup(_codec)

_MAX_PICTURES = 64
# FFmpeg's words for the types of pictures that are better or worse than others.
_TYPES = {
    "32x32 pixels 'file icon'": 1,
    "other file icon": 2,
    "cover (front)": 3,
    "cover (back)": 4,
    "artist/performer": 8,
}


def read_embedded(
    file: OpenAudio, kind: Format, end: int | None = None
) -> tuple[list[Embedded], list[Embedded]]:
    """Return what the format's own tags hold, and those around it, those first that count most.

    Args:
        file: the open file.
        kind: its format.
        end: where the format's own data end, if that is known.
    """
    reader = file.reader()
    own = _read_own(file, kind, reader)
    try:
        return own, read_surrounding_tags(reader, file.recognised.offset, end)
    except BudgetSpentError:
        return own, [_too_scattered()]


def _read_own(file: OpenAudio, kind: Format, reader: Reader) -> list[Embedded]:
    if kind.read_embedded is None:
        return list(_read_by_ffmpeg(file))
    # The language is FFmpeg's: it knows how each format names it.
    language = file.audio.metadata.get("language")
    spoken = [Embedded([("language", language)])] if language else []
    try:
        return [*kind.read_embedded(reader, file.recognised.offset), *spoken]
    except BudgetSpentError:
        return [_too_scattered(), *spoken]


def _too_scattered() -> Embedded:
    return Embedded(warnings=["has tags in too many places: not all were read"])


def _read_by_ffmpeg(file: OpenAudio) -> Iterator[Embedded]:
    container = file.container
    whole = Embedded(tags=list(container.metadata.items()))
    for chapter in container.chapters():
        base = chapter["time_base"] or 0
        start_s, end_s = float(chapter["start"] * base), float(chapter["end"] * base)
        whole.chapters.append(Part(start_s, end_s, chapter["metadata"].get("title", "")))
    types = {
        s.index: _TYPES.get(s.metadata.get("comment", "").lower(), OTHER)
        for s in container.streams.video
        if is_picture(s.disposition)
    }
    # FFmpeg returns attached pictures before everything else.
    with ffmpeg_errors():
        for packet in container.demux() if types else ():
            kind = types.get(packet.stream.index)
            if kind is None or len(whole.pictures) >= _MAX_PICTURES:
                break
            whole.pictures.append(UnreadPicture(packet.size, partial(bytes, packet), kind))
    yield whole
    yield Embedded(tags=list(file.audio.metadata.items()))


def order_chapters(found: list[Embedded], duration_s: float) -> list[Chapter]:
    """Return the chapters by the first tag that has any, in the order in which they begin.

    One that is left open ends where the next one begins, or with the sound; none ends after it.
    """
    parts = next((each.chapters for each in found if each.chapters), [])
    parts = sorted(
        (part for part in parts if 0 <= part.start_s <= MAX_DURATION_S),
        key=lambda part: part.start_s,
    )
    chapters: list[Chapter] = []
    last_s = next_s = duration_s
    for part in reversed(parts):
        if part.start_s < last_s:
            last_s, next_s = part.start_s, last_s
        end_s = next_s if part.end_s is None else part.end_s
        if part.start_s < duration_s:
            end_s = min(end_s, duration_s)
        if part.start_s <= end_s <= MAX_DURATION_S:
            title = clean(part.title, MAX_TAG_CHARS)
            chapters.append(Chapter(round(part.start_s, 6), round(end_s, 6), title))
    return chapters[::-1]
