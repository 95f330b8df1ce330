"""`export --shards`: tar files for training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiostore.cli import places
from audiostore.cli.failures import FAILED, INTERRUPTED, PARTLY_FAILED, UsageError, report
from audiostore.cli.filters import page_start, query_of
from audiostore.cli.output import counted, escape, human_size, note, say
from audiostore.cli.parts import print_plan
from audiostore.cli.progress.bulk import abandoning
from audiostore.cli.progress.count import CountProgress
from audiostore.cli.store import opened
from audiostore.config import is_directory, parse_directory

if TYPE_CHECKING:
    from audiostore import ExportedShard, ShardKeywords
    from audiostore.cli.commands.export import Options

_SHARD_BYTES = 1 << 30


class _Counts:
    """What was exported."""

    def __init__(self) -> None:
        self.written = self.present = self.failed = self.samples = self.size_bytes = 0

    def add(self, shard: ExportedShard) -> None:
        """Count a shard."""
        if shard.error is not None:
            self.failed += 1
            return
        self.written += shard.created
        self.present += not shard.created
        self.samples += shard.samples
        self.size_bytes += shard.size_bytes

    def summary(self) -> str:
        """Return the counts in one sentence."""
        there = f", {self.present:,} of them there before" if self.present else ""
        failed = f"; {self.failed:,} failed" if self.failed else ""
        return (
            f"{counted(self.written + self.present, 'shard')}{there}: "
            f"{counted(self.samples, 'asset')}, {human_size(self.size_bytes)}{failed}"
        )


def export_shards(options: Options, destination: str) -> int:
    """Write the assets that match as tar files, and print their URIs; or plan a run that does."""
    query = query_of(options)
    keywords: ShardKeywords = {
        "shard_bytes": options.size or _SHARD_BYTES,
        "thumbnails": options.covers,
        "order_by": options.sort,
        "descending": options.reverse,
        "limit": options.limit,
        "after": page_start(options),
        "shard": options.shard,
    }
    if is_directory(destination):
        folder = parse_directory(destination).path
        found = next(each for each in (folder, *folder.parents) if each.exists())
        if not found.is_dir():
            name = destination if found == folder else str(found)
            raise UsageError(f"--shards: {name!r} is a file: name a directory")
        places.remember(folder, "the directory of the tar files", "give another with --shards DEST")
    if options.run is not None:
        from audiostore import fleet  # noqa: PLC0415  (another way)

        with CountProgress() as progress, opened(options, progress.waiting) as manager:
            keywords["on_progress"] = progress
            plan = fleet.plan_export(manager, destination, query, run=options.run, **keywords)
        print_plan(plan)
        return 0
    counts = _Counts()
    try:
        with CountProgress() as progress, opened(options, progress.waiting) as manager:
            keywords["on_progress"] = progress
            shards = manager.catalog.export_shards(
                destination, query, concurrency=options.concurrency or 4, **keywords
            )
            with abandoning(shards):
                for shard in shards:
                    counts.add(shard)
                    progress.clear()
                    print_shard(shard, debug=options.debug)
    except KeyboardInterrupt:
        say("stopped", counts.summary())
        say("interrupted", "run the same command again to continue; complete tar files are kept")
        return INTERRUPTED
    if not (counts.written or counts.present or counts.failed):
        note("nothing to export")
        return 0
    say("done", counts.summary())
    if counts.failed:
        return PARTLY_FAILED if counts.written or counts.present else FAILED
    return 0


def print_shard(shard: ExportedShard, *, debug: bool) -> None:
    """Print the URI of a shard, or why it was not written, and what was left out of it."""
    for text in shard.left_out:
        say("warning", f"left out: {text}")
    if shard.error is not None:
        report(shard.error, where=shard.uri, debug=debug)
    else:
        print(escape(shard.uri), flush=True)
