"""`put` for many files: a directory, several files, a manifest."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore import BulkItem
from audiostore.asset import require_audio_id
from audiostore.bulk import check_manifest, find_items, plan_items
from audiostore.cli.failures import BAD_INPUT, INTERRUPTED, PARTLY_FAILED, UsageError
from audiostore.cli.journals import jobs_command, open_journal
from audiostore.cli.output import counted, escape, is_terminal, note, print_json, say
from audiostore.cli.progress.bulk import BulkProgress, abandoning
from audiostore.cli.progress.count import CountProgress
from audiostore.cli.report import (
    PLANNED,
    UPLOADED,
    Count,
    Warnings,
    outcome_fields,
    place,
    plan_line,
    print_failure,
    print_problem,
)
from audiostore.cli.store import choose_store, opened
from audiostore.config import DirectoryLocation
from audiostore.errors import affects_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audiostore import (
        IgnoredPath,
        Journal,
        Manifest,
        ManifestProblem,
        UploadOptions,
        UploadOutcome,
    )
    from audiostore.cli.commands.put import Options
    from audiostore.config import Location


def put_many(options: Options) -> int:
    """Store what the options name, or with --dry-run print what would be stored."""
    if options.trash_superseded:
        raise UsageError("--trash-superseded is for one FILE, with --supersedes ID")
    upload = options.upload_options()
    location = choose_store(options).location
    work = _work(options, location, upload)
    if work is None:
        return BAD_INPUT
    if options.dry_run:
        return _plan(options, work, upload)
    return _upload(options, work, location, upload)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be stored."""

    items: Callable[[Callable[[IgnoredPath], None]], Iterator[BulkItem]]
    """Finds the items; each call starts over."""
    name: str
    covers_are_given: bool = False
    manifest: Manifest | None = None

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of a number of assets and their bytes."""
        if self.manifest is not None:
            yield self.manifest.count, self.manifest.size_bytes
            return
        for item in self.items(lambda _: None):
            yield 1, _size_of(item)


def _work(options: Options, location: Location, upload: UploadOptions) -> _Work | None:
    """Return what the options name; None if the manifest has errors, which are printed."""
    paths = [Path(path) for path in options.files]
    if options.manifest is not None:
        return _listed(options, Path(options.manifest), upload)
    if len(paths) == 1 and not paths[0].is_dir():
        if options.supersedes is not None:
            raise UsageError("--supersedes cannot be combined with options for many files")
        if options.audio_id is not None:
            require_audio_id(options.audio_id)
        thumbnail = Path(options.thumbnail) if options.thumbnail else None
        only = BulkItem(paths[0], thumbnail, options.audio_id)
        return _Work(lambda _: iter([only]), str(paths[0]), covers_are_given=True)
    _refuse_what_is_for_one(options, "several files")
    store_folder = location.path if isinstance(location, DirectoryLocation) else None

    def items(on_ignored: Callable[[IgnoredPath], None]) -> Iterator[BulkItem]:
        return find_items(
            paths, on_ignored, store_folder=store_folder, allow_missing=options.cleanup
        )

    return _Work(items, str(paths[0]) if len(paths) == 1 else f"these {len(paths)} paths")


def _listed(options: Options, path: Path, upload: UploadOptions) -> _Work | None:
    if options.files:
        raise UsageError("--manifest lists what to store: give no FILE with it")
    _refuse_what_is_for_one(options, "a manifest (which can have a column for it)")
    with CountProgress(what="lines") as progress:

        def report(problem: ManifestProblem) -> None:
            progress.clear()
            print_problem(str(path), problem)

        manifest = check_manifest(
            path,
            report,
            metadata=upload.metadata or {},
            fix_extension=options.fix_extension,
            cleanup=options.cleanup,
            on_row=progress,
        )
    if manifest.errors:
        errors = counted(manifest.errors, "error")
        say("error", f"{path} has {errors}: nothing was stored")
        return None
    return _Work(lambda _: manifest.items(), str(path), covers_are_given=True, manifest=manifest)


def _refuse_what_is_for_one(options: Options, what: str) -> None:
    for flag, value in (
        ("--thumbnail", options.thumbnail),
        ("--id", options.audio_id),
        ("--title", options.title),
        ("--supersedes", options.supersedes),
    ):
        if value is not None:
            raise UsageError(f"{flag} is for one FILE, not for {what}")


def _size_of(item: BulkItem) -> int:
    size_bytes = 0
    for path in (item.audio, item.thumbnail):
        if path is not None:
            with suppress(OSError, ValueError):  # the upload reports it
                size_bytes += path.stat().st_size
    return size_bytes


def _plan(options: Options, work: _Work, upload: UploadOptions) -> int:
    count, warnings = Count(PLANNED), Warnings()
    items = work.items(count.leave_out)
    plans = plan_items(items, upload, covers_are_given=work.covers_are_given)
    with abandoning(plans):
        for plan in plans:
            count.add("failed" if plan.error else "storable", plan.size_bytes)
            if options.json:
                print_json(plan)
            else:
                print(plan_line(plan), flush=True)
            warnings.print(plan.item, plan.warnings)
    if not count.total:
        return _nothing(options, work, count)
    warnings.print_rest()
    say("dry run", count.summary())
    count.print_left_out()
    return PARTLY_FAILED if count.failed else 0


def _upload(options: Options, work: _Work, location: Location, upload: UploadOptions) -> int:
    count, warnings = Count(UPLOADED), Warnings()
    progress = BulkProgress()
    number: int | None = None
    try:
        with ExitStack() as stack:
            manager = stack.enter_context(opened(options, progress))
            journal: Journal | None = None
            if not options.no_journal:
                journal = stack.enter_context(open_journal(options.journal, location))
            stack.enter_context(progress)
            progress.expect(work.sizes())

            def leave_out(ignored: IgnoredPath) -> None:
                with progress.aside():
                    count.leave_out(ignored)

            outcomes = manager.bulk.upload(
                work.items(leave_out),
                journal=journal,
                concurrency=options.concurrency,
                in_order=options.in_order,
                skip_stored=options.skip_stored,
                again=options.again,
                fail_fast=options.fail_fast,
                max_rate_bytes_s=options.max_rate,
                options=upload,
            )
            with abandoning(outcomes):
                for outcome in outcomes:
                    count.add(outcome.status, outcome.size_bytes)
                    progress.finished(
                        outcome.audio_id,
                        _size_of(outcome.item),
                        failed=outcome.error is not None,
                        moved=outcome.status == "stored",
                    )
                    with progress.aside():
                        _print(options, outcome, warnings)
            if journal is not None:
                number = next((each.run for each in journal.runs()), None)
    except KeyboardInterrupt:
        warnings.print_rest()
        say("stopped", count.summary(progress.elapsed_s))
        again = (
            "run the same command with --skip-stored to resume: no journal was kept"
            if options.no_journal
            else "run the same command again to resume; nothing is stored twice"
        )
        say("interrupted", again)
        return INTERRUPTED
    except Exception as error:
        if count.total and affects_all(error):
            warnings.print_rest()
            say("stopped", count.summary(progress.elapsed_s))
        raise
    if not count.total:
        return _nothing(options, work, count)
    warnings.print_rest()
    say("done", count.summary(progress.elapsed_s))
    if options.cleanup and count.of("skipped"):
        say("note", "the local files of skipped assets were kept")
    count.print_left_out()
    if count.of("deleted"):
        say(
            "note",
            "what is in the trash was deleted: 'audiostore restore ID' brings it back, --again "
            "stores it anew",
        )
    if not count.failed:
        return PARTLY_FAILED if count.of("deleted") else 0
    if number is not None:
        command = jobs_command(
            number, journal=options.journal, bucket=options.bucket, store=options.store
        )
        say("note", f"run the same command again to retry what failed; {command} lists it")
    return PARTLY_FAILED


def _nothing(options: Options, work: _Work, count: Count) -> int:
    """Report that there is nothing to store: a usage error, unless it may have been cleaned up."""
    count.print_left_out()
    if count.failed:
        return PARTLY_FAILED
    if options.cleanup:
        note(f"no audio file in {work.name}")
        return 0
    raise UsageError(f"no audio file in {work.name}")


def _print(options: Options, outcome: UploadOutcome, warnings: Warnings) -> None:
    if options.json:
        print_json(outcome_fields(outcome))
    elif outcome.status == "deleted":
        say(
            "warning",
            f"{place(outcome.item)}: {outcome.audio_id} is in the trash: not stored again",
        )
    elif outcome.error is None and not (outcome.done_before and is_terminal(sys.stdout)):
        print(f"{outcome.audio_id}  {escape(str(outcome.item.audio))}", flush=True)
    if outcome.error is not None:
        print_failure(place(outcome.item), outcome.error, debug=options.debug)
    if outcome.result is not None:
        warnings.print(outcome.item, outcome.result.warnings)
