"""Copy assets from one store to another.

Each copy is verified. Assets that are already in the target are compared and skipped, never
overwritten.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.choosing import Selection, SelectionOptions, is_told, require_one_way
from audiostore.cli.consent import print_plan
from audiostore.cli.declare import (
    BillingOptions,
    DryRunOptions,
    RetryOptions,
    option,
)
from audiostore.cli.failures import FAILED, NOT_FOUND, PARTLY_FAILED, UsageError, sentence
from audiostore.cli.filters import query_of
from audiostore.cli.output import counted, escape, human_size, note, print_json, say
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
    if is_told(options):
        require_one_way(options, options.audio_ids)
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
    with source, target:
        chosen = Selection(options, source, audio_ids=options.audio_ids)
        assets = chosen.existing() if is_told(options) else source.list()
        if options.dry_run:
            code = _plan(options, target, assets, counting)
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
    target: AudioStorageManager,
    assets: Iterator[StorageResult],
    progress: CountProgress,
) -> int:
    from audiostore.cli.listing import row  # noqa: PLC0415  (not for --help)

    present = 0
    with progress:
        for count, asset in enumerate(assets, 1):
            progress(count)
            try:
                target.get(asset.audio_id)
            except audiostore.AssetNotFoundError:
                progress.clear()
                print_plan(options, f"copy {row(asset)}", asset.audio_id)
            else:
                present += 1
    if present:
        note(f"{counted(present, 'asset')} already there, to be compared when copying")
    return 0


def _copy(
    options: Options,
    chosen: Selection,
    target: AudioStorageManager,
    assets: Iterator[StorageResult],
    progress: BulkProgress,
) -> int:
    from audiostore.bulk import size_of  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.bulk import abandoning  # noqa: PLC0415

    copied = skipped = failed = size = 0
    source = chosen.manager
    outcomes = source.bulk.copy(target, assets, concurrency=options.concurrency)
    with progress, abandoning(outcomes):
        if chosen.total is not None:
            progress.expect([(chosen.total, 0)])
        else:
            progress.expect((1, size_of(asset)) for asset in source.catalog.find(query_of(options)))
        for outcome in outcomes:
            if outcome.error is not None:
                failed += 1
            elif outcome.skipped:
                skipped += 1
            else:
                copied += 1
                size += outcome.size_bytes
            progress.finished(
                outcome.audio_id,
                outcome.size_bytes,
                failed=outcome.error is not None,
                moved=not outcome.skipped,
            )
            with progress.aside():
                _print(options, outcome)
    note(
        f"copied {counted(copied, 'asset')} ({human_size(size)}) to {escape(target.url)}; "
        f"{skipped:,} already there, {failed:,} failed"
    )
    if failed:
        return PARTLY_FAILED if copied or skipped else FAILED
    return 0


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
