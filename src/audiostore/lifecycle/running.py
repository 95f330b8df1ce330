"""Carrying the rules out on a store that does not do so by itself: a directory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, cast

from audiostore.asset import FilenameGenerator, FileOrganizer, record
from audiostore.errors import (
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.lifecycle.recognition import recognise
from audiostore.lifecycle.rules import COLDEST_FIRST, OwnRule
from audiostore.manager import AudioStorageManager
from audiostore.stores import StorageClass
from audiostore.values import BlobInfo


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a rule asks for now, or that was done."""

    audio_id: str
    kind: Literal["delete", "move"]
    storage_class: str
    """Where it moves; "" for a deletion."""
    words: str
    """The rule."""
    outcome: Literal["planned", "done", "held", "gone"] = "planned"


def run_lifecycle(
    manager: AudioStorageManager,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Action]:
    """Do what our rules in the store's settings ask for, asset by asset; yield what was done.

    As in a bucket, a deletion comes before a change of class, and of two classes the colder counts.
    An asset goes whole, by the age of its audio. Killed, it is finished by running it again.

    Args:
        manager: the store.
        dry_run: yield what would be done, and do nothing.
        now: the moment that ages count to; None for the clock's.
        on_progress: told how many assets were looked at.

    Raises:
        UnsupportedByStoreError: the store carries its rules out itself (a bucket does, about once
            a day).
    """
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
        # It may have been told to expire later since the listing was read.
        audio = _subject(manager, audio_id, None)
        action = _due(audio_id, audio, rules, moment) if audio else None
        if action is not None and audio is not None:
            yield action if dry_run else _done(manager, action, audio)


def _subject(
    manager: AudioStorageManager, audio_id: str, blobs: list[BlobInfo] | None
) -> BlobInfo | None:
    """Return the audio by which an asset is judged; that in the trash if its artwork was left.

    Args:
        manager: the store.
        audio_id: the asset's id.
        blobs: the objects in its folder; None to look.
    """
    prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
    folder = list(manager.store.list(prefix)) if blobs is None else blobs
    asset = record.assemble(audio_id, folder)
    if asset is not None:
        return asset.audio
    # A run that was killed, or a deletion by hand: the artwork alone is there.
    named = [
        deleted.blob
        for deleted in (manager.store.list_deleted(prefix) if folder else ())
        if record.is_committed_audio(deleted.blob)
        and any(record.names_thumbnail(deleted.blob, blob) for blob in folder)
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


def _done(manager: AudioStorageManager, action: Action, audio: BlobInfo) -> Action:
    outcome: Literal["done", "held", "gone"] = "done"
    try:
        if action.kind == "delete":
            manager.delete(action.audio_id)
        else:
            manager.admin.reclass(audio, cast(StorageClass, action.storage_class))
    except HeldError:
        outcome = "held"
    except (AssetNotFoundError, BlobNotFoundError, PreconditionFailedError):
        outcome = "gone"  # or changed just now: the next run looks again
    return Action(action.audio_id, action.kind, action.storage_class, action.words, outcome)
