"""The server's clock: the real time, and as far ahead of it as a test has moved it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Lock

from .errors import invalid


class Clock:
    """Runs with the real time until `stop`; `advance` moves it ahead, never back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ahead_ns = 0
        self._stopped_ns: int | None = None

    def advance(self, seconds: float) -> None:
        """Let so much time have passed."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back by {-seconds} s")
        with self._lock:
            self._ahead_ns += round(seconds * 1e9)

    def stop(self) -> None:
        """Let no more time pass, except by `advance`."""
        with self._lock:
            self._stopped_ns = time.time_ns()

    def time_ns(self) -> int:
        """Give the nanoseconds since the epoch."""
        with self._lock:
            return (self._stopped_ns or time.time_ns()) + self._ahead_ns

    def now(self) -> datetime:
        """Give the moment, in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.time_ns() // 1000)


def written(moment: datetime) -> str:
    """Write a moment as the service does: UTC, milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def moment_of(text: str) -> datetime:
    """Read what `written` wrote."""
    return datetime.fromisoformat(text)


def parse_rfc3339(field: str, text: object) -> str:
    """Check a timestamp from a client and give it in UTC, to the microsecond.

    An offset is demanded (RFC 3339); fractions beyond microseconds are refused here, which the
    service would keep.
    """
    if isinstance(text, str) and len(text) > 10 and text[10] in "Tt":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
            digits = "microseconds" if moment.microsecond % 1000 else "milliseconds"
            spec = digits if moment.microsecond else "seconds"
            return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"
    raise invalid(f"Invalid value for: {field}: Invalid format: {text!r}")
