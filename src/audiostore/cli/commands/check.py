"""Check a store for problems, and repair them."""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli.declare import ConsentOptions, JsonOptions, StoreOptions, flag
from audiostore.cli.failures import UsageError
from audiostore.cli.output import counted, escape, print_json, say
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import Checked, Problem, Repaired

GROUP = "look after a store"
EXAMPLE = "audiostore check --repair"
_COMMANDS = {
    "damaged-bytes": "audiostore rm {audio_id}",
    "empty-object": "audiostore rm {audio_id}",
    "half-held": "audiostore hold {audio_id}",
    "mismatched-thumbnail": "audiostore cover {audio_id} FILE",
    "missing-thumbnail": "audiostore cover {audio_id} FILE",
    "orphan-thumbnail": "audiostore put FILE --id {audio_id}",
    "unfinished-deletion": "audiostore rm {audio_id}",
    "unmanaged-object": "audiostore put FILE",
    "unplayable-audio": "audiostore put FILE --supersedes {audio_id}",
    "unreadable-image": "audiostore cover {audio_id} FILE",
    "wrong-bytes": "audiostore rm {audio_id}",
    "wrong-facts": "audiostore check --deep --repair",
}
"""By kind of problem: the command that does what the hint says."""


class Options(StoreOptions, JsonOptions, ConsentOptions):
    """Options of `check`."""

    deep: bool = flag(help="also read, verify and decode every byte")
    repair: bool = flag(help="print how each problem would be repaired; with --yes, repair it")


def run(options: Options) -> int:
    """Print every problem; 0 if there is none, or none remains."""
    from audiostore.audit import Checked  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415

    if options.yes and not options.repair:
        raise UsageError("--yes needs --repair")
    found = remaining = 0
    repairs = options.repair and options.yes and not options.dry_run
    seen = Checked(0, 0)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:

        def on_progress(checked: Checked) -> None:
            nonlocal seen
            seen = checked
            progress(checked.assets)

        for problem in manager.audit.check(deep=options.deep, on_progress=on_progress):
            progress.clear()
            found += 1
            outcome = manager.audit.repair(problem) if repairs else None
            remaining += outcome != "done"
            _print(options, problem, outcome)
        url = manager.url
    _sum_up(options, url, seen, found, found - remaining if repairs else None)
    return 1 if remaining else 0


def _sum_up(options: Options, url: str, seen: Checked, found: int, repaired: int | None) -> None:
    what = f"checked {counted(seen.assets, 'asset')} ({counted(seen.objects, 'object')})"
    problems = counted(found, "problem")
    if not found and not seen.objects:
        say("warning", f"{url} is empty: is this the right store?")
    elif not found:
        if not options.json:
            print(f"{what}: no problems found")
    elif repaired is not None:
        word = "ok" if repaired == found else "error"
        say(word, f"{what}: {problems}, {repaired:,} repaired")
    elif options.repair:
        say("error", f"{what}: {problems}; nothing was changed: add --yes to repair")
    else:
        say("error", f"{what}: {problems}; run with --repair to see how to repair each")


def _command(problem: Problem) -> str | None:
    from audiostore.audit import RestoreAsset  # noqa: PLC0415  (not for --help)

    command = _COMMANDS.get(problem.kind)
    if isinstance(problem.repair, RestoreAsset):
        command = "audiostore restore {audio_id}"
    return command.format(audio_id=problem.audio_id) if command else None


def _hint(problem: Problem) -> str:
    command = _command(problem)
    return escape(f"{problem.hint} ('{command}')" if command else problem.hint)


def _print(options: Options, problem: Problem, outcome: Repaired | None) -> None:
    """Print a problem, and the outcome of its repair if that was tried."""
    from audiostore.audit import GRACE  # noqa: PLC0415  (not for --help)

    if options.json:
        fields = {**problem.to_dict(), "command": _command(problem)}
        if outcome is not None:
            fields["outcome"] = outcome
        print_json(fields)
        return
    hours = GRACE.total_seconds() / 3600
    print(f"{problem.kind}: {escape(problem.name)}: {escape(problem.message)}")
    if not options.repair:
        print(f"  -> {_hint(problem)}", flush=True)
    elif problem.repair is None:
        print(f"  -> by hand: {_hint(problem)}", flush=True)
    elif outcome is None:
        young = problem.is_too_young(datetime.now(UTC))
        wait = f", once it is {hours:g} hours old" if young else ""
        print(f"  -> would {escape(problem.repair.description)}{wait}", flush=True)
    else:
        result = {
            "done": "repaired",
            "too young": f"skipped: younger than {hours:g} hours, may be part of an upload",
            "changed": "skipped: it has changed since it was checked",
            "held": "skipped: it is under a hold",
            "by hand": "skipped: repair it by hand",
        }[outcome]
        print(f"  -> {escape(problem.repair.description)}: {result}", flush=True)
