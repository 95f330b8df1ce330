"""What a store does with assets as they age: policy, rules, plan, and carrying it out."""

from audiostore.lifecycle.planning import Effect, Plan, apply_plan, effects_of, make_plan
from audiostore.lifecycle.policy import EXAMPLE, MINIMUM_DAYS, Policy, read_policy
from audiostore.lifecycle.rules import deletes_on_custom_time, is_ours, words_of
from audiostore.lifecycle.running import Action, run_lifecycle

__all__ = [
    "EXAMPLE",
    "MINIMUM_DAYS",
    "Action",
    "Effect",
    "Plan",
    "Policy",
    "apply_plan",
    "deletes_on_custom_time",
    "effects_of",
    "is_ours",
    "make_plan",
    "read_policy",
    "run_lifecycle",
    "words_of",
]
