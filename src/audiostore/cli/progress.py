"""What is told while a command works: a line that redraws itself, and notes. Terminals only."""

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from audiostore.cli.output import escape, human_size, is_terminal, note
from audiostore.events import CleanedUp, Event, Progress, Retried

_INTERVAL_S = 0.1


class Watch:
    """Listens to the events of a manager; its line is gone when the `with` block ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shows = is_terminal(sys.stderr)
        self._lock = threading.Lock()  # events come from several threads
        self._drawn = ""
        self._drawn_at = clock()  # what takes no time needs no line
        self._name = ""
        self._since = (0.0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._clear()
            self._shows = False  # a late event of a cancelled transfer

    def __call__(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            match event:
                case Progress(name, done_bytes, total_bytes):
                    self._progress(name, done_bytes, total_bytes)
                case Retried(operation, _, delay_s, error):
                    self._tell(f"{operation}: {error}; trying again in {delay_s:.1f} s")
                    self._name = ""  # the rate starts anew
                case CleanedUp(path):
                    self._tell(f"deleted the local file {str(path)!r}, which is stored")
                case _:
                    pass

    def _progress(self, name: str, done_bytes: int, total_bytes: int) -> None:
        now = self._clock()
        if name != self._name:
            self._name, self._since = name, (now, done_bytes)
        if not self._shows or now - self._drawn_at < _INTERVAL_S:
            return
        start, start_bytes = self._since
        parts = [
            escape(name.rpartition("/")[2]),
            f"{human_size(done_bytes)} of {human_size(total_bytes)}",
            f"{100 * done_bytes // max(1, total_bytes)}%",
        ]
        if now > start and done_bytes > start_bytes:
            parts.append(f"{human_size((done_bytes - start_bytes) / (now - start))}/s")
        self._draw("  ".join(parts)[: _columns() - 1])
        self._drawn_at = now

    def _tell(self, text: str) -> None:
        self._clear()
        note(text)

    def _draw(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(len(self._drawn)))
        sys.stderr.flush()
        self._drawn = line

    def _clear(self) -> None:
        if self._drawn:
            self._draw("")
            sys.stderr.write("\r")
            sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
