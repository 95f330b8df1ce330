"""Copy assets from one store to another.

Each copy is verified. Assets that are already in the target are compared and skipped, never
overwritten.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.choosing import SelectionOptions, is_selected, require_one_way
from audiostore.cli.consent import print_plan
from audiostore.cli.declare import (
    BillingOptions,
    DryRunOptions,
    RetryOptions,
    option,
)
from audiostore.cli.failures import (
    FAILED,
    NOT_FOUND,
    PARTLY_FAILED,
    UsageError,
    report_stop,
    sentence,
)
from audiostore.cli.filters import query_of
from audiostore.cli.output import note, print_json, say
from audiostore.cli.selection import Selection
from audiostore.cli.store import retries
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator

    from audiostore import AudioStorageManager, CopyOutcome, StorageResult
    from audiostore.cli.progress.bulk import BulkProgress
    from audiostore.cli.progress.count import CountProgress
    from audiostore.config import Location

GROUP = "store and fetch"
EXAMPLE = """\
audiostore copy --from gs://my-bucket --to file:///backup/audio
audiostore copy --from gs://my-bucket --to gs://other-bucket --album 'Pastel Blues'"""


class Options(SelectionOptions, RetryOptions, BillingOptions, DryRunOptions):
    """Options of `copy`."""

    source: str = option("--from", metavar="URL", required=True, help="store to copy from")
    target: str = option("--to", metavar="URL", required=True, help="store to copy to")
    concurrency: int | None = option(
        metavar="N", parse=positive, help="at most N copies at once (default: adaptive)"
    )


def run(options: Options) -> int:
    """Copy the assets: all, unless some are named."""
    if is_selected(options):
        require_one_way(options, options.audio_ids)
    from audiostore.cli.logs import warning_of_passed_over  # noqa: PLC0415
    from audiostore.cli.progress.bulk import BulkProgress  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415
    from audiostore.config import DirectoryLocation, parse_location  # noqa: PLC0415

    places = [_resolved(parse_location(url)) for url in (options.source, options.target)]
    if places[0] == places[1]:
        raise UsageError(f"--from and --to are the same store: {places[0].url}")
    match places[0]:
        case DirectoryLocation(path) if not path.is_dir():
            raise UsageError(f"--from {options.source}: no directory {str(path)!r}")
    progress, counting = BulkProgress(), CountProgress()
    source, target = (
        audiostore.AudioStorageManager(
            place.url,
            project=options.billing_project,
            retry_config=retries(options),
            on_event=counting.waiting if options.dry_run else progress,
        )
        for place in places
    )
    with warning_of_passed_over(), source, target:
        chosen = Selection(options, source, audio_ids=options.audio_ids)
        assets = chosen.existing() if is_selected(options) else source.list()
        if options.dry_run:
            code = _plan(options, chosen, target, assets, counting)
        else:
            code = _copy(options, chosen, target, assets, progress)
    return code or (NOT_FOUND if chosen.unknown else 0)


def _resolved(location: Location) -> Location:
    """Return a location without symbolic links, so that one directory has one name."""
    from audiostore.config import DirectoryLocation  # noqa: PLC0415  (not for --help)

    match location:
        case DirectoryLocation(path):
            return DirectoryLocation(path.resolve())
        case _:
            return location


def _plan(
    options: Options,
    chosen: Selection,
    target: AudioStorageManager,
    assets: Iterator[StorageResult],
    progress: CountProgress,
) -> int:
    from audiostore.bulk import size_of  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import row  # noqa: PLC0415
    from audiostore.cli.report import PLANNED_COPIES, Count  # noqa: PLC0415

    count = Count(PLANNED_COPIES)
    look = _compare if chosen.total is None else _look_up
    with progress:
        for asset, is_there in look(assets, target):
            if is_there:
                count.add("skipped")
            else:
                count.add("copied", size_of(asset))
                progress.clear()
                print_plan(options, f"copy {row(asset)}", asset.audio_id)
            progress(count.total)
    compared = "; what is already there is compared when copying" if count.of("skipped") else ""
    say("dry run", f"{count.summary()}{compared}")
    return 0


def _look_up(
    assets: Iterator[StorageResult], target: AudioStorageManager
) -> Iterator[tuple[StorageResult, bool]]:
    """Yield each asset, and whether the target has one of its id."""
    for asset in assets:
        try:
            target.get(asset.audio_id)
        except audiostore.AssetNotFoundError:
            yield asset, False
        else:
            yield asset, True


def _compare(
    assets: Iterator[StorageResult], target: AudioStorageManager
) -> Iterator[tuple[StorageResult, bool]]:
    """Do so by one listing of the target: both are in the order of ids."""
    theirs = (asset.audio_id for asset in target.list())
    at = next(theirs, None)
    for asset in assets:
        while at is not None and at < asset.audio_id:
            at = next(theirs, None)
        yield asset, at == asset.audio_id


def _copy(
    options: Options,
    chosen: Selection,
    target: AudioStorageManager,
    assets: Iterator[StorageResult],
    progress: BulkProgress,
) -> int:
    from audiostore.bulk import size_of  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.bulk import abandoning  # noqa: PLC0415
    from audiostore.cli.report import COPIED, Count  # noqa: PLC0415

    count = Count(COPIED)
    source = chosen.manager
    outcomes = source.bulk.copy(target, assets, concurrency=options.concurrency)
    try:
        with progress, abandoning(outcomes):
            if chosen.total is not None:
                progress.expect([(chosen.total, 0)])
            else:
                found = source.catalog.find(query_of(options))
                progress.expect((1, size_of(asset)) for asset in found)
            for outcome in outcomes:
                status = _status(outcome)
                count.add(status, outcome.size_bytes if status == "copied" else 0)
                progress.finished(
                    outcome.audio_id,
                    outcome.size_bytes,
                    failed=outcome.error is not None,
                    moved=not outcome.skipped,
                )
                with progress.aside():
                    _print(options, outcome)
    except BaseException as error:
        if not count.total:
            raise
        summary = count.summary(progress.elapsed_s)
        if isinstance(error, Exception) and not isinstance(error, BrokenPipeError):
            return report_stop(error, summary, debug=options.debug)
        say("stopped", summary)
        raise
    if not count.total:
        note("nothing to copy")
        return 0
    say("done", count.summary(progress.elapsed_s))
    if count.failed:
        return PARTLY_FAILED if count.total > count.failed else FAILED
    return 0


def _status(outcome: CopyOutcome) -> str:
    if outcome.error is not None:
        return "failed"
    return "skipped" if outcome.skipped else "copied"


def _print(options: Options, outcome: CopyOutcome) -> None:
    error = sentence(outcome.error) if outcome.error else None
    if isinstance(outcome.error, audiostore.AssetNotFoundError):
        error = f"{error}; 'audiostore check --bucket {options.source}' shows what is missing"
    if error is not None:
        say("error", f"{outcome.audio_id}: {error}")
    if options.json:
        print_json({"audio_id": outcome.audio_id, "skipped": outcome.skipped, "error": error})
    elif error is None and not outcome.skipped:
        print(outcome.audio_id, flush=True)
