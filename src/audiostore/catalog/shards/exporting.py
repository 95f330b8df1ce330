"""Exporting the assets of a store as shards, in this process."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from audiostore.catalog.shards.planning import PlannedShard, Request
from audiostore.catalog.shards.samples import Sample
from audiostore.catalog.shards.values import ExportedShard
from audiostore.catalog.shards.writing import ShardWriter, finish_export, plan_export
from audiostore.config import absolute_url
from audiostore.errors import ConfigurationError
from audiostore.events import RetriesEnded
from audiostore.stores import RetryingStore, open_store
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

AT_ONCE = 4
"""Shards are written so many at once; each reads many assets at once."""


def export_shards(
    manager: "AudioStorageManager",
    destination: str,
    request: Request,
    assets: Iterable[StorageResult],
    *,
    concurrency: int,
) -> Generator[ExportedShard, None, None]:
    """Export assets as shards (see `Catalog.export_shards`).

    Args:
        manager: of the store that has them.
        destination: URL of the target.
        request: what is exported, and how.
        assets: those that it means, listed if there is no plan yet.
        concurrency: how many shards to write at once.
    """
    open_target = opener(manager, destination)
    with closing(open_target()) as target:
        if f"{target.url}/".startswith(f"{manager.url}/audio/"):
            raise ConfigurationError(
                f"{target.url} is where {manager.url} keeps its assets: name another place"
            )
        chosen = (Sample.of(each, thumbnails=request["thumbnails"]) for each in assets)
        plan = plan_export(target, request, (each for each in chosen if each is not None))
        if plan is None:
            return
        there = {blob.name: blob for blob in target.list("shard-")}
        missing: list[PlannedShard] = []
        planned = list(plan.shards())
        for shard in planned:
            if {shard.name, shard.index_name} <= there.keys():
                blob = there[shard.name]
                uri = target.uri(shard.name)
                yield ExportedShard(
                    shard.number, uri, shard.samples, blob.size_bytes, created=False
                )
            else:
                missing.append(shard)
        writer = ShardWriter(manager.store, plan, open_target)
        outcomes = manager.bulk.apply(writer.write, missing, concurrency=concurrency)
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


def opener(manager: "AudioStorageManager", destination: str) -> Callable[[], RetryingStore]:
    """Return what opens a target, with the credentials and the retries of a manager."""
    given: dict[str, Any] = {name: manager._arguments[name] for name in ("credentials", "project")}
    url = absolute_url(destination)

    def open_target() -> RetryingStore:
        return RetryingStore(
            open_store(url, **given),
            manager._retry_config,
            on_retry=manager._report_retry,
            on_retries_ended=lambda operation: manager._notify(RetriesEnded(operation)),
        )

    return open_target
