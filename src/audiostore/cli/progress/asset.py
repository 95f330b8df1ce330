"""Progress of one asset: a line, or what is waited for. On a terminal only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from audiostore.cli.output import escape, human_size, note
from audiostore.cli.progress.display import Display
from audiostore.cli.progress.waiting import WaitProgress
from audiostore.events import CleanedUp, Event, Progress, Retried, RetriesEnded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_INTERVAL_S = 0.1


class AssetProgress:
    """Listens to the events of a manager; its line is gone when the `with` block ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw nothing yet.

        Args:
            clock: in seconds.
        """
        self._clock = clock
        self._display = Display()
        self._waiting = WaitProgress(self._display)
        self._shows = self._display.is_shown
        self._lock = threading.Lock()  # events come from several threads
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
            self._display.clear()
            self._shows = False  # a late event of a cancelled transfer

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        with self._lock:
            match event:
                case Progress(name, done_bytes, total_bytes):
                    self._draw(name, done_bytes, total_bytes)
                case Retried() | RetriesEnded():
                    self._waiting(event)
                    self._name = ""  # the rate starts anew
                case CleanedUp(path):
                    self._note(f"deleted the local file {str(path)!r}, which is stored")
                case _:
                    pass

    def _draw(self, name: str, done_bytes: int, total_bytes: int) -> None:
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
        self._display.draw("  ".join(parts))
        self._drawn_at = now

    def _note(self, text: str) -> None:
        self._display.clear()
        note(text)
