"""Mending one problem, by the generation that was seen; what has changed since is left alone."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from audiostore.audit.problems import GRACE, Delete, Problem, RemoveStray, Repair, Restore, Update
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.manager import AudioStorageManager

Mended = Literal["done", "too young", "changed", "held", "by hand"]
"""What became of a repair: it was carried out; the object may belong to something under way; it is
not what it was any more; a hold forbids it; only a person can decide."""


def repair(
    manager: AudioStorageManager,
    problem: Problem,
    *,
    grace: timedelta = GRACE,
    now: datetime | None = None,
) -> Mended:
    """Carry the repair of a problem out.

    Args:
        manager: the store.
        problem: as `check` found it.
        grace: what is younger is never touched.
        now: the moment that this counts from; None for the clock's.
    """
    if problem.repair is None:
        return "by hand"
    if problem.is_too_young(now or datetime.now(UTC), grace):
        return "too young"
    try:
        _carry_out(manager, problem.repair)
    except HeldError:
        return "held"
    except (
        AssetConflictError,
        AssetNotFoundError,
        BlobNotFoundError,
        PreconditionFailedError,
    ):
        return "changed"
    return "done"


def _carry_out(manager: AudioStorageManager, step: Repair) -> None:
    match step:
        case Delete(blob):
            manager.store.delete(blob)
        case Update(blob):
            manager.store.update(
                blob,
                step.metadata,
                content_type=step.content_type,
                custom_time=step.custom_time,
            )
        case Restore(audio_id):
            manager.restore(audio_id)
        case RemoveStray(stray):
            manager.admin.remove_stray(stray)
