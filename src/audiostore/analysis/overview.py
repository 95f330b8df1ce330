"""The overview: a waveform of 200 bars as 200 characters, small enough for an object's metadata."""

from collections.abc import Sequence
from typing import Final

BARS: Final = 200
MAX_BAR: Final = 63
"""The height of a bar at full scale; 0 is silence."""
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""A bar is one digit of base64url (RFC 4648, section 5): valid in any header, JSON and URL."""
_HEIGHTS = {digit: height for height, digit in enumerate(_DIGITS)}
_FULL_SCALE = 128


def overview_of(peaks: Sequence[int]) -> tuple[int, ...]:
    """Return the bars of an overview.

    Each bar is the mean of the peaks in its part: the largest of them would be near full scale all
    along in music that is mastered loud. What is not silent has at least 1.

    Args:
        peaks: the largest absolute value of each short time, from 0 to 128; of any number, also
            fewer than there are bars.
    """
    count = len(peaks)
    if not count:
        return (0,) * BARS
    bars: list[int] = []
    for index in range(BARS):
        start = index * count // BARS
        part = peaks[start : max((index + 1) * count // BARS, start + 1)]
        total = sum(part)
        height = round(total * MAX_BAR / (len(part) * _FULL_SCALE))
        bars.append(min(MAX_BAR, max(height, 1 if total else 0)))
    return tuple(bars)


def overview_text(bars: Sequence[int]) -> str:
    """Return an overview as it is stored: a character for each bar."""
    return "".join(_DIGITS[height] for height in bars)


def read_overview(text: str | None) -> tuple[int, ...] | None:
    """Return the bars of a stored overview, each from 0 to 63; None if the text is not one."""
    if text is None or len(text) != BARS:
        return None
    try:
        return tuple(_HEIGHTS[digit] for digit in text)
    except KeyError:
        return None
