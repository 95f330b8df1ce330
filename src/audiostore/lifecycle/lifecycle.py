"""What a store does with assets as they age: `manager.lifecycle`."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from audiostore.dataclass import dataclass, field
from audiostore.errors import UnsupportedByStoreError
from audiostore.lifecycle.planning import Effect, Plan, age_note, apply_plan, effects_of, make_plan
from audiostore.lifecycle.recognition import reaches, recognise
from audiostore.lifecycle.running import Action, run_lifecycle

if TYPE_CHECKING:
    from audiostore.catalog import Rates
    from audiostore.lifecycle.policy import Policy
    from audiostore.manager import AudioStorageManager
    from audiostore.stores import StoreSettings


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """A lifecycle rule of a store."""

    rule: Mapping[str, object] = field(hash=False)
    """As in the JSON API's bucket resource."""
    is_ours: bool
    """It does exactly what a rule of audiostore does; all others are left alone."""
    is_current: bool
    """This release would write the same. An earlier one did not know all of today's formats."""
    description: str
    """What it does; the JSON of a rule that is not ours."""


class Lifecycle:
    """What a store does with assets as they age: plan a policy, apply it, carry it out.

    Example::

        plan = manager.lifecycle.plan(Policy.read("lifecycle.toml"))
        for step in plan.steps:
            print(step.kind, step.description)
        manager.lifecycle.apply(plan)
    """

    def __init__(self, manager: "AudioStorageManager") -> None:
        self._manager = manager

    def rules(self) -> tuple[LifecycleRule, ...]:
        """Return the lifecycle rules of the store, ours and others.

        Of a bucket's rules, those that cannot reach the objects under the store's prefix are left
        out.

        Raises:
            google.api_core.exceptions.Forbidden: the settings cannot be read.
        """
        return describe_rules(self._manager.admin.settings())

    def plan(self, policy: "Policy") -> Plan:
        """Return what applying a policy would change; nothing is changed.

        Raises:
            UnsupportedByStoreError: the policy moves audio to other storage classes, and the bucket
                decides on them itself (Autoclass).
            google.api_core.exceptions.Forbidden: the settings cannot be read.
        """
        return make_plan(policy, self._manager.admin)

    def effects(
        self,
        plan: Plan,
        rates: "Rates | None" = None,
        *,
        now: datetime | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> tuple[Effect, ...]:
        """Return what each new or updated rule of a plan would do at once; reads the whole store.

        Args:
            plan: of this store.
            rates: what storage costs; None: nothing.
            now: the time that ages are counted to; None for the clock's.
            on_progress: called from time to time with the number of assets read.
        """
        prices = rates.prices if rates else {}
        assets = self._manager.catalog.find(on_progress=on_progress)
        return effects_of(plan, assets, lambda name: prices.get(name, 0.0), now=now)

    def apply(self, plan: Plan) -> "StoreSettings":
        """Make the store follow a policy; rules that are not ours stay as they are.

        Raises:
            PreconditionFailedError: the settings have changed since the plan was made.
        """
        return apply_plan(plan, self._manager.admin)

    def run(
        self,
        *,
        dry_run: bool = False,
        now: datetime | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Iterator[Action]:
        """Carry out our rules in the settings of a directory, asset by asset; yield each action.

        As in a bucket, deleting takes precedence over moving, and the colder class over a warmer
        one. An asset is deleted as a whole, by the age of its audio. After an interruption, run it
        again.

        Args:
            dry_run: yield what would be done, and do nothing.
            now: the time that ages are counted to; None for the clock's.
            on_progress: called with the number of assets read.

        Raises:
            UnsupportedByStoreError: a bucket carries out its rules itself, about once a day.
        """
        url = self._manager.url
        if url.startswith("gs://"):
            raise UnsupportedByStoreError(
                f"cannot carry out the lifecycle rules of {url}: a bucket does so itself, about "
                "once a day"
            )
        return run_lifecycle(self._manager, dry_run=dry_run, now=now, on_progress=on_progress)


def describe_rules(settings: "StoreSettings") -> tuple[LifecycleRule, ...]:
    """Return what each lifecycle rule is that could act on objects of the store."""
    prefix = settings.prefix
    return tuple(_describe(r, prefix) for r in settings.lifecycle_rules if reaches(r, prefix))


def _describe(rule: Mapping[str, object], prefix: str) -> LifecycleRule:
    own = recognise(rule, prefix)
    if own is None:
        return LifecycleRule(rule, is_ours=False, is_current=False, description=json.dumps(rule))
    note = age_note(own)
    description = f"{own.description} ({note})" if note else own.description
    return LifecycleRule(rule, is_ours=True, is_current=not note, description=description)
