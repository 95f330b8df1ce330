"""How much runs at once: a limit that adapts, and limits per second.

Nobody can know beforehand how many transfers at once are best: for small files and a distant
bucket hundreds, on two busy cores a few. What the first ones leave of the processors shows how many
more of them would fit (Little's law: as many as the time of one holds its processor time). Where
that gains nothing the limit goes back, and then it rises or falls while that pays off. It drops
when the store is overloaded (429, 503), like TCP's congestion control.
"""

import math
import threading
import time
from collections.abc import Callable

from audiostore.events import Event, Progress, Retried
from audiostore.retry import is_overload

MAX_CONCURRENCY = 256
"""Transfers at once by default: as many as a store has connections in one process."""
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
_MOST_GROWTH = 16
"""How many times as many are tried at once, however little the processors have to do."""
_WORTHWHILE = 1.25
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

    def __init__(
        self,
        maximum: int,
        *,
        cpu_s: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with a few.

        Args:
            maximum: the highest limit.
            cpu_s: returns the processor time, in seconds, that a process which runs tasks has used.
            clock: in seconds.
        """
        self._maximum = maximum
        self._cpu_s = cpu_s
        self._clock = clock
        self.value = min(INITIAL_LIMIT, maximum)
        self.rate = 0.0
        """Recent assets per second."""
        self._base = self.value
        """The limit to return to if the current one does not pay off."""
        self._base_speed = 0.0
        self._is_starting = True
        self._is_idle = self._is_first = True
        self._probe_interval_s = _MIN_PROBE_INTERVAL_S
        self._probe_at = math.inf
        self._probe_up = True
        self._throttled_at = -math.inf
        self._start_measuring(skip=self.value)  # the first ones wait for connections and threads

    def begun(self) -> None:
        """Note that there are tasks now."""
        if self._is_idle:
            self._is_idle = False
            self._begin_window()

    def finished(self, size_bytes: int) -> None:
        """Count an asset of so many bytes as finished."""
        if self._is_first:
            # The others have come about as far.
            self._is_first = False
            self._try(self._affordable(self._clock()))
        if self._to_skip:
            # These started under another limit.
            self._to_skip -= 1
            self._begin_window()
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
        self._throttled_at, self._is_first = now, False
        self._keep(max(1, self.value // 2), 0.0)
        self._probe_interval_s = _MIN_PROBE_INTERVAL_S
        self._probe_at = now + self._probe_interval_s
        self._probe_up = True

    def _evaluate(self, speed: float, now: float) -> None:
        """Decide on the next limit, given the speed (bytes of work per second) under this one."""
        if self.value == self._base:
            self._base_speed = speed
            if self._is_starting:
                self._try(self._affordable(now))
            elif now >= self._probe_at:
                self._try(math.ceil(self.value * (1.5 if self._probe_up else 0.7)))
            else:
                self._start_measuring(skip=0)
            return
        needed = _MIN_GAIN if self.value > self._base else _MAX_LOSS
        if speed >= needed * self._base_speed:
            affordable = self._affordable(now)
            self._keep(self.value, speed)
            self._probe_interval_s = _MIN_PROBE_INTERVAL_S
            if self._is_starting:
                self._try(affordable)
            else:
                self._probe_at = now
        else:
            self._keep(self._base, self._base_speed)
            self._is_starting = False
            self._probe_up = not self._probe_up
            self._probe_at = now + self._probe_interval_s
            self._probe_interval_s = min(_MAX_PROBE_INTERVAL_S, self._probe_interval_s * 2)

    def _affordable(self, now: float) -> int:
        """Return how many at once would keep a process busy, by how busy it was."""
        elapsed_s, cpu_s = now - self._since, self._cpu_s() - self._cpu_s_since
        if elapsed_s <= 0:
            return self.value
        growth = min(_MOST_GROWTH, elapsed_s / cpu_s) if cpu_s > 0 else _MOST_GROWTH
        return math.ceil(self.value * growth) if growth >= _WORTHWHILE else self.value

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
        self._begin_window()

    def _begin_window(self) -> None:
        self._since, self._cpu_s_since = self._clock(), self._cpu_s()


def lookahead(limit: AdaptiveLimit) -> int:
    """Return how many queued tasks keep an executor busy until more can be submitted."""
    return min(MAX_LOOKAHEAD, max(2 * limit.value, int(limit.rate * _LOOKAHEAD_S)))


def fits(size_bytes: int, active: int, active_bytes: int) -> bool:
    """Return whether a task of this size may start while others run."""
    return active < _ALWAYS_ALLOWED or active_bytes + size_bytes <= _MAX_ACTIVE_BYTES


def signals_overload(event: Event) -> bool:
    """Return whether an event says that the store is overloaded."""
    return isinstance(event, Retried) and is_overload(event.error)


def bytes_moved(event: Progress, before_bytes: int | None) -> int:
    """Return how many bytes of an object have moved since its last event."""
    return max(0, event.done_bytes - (before_bytes or 0))


def objects_written(_: Progress, before_bytes: int | None) -> int:
    """Return 1 for the first event of an object."""
    return int(before_bytes is None)


class RateLimiter:
    """Keeps all transfers together below a rate. Safe to use from many threads.

    It listens to `Progress`, and delays the thread that moves the bytes, one thread at a time. For
    a bucket, one I/O thread moves the large files: all its transfers slow down together.
    """

    _MAX_OBJECTS = 1024
    _MAX_DELAY_S = 0.25  # no transfer may look stalled; the rest of the debt is carried over

    def __init__(
        self,
        per_s: float,
        count: Callable[[Progress, int | None], int] = bytes_moved,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with nothing moved.

        Args:
            per_s: the rate: what `count` adds up to per second on average.
            count: returns what an event adds, given the bytes that the last event of the object
                reported.
            clock: in seconds.
            sleep: waits so many seconds.
        """
        self._per_s = per_s
        self._count = count
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._free_at = clock()
        """When what has moved so far has used up its time."""
        self._moved: dict[str, int] = {}

    def on_progress(self, event: Progress) -> None:
        """Count what has moved, and wait if that was too fast."""
        with self._lock:
            moved = self._count(event, self._moved.pop(event.name, None))
            self._moved[event.name] = event.done_bytes
            if len(self._moved) > self._MAX_OBJECTS:
                del self._moved[next(iter(self._moved))]  # the one that has not moved for longest
            self._free_at = max(self._free_at, self._clock()) + moved / self._per_s
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
