"""Runs that check a store, shard by shard."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from audiostore.asset import Shard
from audiostore.audit import Checked, Problem
from audiostore.dataclass import dataclass
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.fleet.objects import Fields
from audiostore.fleet.shards import plan_shards, recorded, shard_kind
from audiostore.fleet.values import FleetPlan

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How a store is checked."""

    deep: bool = False
    sample: float | None = None


def plan_check(
    manager: "AudioStorageManager",
    *,
    run: str,
    chunks: int = 64,
    deep: bool = False,
    sample: float | None = None,
) -> FleetPlan:
    """Plan a run that checks a whole store, in so many parts.

    Args:
        manager: of the store.
        run: the name of the run.
        chunks: how many parts there are; each is about equally large. A part of a deep check that
            is interrupted is read again from its beginning.
        deep: also read and verify every byte, decode all audio, and compare the facts.
        sample: with `deep`, the share of the assets to read, from 0 to 1.

    Raises:
        ValueError: `sample` is not a share, or given without `deep`.
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    manager.audit.check(deep=deep, sample=sample)  # refuses what cannot be
    options = fields_of(CheckOptions(deep, sample))
    return plan_shards(manager, KIND, options, run=run, chunks=chunks)


def problems(
    manager: "AudioStorageManager",
    run: str,
    *,
    on_progress: Callable[[Checked], None] | None = None,
) -> Iterator[Problem]:
    """Yield the problems that a run has found, shard by shard, in constant memory.

    Parts without results are left out: `status` says how many have theirs.

    Args:
        manager: of the store.
        run: the name of the run.
        on_progress: called after each part with how much was checked so far.

    Raises:
        InvalidRunError: the name is invalid, or the run does not check a store.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    sums = dict.fromkeys(Checked.__match_args__, 0)
    for found in recorded(manager, KIND, run, Problem, Checked):
        if isinstance(found, Problem):
            yield found
            continue
        for name in sums:
            sums[name] += getattr(found, name)
        if on_progress:
            on_progress(Checked(**sums))


def _lines(manager: "AudioStorageManager", shard: Shard, options: CheckOptions) -> Iterator[Fields]:
    seen = Checked()

    def note(checked: Checked) -> None:
        nonlocal seen
        seen = checked

    found = manager.audit.check(
        deep=options.deep, sample=options.sample, shard=shard, on_progress=note
    )
    yield from map(fields_of, found)
    yield fields_of(seen)


KIND = shard_kind("check", lambda fields: value_in(CheckOptions, fields), _lines)
