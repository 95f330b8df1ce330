"""Write what became of each file of a run, with its ID: a table, in the order of the list."""

from __future__ import annotations

from audiostore.cli.declare import StoreOptions, argument, flag
from audiostore.cli.failures import PARTLY_FAILED
from audiostore.cli.output import counted, note, say
from audiostore.cli.tablefile import TableFileOptions

EXAMPLE = "audiostore fleet results nov -o map.parquet"


class Options(StoreOptions, TableFileOptions):
    """Options of `fleet results`."""

    name: str = argument("RUN", "name of the run")
    failed: bool = flag(help="only the files that failed")


def run(options: Options) -> int:
    """Write the results."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.saving import whole_output  # noqa: PLC0415
    from audiostore.cli.store import opened  # noqa: PLC0415

    table_format = options.table_format()
    with opened(options) as manager:
        status = fleet.status(manager, options.name)
        with whole_output(options.output) as stream:
            results = fleet.results(manager, options.name)
            if options.failed:
                results = (each for each in results if each.status == "failed")
            count = fleet.write_results(results, stream, table_format)
    if not options.to_stdout:
        note(f"wrote {counted(count, 'file')} to {options.output}")
    if status.is_done:
        return 0
    left = status.chunks - status.chunks_done
    say("warning", f"{counted(left, 'chunk')} not done yet: their files are left out")
    return PARTLY_FAILED
