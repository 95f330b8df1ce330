"""Reading many assets at once, and what is found in them in the order in which they are listed.

Threads fetch assets and feed the sandbox workers, of which there is one a core. What is ahead of
its turn is bounded: in number, so that memory stays flat, and in bytes, as each asset that is read
takes room in the directory for temporary files.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from audiostore.audit.folders import Folder
from audiostore.audit.problems import Problem
from audiostore.dataclass import dataclass, field
from audiostore.interrupts import LOOK_UP_S

_MAX_BYTES_AT_ONCE = 1 << 30
"""Of all assets that are read at once; a larger one is read by itself."""
_TURNS_AHEAD_OF_EACH = 8
"""For each asset that may be read at once, how many may have to wait for their turn."""


@dataclass(slots=True, eq=False)
class Reading:
    """An asset to read, and what was found in its bytes."""

    folder: Folder
    size_bytes: int
    found: list[Problem] = field(default_factory=list)
    error: Exception | None = None
    is_over: bool = False


Turn = Problem | Reading | None


def in_turn(
    turns: Generator[Turn, None, None],
    read: Callable[[Folder], list[Problem]],
    on_read: Callable[[Reading], None],
    at_once: int,
) -> Iterator[Problem | None]:
    """Yield turns in their order; of an asset to read, what was found in it, and None.

    Closing the iterator, or an exception in it, begins nothing more and waits for nothing.

    Args:
        turns: what is found as a store is listed.
        read: returns what is wrong with the bytes of an asset; called in threads.
        on_read: called once an asset was read, in threads, but one at a time; never after the end.
        at_once: the most assets to read at once.
    """
    readers = _Readers(read, on_read, at_once)
    with closing(turns), closing(readers):
        for turn in turns:
            readers.add(turn)
            yield from readers.due(_TURNS_AHEAD_OF_EACH * at_once)
        yield from readers.due(0)


class _Readers:
    """Turns that wait for those before them, and the threads that read."""

    def __init__(
        self,
        read: Callable[[Folder], list[Problem]],
        on_read: Callable[[Reading], None],
        at_once: int,
    ) -> None:
        self._read = read
        self._on_read = on_read
        self._at_once = at_once
        self._changed = threading.Condition()
        self._turns: deque[Turn] = deque()
        self._waiting: deque[Reading] = deque()
        self._threads = 0
        self._idle = 0
        self._bytes = 0
        self._is_closed = False

    def close(self) -> None:
        """Let each thread end after its present asset; do not wait for them."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def add(self, turn: Turn) -> None:
        """Add a turn after all others; an asset is read as soon as a thread is free."""
        with self._changed:
            self._turns.append(turn)
            if not isinstance(turn, Reading):
                return
            self._waiting.append(turn)
            if len(self._waiting) > self._idle and self._threads < self._at_once:
                self._threads += 1
                # A read that stalls must not keep the program alive after an interrupt.
                threading.Thread(target=self._run, name="audiostore check", daemon=True).start()
            self._changed.notify_all()

    def due(self, limit: int) -> Iterator[Problem | None]:
        """Yield the turns that have come; wait until no more than `limit` are left.

        Also None whenever an asset was read, whatever its turn.
        """
        while self._turns:
            turn = self._turns[0]
            if not isinstance(turn, Reading):
                self._turns.popleft()
                yield turn
                continue
            with self._changed:
                if not turn.is_over:
                    if len(self._turns) <= limit:
                        return
                    self._changed.wait(LOOK_UP_S)
            if turn.is_over:
                self._turns.popleft()
                if turn.error is not None:
                    raise turn.error
                yield from turn.found
            yield None

    def _run(self) -> None:
        while (reading := self._begin()) is not None:
            try:
                reading.found = self._read(reading.folder)
            except Exception as error:  # noqa: BLE001  (raised when its turn comes, by `due`)
                reading.error = error
            with self._changed:
                self._bytes -= reading.size_bytes
                if self._is_closed:
                    return
                if reading.error is None:
                    self._on_read(reading)
                reading.is_over = True
                self._changed.notify_all()

    def _begin(self) -> Reading | None:
        """Wait for an asset to read; None at the end."""
        with self._changed:
            self._idle += 1
            while not self._is_closed:
                room = _MAX_BYTES_AT_ONCE - self._bytes
                if self._waiting and (not self._bytes or self._waiting[0].size_bytes <= room):
                    self._idle -= 1
                    self._bytes += self._waiting[0].size_bytes
                    return self._waiting.popleft()
                self._changed.wait()
        return None
