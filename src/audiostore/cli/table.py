"""A table that fits the terminal, printed as its rows come: its widths depend on no value."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from audiostore.catalog import COLUMNS
from audiostore.cli.output import escape, is_terminal
from audiostore.cli.width import fit, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "
_SHORT_ID, _WHOLE_ID = 13, 36
_FIXED = {
    "id": _WHOLE_ID,
    "audio_id": _WHOLE_ID,
    "duration": 8,
    "size": 10,
    "created": 16,
    "cover": 5,
    "format": 6,
    "track": 5,
    "track_total": 5,
    "disc": 4,
    "disc_total": 4,
    "year": 4,
}
_OF_KIND = {"integer": 12, "real": 12, "truth": 5, "time": 32}
_ON_THE_RIGHT = {"duration", "size"}
_HEADINGS = {"label": "TITLE", "created": "CREATED (UTC)"}
_WEIGHTS = {"label": 3, "title": 3}
_NARROW = 8
_AMPLE = 20
"""Room for texts in which ids need not be cut."""


class Table:
    """The lines of a table. On a terminal none is wider than it; elsewhere nothing is cut."""

    def __init__(self, names: Sequence[str]) -> None:
        """Look at the terminal.

        Args:
            names: of the columns.
        """
        self._names = names
        self._columns = _terminal_columns() if is_terminal(sys.stdout) else None
        self._encoding = sys.stdout.encoding or "ascii"
        self._mark = "…" if self._printable("…") == "…" else "~"
        self._widths_by_id: dict[int, list[int]] = {}
        self._cuts_ids = self._columns is not None and not self._has_room(self._columns)

    def heading(self, cells: Sequence[str]) -> str:
        """Return the names of the columns, above those cells."""
        return self._line([heading_of(name) for name in self._names], self._widths(cells))

    def line(self, cells: Sequence[str]) -> str:
        """Return a row, escaped."""
        return self._line([self._printable(escape(c)) for c in cells], self._widths(cells))

    def shown(self, name: str, value: str) -> str:
        """Return the text of a cell: of a random id, enough to tell it from millions of others."""
        if self._cuts_ids and name == "id" and value[14:15] == "4":
            return value[:_SHORT_ID]
        return value

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        if self._columns is None:
            texts = list(cells)
        else:
            texts = [fit(c, width, self._mark) for c, width in zip(cells, widths, strict=True)]
        padded = [
            pad(text, width, right=is_right(name))
            for name, text, width in zip(self._names, texts, widths, strict=True)
        ]
        line = _GAP.join(padded).rstrip()
        return line if self._columns is None else fit(line, self._columns, self._mark)

    def _printable(self, text: str) -> str:
        """Return a text as a locale without Unicode prints it."""
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _has_room(self, columns: int) -> bool:
        texts = sum(name not in _FIXED and _kind(name) == "text" for name in self._names)
        return columns - self._taken(_WHOLE_ID) >= texts * _AMPLE

    def _taken(self, id_width: int) -> int:
        """Return how many columns all but the texts take."""
        return sum(_fixed(name, id_width) for name in self._names) + len(_GAP) * (
            len(self._names) - 1
        )

    def _widths(self, cells: Sequence[str]) -> list[int]:
        ids = [len(cell) for name, cell in zip(self._names, cells, strict=True) if name == "id"]
        id_width = max(ids, default=0)
        widths = self._widths_by_id.get(id_width)
        if widths is None:
            widths = self._widths_by_id[id_width] = self._shared(id_width)
        return widths

    def _shared(self, id_width: int) -> list[int]:
        """Return the widths of the columns: the texts share what the others leave."""
        weights = [0 if _fixed(n, id_width) else _WEIGHTS.get(n, 2) for n in self._names]
        room = _AMPLE * sum(weights) if self._columns is None else self._columns
        left = max(0, room - self._taken(id_width))
        widths: list[int] = []
        for name, weight in zip(self._names, weights, strict=True):
            share = left * weight // max(1, sum(weights[len(widths) :]))
            left -= share
            widths.append(max(share, _NARROW) if weight else _fixed(name, id_width))
        return widths


def heading_of(name: str) -> str:
    """Return what stands above a column."""
    return _HEADINGS.get(name, name.removeprefix("meta.").replace("_", " ").upper())


def is_right(name: str) -> bool:
    """Say whether the values of a column stand at its right edge."""
    return name in _ON_THE_RIGHT or _kind(name) in ("integer", "real")


def _kind(name: str) -> str:
    return COLUMNS.get(name, "text")


def _fixed(name: str, id_width: int) -> int:
    """Return the width of a column whose values are about equally long; 0 for a text."""
    if name == "id":
        return id_width
    width = _FIXED.get(name) or _OF_KIND.get(_kind(name), 0)
    return max(width, len(heading_of(name))) if width else 0


def _terminal_columns() -> int:
    import shutil  # noqa: PLC0415  (imports compression, and only terminals need it)

    return shutil.get_terminal_size().columns
