"""`put` for many files: a directory, several files, a manifest."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from audiostore.bulk import plan_items
from audiostore.cli import hints
from audiostore.cli.commands._put_work import Work, size_of, work_of
from audiostore.cli.failures import (
    BAD_INPUT,
    INTERRUPTED,
    PARTLY_FAILED,
    UsageError,
    report_stop,
)
from audiostore.cli.journals import (
    jobs_command,
    journal_path,
    note_other_assets,
    open_journal,
)
from audiostore.cli.output import counted, escape, is_terminal, note, print_json, say
from audiostore.cli.progress.bulk import BulkProgress, abandoning
from audiostore.cli.report import (
    PLANNED,
    UPLOADED,
    Count,
    Warnings,
    outcome_fields,
    place,
    plan_line,
    print_failure,
)
from audiostore.cli.store import choose_store, opened
from audiostore.errors import affects_all

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from audiostore import (
        IgnoredPath,
        Journal,
        UploadOptions,
        UploadOutcome,
        UploadReason,
    )
    from audiostore.bulk import Planned
    from audiostore.cli.commands.put import Options
    from audiostore.config import Location


def put_many(options: Options) -> int:
    """Store what the options name, or with --dry-run print what would be stored."""
    if options.trash_superseded:
        raise UsageError("--trash-superseded is for one FILE, with --supersedes ID")
    if options.update and options.skip_stored:
        raise UsageError("--update and --skip-stored exclude each other")
    if options.update and options.cleanup:
        raise UsageError(
            "--update and --cleanup exclude each other: once a file is deleted, a new file of "
            "its name is another track"
        )
    upload = options.upload_options()
    location = choose_store(options).location
    if options.watch:
        from audiostore.cli.commands._put_watch import watch  # noqa: PLC0415  (rare)

        return watch(options, location, upload)
    work = work_of(options, location, upload)
    if work is None:
        return BAD_INPUT
    if options.dry_run:
        return _plan(options, work, location, upload)
    return upload_work(options, work, location, upload)


def _plan(options: Options, work: Work, location: Location, upload: UploadOptions) -> int:
    count, warnings = Count(PLANNED, as_json=options.json, lists_all=True), Warnings()
    journal = None if options.no_journal else journal_path(options.journal, location)
    with opened(options, creates=True) as manager:
        if journal is not None and not (options.skip_stored or options.update):
            note_other_assets(manager, journal)
        plans = plan_items(
            manager,
            work.items(count.leave_out),
            upload,
            journal=journal,
            skip_stored=options.skip_stored,
            again=options.again,
            update=options.update,
            covers_are_given=work.covers_are_given,
        )
        _print_plans(options, plans, count, warnings)
    if not count.total:
        return _nothing(options, work, count)
    warnings.print_rest()
    say("dry run", count.summary())
    count.print_left_out()
    is_partly = count.failed or count.of("deleted") or count.left_out_audio
    return PARTLY_FAILED if is_partly else 0


def _print_plans(
    options: Options, plans: Generator[Planned, None, None], count: Count, warnings: Warnings
) -> None:
    with abandoning(plans):
        for plan in plans:
            status = plan.status if plan.status in ("failed", "skipped") else plan.reason
            count.add(status, plan.size_bytes, has_artwork=plan.has_artwork)
            if options.json:
                print_json(plan)
            else:
                print(plan_line(plan), flush=True)
            warnings.print(plan.item, plan.warnings)


def upload_work(
    options: Options,
    work: Work,
    location: Location,
    upload: UploadOptions,
    *,
    on_outcome: Callable[[UploadOutcome], None] = lambda _: None,
) -> int:
    """Store the files, and print what became of each; return the exit code."""
    count, warnings = Count(UPLOADED, as_json=options.json), Warnings()
    progress = BulkProgress()
    number: int | None = None
    reasons: Counter[UploadReason] = Counter()
    try:
        with ExitStack() as stack:
            manager = stack.enter_context(opened(options, progress, creates=True))
            journal: Journal | None = None
            if not options.no_journal:
                if not (options.skip_stored or options.update):
                    note_other_assets(manager, journal_path(options.journal, location))
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
                update=options.update,
                fail_fast=options.fail_fast,
                max_rate_bytes_s=options.max_rate,
                max_writes_per_s=options.max_writes_per_s,
                options=upload,
            )
            with abandoning(outcomes):
                for outcome in outcomes:
                    on_outcome(outcome)
                    changed = outcome.status == "changed"
                    count.add(
                        outcome.reason if changed else outcome.status,
                        outcome.size_bytes,
                        has_artwork=outcome.has_artwork,
                    )
                    reasons[outcome.reason] += outcome.status == "stored"
                    progress.finished(
                        outcome.audio_id,
                        outcome.size_bytes or size_of(outcome.item),  # cleanup deletes files
                        failed=outcome.error is not None,
                        moved=outcome.size_bytes > 0,
                    )
                    with progress.aside():
                        _print(options, outcome, warnings)
            if journal is not None:
                number = next((each.run for each in journal.runs()), None)
    except KeyboardInterrupt:
        warnings.print_rest()
        say("stopped", count.summary(progress.elapsed_s))
        say(
            "interrupted",
            "run the same command with --skip-stored to resume: no journal was kept"
            if options.no_journal
            else "run the same command again to resume; nothing is stored twice",
        )
        return INTERRUPTED
    except Exception as error:
        if count.total and affects_all(error):
            warnings.print_rest()
            return report_stop(error, count.summary(progress.elapsed_s), debug=options.debug)
        raise
    if not count.total:
        return _nothing(options, work, count)
    warnings.print_rest()
    say("done", count.summary(progress.elapsed_s))
    if options.cleanup and count.of("skipped"):
        say("note", "the local files of skipped assets were kept")
    count.print_left_out()
    _explain(count, reasons, update=options.update)
    if not count.failed:
        return PARTLY_FAILED if count.of("deleted") or count.left_out_audio else 0
    if number is not None:
        listed = jobs_command(number, options.journal)
        say("note", f"run the same command again to retry what failed; {listed} lists it")
    return PARTLY_FAILED


def _explain(count: Count, reasons: Counter[UploadReason], *, update: bool) -> None:
    """Say why something was stored again, or was not."""
    if reasons["changed"] and not update:
        files = counted(reasons["changed"], "file")
        say(
            "note",
            f"changed since they were stored: {files}, stored in addition; --update changes what "
            "is stored instead",
        )
    if reasons["gone"]:
        assets = counted(reasons["gone"], "asset")
        say("note", f"gone from the store: {assets}, stored again under new IDs")
    if count.of("deleted"):
        say(
            "note",
            f"what is in the trash was deleted: {hints.command('restore', 'ID')} brings it back, "
            "--again stores it again",
        )


def _nothing(options: Options, work: Work, count: Count) -> int:
    """Report that there is nothing to store: a usage error, unless it may have been cleaned up."""
    count.print_left_out()
    if count.failed or count.left_out_audio:
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
        print(f"{outcome.audio_id}  {escape(outcome.item.audio_place)}", flush=True)
    if outcome.error is not None:
        print_failure(place(outcome.item), outcome.error, debug=options.debug)
    if outcome.result is not None:
        warnings.print(outcome.item, outcome.result.warnings)
