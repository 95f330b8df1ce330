"""Progress of a walk through a store or a file: a line with a count. On a terminal only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from audiostore.cli.progress.display import Display
from audiostore.cli.progress.waiting import WaitProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_SILENT_S = 2.0
_INTERVAL_S = 0.1


class CountProgress:
    """Called with how many were checked; its line is gone when the `with` block ends."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, what: str = "assets"
    ) -> None:
        """Draw nothing yet.

        Args:
            clock: in seconds.
            what: is counted.
        """
        self._what = f"{what} checked"
        self._clock = clock
        self._display = Display()
        self.waiting = WaitProgress(self._display)
        """Listens to the events of the manager; what it waits for takes the place of the count."""
        self._began_at = clock()
        self._drawn_at = self._began_at + _SILENT_S  # what is soon done needs no line

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
        """Draw the count."""
        now = self._clock()
        if not self._display.is_shown or now - self._drawn_at < _INTERVAL_S:
            return
        rate = count / (now - self._began_at)
        self._display.draw(f"{count:,} {self._what}, {rate:,.0f}/s")
        self._drawn_at = now

    def restart(self, total: int, done_word: str) -> None:
        """Count something else from now on.

        Args:
            total: how many assets there are.
            done_word: what is done with them, such as "deleted".
        """
        self._what = f"of {total:,} assets {done_word}"
        self._began_at = self._clock()

    def clear(self) -> None:
        """Remove the line before other output."""
        self._display.clear()
