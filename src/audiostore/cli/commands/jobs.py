"""The journals of what was stored, and what they say."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from audiostore import errors
from audiostore.bulk import Journal, RunInfo
from audiostore.cli.bulk_progress import human_time
from audiostore.cli.choice import choose_store
from audiostore.cli.failures import NOT_FOUND
from audiostore.cli.listing import json_line
from audiostore.cli.output import escape, note, say
from audiostore.config import Location, emulator_endpoint, state_directory
from audiostore.errors import AssetNotFoundError, SourceNotFoundError
from audiostore.manager import AudioStorageManager
from audiostore.statefiles import hash_of

_HEADING = (
    f"{'RUN':>4}  {'BEGAN (UTC)':<16}  {'TOOK':>12}  {'STATE':<7}  {'STORED':>9}  {'BEFORE':>9}  "
    f"{'SKIPPED':>9}  {'FAILED':>9}"
)


def open_journal(path: str | None, location: Location) -> Journal:
    """Open the journal at a path; without one, the user's own of a store."""
    file = _journal_path(path, location)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(file)


def jobs(options: Namespace) -> int:
    """List the runs in a journal, or what failed in one of them."""
    choice = choose_store(options.bucket)
    path = _journal_path(options.journal, choice.location)
    if not path.exists():
        if options.journal is not None:
            raise SourceNotFoundError(f"no journal at {str(path)!r}")
        if options.job is None:
            note(f"nothing was stored in {choice.describe()} by 'audiostore put' of many files yet")
            return 0
        say("error", f"no run {options.job}: there was none yet that stored in {choice.describe()}")
        return NOT_FOUND
    with Journal(path) as journal:
        if options.job is None:
            return _list_runs(options, journal)
        return _show_run(options, journal)


def believe(journal: Journal, manager: AudioStorageManager, audio_ids: Sequence[str]) -> bool:
    """Look for a few of the assets that the journal says are stored; warn if some are not.

    Returns:
        False if none of them is there: the store was emptied, or is another one.
    """
    gone = 0
    for audio_id in audio_ids:
        try:
            manager.get(audio_id)
        except AssetNotFoundError:
            gone += 1
    if gone:
        say(
            "warning",
            f"of {len(audio_ids)} assets that are stored as the journal says, {gone} are not in "
            f"{manager.url}: were they deleted? The same command with --no-journal --skip-stored "
            f"stores what is not there; the journal is {str(journal.path)!r}",
        )
    return gone == 0 or gone < len(audio_ids)


def jobs_command(options: Namespace, run: int) -> str:
    """Return what to type to see what failed."""
    words = ["audiostore", "jobs", str(run)]
    if options.journal is not None:
        words += ["--journal", options.journal]
    elif options.bucket is not None:
        words += ["--bucket", options.bucket]
    return f"'{shlex.join(words)}'"


def _journal_path(path: str | None, location: Location) -> Path:
    if path is not None:
        return Path(path)
    # A bucket and one of the same name in an emulator have the same URL.
    name = hash_of([location.url, emulator_endpoint()])[:32]
    return state_directory() / "journals" / f"{name}.sqlite3"


def _list_runs(options: Namespace, journal: Journal) -> int:
    if not options.json:
        print(_HEADING)
    for info in journal.runs():
        if options.json:
            print(json_line({**asdict(info), "state": _state(info)}), flush=True)
        else:
            print(
                f"{info.run:>4}  {_time(info.started_at)}  {_took(info):>12}  {_state(info):<7}  "
                f"{info.stored:>9,}  {info.stored_before:>9,}  {info.skipped:>9,}  "
                f"{info.failed:>9,}"
            )
    return 0


def _show_run(options: Namespace, journal: Journal) -> int:
    info = next((each for each in journal.runs() if each.run == options.job), None)
    if info is None:
        say("error", f"no run {options.job}: 'audiostore jobs' lists those that there are")
        return NOT_FOUND
    count = 0
    for count, failure in enumerate(journal.failures(info.run), 1):  # noqa: B007
        where = f"{failure.origin}: {failure.audio}" if failure.origin else str(failure.audio)
        if options.json:
            fields = {**asdict(failure), "audio": str(failure.audio), "run": info.run}
            print(json_line(fields), flush=True)
        else:
            print(escape(f"{where}: {_reason(failure.error)}"), flush=True)
    note(_in_words(info, info.failed - count))
    return 0


def _in_words(info: RunInfo, tried_since: int) -> str:
    words = f"run {info.run} {_state(info)}: {info.stored:,} stored, {info.failed:,} failed"
    if tried_since > 0:
        words += f", {tried_since:,} of them tried again since"
    if _state(info) in ("killed", "stopped"):
        words += "; the command that began it goes on where it stopped"
    return words


def _reason(text: str) -> str:
    """Return an error as it was told: on one line, and without the name of its class, if ours."""
    name, colon, message = text.partition(": ")
    is_ours = bool(colon) and hasattr(errors, name)
    return " ".join((message if is_ours else text).splitlines())


def _state(info: RunInfo) -> str:
    """Say how a run stands: one that neither ended nor runs was killed."""
    if info.is_running:
        return "running"
    if info.ended_at is None:
        return "killed"
    return "ended" if info.is_complete else "stopped"


def _took(info: RunInfo) -> str:
    return "-" if info.ended_at is None else human_time(info.ended_at - info.started_at)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
