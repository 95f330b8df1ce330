"""Write what became of each file of a run, with its ID: a table, in the order of the list."""

from __future__ import annotations

import sys

from audiostore.cli.declare import StoreOptions, argument, flag, option
from audiostore.cli.failures import PARTLY_FAILED, UsageError
from audiostore.cli.output import counted, is_terminal, note, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import ExportFormat

EXAMPLE = "audiostore fleet results nov -o map.parquet"


class Options(StoreOptions):
    """Options of `fleet results`."""

    name: str = argument("RUN", "name of the run")
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
        help="format of the table (default: by the extension of FILE, else jsonl)",
    )
    failed: bool = flag(help="only the files that failed")


def run(options: Options) -> int:
    """Write the results."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.catalog import format_for, require_writer  # noqa: PLC0415
    from audiostore.cli.saving import whole_output  # noqa: PLC0415
    from audiostore.cli.store import opened  # noqa: PLC0415

    table_format = options.format or format_for(options.output) or "jsonl"
    to_stdout = options.output == "-"
    if table_format == "parquet" and to_stdout and is_terminal(sys.stdout):
        raise UsageError("Parquet is binary, not for a terminal: name a file with -o FILE")
    require_writer(table_format)
    with opened(options) as manager:
        status = fleet.status(manager, options.name)
        with whole_output(options.output) as stream:
            results = fleet.results(manager, options.name)
            if options.failed:
                results = (each for each in results if each.status == "failed")
            count = fleet.write_results(results, stream, table_format)
    if not to_stdout:
        note(f"wrote {counted(count, 'file')} to {options.output}")
    if status.is_done:
        return 0
    left = status.chunks - status.chunks_done
    say("warning", f"{counted(left, 'chunk')} not done yet: their files are left out")
    return PARTLY_FAILED
