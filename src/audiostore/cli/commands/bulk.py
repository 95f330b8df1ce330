"""Storing many audio files at once."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from audiostore.asset import check_custom_metadata, require_audio_id
from audiostore.bulk import (
    BulkItem,
    Journal,
    LeftOut,
    Manifest,
    Outcome,
    Problem,
    Tell,
    check_manifest,
    find_items,
    plan_items,
    upload_many,
)
from audiostore.cli import INTERRUPTED
from audiostore.cli.bulk_progress import BulkWatch, abandoning
from audiostore.cli.bulk_report import (
    PLANNED,
    UPLOADED,
    Count,
    Warnings,
    outcome_fields,
    outcome_status,
    place,
    plan_line,
    tell_failure,
    tell_problem,
)
from audiostore.cli.choice import choose_store
from audiostore.cli.commands import assets
from audiostore.cli.commands.jobs import believe, jobs_command, open_journal
from audiostore.cli.commands.opening import opened
from audiostore.cli.counting import Counting
from audiostore.cli.failures import BAD_INPUT, PARTLY_FAILED
from audiostore.cli.listing import json_line
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, is_terminal, note, say
from audiostore.config import DirectoryLocation, Location
from audiostore.ingest import UploadOptions

_FOR_ONE = {
    "thumbnail": "--thumbnail",
    "audio_id": "--id",
    "title": "--title",
    "supersedes": "--supersedes",
}
_SAMPLES = 8


def put_many(options: Namespace) -> int:
    """Store what the options name: files, directories, a manifest; or say what would be."""
    location = choose_store(options.bucket).location
    work = _work(options, location)
    if work is None:
        return BAD_INPUT
    if options.dry_run:
        return _plan(options, work)
    return _upload(options, work, location)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be stored."""

    items: Callable[[Tell], Iterator[BulkItem]]
    """Finds it, from the beginning at each call."""
    name: str
    covers_are_given: bool = False
    manifest: Manifest | None = None

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield numbers of assets, and their bytes, until all are told."""
        if self.manifest is not None:
            yield self.manifest.count, self.manifest.size_bytes
            return
        for item in self.items(lambda _: None):
            yield 1, _size_of(item)


def _work(options: Namespace, location: Location) -> _Work | None:
    """Return what the options name; None if it cannot be, which was told."""
    if options.trash_superseded:
        raise UsageError("--trash-superseded is for one FILE, with --supersedes ID")
    metadata = check_custom_metadata(assets.custom_metadata(options))
    paths = [Path(path) for path in options.files]
    if options.manifest is not None:
        return _listed(options, metadata)
    if len(paths) == 1 and not paths[0].is_dir():
        if options.supersedes is not None:
            raise UsageError("--supersedes goes with none of the options for many files")
        if options.audio_id is not None:
            require_audio_id(options.audio_id)
        thumbnail = Path(options.thumbnail) if options.thumbnail else None
        only = BulkItem(paths[0], thumbnail, options.audio_id, metadata)
        return _Work(lambda _: iter([only]), str(paths[0]), covers_are_given=True)
    _refuse_what_is_for_one(options, "several files")
    store_folder = location.path if isinstance(location, DirectoryLocation) else None

    def items(tell: Tell) -> Iterator[BulkItem]:
        found = find_items(paths, tell, store_folder=store_folder, may_be_gone=options.cleanup)
        return (replace(item, metadata=metadata) for item in found)

    return _Work(items, str(paths[0]) if len(paths) == 1 else f"these {len(paths)} paths")


def _listed(options: Namespace, metadata: Mapping[str, str]) -> _Work | None:
    if options.files:
        raise UsageError("--manifest says what to store: name no FILE beside it")
    _refuse_what_is_for_one(options, "a manifest, which may have a column for it")
    path = Path(options.manifest)
    with Counting(what="lines") as counting:

        def tell(problem: Problem) -> None:
            counting.clear()
            tell_problem(options.manifest, problem)

        manifest = check_manifest(
            path,
            tell,
            metadata=metadata,
            fix_extension=options.fix_extension,
            cleanup=options.cleanup,
            on_row=counting,
        )
    if manifest.errors:
        errors = "1 error" if manifest.errors == 1 else f"{manifest.errors:,} errors"
        say("error", f"{options.manifest} has {errors}: nothing was stored")
        return None
    return _Work(
        lambda _: manifest.items(), options.manifest, covers_are_given=True, manifest=manifest
    )


def _refuse_what_is_for_one(options: Namespace, what: str) -> None:
    for name, option in _FOR_ONE.items():
        if getattr(options, name) is not None:
            raise UsageError(f"{option} is for one FILE, not for {what}")


def _size_of(item: BulkItem) -> int:
    size_bytes = 0
    for path in (item.audio, item.thumbnail):
        if path is not None:
            with suppress(OSError, ValueError):  # whoever stores it will tell
                size_bytes += path.stat().st_size
    return size_bytes


def _plan(options: Namespace, work: _Work) -> int:
    upload = UploadOptions(
        check=options.check,
        artwork="none" if options.no_artwork else "embedded",
        thumbnail_max_px=options.thumbnail_max_px,
        fix_extension=options.fix_extension,
        faststart=options.faststart,
    )
    count, warnings = Count(PLANNED), Warnings()
    items = work.items(count.leave_out)
    for plan in plan_items(items, upload, covers_are_given=work.covers_are_given):
        count.add("failed" if plan.error else "storable", plan.size_bytes)
        print(json_line(plan.to_dict()) if options.json else plan_line(plan), flush=True)
        warnings.tell(plan.item, plan.warnings)
    if not count.total:
        return _nothing(options, work, count)
    warnings.tell_rest()
    say("dry run", count.summary())
    count.tell_left_out()
    return PARTLY_FAILED if count.failed else 0


def _upload(options: Namespace, work: _Work, location: Location) -> int:
    count, warnings = Count(UPLOADED), Warnings()
    watch = BulkWatch()
    run: int | None = None
    samples: list[str] = []
    is_believed = True
    try:
        with ExitStack() as stack:
            manager = stack.enter_context(opened(options, watch))
            journal: Journal | None = None
            if not options.no_journal:
                journal = stack.enter_context(open_journal(options.journal, location))
            stack.enter_context(watch)
            watch.expect(work.sizes())

            def leave_out(left: LeftOut) -> None:
                with watch.aside():
                    count.leave_out(left)

            outcomes = upload_many(
                manager,
                work.items(leave_out),
                journal=journal,
                concurrency=options.concurrency,
                in_order=options.in_order,
                skip_stored=options.skip_stored,
                fail_fast=options.fail_fast,
                max_rate_bytes_s=options.max_rate,
                cleanup=options.cleanup,
                check=options.check,
                artwork="none" if options.no_artwork else "embedded",
                thumbnail_max_px=options.thumbnail_max_px,
                fix_extension=options.fix_extension,
                faststart=options.faststart,
                cache="public" if options.public else "private",
            )
            with abandoning(outcomes):
                for outcome in outcomes:
                    count.add(outcome_status(outcome), outcome.size_bytes)
                    if outcome.done_before and outcome.audio_id and len(samples) < _SAMPLES:
                        samples.append(outcome.audio_id)
                    watch.finished(
                        outcome.audio_id,
                        _size_of(outcome.item),
                        failed=outcome.error is not None,
                        moved=outcome.result is not None,
                    )
                    with watch.aside():
                        _tell_stored(options, outcome, warnings)
            if journal is not None:
                run = next((each.run for each in journal.runs()), None)
                with watch.aside():
                    is_believed = believe(journal, manager, samples)
    except KeyboardInterrupt:
        warnings.tell_rest()
        say("stopped", count.summary(watch.elapsed_s))
        again = (
            "run the same command with --skip-stored to go on: no journal was kept"
            if options.no_journal
            else "run the same command again to go on; nothing is stored twice"
        )
        say("interrupted", again)
        return INTERRUPTED
    if not count.total:
        return _nothing(options, work, count)
    warnings.tell_rest()
    say("done", count.summary(watch.elapsed_s))
    if options.cleanup and count.of("skipped"):
        say("note", "the local files of what was skipped were kept")
    count.tell_left_out()
    if not count.failed:
        return 0 if is_believed else PARTLY_FAILED
    if run is not None:
        say(
            "note",
            f"the same command tries again what failed; {jobs_command(options, run)} lists it",
        )
    return PARTLY_FAILED


def _nothing(options: Namespace, work: _Work, count: Count) -> int:
    """Say that there is nothing to store; a mistake, unless it was cleaned up."""
    count.tell_left_out()
    if count.failed:
        return PARTLY_FAILED
    if options.cleanup:
        note(f"there is no audio file in {work.name}")
        return 0
    raise UsageError(f"there is no audio file in {work.name}")


def _tell_stored(options: Namespace, outcome: Outcome, warnings: Warnings) -> None:
    if options.json:
        print(json_line(outcome_fields(outcome)), flush=True)
    elif outcome.error is None and not (outcome.done_before and is_terminal(sys.stdout)):
        print(f"{outcome.audio_id}  {escape(str(outcome.item.audio))}", flush=True)
    if outcome.error is not None:
        tell_failure(options, place(outcome.item), outcome.error)
    if outcome.result is not None:
        warnings.tell(outcome.item, outcome.result.warnings)
