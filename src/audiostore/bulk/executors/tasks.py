"""What the engine works with: tasks, where they come from, and what runs them."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from audiostore.dataclass import dataclass


class TaskOutcome(Protocol):
    """What the engine needs to know of an outcome."""

    @property
    def index(self) -> int:
        """Position of its item in the input, from 0."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it failed; None if it succeeded."""
        ...

    @property
    def size_bytes(self) -> int:
        """How many bytes were transferred."""
        ...


T = TypeVar("T")
R = TypeVar("R", bound=TaskOutcome)


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """Something to run."""

    payload: T
    size_bytes: int
    """How many bytes it is expected to transfer."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[T, R]):
    """The next tasks of a source."""

    tasks: Sequence[Task[T]]
    outcomes: Sequence[R] = ()
    """Of items that need no work."""
    busy: int = 0
    """How many items another run is working on: ask again soon, even with a limit of 0."""


class TaskSource(Protocol[T, R]):
    """Where tasks come from, and where their results are recorded. Used by one thread at a time."""

    def take(self, limit: int) -> Batch[T, R] | None:
        """Return up to `limit` more tasks; None at the end.

        Raises:
            Exception: whatever the input raised, after everything that it yielded before.
        """
        ...

    def record(self, outcomes: Sequence[R]) -> None:
        """Record outcomes, before they are reported to the caller."""
        ...

    def release(self, tasks: Sequence[T]) -> None:
        """Take back tasks that were not started, and will not be."""
        ...


class Executor(Protocol[T, R]):
    """Runs tasks: a `ThreadPool` or a `ProcessPool`."""

    @property
    def lookahead(self) -> int:
        """How many queued tasks keep it busy until more can be submitted."""
        ...

    @property
    def backlog(self) -> int:
        """How many tasks have not been started."""
        ...

    @property
    def pending(self) -> int:
        """How many tasks were submitted and not collected."""
        ...

    def throttle(self) -> None:
        """Run fewer tasks at once: the store is overloaded."""
        ...

    def submit(self, tasks: Sequence[Task[T]]) -> None:
        """Queue tasks."""
        ...

    def collect(self, *, low: int, timeout_s: float | None = None) -> list[R]:
        """Wait for outcomes, or until fewer than `low` tasks are queued."""
        ...

    def cancel(self, *, wait: bool = True) -> list[T]:
        """Remove and return the tasks that have not been started.

        Args:
            wait: until it is known of all; else return those of which it is.
        """
        ...

    def shutdown(self, *, wait: bool) -> list[R]:
        """Start nothing more, wait for running tasks, return the outcomes not yet collected."""
        ...


class Ended(NamedTuple, Generic[T, R]):
    """A task that an interleaver has ended."""

    number: int
    payload: T
    outcome: R | None
    """None: it must be run again by a thread, which takes the time to do it right."""


class Interleaver(Protocol[T, R]):
    """Runs many tasks in one thread: while one waits for the network, it works on the next.

    For tasks that hardly wait for anything else. A thread for each would cost more processor time
    than they do.
    """

    def accepts(self, payload: T, /) -> bool:
        """Say whether it can run a task; called in any process."""
        ...

    @property
    def active(self) -> int:
        """How many tasks have begun and not ended."""
        ...

    @property
    def is_resting(self) -> bool:
        """Whether threads should run what comes next: something has failed, or takes long."""
        ...

    def watch(self, descriptor: int) -> None:
        """Let `turn` return, too, when this can be read."""
        ...

    def begin(self, number: int, payload: T, /) -> None:
        """Begin a task; does not raise."""
        ...

    def turn(self, timeout_s: float) -> Sequence[Ended[T, R]]:
        """Wait until a task can go on, and let it; return those that have ended.

        Args:
            timeout_s: return after so long without any.
        """
        ...


class InputReader(Generic[T]):
    """Reads an iterable in batches; an exception that it raises comes after its last item."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = enumerate(items)
        self._failure: Exception | None = None

    def take(self, limit: int) -> list[tuple[int, T]]:
        """Return up to `limit` more items with their positions; [] at the end.

        Raises:
            Exception: whatever the iterable raised.
        """
        if self._failure is not None:
            raise self._failure
        taken: list[tuple[int, T]] = []
        try:
            taken.extend(islice(self._items, limit))
        except Exception as error:
            if not taken:
                raise
            self._failure = error
        return taken


class UnrecordedTasks(Generic[T, R]):
    """A source with a task for each item; the payload is the item and its position."""

    def __init__(self, items: Iterable[T], size_of: Callable[[T], int] = lambda _: 0) -> None:
        self._reader = InputReader(items)
        self._size_of = size_of

    def take(self, limit: int) -> Batch[tuple[int, T], R] | None:
        """Return the next tasks; None at the end."""
        numbered = self._reader.take(limit)
        return (
            Batch([Task(each, self._size_of(each[1])) for each in numbered]) if numbered else None
        )

    def record(self, outcomes: Sequence[R]) -> None:
        """Do nothing: the results show by themselves."""

    def release(self, tasks: Sequence[tuple[int, T]]) -> None:
        """Do nothing."""
