"""The commands on what a store does with assets as they age."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from audiostore.catalog import Catalog, Query, Rates, read_rates
from audiostore.cli.commands.consent import has_consent
from audiostore.cli.commands.opening import opened
from audiostore.cli.commands.settings import is_bucket
from audiostore.cli.counting import Counting
from audiostore.cli.listing import json_line
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, human_size, note, say
from audiostore.lifecycle import (
    EXAMPLE,
    Action,
    Effect,
    Plan,
    Policy,
    age_note,
    apply_plan,
    effects_of,
    make_plan,
    read_policy,
    recognise,
    run_lifecycle,
)
from audiostore.manager import AudioStorageManager
from audiostore.stores import StoreSettings

_DAY_S = 24 * 3600
_CENT = 0.01
_SIGNS = {"add": "+", "update": "~", "remove": "-", "keep": " "}
_SAID = {
    "planned": "due",
    "done": "done",
    "held": "left, as it is under a hold",
    "gone": "left, as it was changed just now",
}


def show(options: Namespace) -> int:
    """Show what the store does of itself."""
    with opened(options) as manager:
        settings = manager.admin.settings()
    if options.json:
        fields = {
            "soft_delete_s": settings.soft_delete_s,
            "retention_s": settings.retention_s,
            "versioning": settings.versioning,
            "rules": [
                {"ours": recognise(rule) is not None, "rule": rule}
                for rule in settings.lifecycle_rules
            ],
        }
        print(json_line(fields))
        return 0
    for line in _settings_lines(settings):
        print(line)
    return 0


def _settings_lines(settings: StoreSettings) -> Sequence[str]:
    kept = settings.soft_delete_s / _DAY_S
    lines = [f"keep what is deleted for {kept:g} days" if kept else "keep nothing that is deleted"]
    if settings.retention_s:
        lines.append(f"keep everything for at least {settings.retention_s / _DAY_S:g} days")
    for own in filter(None, map(recognise, settings.lifecycle_rules)):
        note = age_note(own)
        lines.append(f"{own.description} ({note})" if note else own.description)
    foreign = [rule for rule in settings.lifecycle_rules if recognise(rule) is None]
    lines += [f"not audiostore's: {escape(json.dumps(rule))}" for rule in foreign]
    return lines


def example(options: Namespace) -> int:
    """Print a policy to begin with."""
    del options
    print(EXAMPLE, end="")
    return 0


def plan(options: Namespace) -> int:
    """Say how a policy differs from what the store does, what it would touch, and save."""
    policy = _policy(options)
    table = None if options.prices is None else Path(options.prices)
    with opened(options) as manager, Counting() as counting:
        found = make_plan(policy, manager.admin)
        rates = _rates(manager, found.settings, table)
        if not options.json:
            _print_plan(found)  # at once: what it would touch may take long to find out
        effects: tuple[Effect, ...] = ()
        if found.new_rules:
            assets = Catalog(manager).find(Query(), on_progress=counting)
            prices = rates.prices if rates else {}
            effects = effects_of(found, assets, lambda name: prices.get(name, 0.0))
    if options.json:
        print(json_line(_plan_fields(found, effects, rates)))
    elif found.new_rules:
        _print_effects(effects, rates)
    return 0


def _policy(options: Namespace) -> Policy:
    try:
        return read_policy(Path(options.policy))
    except FileNotFoundError:
        raise UsageError(
            f"there is no {options.policy!r}: 'audiostore lifecycle example > lifecycle.toml' "
            "makes one to begin with"
        ) from None


def _print_effects(effects: Sequence[Effect], rates: Rates | None) -> None:
    touching = [effect for effect in effects if effect.assets]
    for effect in touching:
        assets = "1 asset" if effect.assets == 1 else f"{effect.assets:,} assets"
        size = human_size(effect.size_bytes)
        print(f"now: {effect.description}: {assets}, {size}{_saved(effect, rates)}")
    if not touching:
        print("now: nothing that is stored would be touched yet")


def _saved(effect: Effect, rates: Rates | None) -> str:
    if rates is None:
        return ""
    amount = abs(effect.saved_a_month)
    about = f"{amount:,.2f}" if amount >= _CENT else "less than 0.01"
    if effect.saved_a_month < 0:
        return f", costing {about} {rates.currency} a month more"
    return f", saving {about} {rates.currency} a month"


def _rates(
    manager: AudioStorageManager, settings: StoreSettings, table: Path | None
) -> Rates | None:
    """Return what storing costs; None for a directory, which costs nothing."""
    if not is_bucket(manager):
        return None
    return read_rates(settings.location, table)


def _print_plan(found: Plan) -> None:
    for step in found.steps:
        print(f"{_SIGNS[step.kind]} {step.description}")
    if found.foreign_rules:
        print(f"  {found.foreign_rules} rules that are not audiostore's stay as they are")
    if found.changes_nothing:
        note("the store does all this already")
    for warning in found.warnings:
        say("warning", warning)


def _plan_fields(found: Plan, effects: Sequence[Effect], rates: Rates | None) -> dict[str, object]:
    return {
        "steps": [
            {"kind": s.kind, "description": s.description, "rule": s.rule} for s in found.steps
        ],
        "foreign_rules": found.foreign_rules,
        "warnings": list(found.warnings),
        "effects": [
            {
                "description": e.description,
                "assets": e.assets,
                "size_bytes": e.size_bytes,
                "saved_a_month": round(e.saved_a_month, 6) if rates else None,
                "currency": rates.currency if rates else None,
            }
            for e in effects
        ],
    }


def apply(options: Namespace) -> int:
    """Have the store follow a policy."""
    policy = _policy(options)
    with opened(options) as manager:
        found = make_plan(policy, manager.admin)
        applies = not (options.dry_run or found.changes_nothing)
        if not options.json:
            _print_plan(found)
        question = (
            f"Have {manager.url} do so from now on? 'audiostore lifecycle plan' says what that "
            "would touch"
        )
        if applies and not has_consent(options, question):
            return 1
        if applies:
            apply_plan(found, manager.admin)
            then = (
                "a bucket may take a day to begin"
                if is_bucket(manager)
                else "'audiostore lifecycle run' carries it out"
            )
            note(f"the store follows the policy; {then}")
    if options.json:
        print(json_line({**_plan_fields(found, (), None), "applied": applies}))
    return 0


def run(options: Namespace) -> int:
    """Carry the rules out on a directory."""
    counts = {"planned": 0, "done": 0, "held": 0, "gone": 0}
    with opened(options) as manager, Counting() as counting:
        if is_bucket(manager):
            raise UsageError(
                "a bucket carries its rules out itself, about once a day: 'audiostore lifecycle "
                "show' says which it has"
            )
        if not any(map(recognise, manager.admin.settings().lifecycle_rules)):
            note(f"{manager.url} has no rules: 'audiostore lifecycle apply FILE' gives it some")
            return 0
        question = f"Carry the rules of {manager.url} out? '--dry-run' says what that would do"
        if not options.dry_run and not has_consent(options, question):
            return 1
        for action in run_lifecycle(manager, dry_run=options.dry_run, on_progress=counting):
            counting.clear()
            counts[action.outcome] += 1
            _tell_action(options, action)
    told = [f"{number:,} {_SAID[outcome]}" for outcome, number in counts.items() if number]
    note("; ".join(told) or "nothing is due")
    return 0


def _tell_action(options: Namespace, action: Action) -> None:
    if options.json:
        fields = {"audio_id": action.audio_id, "kind": action.kind, "rule": action.words}
        more = {"storage_class": action.storage_class or None, "outcome": action.outcome}
        print(json_line({**fields, **more}), flush=True)
        return
    what = "delete" if action.kind == "delete" else f"move to {action.storage_class}"
    print(f"{action.audio_id}  {what}: {_SAID[action.outcome]}", flush=True)
