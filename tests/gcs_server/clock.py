"""The server's clock: the real time plus the time by which a test has advanced it."""

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
        """Advance the clock."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back by {-seconds} s")
        with self._lock:
            self._ahead_ns += round(seconds * 1e9)

    def stop(self) -> None:
        """Stop the clock; only `advance` moves it from now on."""
        with self._lock:
            self._stopped_ns = time.time_ns()

    def time_ns(self) -> int:
        """Return the nanoseconds since the epoch."""
        with self._lock:
            return (self._stopped_ns or time.time_ns()) + self._ahead_ns

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.time_ns() // 1000)


def written(moment: datetime) -> str:
    """Format a time as the service does: UTC, milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def moment_of(text: str) -> datetime:
    """Parse the result of `written`."""
    return datetime.fromisoformat(text)


def parse_rfc3339(field: str, text: object) -> str:
    """Check a timestamp from a client and return it in UTC, to the microsecond.

    An offset is required (RFC 3339). Fractions beyond microseconds are refused here; the service
    would keep them.
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
