"""Export assets as a table, one row each, for other programs."""

from __future__ import annotations

import sys

from audiostore.cli.declare import option
from audiostore.cli.failures import UsageError
from audiostore.cli.filters import OrderedOptions, page_start, query_of
from audiostore.cli.output import counted, is_terminal, note
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import ExportFormat

GROUP = "find"
EXAMPLE = "audiostore export -o assets.parquet"


class Options(OrderedOptions):
    """Options of `export`."""

    output: str = option(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="the file to write, replaced atomically if it exists; '-' for standard output "
        "(default: -)",
        files="any",
    )
    format: ExportFormat | None = option(
        choices=("jsonl", "csv", "parquet"),
        help="format of the table (default: by the extension of FILE, else jsonl); CSV is not "
        "escaped for spreadsheets: import all columns as text",
    )


def run(options: Options) -> int:
    """Write the assets that match."""
    from audiostore.catalog import format_for, require_writer  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415
    from audiostore.cli.saving import whole_output  # noqa: PLC0415

    query = query_of(options)
    after = page_start(options)
    export_format = options.format or format_for(options.output) or "jsonl"
    to_stdout = options.output == "-"
    if export_format == "parquet" and to_stdout and is_terminal(sys.stdout):
        raise UsageError("Parquet is binary, not for a terminal: name a file with -o FILE")
    require_writer(export_format)
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
                on_progress=progress,
            )
        progress.clear()
        if not to_stdout:
            note(f"wrote {counted(count, 'asset')} to {options.output}")
    return 0
