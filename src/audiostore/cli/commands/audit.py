"""The command that checks a store, and mends it."""

from argparse import Namespace
from datetime import UTC, datetime

from audiostore.audit import GRACE, Checked, Mended, Problem, check, repair
from audiostore.cli.commands.opening import opened
from audiostore.cli.counting import Counting
from audiostore.cli.listing import json_line
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, say

_HOURS = GRACE.total_seconds() / 3600
_SAID: dict[Mended, str] = {
    "done": "mended",
    "too young": f"left: it is younger than {_HOURS:g} hours and may be part of an upload",
    "changed": "left: it has changed since it was looked at",
    "held": "left: it is under a hold",
    "by hand": "left: see what to do",
}


def check_store(options: Namespace) -> int:
    """Name every problem of a store; 0 if there is none, or none is left."""
    if options.yes and not options.repair:
        raise UsageError("--yes carries repairs out: say --repair too")
    found = left = 0
    mends = options.repair and options.yes and not options.dry_run
    seen = Checked(0, 0)
    with opened(options) as manager, Counting() as counting:

        def progress(checked: Checked) -> None:
            nonlocal seen
            seen = checked
            counting(checked.assets)

        for problem in check(manager, deep=options.deep, on_progress=progress):
            counting.clear()
            found += 1
            left += not _tell(options, problem, repair(manager, problem) if mends else None)
        url = manager.url
    _sum_up(options, url, seen, found, found - left if mends else None)
    return 1 if left else 0


def _sum_up(options: Namespace, url: str, seen: Checked, found: int, mended: int | None) -> None:
    what = f"{_count(seen.assets, 'asset')} ({_count(seen.objects, 'object')}) looked at"
    if not found and not seen.objects:
        say("warning", f"there is nothing in {url}: is that the store that was meant?")
    elif not found:
        if not options.json:
            print(f"{what}: all is as it should be")
    elif mended is not None:
        word = "ok" if mended == found else "error"
        say(word, f"{what}: {_count(found, 'problem')}, {mended:,} mended")
    elif options.repair:
        hint = "nothing was changed: --repair --yes carries these repairs out"
        say("error", f"{what}: {_count(found, 'problem')}; {hint}")
    else:
        hint = "--repair says how each would be mended"
        say("error", f"{what}: {_count(found, 'problem')}; {hint}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _tell(options: Namespace, problem: Problem, mended: Mended | None) -> bool:
    """Print a problem, and what became of it, if that was tried; say whether it is mended."""
    if options.json:
        fields = problem.to_dict()
        if mended is not None:
            fields["outcome"] = mended
        print(json_line(fields), flush=True)
        return mended == "done"
    print(f"{problem.kind}: {escape(problem.name)}: {escape(problem.words)}")
    if not options.repair:
        print(f"  -> {escape(problem.remedy)}", flush=True)
    elif problem.repair is None:
        print(f"  -> by hand: {escape(problem.remedy)}", flush=True)
    elif mended is None:
        young = problem.is_too_young(datetime.now(UTC))
        wait = f", once it is {_HOURS:g} hours old" if young else ""
        print(f"  -> would {escape(problem.repair.words)}{wait}", flush=True)
    else:
        print(f"  -> {escape(problem.repair.words)}: {_SAID[mended]}", flush=True)
    return mended == "done"
