"""A chunk while somebody works on it."""

from collections.abc import Iterable, Sequence
from typing import Any

from audiostore.errors import (
    IntegrityError,
    PreconditionFailedError,
    ProcessDiedError,
    SourceChangedError,
    StoreLockedError,
)
from audiostore.fleet.kinds import STORE, Kind, kind_named
from audiostore.fleet.layout import ChunkState, chunk_state, items_name, results_name
from audiostore.fleet.objects import Fields, create, create_spooled, damaged, read
from audiostore.fleet.records import (
    counts_in,
    counts_of,
    read_results,
    require_types,
    result_fields,
)
from audiostore.fleet.values import FleetChunk, FleetResult
from audiostore.retry import DEADLINE_CONFIG
from audiostore.stores import ObjectStore

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


def is_for_now(error: Exception) -> bool:
    """Say whether an error is not about the item: another attempt, or machine, may succeed."""
    if isinstance(error, _FOR_NOW) or DEADLINE_CONFIG.is_retryable(error):
        return True
    return isinstance(error, OSError) and not isinstance(error, _OF_A_FILE)


class OpenChunk:
    """A chunk that this worker has begun."""

    def __init__(self, store: ObjectStore, run: str, state: ChunkState, *, is_fresh: bool) -> None:
        """Read its items: all of them, or those that failed and are tried again.

        Args:
            store: which has the run.
            run: its name.
            state: of the chunk.
            is_fresh: nobody has begun it before: ids that were made for it are new.

        Raises:
            IntegrityError: they are damaged, or missing.
        """
        self.run = run
        self.number = state.number
        self.is_fresh = is_fresh
        self._store = store
        self._state = state
        header, lines = self._read()
        if state.results:
            failed = {each.index for each in read_results(store, state) if each.status == "failed"}
            lines = [each for each in lines if each["n"] in failed]
        self.kind: Kind = kind_named(store, header.get("kind", STORE), self._name)
        try:
            self.options: Any = self.kind.options_in(header["options"])
            self.items: list[Any] = [self.kind.item_in(line) for line in lines]
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(store, self._name) from error
        self._results: dict[int, FleetResult] = {}
        self._errors: list[Exception] = []
        self._for_now: list[FleetResult] = []

    @property
    def _name(self) -> str:
        return items_name(self.run, self.number)

    def _read(self) -> tuple[Fields, Sequence[Fields]]:
        if self._state.items is None:
            raise damaged(self._store, self._name)
        header, *lines = read(self._store, self._state.items)
        try:
            for line in lines:
                require_types(line, n=int)
        except TypeError as error:
            raise damaged(self._store, self._name) from error
        return header, lines

    def add(self, result: FleetResult | Exception) -> None:
        """Note what became of an item for good; or why it failed for now."""
        if isinstance(result, Exception):
            self._errors.append(result)
        else:
            self._results[result.index] = result

    def fail_for_now(self, result: FleetResult, error: Exception) -> None:
        """Note why an item failed for now: as it is recorded if it turns out to be for good."""
        self._errors.append(error)
        self._for_now.append(result)

    @property
    def is_retry(self) -> bool:
        """Whether its items are those that failed for good before, and are tried again."""
        return bool(self._state.results)

    @property
    def results(self) -> Iterable[FleetResult]:
        """What became of items for good, so far."""
        return self._results.values()

    @property
    def errors(self) -> Sequence[Exception]:
        """Why items failed for now, so far."""
        return self._errors

    def fail_for_good(self) -> None:
        """Have what was noted with `fail_for_now` count as being for good."""
        self._results.update((each.index, each) for each in self._for_now)
        self._errors.clear()
        self._for_now.clear()

    @property
    def is_complete(self) -> bool:
        """Whether all items have an outcome."""
        return len(self._results) + len(self._errors) == len(self.items)

    def finish(self, lines: Iterable[Fields] | None = None) -> FleetChunk:
        """Record the results, unless an item failed for now; the first results stay.

        Args:
            lines: of a kind that has no results of items: what is recorded, as much as it may be.
        """
        results = [self._results[index] for index in sorted(self._results)]
        failures = tuple(each for each in results if each.status == "failed")
        count = len(self.items)
        if self._errors:
            return FleetChunk(
                self.number,
                count,
                len(results) - len(failures),
                failures,
                unfinished=len(self._errors),
                error=self._errors[0],
                failures_for_now=tuple(self._for_now),
            )
        name = results_name(self.run, self.number, len(self._state.results))
        counts = counts_of(count, failures)
        if lines is None:
            is_first = create(self._store, name, map(result_fields, results), counts)
        else:
            is_first = create_spooled(self._store, name, lines, counts)
        if is_first:
            return FleetChunk(self.number, count, count - len(failures), failures)
        # Another worker was faster: its results count.
        return done_before(self._store, chunk_state(self._store, self.run, self.number))

    def give_up(self, error: Exception) -> FleetChunk:
        """Record nothing: all items have failed for now."""
        count = len(self.items)
        return FleetChunk(self.number, count, 0, unfinished=count, error=error)


def done_before(store: ObjectStore, state: ChunkState) -> FleetChunk:
    """Return what became of a chunk that has its results."""
    last = counts_in(store, state.results[-1])
    failures: tuple[FleetResult, ...] = ()
    if last.failed:
        results = read_results(store, state)
        failures = tuple(each for each in results if each.status == "failed")
    items = counts_in(store, state.results[0]).items
    return FleetChunk(state.number, items, items - last.failed, failures, done_before=True)
