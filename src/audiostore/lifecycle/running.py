"""Carrying out the rules of a store that does not do so by itself: a directory."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Literal, cast

from audiostore.asset import (
    FilenameGenerator,
    FileOrganizer,
    assemble,
    folder_prefix,
    is_committed_audio,
    is_current,
    names_thumbnail,
)
from audiostore.dataclass import dataclass
from audiostore.errors import (
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.lifecycle.recognition import recognise
from audiostore.lifecycle.rules import COLDEST_FIRST, OwnRule
from audiostore.stores import StorageClass
from audiostore.values import BlobInfo

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule asks to be done to an asset now."""

    audio_id: str
    kind: Literal["delete", "move"]
    storage_class: str
    """Where it moves; "" for a deletion."""
    rule: str
    """What the rule does, as a sentence."""
    outcome: Literal["planned", "done", "held", "gone"] = "planned"
    """"held": a hold forbids it; "gone": the asset was changed or deleted meanwhile."""


def run_lifecycle(
    manager: "AudioStorageManager",
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Action]:
    """Carry out our rules, asset by asset; yield each action (see `Lifecycle.run`)."""
    moment = now or datetime.now(UTC)
    rules = [own for rule in manager.admin.settings().lifecycle_rules if (own := recognise(rule))]
    if not rules:
        return
    root = f"{FileOrganizer.AUDIO_ROOT}/"
    folders = groupby(manager.store.list(root), lambda b: b.name.split("/")[1])
    for count, (audio_id, blobs) in enumerate(folders, 1):
        if on_progress:
            on_progress(count)
        if not FilenameGenerator.validate_uuid(audio_id):
            continue
        audio = _subject(manager, audio_id, list(blobs))
        if audio is None or _due(audio_id, audio, rules, moment) is None:
            continue
        # Its expiry date may have been moved since the listing was read.
        audio = _subject(manager, audio_id, None)
        action = _due(audio_id, audio, rules, moment) if audio else None
        if action is not None and audio is not None:
            yield action if dry_run else _done(manager, action, audio)


def _subject(
    manager: "AudioStorageManager", audio_id: str, blobs: list[BlobInfo] | None
) -> BlobInfo | None:
    """Return the audio whose age decides; if only other parts are left, the audio in the trash.

    Args:
        manager: of the store.
        audio_id: the asset's id.
        blobs: the objects in its folder; None to list them.
    """
    prefix = folder_prefix(audio_id)
    folder = list(manager.store.list(prefix)) if blobs is None else blobs
    asset = assemble(audio_id, folder)
    if asset is not None:
        return asset.audio
    # After a killed run, or a deletion by hand, only other parts are left.
    named = [
        deleted.blob
        for deleted in (manager.store.list_deleted(prefix) if folder else ())
        if is_committed_audio(deleted.blob)
        and any(
            names_thumbnail(deleted.blob, blob) or is_current(blob, deleted.blob) for blob in folder
        )
    ]
    return max(named, key=lambda blob: blob.generation, default=None)


def _due(audio_id: str, audio: BlobInfo, rules: list[OwnRule], moment: datetime) -> Action | None:
    due = [rule for rule in rules if rule.applies_to(audio, moment)]
    deletions = [rule for rule in due if not rule.storage_class]
    if deletions:
        return Action(audio_id, "delete", "", deletions[0].description)
    moves = sorted(due, key=lambda rule: COLDEST_FIRST.index(rule.storage_class))
    if moves:
        return Action(audio_id, "move", moves[0].storage_class, moves[0].description)
    return None


def _done(manager: "AudioStorageManager", action: Action, audio: BlobInfo) -> Action:
    outcome: Literal["done", "held", "gone"] = "done"
    try:
        if action.kind == "delete":
            manager.delete(action.audio_id)
        else:
            manager.admin.reclass(audio, cast(StorageClass, action.storage_class))
    except HeldError:
        outcome = "held"
    except (AssetNotFoundError, BlobNotFoundError, PreconditionFailedError):
        outcome = "gone"  # or changed just now: the next run decides again
    return Action(action.audio_id, action.kind, action.storage_class, action.rule, outcome)
