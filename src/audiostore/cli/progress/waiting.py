"""What a command waits for while a store fails: a line. On a terminal only."""

from __future__ import annotations

import threading

from audiostore.cli.output import escape, human_time
from audiostore.cli.progress.display import Display
from audiostore.events import Event, Retried, RetriesEnded
from audiostore.retry import status_of


class Waiting:
    """The operations that wait to be tried again. Its owner holds a lock."""

    def __init__(self) -> None:
        """Wait for nothing."""
        self._last: dict[str, Retried] = {}
        """By operation; the latest comes last."""

    def hear(self, event: Event) -> bool:
        """Take an event; say whether it was about retries."""
        match event:
            case Retried(operation):
                self._last.pop(operation, None)
                self._last[operation] = event
            case RetriesEnded(operation):
                self._last.pop(operation, None)
            case _:
                return False
        return True

    @property
    def line(self) -> str | None:
        """Return ``waiting for gs://b for up to 1 min 58 s: 503 Service Unavailable``, or None."""
        return _line(self._last[next(reversed(self._last))]) if self._last else None


class WaitProgress:
    """Listens to the events of a manager, for a command that shows no other progress."""

    def __init__(self, display: Display | None = None) -> None:
        """Draw nothing yet.

        Args:
            display: of other progress, with which it takes turns.
        """
        self._display = display or Display()
        self._waiting = Waiting()
        self._lock = threading.Lock()  # events come from several threads

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        with self._lock:
            if not (self._display.is_shown and self._waiting.hear(event)):
                return
            line = self._waiting.line
            if line is None:
                self._display.clear()
            else:
                self._display.draw(line)


def _line(event: Retried) -> str:
    # The reason may be long, and a line is cut to the width of the terminal.
    limit = "" if event.left_s is None else f" for up to {human_time(event.left_s)}"
    return f"waiting for {escape(event.store_url)}{limit}: {escape(_reason(event.error))}"


def _reason(error: Exception) -> str:
    from http import HTTPStatus  # noqa: PLC0415  (not for --help)

    status = status_of(error)
    try:
        return str(error) if status is None else f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP status {status}"
