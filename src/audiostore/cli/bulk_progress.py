"""What is told while many assets are stored or fetched: a block that redraws itself, or lines.

On a terminal two lines are kept up to date below all other output; elsewhere a line is printed
every few seconds. All of it on stderr.
"""

import os
import sys
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from audiostore.asset import FilenameGenerator
from audiostore.cli.output import escape, human_size, is_terminal, say
from audiostore.events import Begun, BulkBegun, Event, Progress, Retried

_DRAW_S = 0.2
_LINE_S = 5.0
_COUNT_AFTER_S = 1.0
"""What is over sooner needs no forecast."""
_RATE_S = 15.0


@dataclass(slots=True)
class _Flight:
    """An asset on its way."""

    since_s: float
    name: str
    done_bytes: dict[str, int] = field(default_factory=dict)
    total_bytes: dict[str, int] = field(default_factory=dict)


class BulkWatch:
    """Listens to the events of a manager, and is told of each asset that is done."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet.

        Args:
            clock: in seconds.
        """
        self._clock = clock
        self._lock = threading.Lock()  # events come from many threads
        # A terminal that stands still (Ctrl-S) holds up who writes, and nobody who only tells.
        self._output = threading.Lock()
        self._stopped = threading.Event()
        self._started_s = clock()
        self._drawn = 0
        self._flights: dict[str, _Flight] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._all = self._all_bytes = 0
        self._is_counted = False
        self._expected: Iterable[tuple[int, int]] = ()
        self.done = self.failed = self.retries = 0
        self._done_bytes = self._unmoved_bytes = 0

    def __enter__(self) -> Self:
        self._started_s = self._clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with self._output:
            self._clear()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event:
            case BulkBegun():
                self._begin()
            case Begun(audio_id, path):
                with self._lock:
                    self._flights[audio_id] = _Flight(self._clock(), path.name)
            case Progress(name, done_bytes, total_bytes):
                audio_id = FilenameGenerator.parse_audio_id_from_blob_name(name) or name
                with self._lock:
                    flight = self._flights.setdefault(audio_id, _Flight(self._clock(), audio_id))
                    flight.done_bytes[name] = done_bytes
                    flight.total_bytes[name] = total_bytes
            case Retried():
                with self._lock:
                    self.retries += 1
            case _:
                pass

    def finished(
        self, audio_id: str | None, size_bytes: int, *, failed: bool, moved: bool = True
    ) -> None:
        """Learn that an asset is done, for better or worse; its bytes moved just now, or not."""
        with self._lock:
            if audio_id is not None:
                self._flights.pop(audio_id, None)
            self._done_bytes += size_bytes
            self._unmoved_bytes += 0 if moved else size_bytes
            self.done += not failed
            self.failed += failed

    def expect(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Have counted what is to be done, once it has begun: finding out may take a while."""
        self._expected = sizes

    def count(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Learn how much is to be done: numbers of assets, and their bytes."""
        try:
            for count, size_bytes in sizes:
                if self._stopped.is_set():
                    return
                with self._lock:
                    self._all += count
                    self._all_bytes += size_bytes
        except Exception:  # noqa: BLE001  (the run itself will meet it, and tell)
            return
        self._is_counted = True

    @property
    def elapsed_s(self) -> float:
        """How long it has taken until now."""
        return self._clock() - self._started_s

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for other output in the body; the block comes back below it."""
        with self._output:
            self._clear()
            yield

    def draw(self) -> None:
        """Draw the block anew."""
        with self._output:
            if self._stopped.is_set():
                return
            with self._lock:
                lines = [self._summary("  "), *self._slowest()]
            columns = _columns() - 1
            self._clear()
            sys.stderr.write("\n".join(_fitted(line, columns) for line in lines))
            sys.stderr.flush()
            self._drawn = len(lines)

    def tell(self) -> None:
        """Print a line."""
        with self._lock:
            line = self._summary(", ")
        with self._output:
            if not self._stopped.is_set():
                say("progress", line)

    def _begin(self) -> None:
        """Start threads: not before, as processes are forked from one that has none."""
        draws = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        beat = (_DRAW_S, self.draw) if draws else (_LINE_S, self.tell)
        self._start(self._beat, *beat)
        self._start(self._count_later, self._expected)

    def _beat(self, interval_s: float, act: Callable[[], None]) -> None:
        while not self._stopped.wait(interval_s):
            act()

    def _count_later(self, sizes: Iterable[tuple[int, int]]) -> None:
        if not self._stopped.wait(_COUNT_AFTER_S):
            self.count(sizes)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        threading.Thread(target=target, args=args, name="audiostore-watch", daemon=True).start()

    def _clear(self) -> None:
        if self._drawn:
            up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
            sys.stderr.write(f"\r{up}\x1b[J")
            sys.stderr.flush()
            self._drawn = 0

    def _summary(self, between: str) -> str:
        """Return how far it is, how fast, and how long it will take."""
        moved = self._done_bytes + sum(sum(f.done_bytes.values()) for f in self._flights.values())
        rate = self._rate(moved - self._unmoved_bytes)
        finished = self.done + self.failed
        if self._is_counted and self._all:
            parts = [f"{finished:,} of {self._all:,} assets"]
            if self._all_bytes:
                percent = 100 * min(moved, self._all_bytes) // self._all_bytes
                parts += [f"{human_size(moved)} of {human_size(self._all_bytes)}", f"{percent}%"]
            else:
                parts.append(human_size(moved))
        else:
            counted = f" ({self._all:,} found so far)" if self._all > finished else ""
            assets = "asset" if finished == 1 else "assets"
            parts = [f"{finished:,} {assets}{counted}", human_size(moved)]
        parts.append(f"{human_size(rate)}/s")
        if self._is_counted and rate > 0 and self._all_bytes > moved:
            parts.append(f"{human_time((self._all_bytes - moved) / rate)} left")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.retries:
            parts.append(f"{self.retries:,} {'retry' if self.retries == 1 else 'retries'}")
        return between.join(parts)

    def _rate(self, moved: int) -> float:
        now = self._clock()
        self._samples.append((now, moved))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_S:
            self._samples.popleft()
        then, moved_then = self._samples[0]
        if len(self._samples) == 1 or now - then < _DRAW_S:
            then, moved_then = self._started_s, 0
        return max(0, moved - moved_then) / (now - then) if now > then else 0.0

    def _slowest(self) -> Iterator[str]:
        """Yield a line on what has been under way for longest."""
        if not self._flights:
            return
        flight = min(self._flights.values(), key=lambda each: each.since_s)
        done, total = sum(flight.done_bytes.values()), sum(flight.total_bytes.values())
        yield (
            f"{len(self._flights)} under way, the longest {escape(flight.name)}: "
            f"{human_size(done)} of {human_size(total)} in "
            f"{human_time(self._clock() - flight.since_s)}"
        )


@contextmanager
def abandoning(outcomes: Iterator[object]) -> Iterator[None]:
    """Close the outcomes behind the body; on Ctrl-C in it, do not wait for what is under way."""
    if not isinstance(outcomes, Generator):
        yield
        return
    try:
        yield
    except KeyboardInterrupt as interrupt:
        with suppress(KeyboardInterrupt):
            outcomes.throw(interrupt)
        raise
    finally:
        outcomes.close()


def human_time(seconds: float) -> str:
    """Return a duration in units that suit: ``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def _fitted(line: str, columns: int) -> str:
    """Return as much of a line as stands on one row of a terminal."""
    width = 0
    for at, character in enumerate(line):
        wide = unicodedata.east_asian_width(character) in "WF"
        width += 0 if unicodedata.combining(character) else 1 + wide
        if width > columns:
            return line[:at]
    return line


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
