"""The lines at the bottom of a terminal that are redrawn while a command works."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiostore.cli.output import escape, is_terminal, write_unguarded
from audiostore.cli.width import fit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Display:
    """Lines that are replaced by the next ones, and removed before any other output.

    One line needs nothing of a terminal but a carriage return; several need its cursor keys.
    """

    def __init__(self) -> None:
        """Draw nothing yet."""
        self.is_shown = is_terminal(sys.stderr)
        """Whether there is a terminal to draw on."""
        self.can_move = self.is_shown and os.environ.get("TERM") != "dumb"
        """Whether several lines can be drawn."""
        self._lock = threading.RLock()
        self._drawn: list[str] = []

    def draw(self, *lines: str) -> None:
        """Replace what is drawn, each line cut to the width of the terminal."""
        columns = _columns() - 1
        with self._lock:
            fitted = [fit(escape(line), columns) for line in lines]
            if len(fitted) == len(self._drawn) == 1:
                text = "\r" + fitted[0].ljust(len(self._drawn[0]))
            else:
                self.clear()
                text = "\r" * (len(fitted) == 1) + "\n".join(fitted)
            write_unguarded(sys.stderr, text)
            self._drawn = fitted

    def clear(self) -> None:
        """Remove what is drawn."""
        with self._lock:
            if len(self._drawn) == 1:
                write_unguarded(sys.stderr, "\r" + " " * len(self._drawn[0]) + "\r")
            elif self._drawn:
                write_unguarded(sys.stderr, f"\r\x1b[{len(self._drawn) - 1}A\x1b[J")
            self._drawn = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for other output in the body; the lines come back below it when redrawn."""
        with self._lock:
            self.clear()
            yield


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
