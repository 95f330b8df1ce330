"""Mending one problem, by the generation that was seen; what has changed since is left alone."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from audiostore.asset import record
from audiostore.audit.folders import folder_of
from audiostore.audit.problems import GRACE, Delete, Problem, RemoveStray, Repair, Restore, Update
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.manager import AudioStorageManager
from audiostore.values import BlobInfo

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
            _delete(manager, blob)
        case Update(blob):
            _require_that_thumbnail_is_there(manager, step)
            manager.store.update(
                blob,
                step.metadata,
                content_type=step.content_type,
                custom_time=step.custom_time,
            )
        case Restore(audio_id):
            manager.restore(audio_id)
        case RemoveStray(stray):
            manager.admin.remove_foreign_file(stray)


def _delete(manager: AudioStorageManager, blob: BlobInfo) -> None:
    """Delete what no asset needs, not even one that was stored since it was looked at.

    Raises:
        PreconditionFailedError: an asset needs it.
    """
    audio_id = folder_of(blob.name)
    if audio_id is not None and _is_needed(manager, audio_id, blob):
        raise PreconditionFailedError(f"{blob.name} belongs to an asset by now")
    manager.store.delete(blob)
    if audio_id is not None and _is_missing(manager, audio_id, blob):
        manager.restore(audio_id)  # it was taken into an asset at this very moment


def _is_needed(manager: AudioStorageManager, audio_id: str, blob: BlobInfo) -> bool:
    try:
        asset = manager.get(audio_id)
    except AssetNotFoundError:
        return False
    parts = [(part.name, part.generation) for part in asset.parts.values()]
    return (blob.name, blob.generation) in parts


def _is_missing(manager: AudioStorageManager, audio_id: str, blob: BlobInfo) -> bool:
    try:
        asset = manager.get(audio_id)
    except AssetNotFoundError:
        return False
    names_it = asset.audio is not None and record.names_thumbnail(asset.audio, blob)
    return names_it and asset.thumbnail is None


def _require_that_thumbnail_is_there(manager: AudioStorageManager, step: Update) -> None:
    """See that artwork which an audio object is to name has not been replaced since.

    Raises:
        BlobNotFoundError, PreconditionFailedError: it has.
    """
    name = step.metadata.get("thumbnail_name")
    if name is None:
        return
    present = manager.store.stat(name)
    if str(present.generation) != step.metadata.get("thumbnail_generation"):
        raise PreconditionFailedError(f"{name} was replaced since it was looked at")
