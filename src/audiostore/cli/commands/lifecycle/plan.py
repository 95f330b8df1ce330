"""Show what a policy would change, affect and save."""

from __future__ import annotations

import audiostore
from audiostore.cli.commands.lifecycle._policy import (
    PolicyOptions,
    plan_fields,
    print_steps,
    read_policy_file,
)
from audiostore.cli.declare import option
from audiostore.cli.output import counted, human_size, print_json, say
from audiostore.cli.store import is_bucket, opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiostore.catalog import Rates
    from audiostore.lifecycle import Effect

EXAMPLE = "audiostore lifecycle plan lifecycle.toml"
_CENT = 0.01


class Options(PolicyOptions):
    """Options of `lifecycle plan`."""

    prices: str | None = option(
        metavar="FILE", help="price table (see 'audiostore stats --help')", files="any"
    )


def run(options: Options) -> int:
    """Print the plan."""
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    policy = read_policy_file(options)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        plan = manager.lifecycle.plan(policy)
        # A directory costs nothing.
        location = plan.settings.location
        rates = audiostore.Rates.read(location, options.prices) if is_bucket(manager) else None
        if not options.json:
            print_steps(plan)  # at once: the effects may take long to find
        effects: tuple[Effect, ...] = ()
        if plan.new_rules:
            effects = manager.lifecycle.effects(plan, rates, on_progress=progress)
    if options.json:
        print_json(plan_fields(plan, effects, rates))
    elif plan.new_rules:
        _print_effects(effects, rates)
    return 0


def _print_effects(effects: Sequence[Effect], rates: Rates | None) -> None:
    touching = [effect for effect in effects if effect.assets]
    for effect in touching:
        assets, size = counted(effect.assets, "asset"), human_size(effect.size_bytes)
        print(f"now: {effect.description}: {assets}, {size}{_saved(effect, rates)}")
        if effect.imported:
            say(
                "warning",
                f"{effect.imported:,} of them have an expiry date from before they were stored, "
                "which another program has set, such as one that keeps times of creation there: "
                "they would be deleted ('audiostore check' lists them)",
            )
    if not touching:
        print("now: no stored asset would be affected yet")


def _saved(effect: Effect, rates: Rates | None) -> str:
    if rates is None:
        return ""
    amount = abs(effect.saved_a_month)
    about = f"{amount:,.2f}" if amount >= _CENT else "less than 0.01"
    if effect.saved_a_month < 0:
        return f", costs {about} {rates.currency} more per month"
    return f", saves {about} {rates.currency} per month"
