"""Runs the synchronous library in threads, for coroutines that await it."""

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_MOST_ITEMS: Final = 256
_MOST_S: Final = 0.005
"""What an iterator yields is handed over in batches: so many items, or what comes in this time."""


class Threads:
    """A pool for calls, and a thread for each iterator.

    A call that has begun runs to its end, whether anybody still awaits it or not; one that waits
    for a thread is dropped when its await is cancelled.

    Args:
        width: how many calls run at once; more wait.
    """

    def __init__(self, width: int) -> None:
        self._is_closed = False
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="audiostore-aio")
        self._iterations: set[_Iteration[Any]] = set()
        """Those whose thread has not ended."""

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a function returns, called in a thread in the context of the caller."""
        return await asyncio.wrap_future(self.submit(function, *args, **kwargs))

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call a function in a thread in the context of the caller.

        Raises:
            RuntimeError: the threads are closed.
        """
        self._require_open()
        return _submit(self._pool, partial(function, *args, **kwargs))

    async def iterate(self, make: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
        """Yield what an iterator yields; all of it runs in one thread, which others do not use.

        Closed early, it is closed in that thread, after what it does at that moment.
        """
        self._require_open()
        iteration = _Iteration(make, on_end=self._iterations.discard)
        self._iterations.add(iteration)
        try:
            while True:
                items, is_end = await asyncio.wrap_future(iteration.take())
                for item in items:
                    yield item
                if is_end:
                    return
        finally:
            iteration.finish()

    def close(self) -> None:
        """Wait for all calls that have begun, and refuse new ones; end iterators."""
        self._is_closed = True
        self._pool.shutdown(cancel_futures=True)
        for iteration in list(self._iterations):
            iteration.finish()
            iteration.wait()

    def _require_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this manager is closed: create a new one")


def _submit(pool: Executor, call: Callable[[], R]) -> Future[R]:
    return pool.submit(contextvars.copy_context().run, call)


class _Iteration(Generic[T]):
    """An iterator that one thread makes, advances and closes."""

    def __init__(
        self, make: Callable[[], Iterator[T]], *, on_end: "Callable[[_Iteration[T]], None]"
    ) -> None:
        self._make = make
        self._on_end = on_end
        self._iterator: Iterator[T] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audiostore-iterate")
        self._lock = threading.Lock()
        self._is_finished = False

    def take(self) -> Future[tuple[list[T], bool]]:
        """Let the thread take the next items, and say whether there are no more."""
        return _submit(self._thread, self._take)

    def finish(self) -> None:
        """Let the thread close the iterator, and end."""
        with self._lock:
            if not self._is_finished:
                self._is_finished = True
                closing = self._thread.submit(self._close)
                closing.add_done_callback(lambda _: self._on_end(self))
                self._thread.shutdown(wait=False)

    def wait(self) -> None:
        """Wait until the thread has ended."""
        self._thread.shutdown()

    def _take(self) -> tuple[list[T], bool]:
        until = time.monotonic() + _MOST_S
        if self._iterator is None:
            self._iterator = self._make()
        items: list[T] = []
        for item in self._iterator:
            items.append(item)
            if len(items) == _MOST_ITEMS or time.monotonic() >= until:
                return items, False
        return items, True

    def _close(self) -> None:
        if isinstance(self._iterator, Generator):
            self._iterator.close()
