"""Copying many assets from one store to another."""

import time
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from audiostore.asset import copy_asset
from audiostore.bulk.executors import Job, RunOptions, UnrecordedTasks, execute
from audiostore.bulk.items import CopyOutcome
from audiostore.dataclass import dataclass
from audiostore.events import Progress
from audiostore.notify import Notifier
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


def copy_assets(
    source: "AudioStorageManager",
    target: "AudioStorageManager",
    assets: Iterable[StorageResult] | None,
    options: RunOptions,
) -> Generator[CopyOutcome, None, None]:
    """Copy complete assets from one store to another (see `Bulk.copy`)."""
    if source.url == target.url:
        raise ValueError(f"source and target are the same store, {source.url}")
    notifier = Notifier()
    job = Job(
        _Copier(source, target, notifier),
        _failed,
        [source._notify, target._notify, notifier],
        may_fork=source._survives_fork and target._survives_fork,
    )
    tasks: UnrecordedTasks[StorageResult, CopyOutcome] = UnrecordedTasks(
        source.list() if assets is None else assets, size_of
    )
    return execute(tasks, job, options)


def size_of(asset: StorageResult) -> int:
    """Return the size of an asset in bytes, all parts included."""
    return sum(blob.size_bytes for blob in asset.parts.values())


def _failed(wanted: tuple[int, StorageResult], error: Exception) -> CopyOutcome:
    index, asset = wanted
    return CopyOutcome(index, asset.audio_id, error)


@dataclass(frozen=True, slots=True)
class _Copier:
    """Copies one asset."""

    source: "AudioStorageManager"
    target: "AudioStorageManager"
    notify: Notifier

    def __call__(self, wanted: tuple[int, StorageResult]) -> CopyOutcome:
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
        return CopyOutcome(
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
