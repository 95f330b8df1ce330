"""List bulk uploads, or the failures of one: why, and what happened since."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime

import audiostore
from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions, LocationOptions, argument, option
from audiostore.cli.failures import NOT_FOUND, as_typed, located
from audiostore.cli.journals import journal_path
from audiostore.cli.output import as_fields, escape, human_time, note, print_json, say
from audiostore.cli.store import choose_store
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import FailedItem, Journal
    from audiostore.bulk import RunInfo

GROUP = "look after a store"
EXAMPLE = "audiostore jobs 3"
_HEADING = (
    f"{'RUN':>4}  {'BEGAN (UTC)':<16}  {'TOOK':>12}  {'STATE':<7}  {'STORED':>8}  {'CHANGED':>8}  "
    f"{'BEFORE':>8}  {'SKIPPED':>8}  {'IN TRASH':>8}  {'FAILED':>8}"
)


class Options(LocationOptions, JsonOptions):
    """Options of `jobs`."""

    number: int | None = argument("RUN", "number of a run", default=None, parse=positive)
    journal: str | None = option(
        metavar="FILE", help="the journal to read (default: that of the store)", files="any"
    )


def run(options: Options) -> int:
    """List the runs in a journal, or what failed in one of them."""
    from audiostore import Journal  # noqa: PLC0415  (not for --help)

    choice = choose_store(options)
    path = journal_path(options.journal, choice.location)
    if not path.exists():
        if options.journal is not None:
            raise audiostore.SourceNotFoundError(f"no journal at {str(path)!r}")
        choice.require()
        if options.number is None:
            note(f"no bulk upload to {choice.describe()} yet")
            return 0
        say("error", f"no run {options.number}: no bulk upload to {choice.describe()} yet")
        return NOT_FOUND
    with Journal(path) as journal:
        if options.number is None:
            return _list_runs(options, journal)
        return _show_run(options, journal)


def _list_runs(options: Options, journal: Journal) -> int:
    if not options.json:
        print(_HEADING)
    for info in journal.runs():
        if options.json:
            print_json({**as_fields(info), "state": _state(info)})
        else:
            print(
                f"{info.run:>4}  {_time(info.started_at)}  {_took(info):>12}  {_state(info):<7}  "
                f"{info.stored:>8,}  {info.changed:>8,}  {info.stored_before:>8,}  "
                f"{info.skipped:>8,}  {info.deleted:>8,}  {info.failed:>8,}"
            )
    return 0


def _show_run(options: Options, journal: Journal) -> int:
    info = next((each for each in journal.runs() if each.run == options.number), None)
    if info is None:
        journal_is = () if options.journal is None else ("--journal", options.journal)
        all_runs = hints.command("jobs", *journal_is)
        say("error", f"no run {options.number}: {all_runs} lists the runs")
        return NOT_FOUND
    became: Counter[str] = Counter()
    for failure in journal.failures(info.run):
        became[failure.became] += 1
        is_gone = not (failure.is_remote or os.path.lexists(failure.audio))
        if options.json:
            fields = {**as_fields(failure), "audio": failure.audio_place}
            print_json({**fields, "file_is_gone": is_gone, "run": info.run})
        else:
            place = failure.audio_place
            where = f"{failure.origin}: {place}" if failure.origin else place
            print(escape(located(where, _reason(failure.error))))
            print(escape(f"  -> {_since(failure, is_gone=is_gone)}"), flush=True)
    note(_summary(info, became))
    return 0


def _since(failure: FailedItem, *, is_gone: bool) -> str:
    """Return what became of a failure."""
    match failure.became:
        case "not tried again":
            return f"{failure.became}: the file is gone" if is_gone else failure.became
        case "failed again":
            is_same = failure.later_error == failure.error
            why = "" if is_same else f": {_reason(failure.later_error or '')}"
            return f"failed again in run {failure.later_run}{why}"
        case "in progress":
            return f"run {failure.later_run} is storing it"
        case "interrupted":
            return f"run {failure.later_run} was interrupted while it stored it"
    return f"stored by run {failure.later_run} as {failure.audio_id}"


def _summary(info: RunInfo, became: Counter[str]) -> str:
    words = f"run {info.run} {_state(info)}: {info.stored:,} stored, "
    if info.changed:
        words += f"{info.changed:,} changed, "
    if info.deleted:
        words += f"{info.deleted:,} in the trash, "
    words += f"{info.failed:,} failed"
    if became:
        words += f" ({', '.join(f'{count:,} {what}' for what, count in became.items())})"
    if _state(info) in ("killed", "stopped"):
        words += "; run the same command again to resume"
    return words


def _reason(text: str) -> str:
    """Return an error as it was printed: on one line, without the name of its class if ours."""
    from audiostore import errors  # noqa: PLC0415  (not for --help)

    name, colon, message = text.partition(": ")
    is_ours = bool(colon) and hasattr(errors, name)
    return as_typed(" ".join((message if is_ours else text).splitlines()))


def _state(info: RunInfo) -> str:
    """Return the state of a run: one that neither ended nor runs was killed."""
    if info.is_running:
        return "running"
    if info.ended_at is None:
        return "killed"
    return "ended" if info.is_complete else "stopped"


def _took(info: RunInfo) -> str:
    return "-" if info.ended_at is None else human_time(info.ended_at - info.started_at)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
