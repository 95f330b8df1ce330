"""The difference between a policy and what a store does, and making it so."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from audiostore.errors import PreconditionFailedError
from audiostore.lifecycle.policy import MINIMUM_DAYS, Policy
from audiostore.lifecycle.rules import (
    Rule,
    action_of,
    applies,
    is_about_audio,
    is_ours,
    rules_of,
    words_of,
)
from audiostore.stores import Settings, StoreSettings
from audiostore.values import BlobInfo, StorageResult

_DAY_S = 24 * 3600
PricePerGib = Callable[[str], float]
"""Storage class -> what a GiB costs a month."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of what a store does of itself."""

    kind: Literal["add", "remove", "keep"]
    words: str
    rule: Rule | None = field(default=None, hash=False)
    """None for the time that everything is kept."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule that is new would do to what is stored now."""

    words: str
    assets: int
    size_bytes: int
    saved_a_month: float
    """In the currency of the prices; negative if it costs more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a policy would change."""

    settings: StoreSettings
    """As they were found; applying the plan demands that they still are."""
    steps: tuple[Step, ...]
    foreign_rules: int
    """How many rules are not ours; they stay as they are."""
    keep_s: int
    warnings: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether the store does all this already."""
        return all(step.kind == "keep" for step in self.steps)

    @property
    def new_rules(self) -> tuple[Rule, ...]:
        """The rules that the store would follow, and does not yet."""
        return tuple(step.rule for step in self.steps if step.kind == "add" and step.rule)


def make_plan(policy: Policy, admin: Settings) -> Plan:
    """Compare a policy with the rules of a store; nothing is changed.

    Raises:
        google.api_core.exceptions.Forbidden: the settings cannot be read.
    """
    settings = admin.settings()
    present = [rule for rule in settings.lifecycle_rules if is_ours(rule)]
    wanted = rules_of(policy)
    steps = [Step("remove", words_of(r), r) for r in present if r not in wanted]
    steps += [Step("keep" if r in present else "add", words_of(r), r) for r in wanted]
    keep_s = (policy.keep_days or 0) * _DAY_S
    if settings.retention_s and settings.retention_s != keep_s:
        days = settings.retention_s / _DAY_S
        steps.append(Step("remove", f"keep everything for at least {days:g} days"))
    if keep_s:
        kind: Literal["keep", "add"] = "keep" if settings.retention_s == keep_s else "add"
        steps.append(Step(kind, f"keep everything for at least {policy.keep_days} days"))
    foreign = len(settings.lifecycle_rules) - len(present)
    return Plan(settings, tuple(steps), foreign, keep_s, tuple(_warnings(policy, settings)))


def _warnings(policy: Policy, settings: StoreSettings) -> Iterable[str]:
    classes = list(policy.class_days.items())
    for (name, days), (colder, more_days) in pairwise(classes):
        if more_days - days < MINIMUM_DAYS[name]:
            yield (
                f"audio would be in {name} for {more_days - days} days only, of which "
                f"{MINIMUM_DAYS[name]} are paid for if it is deleted or replaced: leave {name} "
                f"out, or move to {colder} later"
            )
    if policy.expire_after_days is not None and classes:
        name, days = classes[-1]
        if policy.expire_after_days - days < MINIMUM_DAYS[name]:
            yield (
                f"audio would be deleted {policy.expire_after_days - days} days after it came to "
                f"{name}, of which {MINIMUM_DAYS[name]} are paid for"
            )
    if policy.keep_days is not None:
        yield (
            f"for {policy.keep_days} days after they were stored, assets cannot be deleted, nor "
            "their artwork replaced, nor their class set by hand"
        )
    if settings.retention_is_locked and (policy.keep_days or 0) * _DAY_S < settings.retention_s:
        yield "the bucket's retention is locked: it can be made longer, but never shorter"
    if policy.delete_old_generations_after_days is not None and not settings.versioning:
        yield "the store keeps no old generations (no versioning): that rule has nothing to do"


def effects_of(
    plan: Plan,
    assets: Iterable[StorageResult],
    price: PricePerGib,
    *,
    now: datetime | None = None,
) -> tuple[Effect, ...]:
    """Return what each rule that is new would do at once; reads all of `assets`."""
    moment = now or datetime.now(UTC)
    rules = [rule for rule in plan.new_rules if is_about_audio(rule)]
    totals = [Effect(words_of(rule), 0, 0, 0.0) for rule in rules]
    for asset in assets:
        for number, rule in enumerate(rules):
            if asset.audio is not None and applies(rule, asset.audio, moment):
                totals[number] = _with(totals[number], rule, asset.audio, asset.thumbnail, price)
    return tuple(totals)


def _with(
    total: Effect, rule: Rule, audio: BlobInfo, thumbnail: BlobInfo | None, price: PricePerGib
) -> Effect:
    """Return the effect with that on one more asset."""
    action, storage_class = action_of(rule)
    blobs = [audio, thumbnail] if action == "Delete" and thumbnail else [audio]
    price_then = price(storage_class) if storage_class else 0.0
    saved = sum((price(b.storage_class) - price_then) * b.size_bytes / 2**30 for b in blobs)
    return replace(
        total,
        assets=total.assets + 1,
        size_bytes=total.size_bytes + sum(blob.size_bytes for blob in blobs),
        saved_a_month=total.saved_a_month + saved,
    )


def apply_plan(plan: Plan, admin: Settings) -> StoreSettings:
    """Make the store follow the policy; rules that are not ours stay as and where they are.

    Raises:
        PreconditionFailedError: the settings were changed since the plan was made.
    """
    if plan.changes_nothing:
        return plan.settings
    foreign = tuple(rule for rule in plan.settings.lifecycle_rules if not is_ours(rule))
    ours = tuple(step.rule for step in plan.steps if step.kind != "remove" and step.rule)
    keep = None if plan.keep_s == plan.settings.retention_s else plan.keep_s
    wanted = (*foreign, *ours)
    try:
        return admin.change_settings(plan.settings, lifecycle_rules=wanted, retention_s=keep)
    except PreconditionFailedError:
        present = admin.settings()
        if (present.lifecycle_rules, present.retention_s) == (wanted, plan.keep_s):
            return present  # it was done, and its answer lost
        raise
