"""Searching: the index of a manager's store, kept up to date while somebody asks for it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from audiostore.dataclass import dataclass
from audiostore.log import logger
from audiostore.manager import AudioStorageManager
from audiostore.serve.calls import Calls
from audiostore.serve.index import Index

_IDLE_S: Final = 300.0
"""After so long without a search, the store is no longer listed: a bucket charges for it."""
_PATIENCE_S: Final = 2.0
"""How long the first search after that waits for a listing."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far an answer can be trusted to be complete."""

    is_complete: bool
    """Whether the store has been listed to its end at least once."""
    as_of: datetime | None
    """When the latest complete listing began; own writes are newer."""


class Searching:
    """Keeps an index up to date.

    Args:
        manager: of the store.
        calls: runs what blocks.
        refresh_s: how long after a listing the next one begins, while there are searches.
        clock: in seconds.
    """

    def __init__(
        self,
        manager: AudioStorageManager,
        calls: Calls,
        *,
        refresh_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = Index()
        self._manager = manager
        self._calls = calls
        self._refresh_s = refresh_s
        self._clock = clock
        self._searched_at = 0.0
        self._listed_at: float | None = None
        self._as_of: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()
        self._is_closed = False

    async def search(self) -> Freshness:
        """Return how fresh the index is; the first search after a pause waits a moment for it."""
        now = self._clock()
        is_first = now - self._searched_at > _IDLE_S or self._listed_at is None
        self._searched_at = now
        self._begin()
        if is_first and self._is_due(now):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._listed.wait()
            except TimeoutError:
                pass
        return Freshness(self._listed_at is not None, self._as_of)

    @property
    def age_s(self) -> float | None:
        """Seconds since the listing began that the index is from; None before there is one."""
        return None if self._listed_at is None else self._clock() - self._listed_at

    async def refresh(self) -> None:
        """List the store, and bring the index up to date."""
        began, as_of = self._clock(), datetime.now(UTC)
        await self._calls.run(self._list)
        self._listed_at, self._as_of = began, as_of
        self._listed.set()

    def close(self) -> None:
        """Stop, and delete the index."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self.index.close()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._listed = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def _keep_fresh(self) -> None:
        while self._clock() - self._searched_at <= _IDLE_S:
            if self._is_due(self._clock()):
                try:
                    await self.refresh()
                except Exception as error:  # noqa: BLE001  (the next listing may succeed)
                    logger.warning("the store cannot be listed: %s", error)
            await asyncio.sleep(self._refresh_s)

    def _list(self) -> None:
        with closing(self._manager.catalog.find()) as assets:  # type: ignore[type-var]
            self.index.refresh(takewhile(lambda _: not self._is_closed, assets))

    def _is_due(self, now: float) -> bool:
        return self._listed_at is None or now - self._listed_at >= self._refresh_s
