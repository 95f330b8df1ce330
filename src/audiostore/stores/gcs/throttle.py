"""The throttle: fewer requests while a host reports overload, for all stores of the process.

Each upload waits by itself before it tries again (`retry`); thousands of them would still hammer a
bucket that responds 429 or 503. So such a response halves the number of requests in flight to that
host, and pauses new ones for a moment, twice as long each time in a row; responses that succeed
raise the number one by one (as TCP does: RFC 5681, section 3.1).
"""

import threading

from audiostore.retry import OVERLOAD_STATUS_CODES

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
_UNLIMITED = 256.0


class Throttle:
    """Limits how many requests to one host are in flight. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = _UNLIMITED
        self._in_flight = 0
        self._overloads = 0
        """Responses in a row that reported overload."""
        self._resume_at = 0.0

    def admit(self, now: float) -> bool:
        """Say whether a request may start now; it counts as in flight until `done`."""
        with self._lock:
            if now < self._resume_at or self._in_flight >= self._window:
                return False
            self._in_flight += 1
        return True

    def done(self, status: int, now: float) -> None:
        """Record how a request ended; status 0 if there was no response."""
        with self._lock:
            self._in_flight -= 1
            if status in OVERLOAD_STATUS_CODES:
                if now < self._resume_at:
                    return  # sent before the response that started the pause
                import random  # noqa: PLC0415  (once a store is overloaded)

                self._window = max(1.0, min(self._window, self._in_flight + 1) / 2)
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._overloads)
                self._resume_at = now + pause * (0.5 + random.random())  # noqa: S311
                self._overloads = min(self._overloads + 1, 16)
            elif 0 < status < 500:
                self._overloads = 0
                self._window = min(_UNLIMITED, self._window + 1.0)
            elif status == 0:
                # A host that has gone silent must not be waited for once by each, in turn.
                self._window = min(_UNLIMITED, self._window * 2)


class Throttles:
    """The throttles of a process, one per host."""

    def __init__(self) -> None:
        self._throttles: dict[str, Throttle] = {}

    def for_url(self, url: str) -> Throttle:
        """Return the throttle of the host in a URL."""
        host = url.split("/", 3)[2]
        return self._throttles.get(host) or self._throttles.setdefault(host, Throttle())

    def forget(self) -> None:
        """Reset in a child process, which has no request in flight."""
        self._throttles = {}


THROTTLES = Throttles()
