"""What the tags of a file hold: its format's own, and those in front of its data and at its end."""

from collections.abc import Iterable

from audiostore.media.info import MAX_DURATION_S, Chapter
from audiostore.media.kinds import Format
from audiostore.media.parsing.embedded import Embedded
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.parsing.surrounding import read_surrounding_tags
from audiostore.media.parsing.text import MAX_TAG_CHARS, clean


def read_own_tags(
    kind: Format, reader: Reader, offset: int, language: str | None
) -> list[Embedded]:
    """Return what the format's own tags hold, those first that count most.

    Args:
        kind: a format that reads them itself.
        reader: the whole file.
        offset: where the format's own data begin.
        language: that of the sound, by its header.
    """
    spoken = [Embedded([("language", language)])] if language else []
    try:
        own = kind.read_embedded(reader, offset) if kind.read_embedded else []
    except BudgetSpentError:
        own = [_too_scattered()]
    return [*own, *spoken]


def read_tags_around(reader: Reader, offset: int, end: int | None) -> list[Embedded]:
    """Return what the tags around a format's data hold, those first that count most.

    Args:
        reader: the whole file.
        offset: where the format's own data begin.
        end: where they end, if that is known.
    """
    try:
        return read_surrounding_tags(reader, offset, end)
    except BudgetSpentError:
        return [_too_scattered()]


def _too_scattered() -> Embedded:
    return Embedded(warnings=["has tags in too many places: not all were read"])


def order_chapters(found: Iterable[Embedded], duration_s: float) -> list[Chapter]:
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
