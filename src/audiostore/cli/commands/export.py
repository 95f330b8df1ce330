"""Export assets as a table, one row each, for other programs."""

from __future__ import annotations

from audiostore.cli.filters import OrderedOptions, page_start, query_of
from audiostore.cli.output import counted, note
from audiostore.cli.parts import PartsOptions, ordering, plan_list, planned_run
from audiostore.cli.store import opened
from audiostore.cli.tablefile import TableFileOptions

GROUP = "find"
EXAMPLE = "audiostore export -o assets.parquet"


class Options(OrderedOptions, TableFileOptions, PartsOptions):
    """Options of `export`."""


def run(options: Options) -> int:
    """Write the assets that match."""
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)
    from audiostore.cli.saving import whole_output  # noqa: PLC0415

    query = query_of(options)
    table = {"output": not options.to_stdout, "format": options.format}
    planned = planned_run(options, **ordering(options), **table)
    if planned is not None:
        return plan_list(options, *planned, query)
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
