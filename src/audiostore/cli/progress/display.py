"""The lines at the bottom of a terminal that are redrawn while a command works."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from audiostore.cli.output import bottom, escape, is_terminal, voice
from audiostore.cli.width import fit, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"


class Display:
    """Lines that are redrawn in place, and erased before anything else is printed.

    One line needs nothing of a terminal but a carriage return; several need its cursor keys.
    """

    def __init__(self) -> None:
        """Draw nothing yet."""
        self.is_shown = is_terminal(sys.stderr) and not voice.quiet
        """Whether there is a terminal to draw on."""
        self.can_move = self.is_shown and os.environ.get("TERM") != "dumb"
        """Whether several lines can be drawn."""
        self._drawn: list[str] = []

    def draw(self, *lines: str) -> None:
        """Replace what is drawn, each line cut to the width of the terminal.

        It is one write: nothing is blank in between. A line that the terminal finds wider than we
        do is cut, not wrapped.
        """
        columns, rows = _size()
        with bottom.lock:
            if bottom.is_mid_line or not self.is_shown:
                return
            fitted = [fit(escape(line), columns - 1) for line in lines[: max(1, rows - 1)]]
            if self.can_move:
                body = "\n".join(f"{line}{_ERASE_LINE}" for line in fitted)
                _write(f"{_NO_WRAP}{self._to_start(columns)}{body}{_ERASE_BELOW}{_WRAP}")
            else:
                _write("\r" + fitted[0].ljust(sum(map(len, self._drawn))))
                del fitted[1:]
            self._drawn = fitted
            bottom.erase = self.clear

    def clear(self) -> None:
        """Remove what is drawn."""
        with bottom.lock:
            if self._drawn and self.can_move:
                _write(f"{self._to_start(_size()[0])}{_ERASE_BELOW}")
            elif self._drawn:
                _write("\r" + " " * len(self._drawn[0]) + "\r")
            self._drawn = []
            if bottom.erase == self.clear:
                bottom.erase = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for other output in the body; the lines come back below it when redrawn."""
        with bottom.lock:
            self.clear()
            yield

    def _to_start(self, columns: int) -> str:
        """Return what moves to the first line; a terminal made narrower has wrapped the lines."""
        rows = sum(-(-max(1, width_of(line)) // columns) for line in self._drawn)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"


def _write(text: str) -> None:
    with suppress(OSError):  # a terminal that is gone does not end the work
        getattr(sys.stderr, "draw", sys.stderr.write)(text)


def _size() -> tuple[int, int]:
    """Return the columns and rows of the terminal."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return columns or 80, rows or 24
