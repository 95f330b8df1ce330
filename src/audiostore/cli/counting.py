"""How far a walk through a store is: a line that redraws itself, on terminals only."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from audiostore.cli.output import is_terminal

_SILENT_S = 2.0
_INTERVAL_S = 0.1


class Counting:
    """Is told how many assets were looked at; its line is gone when the `with` block ends."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, what: str = "assets"
    ) -> None:
        self._what = what
        self._clock = clock
        self._shows = is_terminal(sys.stderr)
        self._began_at = clock()
        self._drawn_at = self._began_at + _SILENT_S  # what is soon done needs no line
        self._drawn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def __call__(self, count: int) -> None:
        """Take a count."""
        now = self._clock()
        if not self._shows or now - self._drawn_at < _INTERVAL_S:
            return
        rate = count / (now - self._began_at)
        line = f"{count:,} {self._what} looked at, {rate:,.0f}/s"
        sys.stderr.write("\r" + line.ljust(len(self._drawn)))
        sys.stderr.flush()
        self._drawn, self._drawn_at = line, now

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._drawn:
            sys.stderr.write("\r" + " " * len(self._drawn) + "\r")
            sys.stderr.flush()
            self._drawn = ""
