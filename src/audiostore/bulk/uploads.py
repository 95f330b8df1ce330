"""Uploading many assets: each is stored exactly once, whatever happens in between."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.asset import require_audio_id
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.bulk.items import BulkItem, UploadOutcome
from audiostore.bulk.journal import (
    NO_FILE,
    Claim,
    ItemResult,
    ItemSnapshot,
    Journal,
    PathState,
    Run,
    UnjournaledRun,
    begin_run,
)
from audiostore.bulk.skipping import StoredAudio
from audiostore.errors import AssetNotFoundError, SourceNotFoundError
from audiostore.ingest import ChosenId, Upload, UploadOptions
from audiostore.localfiles import LocalFile
from audiostore.values import StorageResult

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
) -> Generator[UploadOutcome, None, None]:
    """Store items, each exactly once (see `Bulk.upload`)."""
    if options.metadata:
        items = _with_metadata(items, options.metadata)
    with ExitStack() as stack:
        run: Run = UnjournaledRun()
        if journal is not None:
            if not isinstance(journal, Journal):
                journal = stack.enter_context(Journal(journal))
            run = stack.enter_context(closing(begin_run(journal, manager.url)))
        stored = stack.enter_context(StoredAudio(manager.list())) if skip_stored else None
        source = _ClaimedItems(InputReader(items), run)
        job = Job(
            _Uploader(manager, options, stored),
            _failed,
            [manager._notify],
            # What this run has stored so far, `stored` knows in one process only.
            may_fork=manager._survives_fork and stored is None,
            prepare=_preparation(options),
        )
        yield from execute(source, job, run_options)
        if source.is_complete:
            run.complete()


def _with_metadata(
    items: Iterable[BulkItem], common: Mapping[str, str]
) -> Generator[BulkItem, None, None]:
    """Add metadata to items before they are claimed: the journal identifies them by it."""
    for item in items:
        yield replace(item, metadata={**common, **item.metadata})


@dataclass(frozen=True, slots=True)
class _ClaimedItem:
    """An item that this run is to store."""

    index: int
    item: BulkItem
    claim: Claim


class _ClaimedItems:
    """Claims every item, which gives it an id, before it is uploaded."""

    def __init__(self, items: InputReader[BulkItem], run: Run) -> None:
        self._items = items
        self._run = run
        self._claims: dict[int, Claim] = {}
        """Of the items being uploaded, by index."""
        self._busy: list[tuple[int, BulkItem]] = []
        """Items that another run is storing."""
        self._is_exhausted = False
        self._has_released = False

    @property
    def is_complete(self) -> bool:
        """Whether all items were read, and all claimed ones were started."""
        return self._is_exhausted and not (self._has_released or self._busy)

    def take(self, limit: int) -> Batch[_ClaimedItem, UploadOutcome] | None:
        """Claim the next items, and try those again that were busy."""
        fresh: list[tuple[int, BulkItem]] = []
        if limit and not self._is_exhausted:
            fresh = self._items.take(min(limit, _MAX_BUSY - len(self._busy)))
            self._is_exhausted = not fresh and len(self._busy) < _MAX_BUSY
        wanted = [*self._busy, *fresh]
        if not wanted:
            return None if self._is_exhausted else Batch(())
        tasks: list[Task[_ClaimedItem]] = []
        outcomes: list[UploadOutcome] = []
        busy: list[tuple[int, BulkItem]] = []
        snapshots = [ItemSnapshot.of(item) for _, item in wanted]
        claims = self._run.claim(snapshots)
        for (index, item), snapshot, claim in zip(wanted, snapshots, claims, strict=True):
            if claim.status == "claimed":
                self._claims[index] = claim
                tasks.append(Task(_ClaimedItem(index, item, claim), snapshot.size_bytes))
            elif claim.status == "stored":
                outcomes.append(
                    UploadOutcome(index, item, claim.audio_id, None, None, done_before=True)
                )
            else:
                busy.append((index, item))
        self._busy = busy
        return Batch(tasks, outcomes, busy=len(busy))

    def record(self, outcomes: Sequence[UploadOutcome]) -> None:
        """Record the results of items."""
        results = []
        for outcome in outcomes:
            claim = self._claims.pop(outcome.index)
            error = None if outcome.error is None else _text_of(outcome.error)
            audio_id = outcome.audio_id or claim.audio_id
            results.append(ItemResult(claim, audio_id, error, outcome.skipped))
        self._run.record(results)

    def release(self, tasks: Sequence[_ClaimedItem]) -> None:
        """Give up the claims of items that were not started."""
        self._has_released = self._has_released or bool(tasks)
        self._run.release([self._claims.pop(task.index) for task in tasks])


def _preparation(options: UploadOptions) -> Callable[[int | None], None]:
    if options.check == "none":
        return lambda _: None
    from audiostore.media import start_workers  # noqa: PLC0415  (a subprocess)

    images = options.check == "full" or options.thumbnail_max_px is not None
    return partial(start_workers, images=images)


def _failed(claimed: _ClaimedItem, error: Exception) -> UploadOutcome:
    return UploadOutcome(claimed.index, claimed.item, claimed.claim.audio_id, None, error)


@dataclass(frozen=True, slots=True)
class _Uploader:
    """Uploads one item."""

    manager: "AudioStorageManager"
    options: UploadOptions
    stored: StoredAudio | None

    def __call__(self, claimed: _ClaimedItem) -> UploadOutcome:
        started = time.monotonic()
        index, item, claim = claimed.index, claimed.item, claimed.claim
        result: StorageResult | None = None
        error: Exception | None = None
        audio_id = claim.audio_id
        try:
            result, audio_id = self._store(item, claim)
        except Exception as failure:  # noqa: BLE001  (it is reported as this item's outcome)
            error = failure
        return UploadOutcome(
            index,
            item,
            audio_id,
            result,
            error,
            skipped=error is None and result is None,
            elapsed_s=time.monotonic() - started,
        )

    def _store(self, item: BulkItem, claim: Claim) -> tuple[StorageResult | None, str]:
        """Return the stored asset; or None, and the id under which its audio was already stored."""
        require_audio_id(claim.audio_id)
        if self.stored is None:
            return self._upload(item, claim), claim.audio_id
        try:
            path, limit = Path(item.audio), self.options.max_size_bytes
            file = LocalFile.snapshot(path, max_bytes=limit)
        except (OSError, ValueError):
            return self._upload(item, claim), claim.audio_id  # it raises the fitting error
        with self.stored.exclusive(file):
            present = self.stored.find(file, claim.audio_id)
            if present is not None and present != claim.audio_id:
                return None, present
            result = self._upload(item, claim)
            self.stored.add(result)
        return result, claim.audio_id

    def _upload(self, item: BulkItem, claim: Claim) -> StorageResult:
        thumbnail = item.thumbnail
        if claim.is_thumbnail_missing and self._find(claim) is not None:
            thumbnail = None  # it has its artwork; the audio is still compared
        upload = Upload(
            item.audio,
            thumbnail,
            replace(self.options, metadata=item.metadata, source_path=item.source_path),
            audio_state=claim.audio_state,
            thumbnail_state=claim.thumbnail_state,
            keeps_thumbnail=item.keeps_thumbnail,
        )
        try:
            return self.manager._uploads.run(upload, _ClaimedId(claim))
        except SourceNotFoundError:
            stored = self._cleaned_up(item, claim)
            if stored is None:
                raise
            return stored

    def _find(self, claim: Claim) -> StorageResult | None:
        try:
            return self.manager.get(claim.audio_id)
        except AssetNotFoundError:
            return None

    def _cleaned_up(self, item: BulkItem, claim: Claim) -> StorageResult | None:
        """Return the asset if an earlier run was killed after it had deleted the local files."""
        was_seen = claim.is_resumed and claim.audio_state != NO_FILE
        if not (was_seen and PathState.of(item.audio).is_missing):
            return None
        found = self._find(claim)
        name = os.fsencode(Path(item.audio).name).decode("utf-8", "replace")
        return found if found and found.original_filename == name else None


@dataclass(frozen=True, slots=True)
class _ClaimedId:
    """Gives an upload the id that the run has given its item."""

    claim: Claim

    def choose(self, identity: object, detail: object = None) -> AbstractContextManager[ChosenId]:
        """Return the claimed id, whatever the upload's identity."""
        del identity, detail
        return nullcontext(ChosenId(self.claim.audio_id, is_new=self.claim.is_new))


def _text_of(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", ())])
