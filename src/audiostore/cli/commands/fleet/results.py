"""Write the results of a run: each file with its ID or error, in the order of the list.

For a run planned by 'analyse', 'check', 'stats', 'list' or 'export': what that command prints.
"""

from __future__ import annotations

from audiostore.cli.declare import JsonOptions, StoreOptions, argument, flag
from audiostore.cli.failures import PARTLY_FAILED, UsageError
from audiostore.cli.output import counted, note, say
from audiostore.cli.parts import WITHOUT_FILES
from audiostore.cli.tablefile import TableFileOptions

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import IO

    from audiostore import AudioStorageManager, ExportFormat, FleetResult

EXAMPLE = """\
audiostore fleet results nov -o map.parquet
audiostore fleet results nightly-check"""


class Options(StoreOptions, JsonOptions, TableFileOptions):
    """Options of `fleet results`."""

    name: str = argument("RUN", "name of the run")
    failed: bool = flag(help="only the files that failed")


def run(options: Options) -> int:
    """Write the results."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    table_format = options.table_format()
    with opened(options) as manager:
        status = fleet.status(manager, options.name)
        code = _write(manager, options, status.kind, table_format)
    if status.is_done:
        return code
    chunks = counted(status.chunks - status.chunks_done, "chunk")
    left = status.items - status.stored - status.failed
    if left:
        say("warning", f"{chunks} not done yet: {left:,} of {status.items:,} results are left out")
    else:
        say("warning", f"{chunks} to be tried again: what failed there is as it was before")
    return code or PARTLY_FAILED


def _write(
    manager: AudioStorageManager, options: Options, kind: str, table_format: ExportFormat
) -> int:
    wants_table = not options.to_stdout or options.format is not None
    if options.failed and kind in WITHOUT_FILES:
        raise UsageError(f"--failed is for runs that store files: {options.name} does not")
    if wants_table and kind in ("analyse", "check", "shards", "stats"):
        raise UsageError(f"{options.name} has no table to write: omit -o and --format")
    match kind:
        case "check":
            return _print_problems(manager, options)
        case "stats":
            from audiostore import fleet  # noqa: PLC0415  (not for --help)
            from audiostore.cli.commands.stats import print_statistics  # noqa: PLC0415

            found = fleet.statistics(manager, options.name)
            print_statistics(manager, found, as_json=options.json)
        case "shards":
            _print_shards(manager, options)
        case "analyse":
            return _print_analyses(manager, options)
        case "list" if not wants_table:
            from audiostore import fleet  # noqa: PLC0415  (not for --help)
            from audiostore.cli.formats import printer  # noqa: PLC0415

            printer(None, None, as_json=options.json)(fleet.assets(manager, options.name))
        case _:
            from audiostore.cli.saving import whole_output  # noqa: PLC0415  (not for --help)

            with whole_output(options.output) as stream:
                count = _write_table(manager, options, kind, stream, table_format)
            if not options.to_stdout:
                what = "asset" if kind in ("export", "list") else "file"
                note(f"wrote {counted(count, what)} to {options.output}")
    return 0


def _print_shards(manager: AudioStorageManager, options: Options) -> None:
    """Print the tar files that a run has written, as `export --shards` prints them."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.commands._export_shards import print_shard  # noqa: PLC0415
    from audiostore.cli.output import print_json  # noqa: PLC0415

    for shard in fleet.exported(manager, options.name):
        if options.json:
            fields = {"uri": shard.uri, "samples": shard.samples, "size_bytes": shard.size_bytes}
            print_json({**fields, "left_out": shard.left_out})
        else:
            print_shard(shard, debug=options.debug)


def _print_analyses(manager: AudioStorageManager, options: Options) -> int:
    """Print what came of each asset that a run has analysed; return its exit code."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.failures import as_typed  # noqa: PLC0415
    from audiostore.cli.output import escape, print_json  # noqa: PLC0415
    from audiostore.dataclass import fields  # noqa: PLC0415

    failed = 0
    for found in fleet.analyses(manager, options.name):
        failed += found.error is not None
        if options.json:
            print_json({each.name: getattr(found, each.name) for each in fields(found)})
        elif found.error is not None:
            say("error", as_typed(found.error))
        else:
            level = found.integrated_lufs
            print(f"{escape(found.audio_id)}  {'-' if level is None else f'{level:.1f} LUFS':>10}")
    return PARTLY_FAILED if failed else 0


def _write_table(
    manager: AudioStorageManager,
    options: Options,
    kind: str,
    stream: IO[bytes],
    table_format: ExportFormat,
) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)

    if kind in ("export", "list"):
        from audiostore.catalog import write_assets  # noqa: PLC0415

        return write_assets(fleet.assets(manager, options.name), stream, table_format)
    results = fleet.results(manager, options.name)
    if options.failed:
        results = (each for each in results if each.status == "failed")
    return fleet.write_results(map(_as_typed, results), stream, table_format)


def _as_typed(result: FleetResult) -> FleetResult:
    from audiostore.cli.failures import as_typed  # noqa: PLC0415  (not for --help)
    from audiostore.dataclass import replace  # noqa: PLC0415

    error = result.error and as_typed(result.error)
    return replace(result, error=error, warnings=tuple(map(as_typed, result.warnings)))


def _print_problems(manager: AudioStorageManager, options: Options) -> int:
    """Print what a run has found to be wrong, as `check` prints it; return its exit code."""
    from audiostore import Checked, fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.problems import print_problem  # noqa: PLC0415

    seen = Checked()
    count = 0

    def note_seen(checked: Checked) -> None:
        nonlocal seen
        seen = checked

    for problem in fleet.problems(manager, options.name, on_progress=note_seen):
        count += 1
        print_problem(problem, as_json=options.json)
    what = f"checked {counted(seen.assets, 'asset')} ({counted(seen.objects, 'object')})"
    if count:
        say("error", f"{what}: {counted(count, 'problem')}")
    elif not options.json:
        print(f"{what}: no problems found")
    return 1 if count else 0
