"""What a store does with assets as they age: policy, rules, plan, and carrying it out."""

from audiostore.lifecycle.planning import Effect, Plan, age_note, apply_plan, effects_of, make_plan
from audiostore.lifecycle.policy import EXAMPLE, MINIMUM_DAYS, Policy, read_policy
from audiostore.lifecycle.recognition import deletes_on_custom_time, recognise
from audiostore.lifecycle.running import Action, run_lifecycle

__all__ = [
    "EXAMPLE",
    "MINIMUM_DAYS",
    "Action",
    "Effect",
    "Plan",
    "Policy",
    "age_note",
    "apply_plan",
    "deletes_on_custom_time",
    "effects_of",
    "make_plan",
    "read_policy",
    "recognise",
    "run_lifecycle",
]
