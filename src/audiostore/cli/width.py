"""How many columns of a terminal a text takes."""

from __future__ import annotations

import unicodedata

_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"


def width_of(text: str) -> int:
    """Return the number of columns, by the rules of the wcwidth library (its Specification)."""
    return len(text) if text.isascii() else sum(_widths(text))


def fit(text: str, columns: int, mark: str = "") -> str:
    """Return as much of a text as fits into the columns.

    Args:
        text: one line, without control characters.
        columns: how many there are.
        mark: ends a text that was cut, such as an ellipsis.
    """
    if len(text) * 2 <= columns or width_of(text) <= columns:
        return text
    left = columns - len(mark)
    for at, width in enumerate(_widths(text)):
        left -= width
        if left < 0:
            return text[:at] + mark
    return text


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return a text filled up with spaces to at least that many columns."""
    spaces = " " * (columns - width_of(text))
    return spaces + text if right else text + spaces


def _widths(text: str) -> list[int]:
    """Return what each character adds to the width."""
    widths: list[int] = []
    before = ""
    for character in text:
        if character == _AS_EMOJI and widths and widths[-1] == 1:
            widths.append(1)  # a symbol that this makes an emoji
        else:
            widths.append(0 if before == _JOINER else _width(character))
        before = character
    return widths


def _width(character: str) -> int:
    if (
        unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")
        or "\u1160" <= character <= "\u11ff"  # vowels and finals of a Hangul syllable
        or "\ud7b0" <= character <= "\ud7ff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # the skin color of an emoji
    ):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
