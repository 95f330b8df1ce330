"""Plans: how a policy differs from what a store does, and applying the difference."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import PreconditionFailedError, UnsupportedByStoreError
from audiostore.lifecycle.policy import MINIMUM_DAYS, Policy
from audiostore.lifecycle.recognition import deletes_below, reaches, recognise
from audiostore.lifecycle.rules import OwnRule, RuleResource, own_rules
from audiostore.stores import StoreSettings, SupportsSettings
from audiostore.values import BlobInfo, StorageResult

_DAY_S = 24 * 3600
_RUNS = "fleet/"
"""Where runs on many machines keep what they need."""
PricePerGib = Callable[[str], float]
"""Returns what a GiB in a storage class costs a month."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One rule of a policy, or of the store, and what becomes of it."""

    kind: Literal["add", "update", "remove", "keep"]
    """"update": the rule is ours, but another release wrote it, for other formats."""
    description: str
    rule: RuleResource | None = field(default=None, hash=False)
    """As it is to be, or was before it is removed; None for the retention period."""
    present: RuleResource | None = field(default=None, hash=False)
    """As the store has it; None for a rule that is new, and for the retention period."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a new or updated rule would do to the assets that are stored now."""

    description: str
    """Of the rule."""
    assets: int
    size_bytes: int
    saved_a_month: float
    """In the currency of the prices; negative if it costs more."""
    imported: int = 0
    """How many of the assets expire before they were stored: another program has set the time, such
    as one that keeps times of creation there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a policy would change."""

    settings: StoreSettings
    """As they were found; applying the plan requires that they have not changed."""
    steps: tuple[PlanStep, ...]
    foreign_rules: int
    """How many rules are not ours; they stay as they are."""
    keep_s: int
    """For how many seconds everything is to be kept at least."""
    warnings: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether the store follows the policy already."""
        return all(step.kind == "keep" for step in self.steps)

    @property
    def new_rules(self) -> tuple[RuleResource, ...]:
        """The rules that the plan adds or updates."""
        steps = (step for step in self.steps if step.kind in ("add", "update"))
        return tuple(step.rule for step in steps if step.rule)


def make_plan(policy: Policy, admin: SupportsSettings) -> Plan:
    """Compare a policy with the rules of a store; nothing is changed.

    Raises:
        UnsupportedByStoreError: the policy moves audio to other storage classes, and the store
            decides on them itself; or it keeps everything for a while, which a store under a prefix
            cannot ask of a bucket that it shares.
        google.api_core.exceptions.Forbidden: the settings cannot be read.
    """
    settings = admin.settings()
    if settings.autoclass and policy.class_days:
        raise UnsupportedByStoreError(
            "the bucket decides on the storage class of each object itself (Autoclass): take "
            "nearline_after_days, coldline_after_days and archive_after_days out of the policy"
        )
    if settings.prefix and policy.keep_days is not None:
        raise UnsupportedByStoreError(
            f"keep_days = {policy.keep_days} is a retention period, which a bucket has for all "
            f"that is in it, not for {settings.prefix} alone: take it out of the policy"
        )
    recognised = [(rule, recognise(rule, settings.prefix)) for rule in settings.lifecycle_rules]
    present = [(rule, own) for rule, own in recognised if own is not None]
    steps: list[PlanStep] = []
    for own in own_rules(policy):
        same = [pair for pair in present if _is_same(own, pair[1])]
        # Of several, one of this release is kept.
        kept = min(same, key=lambda pair: pair[1] != own, default=None)
        steps.append(_step(own, kept, settings.prefix))
        if kept is not None:
            present = [pair for pair in present if pair is not kept]
    steps = [PlanStep("remove", old.description, rule, rule) for rule, old in present] + steps
    is_shared = bool(settings.prefix)  # a retention period stays, then, as others want it
    keep_s = settings.retention_s if is_shared else (policy.keep_days or 0) * _DAY_S
    if settings.retention_s != keep_s and settings.retention_s:
        days = settings.retention_s / _DAY_S
        steps.append(PlanStep("remove", f"keep everything for at least {days:g} days"))
    if policy.keep_days:
        kind: Literal["keep", "add"] = "keep" if settings.retention_s == keep_s else "add"
        steps.append(PlanStep(kind, f"keep everything for at least {policy.keep_days} days"))
    foreign = sum(own is None and reaches(rule, settings.prefix) for rule, own in recognised)
    return Plan(settings, tuple(steps), foreign, keep_s, tuple(_warnings(policy, settings)))


def _is_same(one: OwnRule, other: OwnRule) -> bool:
    """Say whether two rules differ in the formats that they know at most."""
    return replace(one, suffixes=other.suffixes) == other


def _step(wanted: OwnRule, found: tuple[RuleResource, OwnRule] | None, prefix: str) -> PlanStep:
    if found is None:
        return PlanStep("add", wanted.description, wanted.to_json(prefix))
    rule, own = found
    if own == wanted:
        return PlanStep("keep", wanted.description, rule, rule)
    return PlanStep("update", f"{own.description} ({age_note(own)})", wanted.to_json(prefix), rule)


def age_note(rule: OwnRule) -> str:
    """Return which release wrote a rule, and what to do; "" for this one."""
    if rule == rule.current:
        return ""
    release = "an earlier" if rule.current.suffixes - rule.suffixes else "another"
    return f"written by {release} release: apply again"


def _warnings(policy: Policy, settings: StoreSettings) -> Iterable[str]:
    classes = list(policy.class_days.items())
    for (name, days), (colder, more_days) in pairwise(classes):
        if more_days - days < MINIMUM_DAYS[name]:
            yield (
                f"audio would be in {name} for {more_days - days} days only, but is billed for "
                f"{MINIMUM_DAYS[name]} if it is deleted or replaced there: leave {name} out, or "
                f"move to {colder} later"
            )
    if policy.expire_after_days is not None and classes:
        name, days = classes[-1]
        if policy.expire_after_days - days < MINIMUM_DAYS[name]:
            yield (
                f"audio would be deleted {policy.expire_after_days - days} days after it moved to "
                f"{name}, but is billed for {MINIMUM_DAYS[name]}"
            )
    if policy.keep_days is not None:
        yield (
            f"for {policy.keep_days} days after they are stored, assets cannot be deleted, their "
            "artwork cannot be replaced, and their storage class cannot be set by hand"
        )
    shortens = not settings.prefix and (policy.keep_days or 0) * _DAY_S < settings.retention_s
    if settings.retention_is_locked and shortens:
        yield "the bucket's retention period is locked: it can be extended, but not shortened"
    if policy.delete_old_generations_after_days is not None and not settings.versioning:
        yield "the store has no versioning: the rule on old generations has no effect"
    deletes = policy.expire_after_days is not None or policy.expire_on_custom_time
    if deletes and settings.versioning and policy.delete_old_generations_after_days is None:
        yield (
            "the bucket has versioning: what a rule deletes stays as a noncurrent version, which "
            "is billed and can be read by links given out before, until a rule deletes that too "
            "(delete_old_generations_after_days)"
        )

    if deletes_below(settings.lifecycle_rules, f"{settings.prefix}{_RUNS}"):
        yield (
            f"a rule that is not audiostore's deletes objects under {settings.prefix}{_RUNS}, too, "
            "which hold the plans and results of fleet runs: limit it to other prefixes"
        )


def effects_of(
    plan: Plan,
    assets: Iterable[StorageResult],
    price: PricePerGib,
    *,
    now: datetime | None = None,
) -> tuple[Effect, ...]:
    """Return what each new or updated rule would do at once; reads all of `assets`."""
    moment = now or datetime.now(UTC)
    prefix = plan.settings.prefix
    pairs = [_rules_of_step(step, prefix) for step in plan.steps if step.kind in ("add", "update")]
    rules = [(new, old) for new, old in pairs if new and new.purpose in _COUNTED]
    totals = [Effect(new.description, 0, 0, 0.0) for new, _ in rules]
    for asset in assets:
        audio = asset.audio
        if audio is None:
            continue
        for number, (new, old) in enumerate(rules):
            is_due = new.applies_to(audio, moment)
            if is_due and not (old and old.applies_to(audio, moment)):
                touched = [audio] if new.storage_class else list(asset.parts.values())
                totals[number] = _with(totals[number], new, touched, price)
    return tuple(totals)


_COUNTED = ("move audio", "delete audio", "delete expired audio")


def _rules_of_step(step: PlanStep, prefix: str) -> tuple[OwnRule | None, OwnRule | None]:
    return (
        recognise(step.rule, prefix) if step.rule else None,
        recognise(step.present, prefix) if step.present else None,
    )


def _with(total: Effect, rule: OwnRule, blobs: list[BlobInfo], price: PricePerGib) -> Effect:
    """Return the effect with one more asset."""
    price_then = price(rule.storage_class) if rule.storage_class else 0.0
    saved = sum((price(b.storage_class) - price_then) * b.size_bytes / 2**30 for b in blobs)
    is_imported = any(
        blob.custom_time is not None and blob.custom_time < blob.created_at for blob in blobs
    )
    return replace(
        total,
        assets=total.assets + 1,
        size_bytes=total.size_bytes + sum(blob.size_bytes for blob in blobs),
        saved_a_month=total.saved_a_month + saved,
        imported=total.imported + (rule.purpose == "delete expired audio" and is_imported),
    )


def apply_plan(plan: Plan, admin: SupportsSettings) -> StoreSettings:
    """Make the store follow the policy; rules that are not ours stay as they are.

    Raises:
        PreconditionFailedError: the settings have changed since the plan was made.
    """
    if plan.changes_nothing:
        return plan.settings
    rules, prefix = plan.settings.lifecycle_rules, plan.settings.prefix
    foreign = tuple(rule for rule in rules if recognise(rule, prefix) is None)
    ours = tuple(step.rule for step in plan.steps if step.kind != "remove" and step.rule)
    keep = None if plan.keep_s == plan.settings.retention_s else plan.keep_s
    wanted = (*foreign, *ours)
    try:
        return admin.change_settings(plan.settings, lifecycle_rules=wanted, retention_s=keep)
    except PreconditionFailedError:
        present = admin.settings()
        if (present.lifecycle_rules, present.retention_s) == (wanted, plan.keep_s):
            return present  # it was applied, and the response was lost
        raise
