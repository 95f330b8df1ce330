"""Apply the rules of a directory to its assets.

A bucket does so itself, about once a day.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.consent import has_consent
from audiostore.cli.declare import ConsentOptions, JsonOptions, StoreOptions
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note, print_json
from audiostore.cli.store import is_bucket, opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.lifecycle import Action

EXAMPLE = "audiostore lifecycle run --dry-run"
_OUTCOMES = {
    "planned": "due",
    "done": "done",
    "held": "skipped: it is under a hold",
    "gone": "skipped: it has just changed",
}


class Options(StoreOptions, JsonOptions, ConsentOptions):
    """Options of `lifecycle run`."""


def run(options: Options) -> int:
    """Apply the rules, after asking."""
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    counts = dict.fromkeys(_OUTCOMES, 0)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        if is_bucket(manager):
            raise UsageError(
                "a bucket applies its rules itself, about once a day: "
                f"{hints.command('lifecycle', 'show')} prints them"
            )
        if not any(rule.is_ours for rule in manager.lifecycle.rules()):
            apply = hints.command("lifecycle", "apply", "FILE")
            note(f"{manager.url} has no rules: set some with {apply}")
            return 0
        question = f"Apply the rules of {manager.url}? '--dry-run' prints what that would do"
        if not options.dry_run and not has_consent(options, question):
            return 1
        for action in manager.lifecycle.run(dry_run=options.dry_run, on_progress=progress):
            progress.clear()
            counts[action.outcome] += 1
            _print(options, action)
    done = [f"{number:,} {_OUTCOMES[outcome]}" for outcome, number in counts.items() if number]
    note("; ".join(done) or "nothing is due")
    return 0


def _print(options: Options, action: Action) -> None:
    if options.json:
        fields = {"audio_id": action.audio_id, "kind": action.kind, "rule": action.rule}
        more = {"storage_class": action.storage_class or None, "outcome": action.outcome}
        print_json({**fields, **more})
        return
    what = "delete" if action.kind == "delete" else f"move to {action.storage_class}"
    print(f"{action.audio_id}  {what}: {_OUTCOMES[action.outcome]}", flush=True)
