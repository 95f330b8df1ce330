"""What a store does with assets as they age: policy, rules, plans. See `manager.lifecycle`."""

from audiostore.lifecycle.lifecycle import Lifecycle, LifecycleRule, describe_rules
from audiostore.lifecycle.planning import Effect, Plan, PlanStep
from audiostore.lifecycle.policy import EXAMPLE, MINIMUM_DAYS, Policy
from audiostore.lifecycle.recognition import deletes_below, deletes_on_custom_time
from audiostore.lifecycle.rules import INCOMING, RuleResource
from audiostore.lifecycle.running import Action

__all__ = [
    "EXAMPLE",
    "INCOMING",
    "MINIMUM_DAYS",
    "Action",
    "Effect",
    "Lifecycle",
    "LifecycleRule",
    "Plan",
    "PlanStep",
    "Policy",
    "RuleResource",
    "deletes_below",
    "deletes_on_custom_time",
    "describe_rules",
]
