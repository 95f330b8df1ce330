"""Choosing chunks to work on, and marking them as begun, beside other workers."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.fleet.layout import ChunkState, begun_name, chunk_states
from audiostore.fleet.objects import create
from audiostore.fleet.values import FleetPlan
from audiostore.stores import ObjectStore

_LOOKED_AT = 250
"""So many chunks are looked at together; with four objects each, they are a page of a listing."""
BY = "by"
"""Metadata of the mark that an attempt has begun: who works on it."""
_AT = "at"
"""Likewise: since when."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that this worker is to work on."""

    state: ChunkState
    is_fresh: bool
    """Nobody has begun it before: its own ids are new."""


class Claims:
    """Chooses chunks, and marks them as begun."""

    def __init__(
        self,
        store: ObjectStore,
        plan: FleetPlan,
        name: str,
        *,
        takeover_after_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._run = plan.run
        self._chunks = plan.chunks
        self._name = name
        self._takeover_after_s = takeover_after_s
        self._now = now
        self._taken: set[int] = set()
        self.left = 0
        """How many chunks others are working on, when this was last looked at."""

    def of_share(self, index: int, count: int) -> Iterator[Claim]:
        """Yield the chunks to work on: of the worker's own share, then what is left of others."""
        for state in self._states():
            is_untouched = state.attempt is not None and state.begun is None
            if state.number % count == index and is_untouched and self._claim(state):
                yield self._claimed(state)
        while True:
            free = self._free()
            random.shuffle(free)  # so that idle workers do not all take the same one
            claimed = 0
            for state in free:
                if self._claim(state):
                    claimed += 1
                    yield self._claimed(state)
            if not claimed:
                return

    def _free(self) -> list[ChunkState]:
        """Return the chunks that this worker may take now."""
        open_ = (
            state
            for state in self._states()
            if state.attempt is not None and state.number not in self._taken
        )
        free: list[ChunkState] = []
        self.left = 0
        for state in open_:
            if self._is_free(state):
                free.append(state)
            else:
                self.left += 1
        return free

    def _states(self) -> Iterator[ChunkState]:
        """Yield the states of all chunks.

        Hours may pass until the next one is asked for: no listing stays open meanwhile.
        """
        first = 0
        while first < self._chunks:
            states = chunk_states(self._store, self._run, self._chunks, first=first)
            batch = list(islice(states, _LOOKED_AT))
            first += len(batch)
            yield from batch

    def _is_free(self, state: ChunkState) -> bool:
        if state.begun is None or state.begun.metadata.get(BY) == self._name:
            return True
        began_at = state.begun.created_at
        with suppress(KeyError, ValueError):
            began_at = max(began_at, datetime.fromisoformat(state.begun.metadata[_AT]))
        return (self._now() - began_at).total_seconds() > self._takeover_after_s

    def _claim(self, state: ChunkState) -> bool:
        """Mark a chunk as begun by this worker; return False if another was faster."""
        if state.attempt is None:
            return False
        mark = {BY: self._name, _AT: self._now().isoformat()}
        if state.begun is None:
            name = begun_name(self._run, state.number, state.attempt)
            return create(self._store, name, [mark], mark)
        try:
            self._store.update(state.begun, mark)
        except (PreconditionFailedError, BlobNotFoundError):
            return False
        return True

    def _claimed(self, state: ChunkState) -> Claim:
        self._taken.add(state.number)
        return Claim(state, is_fresh=state.begun is None and state.attempt == 0)
