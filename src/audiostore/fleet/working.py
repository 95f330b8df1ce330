"""Working on chunks: each item is stored exactly once, however many workers try."""

import os
import random
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.bulk import BulkItem, RunOptions, UploadOutcome, upload_items
from audiostore.dataclass import dataclass, replace
from audiostore.errors import (
    BlobNotFoundError,
    IntegrityError,
    InvalidRunError,
    InvalidSourceError,
    PreconditionFailedError,
    ProcessDiedError,
    SourceChangedError,
    SourceNotFoundError,
    StoreLockedError,
)
from audiostore.fleet.layout import (
    ChunkState,
    begun_name,
    chunk_state,
    chunk_states,
    results_name,
)
from audiostore.fleet.objects import create
from audiostore.fleet.planning import require_plan
from audiostore.fleet.records import (
    PlannedItem,
    counts_in,
    counts_of,
    read_chunk,
    read_results,
    result_fields,
    result_of,
)
from audiostore.fleet.values import FleetChunk, FleetPlan, FleetResult
from audiostore.ingest import UploadOptions
from audiostore.pathforms import on_disk
from audiostore.retry import DEADLINE_CONFIG
from audiostore.stores import ObjectStore

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_FOR_NOW = (
    IntegrityError,
    MemoryError,
    PreconditionFailedError,
    ProcessDiedError,
    SourceChangedError,
    StoreLockedError,
)
_OF_A_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
_OF_A_FILE = (*_OF_A_PATH, PermissionError, ValueError, LookupError, NotImplementedError)
"""Errors that are verdicts on a file, or on what is stored under an id."""
_LOOKED_AT = 250
"""So many chunks are looked at together; with four objects each, they are a page of a listing."""
_BY, _AT = "by", "at"
"""Metadata of the mark that an attempt has begun: who works on it, and since when."""


def work_on_chunk(
    manager: "AudioStorageManager",
    run: str,
    number: int,
    run_options: RunOptions | None = None,
) -> FleetChunk:
    """Work on one chunk, in threads of this process (see `audiostore.fleet.work`)."""
    manager = manager._for_many
    store = manager.store
    state = chunk_state(store, run, number)
    if state.items is None:
        plan = require_plan(store, run)
        raise InvalidRunError(f"no chunk {number} in run {run!r}: it has {plan.chunks} (from 0)")
    if state.attempt is None:
        return _done_before(store, run, state)
    is_first = create(store, begun_name(run, number, state.attempt), [{_BY: _this_host()}])
    claim = _Claim(state, is_fresh=is_first and state.attempt == 0)
    opened = _OpenChunk(store, run, claim)
    (chunk,) = _store(
        manager, [opened], opened.options, run_options or RunOptions(), may_fork=False
    )
    return chunk


def work_share(
    manager: "AudioStorageManager",
    run: str,
    *,
    index: int = 0,
    count: int = 1,
    takeover_after_s: float = 900.0,
    concurrency: int | None = None,
    max_rate_bytes_s: float | None = None,
    max_writes_per_s: float | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Generator[FleetChunk, None, int]:
    """Work as one of several workers, each with an index: on a share of the chunks, then on others.

    First the chunks of this worker's share that nobody has begun; then those that nobody has
    begun at all, that an earlier process of this index has left, or that somebody began long ago
    and did not finish. Two workers on one chunk store nothing twice.

    Args:
        manager: of the store.
        run: the name of the run.
        index: which worker this is, from 0.
        count: how many workers there are.
        takeover_after_s: after so many seconds, a chunk that another worker has begun is taken.
        concurrency: most transfers at once, of this worker.
        max_rate_bytes_s: most bytes per second on average, of this worker.
        max_writes_per_s: most objects per second on average, of all workers together; each
            takes an equal part of it.
        now: returns the time.

    Yields:
        Each chunk as it ends.

    Returns:
        How many chunks without results were left to others, who have begun them.

    Raises:
        RunNotFoundError: the run is not planned.
        InvalidRunError: its name is invalid.
        ValueError: an option is invalid.
        AudioStoreError, OSError: an error that affects all items.
    """
    if not 0 <= index < count:
        raise ValueError(f"no worker {index} of {count}: they are numbered from 0")
    run_options = RunOptions(
        concurrency=concurrency,
        max_rate_bytes_s=max_rate_bytes_s,
        max_writes_per_s=None if max_writes_per_s is None else max_writes_per_s / count,
    )
    manager = manager._for_many
    store = manager.store
    plan = _read_before_forking(manager, run)
    name = f"{index}/{count}" if count > 1 else _this_host()
    claims = _Claims(store, plan, name, takeover_after_s=takeover_after_s, now=now)
    chunks = (_OpenChunk(store, run, claim) for claim in claims.of_share(index, count))
    yield from _store(manager, chunks, plan.options, run_options, may_fork=True)
    return claims.left


def _read_before_forking(manager: "AudioStorageManager", run: str) -> FleetPlan:
    """Return the plan; a request of this manager would start a thread: then nothing can fork."""
    if not manager._survives_fork:
        return require_plan(manager.store, run)
    with manager._reopened() as another:
        return require_plan(another.store, run)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A chunk that this worker is to work on."""

    state: ChunkState
    is_fresh: bool
    """Nobody has begun it before: its own ids are new."""


class _Claims:
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

    def of_share(self, index: int, count: int) -> Iterator[_Claim]:
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
        if state.begun is None or state.begun.metadata.get(_BY) == self._name:
            return True
        began_at = state.begun.created_at
        with suppress(KeyError, ValueError):
            began_at = max(began_at, datetime.fromisoformat(state.begun.metadata[_AT]))
        return (self._now() - began_at).total_seconds() > self._takeover_after_s

    def _claim(self, state: ChunkState) -> bool:
        """Mark a chunk as begun by this worker; return False if another was faster."""
        if state.attempt is None:
            return False
        mark = {_BY: self._name, _AT: self._now().isoformat()}
        if state.begun is None:
            name = begun_name(self._run, state.number, state.attempt)
            return create(self._store, name, [mark], mark)
        try:
            self._store.update(state.begun, mark)
        except (PreconditionFailedError, BlobNotFoundError):
            return False
        return True

    def _claimed(self, state: ChunkState) -> _Claim:
        self._taken.add(state.number)
        return _Claim(state, is_fresh=state.begun is None and state.attempt == 0)


class _OpenChunk:
    """A chunk while its items are being stored."""

    def __init__(self, store: ObjectStore, run: str, claim: _Claim) -> None:
        self._store = store
        self._run = run
        self._state = claim.state
        self._is_fresh = claim.is_fresh
        self.options, self.items = read_chunk(store, run, claim.state)
        if claim.state.results:
            failed = {
                each.index for each in read_results(store, claim.state) if each.status == "failed"
            }
            self.items = [each for each in self.items if each.index in failed]
        self._results: dict[int, FleetResult] = {}
        self._errors: list[Exception] = []
        self._missing: list[PlannedItem] = []

    def bulk_item(self, planned: PlannedItem) -> BulkItem:
        """Return an item as it is uploaded.

        An id that was made for it is new in the first attempt, and looked up in all others. Of an
        id that was given nothing is known, unless the options say so.
        """
        is_new: bool | None = self._is_fresh
        if self._is_fresh and not planned.has_own_id:
            is_new = True if self.options.id_is_new else None
        item = planned.item
        return replace(
            item,
            audio=_on_disk(item.audio) if item.remote_audio is None else item.audio,
            thumbnail=None if item.thumbnail is None else _on_disk(item.thumbnail),
            id_is_new=is_new,
            metadata={**(self.options.metadata or {}), **item.metadata},
        )

    def add(self, planned: PlannedItem, outcome: UploadOutcome) -> None:
        """Note what became of an item."""
        error = outcome.error
        if error is not None and is_for_now(error):
            self._errors.append(error)
            return
        if isinstance(error, SourceNotFoundError):
            self._missing.append(planned)
        self._results[planned.index] = result_of(planned, outcome)

    @property
    def is_complete(self) -> bool:
        """Whether all items have an outcome."""
        return len(self._results) + len(self._errors) == len(self.items)

    def finish(self) -> FleetChunk:
        """Record the results, unless an item failed for now; the first results stay."""
        number, results = self._state.number, [self._results[i] for i in sorted(self._results)]
        if len(self._missing) == len(self.items) and not any(map(_has_neighbours, self._missing)):
            # A disk that is not mounted here must not make a run fail that would succeed elsewhere.
            first = self._missing[0].item.audio
            self._errors = [
                SourceNotFoundError(
                    f"none of the {len(self.items)} files of chunk {number} is here, nor any other "
                    f"in their folders, such as {str(first.parent)!r}: is the disk mounted?",
                    path=first,
                )
            ] * len(self.items)
            results = []
        stored = sum(each.status == "stored" for each in results)
        failures = tuple(each for each in results if each.status == "failed")
        if self._errors:
            return FleetChunk(
                number,
                len(self.items),
                stored,
                failures,
                unfinished=len(self._errors),
                error=self._errors[0],
            )
        attempt = len(self._state.results)
        name = results_name(self._run, number, attempt)
        if create(self._store, name, map(result_fields, results), counts_of(results)):
            return FleetChunk(number, len(self.items), stored, failures)
        # Another worker was faster: its results count.
        return _done_before(self._store, self._run, chunk_state(self._store, self._run, number))


def _store(
    manager: "AudioStorageManager",
    chunks: Iterable[_OpenChunk],
    options: UploadOptions,
    run_options: RunOptions,
    *,
    may_fork: bool,
) -> Generator[FleetChunk, None, None]:
    """Store the items of chunks, one stream of all; yield each chunk as it ends."""
    under_way: dict[int, tuple[_OpenChunk, PlannedItem]] = {}

    def items() -> Iterator[BulkItem]:
        planned_items = ((chunk, planned) for chunk in chunks for planned in chunk.items)
        for position, (chunk, planned) in enumerate(planned_items):
            under_way[position] = chunk, planned
            yield chunk.bulk_item(planned)

    outcomes = upload_items(
        manager,
        items(),
        None,
        _without_own(options),
        run_options,
        skip_stored=False,
        again=False,
        update=False,
        may_fork=may_fork,
    )
    with closing(outcomes):
        for outcome in outcomes:
            chunk, planned = under_way.pop(outcome.index)
            chunk.add(planned, outcome)
            if chunk.is_complete:
                try:
                    yield chunk.finish()
                except KeyboardInterrupt as interrupt:  # does not wait for what is running
                    outcomes.throw(interrupt)


def _without_own(options: UploadOptions) -> UploadOptions:
    """Return options without those that each item brings along."""
    return replace(options, metadata=None, id_is_new=False)


def is_for_now(error: Exception) -> bool:
    """Say whether an error is not about the item: another attempt, or machine, may succeed."""
    if isinstance(error, _FOR_NOW) or DEADLINE_CONFIG.is_retryable(error):
        return True
    return isinstance(error, OSError) and not isinstance(error, _OF_A_FILE)


def _on_disk(path: Path) -> Path:
    """Return a path with its accents as the disk has them: whoever planned it has not looked."""
    with suppress(InvalidSourceError):  # several look the same: the upload finds none
        return Path(on_disk(str(path)))
    return path


def _has_neighbours(planned: PlannedItem) -> bool:
    """Say whether there is anything in the folder of a file that is missing; on a server, yes."""
    if planned.item.is_remote:
        return True
    try:
        with os.scandir(planned.item.audio.parent) as entries:
            return next(entries, None) is not None
    except (OSError, ValueError):
        return False


def _done_before(store: ObjectStore, run: str, state: ChunkState) -> FleetChunk:
    last = counts_in(store, state.results[-1])
    failures: tuple[FleetResult, ...] = ()
    if last.failed:
        results = read_results(store, state)
        failures = tuple(each for each in results if each.status == "failed")
    items = counts_in(store, state.results[0]).items
    return FleetChunk(state.number, items, items - last.failed, failures, done_before=True)


def _this_host() -> str:
    return socket.gethostname()
