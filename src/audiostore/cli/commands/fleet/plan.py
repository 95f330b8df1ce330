"""Write a list of files into the store, in chunks, so that many machines can store them.

Each file gets its ID now. Running the same command again changes nothing, or completes an
interrupted plan. Files are not read: the machines that run 'fleet work' do that, and must find them
under the same absolute paths.
"""

from __future__ import annotations

from audiostore.cli.declare import DryRunOptions, JsonOptions, StoreOptions, option
from audiostore.cli.failures import BAD_INPUT, UsageError
from audiostore.cli.output import counted, print_json, say
from audiostore.cli.uploading import MANIFEST_HELP, ColumnOptions, UploadingOptions
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import FleetPlan, Manifest, ManifestProblem

EXAMPLE = """\
audiostore fleet plan --manifest songs.csv --run nov
audiostore fleet work nov"""


class Options(StoreOptions, JsonOptions, UploadingOptions, ColumnOptions, DryRunOptions):
    """Options of `fleet plan`."""

    manifest: str = option(metavar="LIST", required=True, help=MANIFEST_HELP, files="lists")
    run: str = option(
        metavar="NAME", required=True, help="name of the run: lower-case letters, digits, . _ -"
    )
    chunk: int = option(
        metavar="N",
        parse=positive,
        default=200,
        help="number of files that a machine takes at a time (default: 200)",
    )


def run(options: Options) -> int:
    """Plan a run."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    upload = options.upload_options()
    manifest = _checked(options)
    if manifest.errors:
        errors = counted(manifest.errors, "error")
        say("error", f"{options.manifest} has {errors}: nothing was planned")
        return BAD_INPUT
    if not manifest.count:
        raise UsageError(f"no audio file in {options.manifest}")
    with opened(options, creates=True) as manager:
        plan = fleet.plan(
            manager,
            manifest.items(),
            run=options.run,
            chunk_items=options.chunk,
            dry_run=options.dry_run,
            options=upload,
        )
    _print(options, plan)
    return 0


def _checked(options: Options) -> Manifest:
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore import check_manifest  # noqa: PLC0415
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415
    from audiostore.cli.report import print_problem  # noqa: PLC0415

    with CountProgress(what="lines") as progress:

        def report(problem: ManifestProblem) -> None:
            progress.clear()
            print_problem(options.manifest, problem)

        return check_manifest(
            Path(options.manifest),
            report,
            columns=options.column_names(),
            ignored_columns=options.ignore_column,
            fix_extension=options.fix_extension,
            looks_at_files=False,
            on_row=progress,
        )


def _print(options: Options, plan: FleetPlan) -> None:
    if options.json:
        fields = {"run": plan.run, "items": plan.items, "chunks": plan.chunks}
        print_json({**fields, "chunk_items": plan.chunk_items, "created": plan.created})
        return
    what = f"{counted(plan.items, 'file')} in {counted(plan.chunks, 'chunk')}"
    if options.dry_run:
        say("dry run", f"{plan.run}: {what}")
        return
    print(f"{plan.run}  {what}")
    if not plan.created:
        say("note", f"{plan.run} was planned before, with the same files")
