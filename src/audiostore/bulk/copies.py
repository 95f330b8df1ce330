"""Copying many assets from one store to another."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audiostore.asset import copy_asset
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.events import Progress
from audiostore.manager import AudioStorageManager
from audiostore.notify import Notifier
from audiostore.values import StorageResult


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one asset that was to be copied."""

    index: int
    """Position in the input, from 0."""
    audio_id: str
    error: Exception | None
    skipped: bool
    """It was there already."""
    size_bytes: int
    elapsed_s: float


def copy_many(
    source: AudioStorageManager,
    target: AudioStorageManager,
    assets: Iterable[StorageResult] | None = None,
    *,
    concurrency: int | None = None,
    in_order: bool = False,
    fail_fast: bool = False,
    max_rate_bytes_s: float | None = None,
) -> Iterator[Copied]:
    """Copy whole assets between any two stores, verified; yield one outcome for each.

    What is there already is skipped: after an interruption, call it again.

    Args:
        source: where they are.
        target: where they are to be, under the same ids.
        assets: which, as `source` describes them; None for all.
        concurrency: how many at once at most; None: as many as is found best, up
            to 64 in each process.
        in_order: yield outcomes in the order of the input, instead of that of completion.
        fail_fast: begin nothing more after the first failure.
        max_rate_bytes_s: how many bytes a second may go at most, on average.

    Raises:
        ValueError: an option is wrong, or both stores are the same.
        Exception: what `assets` raises, after the outcomes of all that it gave before.
    """
    if source.url == target.url:
        raise ValueError(f"source and target are the same store, {source.url}: name two")
    notify = Notifier()
    job = Job(
        _Copier(source, target, notify),
        _failed,
        [source.notifier, target.notifier, notify],
        may_fork=source.survives_fork and target.survives_fork,
    )
    return execute(
        _Assets(InputReader(source.list() if assets is None else assets)),
        job,
        RunOptions(concurrency, max_rate_bytes_s, in_order, fail_fast),
    )


def size_of(asset: StorageResult) -> int:
    """Return the size of an asset in bytes, all parts included."""
    return sum(blob.size_bytes for blob in asset.parts.values())


@dataclass(frozen=True, slots=True)
class _Assets:
    """The assets to copy."""

    assets: InputReader[StorageResult]

    def take(self, limit: int) -> Batch[tuple[int, StorageResult], Copied] | None:
        """Return the next assets."""
        found = self.assets.take(limit)
        return Batch([Task(each, size_of(each[1])) for each in found]) if found else None

    def record(self, outcomes: Sequence[Copied]) -> None:
        """Do nothing: the target store shows what was copied."""

    def release(self, tasks: Sequence[tuple[int, StorageResult]]) -> None:
        """Do nothing."""


def _failed(wanted: tuple[int, StorageResult], error: Exception) -> Copied:
    index, asset = wanted
    return Copied(index, asset.audio_id, error, skipped=False, size_bytes=0, elapsed_s=0.0)


@dataclass(frozen=True, slots=True)
class _Copier:
    """Copies one asset."""

    source: AudioStorageManager
    target: AudioStorageManager
    notify: Notifier

    def __call__(self, wanted: tuple[int, StorageResult]) -> Copied:
        started = time.monotonic()
        index, asset = wanted
        error: Exception | None = None
        created = False
        try:
            created = copy_asset(self.source.store, self.target.store, asset)
            if created:
                self._report_progress(asset)
        except Exception as failure:  # noqa: BLE001  (it is reported as this asset's outcome)
            error = failure
        return Copied(
            index,
            asset.audio_id,
            error,
            skipped=error is None and not created,
            size_bytes=size_of(asset),
            elapsed_s=time.monotonic() - started,
        )

    def _report_progress(self, asset: StorageResult) -> None:
        # After the copy: a rate limit delays the following ones.
        for blob in asset.parts.values():
            self.notify(Progress(blob.name, blob.size_bytes, blob.size_bytes))
