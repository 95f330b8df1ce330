"""Exporting the assets of a store as shards: in this process, or shard by shard, wherever."""

import os
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiostore.catalog.shards.planning import PlannedShard, Request, ShardPlan
from audiostore.catalog.shards.samples import Sample
from audiostore.catalog.shards.values import ExportedShard
from audiostore.catalog.shards.writing import (
    ShardWriter,
    conflict,
    find_plan,
    finish_export,
    plan_export,
    samples_in,
)
from audiostore.config import absolute_url, is_directory, parse_directory
from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError, ExportConflictError
from audiostore.events import RetriesEnded
from audiostore.stores import RetryingStore, open_store
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an export goes to."""

    manager: "AudioStorageManager"
    """Of the store that has the assets: its credentials and its retries are used."""
    url: str

    def open(self) -> RetryingStore:
        """Open it, with connections of its own."""
        manager = self.manager
        given: dict[str, Any] = {
            name: manager._arguments[name] for name in ("credentials", "project")
        }
        return RetryingStore(
            open_store(absolute_url(self.url), **given),
            manager._retry_config,
            on_retry=manager._report_retry,
            on_retries_ended=lambda operation: manager._notify(RetriesEnded(operation)),
        )

    def plan(
        self, target: RetryingStore, request: Request, assets: Iterable[StorageResult]
    ) -> ShardPlan | None:
        """Return the plan of an export to it; None if there are no assets.

        Args:
            target: it, open.
            request: what is exported, and how.
            assets: those that it means, listed if there is no plan yet.

        Raises:
            ConfigurationError: it is the store, or where that has its assets or its runs.
            ExportConflictError: it has another export.
        """
        library, place = _real(self.manager.url), f"{_real(target.url)}/"
        if place.startswith((f"{library}/audio/", f"{library}/fleet/")) or place == f"{library}/":
            raise ConfigurationError(
                f"{target.url} is where {self.manager.url} keeps its assets and runs: name another "
                "place"
            )
        chosen = (Sample.of(each, thumbnails=request["thumbnails"]) for each in assets)
        return plan_export(target, request, (each for each in chosen if each is not None))

    def write(self, plan: ShardPlan, shard: PlannedShard) -> ExportedShard:
        """Write a shard of its plan, unless it is there (see `ShardWriter.write`)."""
        return ShardWriter(self.manager.store, plan, self.open).write(shard)


def _real(url: str) -> str:
    """Return a URL; that of a directory without links."""
    if not is_directory(url):
        return url
    return Path(os.path.realpath(parse_directory(url).path)).as_uri()


def export_shards(
    destination: Destination,
    request: Request,
    assets: Iterable[StorageResult],
    *,
    concurrency: int,
) -> Generator[ExportedShard, None, None]:
    """Export assets as shards, so many at once (see `Catalog.export_shards`)."""
    manager = destination.manager
    with closing(destination.open()) as target:
        plan = destination.plan(target, request, assets)
        if plan is None:
            return
        there = {blob.name: blob for blob in target.list("shard-")}
        missing: list[PlannedShard] = []
        planned = list(plan.shards())
        for shard in planned:
            if {shard.name, shard.index_name} <= there.keys():
                yield ExportedShard(
                    shard.number,
                    target.uri(shard.name),
                    samples_in(target, there[shard.index_name]),
                    there[shard.name].size_bytes,
                    created=False,
                )
            else:
                missing.append(shard)
        outcomes = manager.bulk.apply(
            lambda shard: destination.write(plan, shard), missing, concurrency=concurrency
        )
        with closing(outcomes):
            for outcome in outcomes:
                shard = outcome.item
                written = outcome.result or ExportedShard(
                    shard.number,
                    target.uri(shard.name),
                    shard.samples,
                    shard.size_bytes,
                    created=False,
                    error=outcome.error,
                )
                try:
                    yield written
                except KeyboardInterrupt as interrupt:  # does not wait for what is running
                    outcomes.throw(interrupt)
        finish_export(target, planned)


def planned_shards(
    destination: Destination, request: Request, assets: Iterable[StorageResult]
) -> tuple[list[PlannedShard], str | None]:
    """Plan an export without writing shards; return them, and the crc32c of the plan."""
    with closing(destination.open()) as target:
        plan = destination.plan(target, request, assets)
        return ([], None) if plan is None else (list(plan.shards()), plan.blob.crc32c)


def write_planned(
    manager: "AudioStorageManager", url: str, crc32c: str, shard: PlannedShard
) -> ExportedShard:
    """Write a shard of the plan with a checksum, unless it is there.

    Raises:
        ExportConflictError: the destination has another plan, or something else has the name.
        IntegrityError: an asset is damaged, or other bytes were stored; nothing was left.
        AudioStoreError, OSError: an asset cannot be read, or the destination cannot be written.
    """
    destination = Destination(manager, url)
    with closing(destination.open()) as target:
        plan = find_plan(target)
        if plan is None:
            raise ExportConflictError(f"{target.url} has no plan any more: plan the export again")
        if plan.blob.crc32c != crc32c:
            raise conflict(target, plan.blob.name)
        return destination.write(plan, shard)
