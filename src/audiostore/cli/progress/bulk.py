"""Progress of many assets: a block on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from audiostore import FilenameGenerator
from audiostore.cli.output import bottom, counted, escape, human_size, human_time, say
from audiostore.cli.progress.display import Display
from audiostore.cli.progress.waiting import Waiting
from audiostore.dataclass import dataclass, field
from audiostore.events import Begun, BulkBegun, Event, Progress, Retried, RetriesEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_DRAW_S = 0.2
_LINE_S = 5.0
_COUNT_AFTER_S = 1.0
"""What is over sooner needs no forecast."""
_RATE_S = 15.0
_BAR_COLUMNS = 20


@dataclass(slots=True)
class _Transfer:
    """An asset that is being transferred."""

    since_s: float
    name: str
    done_bytes: dict[str, int] = field(default_factory=dict)
    total_bytes: dict[str, int] = field(default_factory=dict)


class BulkProgress:
    """Listens to the events of a manager, and is called for each asset that is done."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw nothing yet.

        Args:
            clock: in seconds.
        """
        self._clock = clock
        self._lock = threading.Lock()  # events come from many threads
        # The display has its own lock: a paused terminal (Ctrl-S) must not block events.
        self._display = Display()
        self._stopped = threading.Event()
        self._has_begun = False
        self._started_s = clock()
        self._transfers: dict[str, _Transfer] = {}
        self._waiting = Waiting()
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
        self._display.clear()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        match event:
            case BulkBegun():
                self._begin()
            case Begun(audio_id, path):
                with self._lock:
                    self._transfers[audio_id] = _Transfer(self._clock(), path.name)
            case Progress(name, done_bytes, total_bytes):
                audio_id = FilenameGenerator.parse_audio_id_from_blob_name(name) or name
                with self._lock:
                    transfer = self._transfers.setdefault(
                        audio_id, _Transfer(self._clock(), audio_id)
                    )
                    transfer.done_bytes[name] = done_bytes
                    transfer.total_bytes[name] = total_bytes
            case Retried() | RetriesEnded():
                with self._lock:
                    self._waiting.hear(event)
                    self.retries += isinstance(event, Retried)
                    begins_later = not self._has_begun and self._display.is_shown
                if begins_later:
                    self._draw_waiting()
            case _:
                pass

    def finished(
        self, audio_id: str | None, size_bytes: int, *, failed: bool, moved: bool = True
    ) -> None:
        """Count an asset that is stored or failed; `moved`: its bytes were transferred now."""
        with self._lock:
            if audio_id is not None:
                self._transfers.pop(audio_id, None)
            self._done_bytes += size_bytes
            self._unmoved_bytes += 0 if moved else size_bytes
            self.done += not failed
            self.failed += failed

    def expect(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Count these in the background once work has begun: it may take a while."""
        self._expected = sizes

    def count(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Count how much is to be done: pairs of a number of assets, and their bytes."""
        try:
            for count, size_bytes in sizes:
                if self._stopped.is_set():
                    return
                with self._lock:
                    self._all += count
                    self._all_bytes += size_bytes
        except Exception:  # noqa: BLE001  (the run itself meets it, and reports it)
            return
        self._is_counted = True

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started_s

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for other output in the body; the block comes back below it."""
        with self._display.aside():
            yield

    def draw(self) -> None:
        """Redraw the block."""
        with self._lock:
            lines = [f"{self._bar()}{self._summary('  ')}", *self._slowest()]
            if self._waiting.line:
                lines.append(self._waiting.line)
        self._show(*lines)

    def _draw_waiting(self) -> None:
        """Draw what is waited for before the work begins, such as a listing."""
        line = self._waiting.line
        if line is not None:
            self._show(line)

    def _show(self, *lines: str) -> None:
        with bottom.lock:  # nothing is drawn after the end
            if not self._stopped.is_set():
                self._display.draw(*lines)

    def report(self) -> None:
        """Print a line."""
        with self._lock:
            line = self._summary(", ")
        if not self._stopped.is_set():
            say("progress", line)

    def _begin(self) -> None:
        """Start threads: not earlier, because processes are forked while there are none."""
        self._has_begun = True
        beat = (_DRAW_S, self.draw) if self._display.can_move else (_LINE_S, self.report)
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

    def _bar(self) -> str:
        """Return a bar of the part that is done, once it is known how much there is."""
        if not (self._is_counted and self._all):
            return ""
        part = (self.done + self.failed) / self._all
        if self._all_bytes:
            part = self._moved / self._all_bytes
        return f"[{'#' * int(_BAR_COLUMNS * min(1, part)):-<{_BAR_COLUMNS}}]  "

    @property
    def _moved(self) -> int:
        return self._done_bytes + sum(sum(f.done_bytes.values()) for f in self._transfers.values())

    def _summary(self, between: str) -> str:
        """Return what is done, at which rate, and the time left."""
        moved = self._moved
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
            found = f" ({self._all:,} found so far)" if self._all > finished else ""
            parts = [f"{counted(finished, 'asset')}{found}", human_size(moved)]
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
        """Yield a line on the transfer that began first."""
        if not self._transfers:
            return
        transfer = min(self._transfers.values(), key=lambda each: each.since_s)
        done, total = sum(transfer.done_bytes.values()), sum(transfer.total_bytes.values())
        yield (
            f"{len(self._transfers)} in progress, the oldest {escape(transfer.name)}: "
            f"{human_size(done)} of {human_size(total)} in "
            f"{human_time(self._clock() - transfer.since_s)}"
        )


@contextmanager
def abandoning(outcomes: Iterator[object]) -> Iterator[None]:
    """Close the outcomes after the body; on Ctrl-C, do not wait for what is in progress."""
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
