"""Make the store follow a policy.

Rules that are not audiostore's stay as they are.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.commands.lifecycle._policy import (
    PolicyOptions,
    plan_fields,
    print_steps,
    read_policy_file,
)
from audiostore.cli.consent import has_consent
from audiostore.cli.declare import ConsentOptions
from audiostore.cli.output import note, print_json
from audiostore.cli.store import is_bucket, opened

EXAMPLE = "audiostore lifecycle apply lifecycle.toml --yes"


class Options(PolicyOptions, ConsentOptions):
    """Options of `lifecycle apply`."""


def run(options: Options) -> int:
    """Apply the policy, after asking."""
    policy = read_policy_file(options)
    with opened(options) as manager:
        plan = manager.lifecycle.plan(policy)
        applies = not (options.dry_run or plan.changes_nothing)
        if not options.json:
            print_steps(plan)
        question = (
            f"Apply this policy to {manager.url}? 'audiostore lifecycle plan' shows what it affects"
        )
        if applies and not has_consent(options, question):
            return 1
        if applies:
            manager.lifecycle.apply(plan)
            then = (
                "the bucket may take a day to start"
                if is_bucket(manager)
                else f"run {hints.command('lifecycle', 'run')} to apply its rules"
            )
            note(f"the policy is set; {then}")
    if options.json:
        print_json({**plan_fields(plan, (), None), "applied": applies})
    return 0
