"""Repairing one problem, by the generation that was checked; what has changed is left alone."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from audiostore.asset import names_thumbnail
from audiostore.audit.folders import folder_of
from audiostore.audit.problems import (
    GRACE,
    DeleteObject,
    Problem,
    RemoveForeignFile,
    Repair,
    RestoreAsset,
    UpdateObject,
)
from audiostore.errors import (
    AssetConflictError,
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.values import BlobInfo

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

Repaired = Literal["done", "too young", "changed", "held", "by hand"]
"""The outcome of a repair: it was done; the object may be part of an unfinished upload; it has
changed since it was checked; a hold forbids it; only a person can decide."""


def repair(
    manager: "AudioStorageManager",
    problem: Problem,
    *,
    grace: timedelta = GRACE,
    now: datetime | None = None,
) -> Repaired:
    """Carry out the repair of a problem (see `Audit.repair`)."""
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


def _carry_out(manager: "AudioStorageManager", step: Repair) -> None:
    match step:
        case DeleteObject(blob):
            _delete(manager, blob)
        case UpdateObject(blob):
            _require_present_thumbnail(manager, step)
            manager.store.update(
                blob,
                step.metadata,
                content_type=step.content_type,
                custom_time=step.custom_time,
            )
        case RestoreAsset(audio_id):
            manager.restore(audio_id)
        case RemoveForeignFile(file):
            manager.admin.remove_foreign_file(file)


def _delete(manager: "AudioStorageManager", blob: BlobInfo) -> None:
    """Delete an object that no asset needs, not even one that was stored since the check.

    Raises:
        PreconditionFailedError: an asset needs it.
    """
    audio_id = folder_of(blob.name)
    if audio_id is not None and _is_needed(manager, audio_id, blob):
        raise PreconditionFailedError(
            f"cannot delete {blob.name}: it belongs to an asset now", audio_id=audio_id
        )
    manager.store.delete(blob)
    if audio_id is not None and _is_missing(manager, audio_id, blob):
        manager.restore(audio_id)  # it became part of an asset at this very moment


def _is_needed(manager: "AudioStorageManager", audio_id: str, blob: BlobInfo) -> bool:
    try:
        asset = manager.get(audio_id)
    except AssetNotFoundError:
        return False
    parts = [(part.name, part.generation) for part in asset.parts.values()]
    return (blob.name, blob.generation) in parts


def _is_missing(manager: "AudioStorageManager", audio_id: str, blob: BlobInfo) -> bool:
    try:
        asset = manager.get(audio_id)
    except AssetNotFoundError:
        return False
    names_it = asset.audio is not None and names_thumbnail(asset.audio, blob)
    return names_it and asset.thumbnail is None


def _require_present_thumbnail(manager: "AudioStorageManager", step: UpdateObject) -> None:
    """Check that the artwork an audio object is to refer to has not been replaced since.

    Raises:
        BlobNotFoundError, PreconditionFailedError: it has.
    """
    name = step.metadata.get("thumbnail_name")
    if name is None:
        return
    present = manager.store.stat(name)
    if str(present.generation) != step.metadata.get("thumbnail_generation"):
        raise PreconditionFailedError(
            f"cannot refer to {name}: it was replaced since it was checked",
            audio_id=folder_of(name),
        )
