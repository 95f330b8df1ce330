"""Export assets as a table for other programs, or as tar files for training."""

from __future__ import annotations

from audiostore.cli.declare import flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.filters import OrderedOptions, page_start, query_of
from audiostore.cli.output import counted, note
from audiostore.cli.parts import PartsOptions, ordering, plan_list, planned_run
from audiostore.cli.store import opened
from audiostore.cli.tablefile import TableFileOptions
from audiostore.cli.values import object_size, positive

GROUP = "find"
EXAMPLE = """\
audiostore export -o assets.parquet
audiostore export --shards gs://my-bucket/train --size 1G --type flac"""
_SHARDS = "for training"


class Options(OrderedOptions, TableFileOptions, PartsOptions):
    """Options of `export`."""

    shards: str | None = option(
        metavar="DEST",
        help="write the audio as tar files for WebDataset, with {id}.json for the facts and "
        "metadata, to a directory (./dir) or a bucket (gs://bucket/prefix); run the same "
        "command again to continue",
        group=_SHARDS,
        files="folders",
    )
    size: int | None = option(
        metavar="SIZE",
        parse=object_size,
        help="maximum size of a tar file: 500M, 2G (default: 1G)",
        group=_SHARDS,
    )
    covers: bool = flag(help="also write the artwork: {id}.jpg, .png or .webp", group=_SHARDS)
    concurrency: int | None = option(
        metavar="N",
        parse=positive,
        help="write N tar files at once (default: 4); each reads up to 16 assets at once",
        group=_SHARDS,
    )


def run(options: Options) -> int:
    """Write the assets that match."""
    if options.shards is not None:
        if not options.to_stdout or options.format is not None:
            raise UsageError("--shards writes tar files, -o and --format a table: choose one")
        if options.chunks is not None:
            raise UsageError("--chunks is for a table: a tar file is a chunk")
        if options.run is not None and options.concurrency is not None:
            raise UsageError("--concurrency and --run exclude each other")
        from audiostore.cli.commands._export_shards import export_shards  # noqa: PLC0415

        return export_shards(options, options.shards)
    for given, value in (
        ("--size", options.size),
        ("--covers", options.covers),
        ("--concurrency", options.concurrency),
    ):
        if value:
            raise UsageError(f"{given} is for tar files, with --shards DEST")
    return _export_table(options)


def _export_table(options: Options) -> int:
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)
    from audiostore.cli.saving import whole_output  # noqa: PLC0415

    query = query_of(options)
    table = {"output": not options.to_stdout, "format": options.format}
    planned = planned_run(options, **ordering(options), **table)
    if planned is not None:
        return plan_list(options, *planned, query, kind="export")
    after = page_start(options)
    export_format = options.table_format()
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        with whole_output(options.output) as stream:
            count = manager.catalog.export(
                stream,
                export_format,
                query,
                order_by=options.sort,
                descending=options.reverse,
                limit=options.limit,
                after=after,
                shard=options.shard,
                on_progress=progress,
            )
        progress.clear()
        if not options.to_stdout:
            note(f"wrote {counted(count, 'asset')} to {options.output}")
    return 0
