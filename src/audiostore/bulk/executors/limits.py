"""How much is under way at once: a level that finds itself, and a limit on the rate.

Nobody can know beforehand how many transfers at once are best: with small files over a long wire
it is all that are allowed, on two busy cores it is a few. So the level climbs while that pays, and
steps back when the store pushes back (429, 503), as TCP's congestion control does.
"""

import math
import threading
import time
from collections.abc import Callable

from audiostore.events import Event, Progress, Retried
from audiostore.retry import is_overload

MOST = 64
"""Transfers at once in a process if nobody says how many: as many as its store has connections."""
FIRST = 16

_OVERHEAD_BYTES = 256 << 10
"""An asset is as much work as sending so many bytes, and its own."""
_MEASURE_S = 0.05
_IN_FULL = 0.85
"""A level that is higher by some factor, and faster by that much of it, is far from the best."""
_PAYS = 1.1
"""A higher level must be faster by that much to be kept."""
_SAME = 0.97
"""A lower level is kept if it is as fast as that."""
_PROBE_AFTER_S = 1.0
_LONGEST_PROBE_S = 16.0
_CALM_S = 0.5
"""Pushing back many times within that counts once."""


class Level:
    """How many may be under way now. Not thread-safe: its owner has a lock."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self.value = min(FIRST, limit)
        self.rate = 0.0
        """Assets a second, lately."""
        self._settled = self.value
        """The level to go back to if this one does not pay."""
        self._settled_speed = 0.0
        self._is_starting = True
        self._probe_s = _PROBE_AFTER_S
        self._probe_at = math.inf
        self._probe_up = True
        self._pushed_back_at = -math.inf
        self._begin_measuring(skip=self.value)  # the first wait for what has to be started

    def finished(self, size_bytes: int) -> None:
        """Learn that an asset of so many bytes is done."""
        if self._to_skip:
            # These began while another number was under way.
            self._to_skip -= 1
            self._since = self._clock()
            return
        self._count += 1
        self._work_bytes += _OVERHEAD_BYTES + size_bytes
        if self._count < self.value:
            return
        now = self._clock()
        elapsed_s = now - self._since
        if elapsed_s < _MEASURE_S:
            return
        self.rate = self._count / elapsed_s
        self._judge(self._work_bytes / elapsed_s, now)

    def pushed_back(self) -> None:
        """Learn that the store has asked for less."""
        now = self._clock()
        if now - self._pushed_back_at < _CALM_S:
            return
        self._pushed_back_at = now
        self._settle(max(1, self.value // 2), 0.0)
        self._probe_s = _PROBE_AFTER_S
        self._probe_at = now + self._probe_s
        self._probe_up = True

    def _judge(self, speed: float, now: float) -> None:
        if self.value == self._settled:
            self._settled_speed = speed
            if self._is_starting:
                self._try(self.value * 2)
            elif now >= self._probe_at:
                self._try(math.ceil(self.value * (1.5 if self._probe_up else 0.7)))
            else:
                self._begin_measuring(skip=0)
            return
        needed = _PAYS if self.value > self._settled else _SAME
        if speed >= needed * self._settled_speed:
            in_full = _IN_FULL * self.value / self._settled * self._settled_speed
            self._settle(self.value, speed)
            self._probe_s = _PROBE_AFTER_S
            if self._is_starting:
                self._try(self.value * (4 if speed >= in_full else 2))
            else:
                self._probe_at = now
        else:
            self._settle(self._settled, self._settled_speed)
            self._is_starting = False
            self._probe_up = not self._probe_up
            self._probe_at = now + self._probe_s
            self._probe_s = min(_LONGEST_PROBE_S, self._probe_s * 2)

    def _try(self, value: int) -> None:
        before = self.value
        self.value = max(1, min(self._limit, value))
        if self.value == before:
            self._is_starting = False
            self._probe_up = not self._probe_up
            self._probe_at = self._clock() + 4 * self._probe_s
        self._begin_measuring(skip=before if self.value != before else 0)

    def _settle(self, value: int, speed: float) -> None:
        if value < self.value:
            self._is_starting = False
        self._begin_measuring(skip=self.value if value != self.value else 0)
        self.value = self._settled = value
        self._settled_speed = speed

    def _begin_measuring(self, *, skip: int) -> None:
        self._to_skip = skip
        self._count = 0
        self._work_bytes = 0
        self._since = self._clock()


def is_push_back(event: Event) -> bool:
    """Say whether the store has answered that it is overloaded."""
    return isinstance(event, Retried) and is_overload(event.error)


class Pace:
    """Keeps the bytes of all transfers together below a rate. Safe to use from many threads.

    It listens to `Progress`, and holds up whichever thread moves the bytes, one at a time. For a
    bucket, what is large is moved by the one I/O thread: all its transfers slow down together.
    """

    _REMEMBERED = 1024
    _LONGEST_HOLD_S = 0.25  # nothing of a store may look stalled; what is owed is carried over

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
        """When all bytes that have moved will have had their time."""
        self._moved: dict[str, int] = {}

    def moved(self, event: Progress) -> None:
        """Take notice of bytes that have moved; wait if they were too fast."""
        with self._lock:
            before = self._moved.pop(event.name, 0)
            self._moved[event.name] = event.done_bytes
            if len(self._moved) > self._REMEMBERED:
                del self._moved[next(iter(self._moved))]  # the one that has not moved for longest
            size_bytes = max(0, event.done_bytes - before)
            self._free_at = max(self._free_at, self._clock()) + size_bytes / self._bytes_s
        with self._turn:  # held up all at once, many small ones would be through in no time
            self._wait(self._LONGEST_HOLD_S)

    def wait(self) -> None:
        """Wait until the next transfer may begin."""
        while self._wait(self._LONGEST_HOLD_S):
            pass

    def _wait(self, longest_s: float) -> bool:
        with self._lock:
            owed_s = self._free_at - self._clock()
        if owed_s <= 0:
            return False
        self._sleep(min(longest_s, owed_s))
        return True
