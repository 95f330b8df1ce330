"""Uploading many assets: each is stored exactly once, whatever happens in between."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from audiostore.bulk.asked import asked_of
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.bulk.interleaving import InterleavedUploads
from audiostore.bulk.items import BulkItem, UploadOutcome, with_metadata
from audiostore.bulk.journal import ItemSnapshot, Journal, Run, UnjournaledRun, begin_run
from audiostore.bulk.newids import NewIds
from audiostore.bulk.performing import DecidedItem, Performer
from audiostore.bulk.storeview import StoreView
from audiostore.bulk.updating import Matcher
from audiostore.ingest import UploadOptions

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_MAX_BUSY = 1024
"""At most this many items wait for other runs."""


def upload_items(
    manager: "AudioStorageManager",
    items: Iterable[BulkItem],
    journal: Journal | str | os.PathLike[str] | None,
    options: UploadOptions,
    run_options: RunOptions,
    *,
    skip_stored: bool,
    again: bool,
    update: bool,
    may_fork: bool = True,
) -> Generator[UploadOutcome, None, None]:
    """Store items, each exactly once (see `Bulk.upload`).

    Without `may_fork`, threads of this process do it: that pays off for a few items, as nothing is
    started anew for them.
    """
    with ExitStack() as stack:
        run: Run = UnjournaledRun()
        asked = asked_of(options)
        if journal is not None:
            if not isinstance(journal, Journal):
                journal = stack.enter_context(Journal(journal))
            run = stack.enter_context(closing(begin_run(journal, manager.url)))
        view = stack.enter_context(StoreView(manager))
        if skip_stored or update:
            view.list_now()
        decider = Decider(
            run,
            view,
            DecisionOptions(again, cleanup=bool(options.cleanup), update=update, asks=asked),
            stack.enter_context(NewIds(manager.store, all_are_new=options.id_is_new)),
        )
        reader = InputReader(with_metadata(items, options.metadata or {}))
        source = _DecidedItems(reader, run, decider, asked)
        performer = Performer(
            manager,
            options,
            view if skip_stored else None,
            Matcher(manager, view, run) if update else None,
        )
        job = Job(
            performer,
            DecidedItem.failed,
            [manager._notify],
            # What this run has stored so far, the view knows in one process only.
            may_fork=may_fork and manager._survives_fork and not (skip_stored or update),
            prepare=_preparation(options),
            interleaver=InterleavedUploads.of(performer),
        )
        yield from execute(source, job, run_options)
        if source.is_complete:
            run.complete()


class _DecidedItems:
    """Decides on every item, which gives it an id, before it is uploaded."""

    def __init__(
        self, items: InputReader[BulkItem], run: Run, decider: Decider, asked: frozenset[str]
    ) -> None:
        self._items = items
        self._run = run
        self._decider = decider
        self._asked = asked
        self._started: dict[int, DecidedItem] = {}
        """The items being worked on, by index."""
        self._busy: list[tuple[int, BulkItem]] = []
        """Items that another run is storing, or whose id this one is storing other files under."""
        self._is_exhausted = False
        self._has_released = False

    @property
    def is_complete(self) -> bool:
        """Whether all items were read, and all that need work were started."""
        return self._is_exhausted and not (self._has_released or self._busy)

    def take(self, limit: int) -> Batch[DecidedItem, UploadOutcome] | None:
        """Decide on the next items, and again on those that were busy."""
        fresh: list[tuple[int, BulkItem]] = []
        if limit and not self._is_exhausted:
            fresh = self._items.take(min(limit, _MAX_BUSY - len(self._busy)))
            self._is_exhausted = not fresh and len(self._busy) < _MAX_BUSY
        wanted = [*self._busy, *fresh]
        if not wanted:
            return None if self._is_exhausted else Batch(())
        tasks: list[Task[DecidedItem]] = []
        done: list[tuple[DecidedItem, UploadOutcome]] = []
        ready, busy = self._one_of_each_id(wanted)
        snapshots = [ItemSnapshot.of(item) for _, item in ready]
        decisions = self._decider.decide(snapshots)
        for (index, item), snapshot, decision in zip(ready, snapshots, decisions, strict=True):
            decided = DecidedItem(index, snapshot, decision)
            if decision.reason == "busy":
                busy.append((index, item))
            elif (outcome := decided.outcome()) is not None:
                done.append((decided, outcome))
            else:
                self._started[index] = decided
                tasks.append(Task(decided, snapshot.size_bytes))
        self._busy = busy
        self._run.record([decided.result(outcome, self._asked) for decided, outcome in done])
        return Batch(tasks, [outcome for _, outcome in done], busy=len(busy))

    def _one_of_each_id(
        self, wanted: list[tuple[int, BulkItem]]
    ) -> tuple[list[tuple[int, BulkItem]], list[tuple[int, BulkItem]]]:
        """Return the items that can be stored now, and those that wait as another has their id.

        What is stored under a new id looks for no other writer, so it must be the only one.
        """
        taken = {each.item.audio_id for each in self._started.values()} - {None}
        ready: list[tuple[int, BulkItem]] = []
        waiting: list[tuple[int, BulkItem]] = []
        for index, item in wanted:
            (waiting if item.audio_id in taken else ready).append((index, item))
            if item.audio_id is not None:
                taken.add(item.audio_id)
        return ready, waiting

    def record(self, outcomes: Sequence[UploadOutcome]) -> None:
        """Record the results of items."""
        self._run.record(
            [self._started.pop(each.index).result(each, self._asked) for each in outcomes]
        )

    def release(self, tasks: Sequence[DecidedItem]) -> None:
        """Give up the claims of items that were not started."""
        self._has_released = self._has_released or bool(tasks)
        claims = [self._started.pop(task.index).decision.claim for task in tasks]
        self._run.release([claim for claim in claims if claim.status == "claimed"])


def _preparation(options: UploadOptions) -> Callable[[int | None], None]:
    if options.check == "none":
        return lambda _: None
    from audiostore.media import limit_workers, start_workers  # noqa: PLC0415  (a subprocess)

    # A quick check needs a worker for few formats: it starts with the first file that does.
    decodes = options.check == "full" or options.thumbnail_max_px is not None
    return start_workers if decodes else limit_workers
