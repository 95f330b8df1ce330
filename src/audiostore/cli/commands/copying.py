"""The command that copies assets from one store to another."""

from argparse import Namespace
from collections.abc import Iterator

from audiostore.bulk import Copied, copy_many, size_of
from audiostore.cli.bulk_progress import BulkWatch, abandoning
from audiostore.cli.commands.consent import tell_plan
from audiostore.cli.commands.each import given_ids
from audiostore.cli.counting import Counting
from audiostore.cli.failures import NOT_FOUND, PARTLY_FAILED, sentence
from audiostore.cli.listing import json_line, row
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, human_size, note, say
from audiostore.config import DirectoryLocation, Location, parse_location
from audiostore.errors import AssetNotFoundError
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult


def copy(options: Namespace) -> int:
    """Copy whole assets between two stores."""
    places = [_place(parse_location(url)) for url in (options.source, options.target)]
    if places[0] == places[1]:
        raise UsageError(f"--from and --to are the same store, {places[0].url}: name two")
    match places[0]:
        case DirectoryLocation(path) if not path.is_dir():
            raise UsageError(f"--from {options.source}: there is no directory {str(path)!r}")
    audio_ids = given_ids(options)
    watch = BulkWatch()
    with (
        AudioStorageManager(places[0].url, on_event=watch) as source,
        AudioStorageManager(places[1].url, on_event=watch) as target,
    ):
        missing: list[str] = []
        assets = _named(source, audio_ids, missing) if audio_ids else source.list()
        if options.dry_run:
            code = _tell(options, target, assets)
        else:
            code = _copy(options, source, target, assets, watch)
    return code or (NOT_FOUND if missing else 0)


def _place(location: Location) -> Location:
    """Return a location by the one name that a directory has, whatever links lead to it."""
    match location:
        case DirectoryLocation(path):
            return DirectoryLocation(path.resolve())
        case _:
            return location


def _named(
    source: AudioStorageManager, audio_ids: list[str], missing: list[str]
) -> Iterator[StorageResult]:
    for audio_id in audio_ids:
        try:
            yield source.get(audio_id)
        except AssetNotFoundError as error:
            say("error", sentence(error))
            missing.append(audio_id)


def _tell(options: Namespace, target: AudioStorageManager, assets: Iterator[StorageResult]) -> int:
    there = 0
    with Counting() as counting:
        for count, asset in enumerate(assets, 1):
            counting(count)
            try:
                target.get(asset.audio_id)
            except AssetNotFoundError:
                counting.clear()
                tell_plan(options, f"copy {row(asset)}", asset.audio_id)
            else:
                there += 1
    if there:
        note(f"{there:,} are there; copying would compare them")
    return 0


def _copy(
    options: Namespace,
    source: AudioStorageManager,
    target: AudioStorageManager,
    assets: Iterator[StorageResult],
    watch: BulkWatch,
) -> int:
    copied = skipped = failed = size = 0
    outcomes = copy_many(source, target, assets, concurrency=options.concurrency)
    with watch, abandoning(outcomes):
        if given := given_ids(options):
            watch.expect([(len(given), 0)])
        else:
            watch.expect((1, size_of(asset)) for asset in source.list())
        for outcome in outcomes:
            if outcome.error is not None:
                failed += 1
            elif outcome.skipped:
                skipped += 1
            else:
                copied += 1
                size += outcome.size_bytes
            watch.finished(
                outcome.audio_id,
                outcome.size_bytes,
                failed=outcome.error is not None,
                moved=not outcome.skipped,
            )
            with watch.aside():
                _tell_copied(options, outcome)
    note(
        f"copied {copied:,} assets ({human_size(size)}) to {escape(target.url)}; {skipped:,} were "
        f"there, {failed:,} failed"
    )
    if failed:
        return PARTLY_FAILED if copied or skipped else 1
    return 0


def _tell_copied(options: Namespace, outcome: Copied) -> None:
    if outcome.error is not None:
        say("error", f"{outcome.audio_id}: {sentence(outcome.error)}")
    if options.json:
        error = sentence(outcome.error) if outcome.error else None
        fields = {"audio_id": outcome.audio_id, "skipped": outcome.skipped}
        print(json_line({**fields, "error": error}), flush=True)
    elif outcome.error is None and not outcome.skipped:
        print(outcome.audio_id, flush=True)
