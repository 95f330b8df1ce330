"""Holding back while a host says that it is overloaded, for all stores of the process together.

Each upload waits by itself before it tries again (`retry`); thousands of them would still hammer a
bucket that answers 429 or 503. So such an answer halves the number of requests that may be under
way to that host and lets none begin for a moment, twice as long each time in a row; answers that
succeed open it again one by one (as TCP does: RFC 5681, 3.1).
"""

import random
import threading

from audiostore.retry import OVERLOAD_STATUS_CODES

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
_WIDE_OPEN = 256.0


class Brake:
    """What may be sent to one host now. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = _WIDE_OPEN
        self._under_way = 0
        self._refusals = 0
        self._resume_at = 0.0

    def admit(self, now: float) -> bool:
        """Say whether a request may begin now; it is counted until `done`."""
        with self._lock:
            if now < self._resume_at or self._under_way >= self._window:
                return False
            self._under_way += 1
        return True

    def done(self, status: int, now: float) -> None:
        """Learn how a request ended; status 0 if there was no answer."""
        with self._lock:
            self._under_way -= 1
            if status in OVERLOAD_STATUS_CODES:
                if now < self._resume_at:
                    return  # sent before the answer that made us wait
                self._window = max(1.0, min(self._window, self._under_way + 1) / 2)
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._refusals)
                self._resume_at = now + pause * (0.5 + random.random())  # noqa: S311
                self._refusals = min(self._refusals + 1, 16)
            elif 0 < status < 500:
                self._refusals = 0
                self._window = min(_WIDE_OPEN, self._window + 1.0)


class Brakes:
    """The brakes of a process, one a host."""

    def __init__(self) -> None:
        self._brakes: dict[str, Brake] = {}

    def for_url(self, url: str) -> Brake:
        """Return the brake for the host that a URL names."""
        host = url.split("/", 3)[2]
        return self._brakes.get(host) or self._brakes.setdefault(host, Brake())

    def forget(self) -> None:
        """Begin anew, in a child process, which has no request under way."""
        self._brakes = {}


BRAKES = Brakes()
