"""Carrying the rules out on a store that does not do so by itself: a directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from audiostore.errors import (
    AssetNotFoundError,
    BlobNotFoundError,
    HeldError,
    PreconditionFailedError,
)
from audiostore.lifecycle.rules import COLDEST_FIRST, Rule, action_of, applies, is_ours, words_of
from audiostore.manager import AudioStorageManager
from audiostore.model import BlobInfo
from audiostore.store import StorageClass


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
    manager: AudioStorageManager, *, dry_run: bool = False, now: datetime | None = None
) -> Iterator[Action]:
    """Do what our rules in the store's settings ask for, asset by asset; yield what was done.

    As in a bucket, a deletion comes before a change of class, and of two classes the colder counts.
    An asset goes whole, by the age of its audio. Killed, it is finished by running it again.

    Raises:
        UnsupportedByStoreError: the store carries its rules out itself (a bucket does, about once
            a day).
    """
    moment = now or datetime.now(UTC)
    rules = [rule for rule in manager.admin.settings().lifecycle_rules if is_ours(rule)]
    if not rules:
        return
    for asset in manager.list():
        if asset.audio is None:
            continue
        action = _due(asset.audio_id, asset.audio, rules, moment)
        if action is None:
            continue
        yield action if dry_run else _done(manager, action, asset.audio)


def _due(audio_id: str, audio: BlobInfo, rules: list[Rule], moment: datetime) -> Action | None:
    due = [rule for rule in rules if applies(rule, audio, moment)]
    deletions = [rule for rule in due if action_of(rule)[0] == "Delete"]
    if deletions:
        return Action(audio_id, "delete", "", words_of(deletions[0]))
    moves = sorted(due, key=lambda rule: COLDEST_FIRST.index(action_of(rule)[1]))
    if moves:
        return Action(audio_id, "move", action_of(moves[0])[1], words_of(moves[0]))
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
