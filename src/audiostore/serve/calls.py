"""Calls of the manager from an event loop: each runs in a thread, so that the loop goes on."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Final, Generic, ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 64
"""As many as a bucket's store has connections."""
_BATCH: Final = 100


class Calls:
    """Runs functions in threads, `threads` at once; more of them wait."""

    def __init__(self, threads: int = THREADS) -> None:
        self._limiter = CapacityLimiter(threads)

    async def run(self, function: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Return what a function returns.

        A request that is cancelled meanwhile waits for its end: what writes is never left half-way.
        """
        return await anyio.to_thread.run_sync(
            partial(function, *args, **keywords), limiter=self._limiter
        )

    async def iterate(self, iterator: Iterator[T]) -> AsyncIterator[list[T]]:
        """Yield what an iterator yields, many at a time; it is closed at the end."""
        with closing(_Closing(iterator)):
            while batch := await self.run(list, islice(iterator, _BATCH)):
                yield batch


class _Closing(Generic[T]):
    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()
