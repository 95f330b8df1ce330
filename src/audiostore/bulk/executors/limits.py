"""How much runs at once: a limit that adapts, and a limit on bytes per second.

Nobody can know beforehand how many transfers at once are best: for small files and a distant
bucket as many as allowed, on two busy cores a few. So the limit rises while that pays off, and
drops when the store is overloaded (429, 503), like TCP's congestion control.
"""

import math
import threading
import time
from collections.abc import Callable

from audiostore.events import Event, Progress, Retried
from audiostore.retry import is_overload

MAX_CONCURRENCY = 64
"""Transfers at once in one process by default: as many as its store has connections."""
INITIAL_LIMIT = 16
MAX_LOOKAHEAD = 512
"""At most this many tasks are queued ahead."""

_MAX_ACTIVE_BYTES = 64 << 20
_ALWAYS_ALLOWED = 4
"""This many tasks may run at once, whatever their size."""
_LOOKAHEAD_S = 0.25
_OVERHEAD_BYTES = 256 << 10
"""An asset is as much work as transferring this many bytes, plus its own."""
_MIN_MEASURE_S = 0.05
_NEARLY_PROPORTIONAL = 0.85
"""If speed grows by this part of the limit's growth, or more, the best limit is far away."""
_MIN_GAIN = 1.1
"""A higher limit is kept only if it is this much faster."""
_MAX_LOSS = 0.97
"""A lower limit is kept if it is at least this fast in comparison."""
_MIN_PROBE_INTERVAL_S = 1.0
_MAX_PROBE_INTERVAL_S = 16.0
_THROTTLE_INTERVAL_S = 0.5
"""Throttling several times within this time counts once."""


class AdaptiveLimit:
    """How many tasks may run at once now. Not thread-safe: its owner holds a lock."""

    def __init__(self, maximum: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._maximum = maximum
        self._clock = clock
        self.value = min(INITIAL_LIMIT, maximum)
        self.rate = 0.0
        """Recent assets per second."""
        self._base = self.value
        """The limit to return to if the current one does not pay off."""
        self._base_speed = 0.0
        self._is_starting = True
        self._probe_interval_s = _MIN_PROBE_INTERVAL_S
        self._probe_at = math.inf
        self._probe_up = True
        self._throttled_at = -math.inf
        self._start_measuring(skip=self.value)  # the first ones wait for connections and threads

    def finished(self, size_bytes: int) -> None:
        """Count an asset of so many bytes as finished."""
        if self._to_skip:
            # These started under another limit.
            self._to_skip -= 1
            self._since = self._clock()
            return
        self._count += 1
        self._work_bytes += _OVERHEAD_BYTES + size_bytes
        if self._count < self.value:
            return
        now = self._clock()
        elapsed_s = now - self._since
        if elapsed_s < _MIN_MEASURE_S:
            return
        self.rate = self._count / elapsed_s
        self._evaluate(self._work_bytes / elapsed_s, now)

    def throttle(self) -> None:
        """Halve the limit: the store is overloaded."""
        now = self._clock()
        if now - self._throttled_at < _THROTTLE_INTERVAL_S:
            return
        self._throttled_at = now
        self._keep(max(1, self.value // 2), 0.0)
        self._probe_interval_s = _MIN_PROBE_INTERVAL_S
        self._probe_at = now + self._probe_interval_s
        self._probe_up = True

    def _evaluate(self, speed: float, now: float) -> None:
        """Decide on the next limit, given the speed (bytes of work per second) under this one."""
        if self.value == self._base:
            self._base_speed = speed
            if self._is_starting:
                self._try(self.value * 2)
            elif now >= self._probe_at:
                self._try(math.ceil(self.value * (1.5 if self._probe_up else 0.7)))
            else:
                self._start_measuring(skip=0)
            return
        needed = _MIN_GAIN if self.value > self._base else _MAX_LOSS
        if speed >= needed * self._base_speed:
            proportional = _NEARLY_PROPORTIONAL * self.value / self._base * self._base_speed
            self._keep(self.value, speed)
            self._probe_interval_s = _MIN_PROBE_INTERVAL_S
            if self._is_starting:
                self._try(self.value * (4 if speed >= proportional else 2))
            else:
                self._probe_at = now
        else:
            self._keep(self._base, self._base_speed)
            self._is_starting = False
            self._probe_up = not self._probe_up
            self._probe_at = now + self._probe_interval_s
            self._probe_interval_s = min(_MAX_PROBE_INTERVAL_S, self._probe_interval_s * 2)

    def _try(self, value: int) -> None:
        before = self.value
        self.value = max(1, min(self._maximum, value))
        if self.value == before:
            self._is_starting = False
            self._probe_up = not self._probe_up
            self._probe_at = self._clock() + 4 * self._probe_interval_s
        self._start_measuring(skip=before if self.value != before else 0)

    def _keep(self, value: int, speed: float) -> None:
        if value < self.value:
            self._is_starting = False
        self._start_measuring(skip=self.value if value != self.value else 0)
        self.value = self._base = value
        self._base_speed = speed

    def _start_measuring(self, *, skip: int) -> None:
        self._to_skip = skip
        self._count = 0
        self._work_bytes = 0
        self._since = self._clock()


def lookahead(limit: AdaptiveLimit) -> int:
    """Return how many queued tasks keep an executor busy until more can be submitted."""
    return min(MAX_LOOKAHEAD, max(2 * limit.value, int(limit.rate * _LOOKAHEAD_S)))


def fits(size_bytes: int, active: int, active_bytes: int) -> bool:
    """Return whether a task of this size may start while others run."""
    return active < _ALWAYS_ALLOWED or active_bytes + size_bytes <= _MAX_ACTIVE_BYTES


def signals_overload(event: Event) -> bool:
    """Return whether an event says that the store is overloaded."""
    return isinstance(event, Retried) and is_overload(event.error)


class RateLimiter:
    """Keeps the bytes of all transfers together below a rate. Safe to use from many threads.

    It listens to `Progress`, and delays the thread that moves the bytes, one thread at a time. For
    a bucket, one I/O thread moves the large files: all its transfers slow down together.
    """

    _MAX_OBJECTS = 1024
    _MAX_DELAY_S = 0.25  # no transfer may look stalled; the rest of the debt is carried over

    def __init__(
        self,
        bytes_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bytes_s = bytes_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._free_at = clock()
        """When the bytes moved so far have used up their time."""
        self._moved: dict[str, int] = {}

    def on_progress(self, event: Progress) -> None:
        """Count the bytes that have moved, and wait if they were too fast."""
        with self._lock:
            before = self._moved.pop(event.name, 0)
            self._moved[event.name] = event.done_bytes
            if len(self._moved) > self._MAX_OBJECTS:
                del self._moved[next(iter(self._moved))]  # the one that has not moved for longest
            size_bytes = max(0, event.done_bytes - before)
            self._free_at = max(self._free_at, self._clock()) + size_bytes / self._bytes_s
        with self._turn:  # if all waited at once, many small transfers would not slow down
            self._wait(self._MAX_DELAY_S)

    def wait(self) -> None:
        """Wait until the next transfer may start."""
        while self._wait(self._MAX_DELAY_S):
            pass

    def _wait(self, longest_s: float) -> bool:
        with self._lock:
            owed_s = self._free_at - self._clock()
        if owed_s <= 0:
            return False
        self._sleep(min(longest_s, owed_s))
        return True
