"""What `lifecycle plan` and `lifecycle apply` have in common: a policy, and how to print a plan."""

from __future__ import annotations

from audiostore.cli.declare import JsonOptions, StoreOptions, argument
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiostore.catalog import Rates
    from audiostore.lifecycle import Effect, Plan, Policy

_SIGNS = {"add": "+", "update": "~", "remove": "-", "keep": " "}


class PolicyOptions(StoreOptions, JsonOptions):
    """A policy, and the store that it is for."""

    policy: str = argument(
        "FILE", "the policy (default: lifecycle.toml)", default="lifecycle.toml", files="any"
    )


def read_policy_file(options: PolicyOptions) -> Policy:
    """Return the policy in the file.

    Raises:
        UsageError: no such file.
        ConfigurationError: it is not a policy.
    """
    from audiostore.lifecycle import Policy  # noqa: PLC0415  (not for --help)

    try:
        return Policy.read(options.policy)
    except FileNotFoundError:
        raise UsageError(
            f"no policy {options.policy!r}: create one with 'audiostore lifecycle example > "
            "lifecycle.toml'"
        ) from None


def print_steps(plan: Plan) -> None:
    """Print what a plan adds, removes and keeps."""
    for step in plan.steps:
        print(f"{_SIGNS[step.kind]} {step.description}")
    if plan.foreign_rules:
        print(f"  {plan.foreign_rules} rules that are not audiostore's stay as they are")
    if plan.changes_nothing:
        note("nothing to change: the store already follows the policy")
    for warning in plan.warnings:
        say("warning", warning)


def plan_fields(plan: Plan, effects: Sequence[Effect], rates: Rates | None) -> dict[str, object]:
    """Return a plan for JSON."""
    return {
        "steps": [
            {"kind": s.kind, "description": s.description, "rule": s.rule} for s in plan.steps
        ],
        "foreign_rules": plan.foreign_rules,
        "warnings": plan.warnings,
        "effects": [
            {
                "description": e.description,
                "assets": e.assets,
                "size_bytes": e.size_bytes,
                "saved_a_month": round(e.saved_a_month, 6) if rates else None,
                "currency": rates.currency if rates else None,
                "imported": e.imported,
            }
            for e in effects
        ],
    }
