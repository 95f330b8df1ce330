"""Whether a store holds what it should, and only that: `manager.audit`."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.asset import Shard
from audiostore.audit.checking import Checked, Checker
from audiostore.audit.inventory import InventoryReport
from audiostore.audit.problems import GRACE, Problem
from audiostore.audit.records import CheckRecord
from audiostore.audit.repairing import Repaired, repair
from audiostore.errors import UnsupportedByStoreError
from audiostore.values import PathLike

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


class Audit:
    """Finds and repairs what is wrong with a store.

    Example::

        for problem in manager.audit.check():
            print(problem.kind, problem.name, problem.message)
            manager.audit.repair(problem)
    """

    def __init__(self, manager: "AudioStorageManager") -> None:
        self._manager = manager

    def check(
        self,
        *,
        deep: bool = False,
        record: CheckRecord | None = None,
        sample: float | None = None,
        shard: Shard | None = None,
        grace: timedelta = GRACE,
        inventory: InventoryReport | None = None,
        known: PathLike | None = None,
        on_progress: Callable[[Checked], None] | None = None,
    ) -> Iterator[Problem]:
        """Walk a whole store and yield what is wrong, in constant memory; change nothing.

        Uploads and deletions may run at the same time; they are not reported.

        Args:
            deep: also read and verify every byte, decode all audio, and compare the facts; many
                assets at once, on all cores. What is found is yielded in the order of the ids.
                Temporary files take up to 1 GiB, or as much as the largest asset.
            record: notes what a deep check has read and found to be right. With that of a check
                that was interrupted, this is not read again, unless it was changed since; all
                else is checked anew. Its file is deleted at the end.
            sample: with `deep`, the share of the assets to read, from 0 to 1, such as 0.01. Each is
                chosen at random, anew for each check; a check that is continued goes on with its
                choice. All else is checked of every asset.
            shard: check only this part of the store.
            grace: what may be part of an unfinished upload or deletion, such as artwork without
                audio, is not a problem before it is this old.
            inventory: from `read_inventory`: do not walk the store, but look at what this report
                gives cause to suspect, as it is now. A report has no metadata, so that only some
                kinds of problems are found (docs/checking.md), in no order; and nothing that was
                stored since.
            known: with `inventory`, a table with sizes and checksums to compare: an export, or the
                results of a fleet run, as JSON Lines, CSV or Parquet.
            on_progress: called after each asset with how much was checked.

        Raises:
            ValueError: `sample` is not a share, or given without `deep`; `inventory` is given with
                `deep` or `shard`; `known` without `inventory`.
            InvalidSourceError, SourceNotFoundError: the report is truncated or damaged, or a shard
                is missing.
        """
        if inventory is None and known is not None:
            raise ValueError("known is for a check of an inventory report")
        if inventory is not None and (deep or shard is not None):
            raise ValueError("a check of an inventory report is neither deep nor of a shard")
        if sample is not None and not (deep and 0 < sample <= 1):
            raise ValueError(f"sample is {sample!r}: it is a share up to 1, of a deep check")
        return Checker(
            self._manager,
            deep=deep,
            record=record,
            sample=sample,
            shard=shard,
            grace=grace,
            inventory=inventory,
            known=None if known is None else Path(known),
            on_progress=on_progress,
        ).run()

    def read_inventory(self, manifest: PathLike, *, now: datetime | None = None) -> InventoryReport:
        """Read the manifest of an inventory report of Storage Insights, for `check`.

        Args:
            manifest: its path, or its URL (``gs://reports/….json``); the shards are next to it. It
                must be configured with the fields name, size and contentType; bucket, crc32c and
                timeDeleted are used if they are there.
            now: the time that its age is counted to; None for the clock's.

        Raises:
            SourceNotFoundError: the file does not exist.
            InvalidSourceError: it is not such a manifest, of another bucket, or over 14 days old.
            UnsupportedByStoreError: the store is not a bucket.
            AudioStoreError, OSError: it cannot be fetched, or read.
        """
        from audiostore.audit.reports import read_report  # noqa: PLC0415  (few checks need it)

        if not self._manager.url.startswith("gs://"):
            raise UnsupportedByStoreError(
                f"{self._manager.url} is not a bucket: there are no inventory reports of it"
            )
        return read_report(self._manager, os.fspath(manifest), now or datetime.now(UTC))

    def repair(
        self, problem: Problem, *, grace: timedelta = GRACE, now: datetime | None = None
    ) -> Repaired:
        """Carry out the repair of a problem, unless the object has changed since it was checked.

        Args:
            problem: from `check`.
            grace: what is younger is never touched.
            now: the time that this is counted to; None for the clock's.

        Returns:
            "done"; or why nothing was changed: "too young" (it may be part of an upload), "changed"
            (since it was checked), "held" (a hold forbids it), "by hand" (only a person can
            decide).
        """
        return repair(self._manager, problem, grace=grace, now=now)
