"""Turns methods of the synchronous library into methods that are awaited.

Their arguments, results, errors and documentation are those of the method that they call.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from audiostore.aio.running import Threads

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
W = TypeVar("W")


class Facade(Generic[W]):
    """Calls an object of the synchronous library in threads."""

    def __init__(self, threads: Threads, wrapped: W) -> None:
        self._threads = threads
        self._wrapped = wrapped


def awaited(
    method: Callable[Concatenate[W, P], R],
) -> Callable[Concatenate[Facade[W], P], Coroutine[Any, Any, R]]:
    """Return a method that awaits another one."""

    @wraps(method)
    async def call(self: Facade[W], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(method, self._wrapped, *args, **kwargs)

    return call


def iterated(
    method: Callable[Concatenate[W, P], Iterator[T]],
) -> Callable[Concatenate[Facade[W], P], AsyncGenerator[T, None]]:
    """Return a method that iterates asynchronously over what another one yields."""

    @wraps(method)
    def call(self: Facade[W], /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        return self._threads.iterate(partial(method, self._wrapped, *args, **kwargs))

    return call
