"""Items to store, and their options, as lines of a plan; and what became of an item."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiostore.asset import FilenameGenerator, check_custom_metadata, require_audio_id
from audiostore.bulk import BulkItem, UploadOutcome
from audiostore.dataclass import dataclass, replace
from audiostore.errors import escaped, redacted
from audiostore.fleet.objects import Fields
from audiostore.fleet.records import require_types
from audiostore.fleet.values import FleetResult
from audiostore.ingest import UploadKeywords, UploadOptions
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.remotefiles import RemoteFile

_MOST_ERROR_CHARACTERS = 2000
_PER_RUN = {
    name: getattr(UploadOptions(), name)
    for name in UploadKeywords.__annotations__
    if name not in ("cleanup", "supersedes", "source_path", "trash_superseded")
}
"""The options that a run can have, and what they are if they are not given."""
_IDENTITY = ("audio", "thumbnail", "id", "metadata", "source_path", "supersedes")


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item, and its id."""

    index: int
    """Position in the list."""
    item: BulkItem
    """With its id."""
    has_own_id: bool
    """Whether its id was made when it was planned: nothing else was ever stored under it."""


def options_in(fields: Fields) -> UploadOptions:
    """Return the options in the fields of a plan.

    Raises:
        TypeError, ValueError: they are damaged.
    """
    return UploadOptions(**fields)


def options_fields(options: UploadOptions) -> dict[str, Any]:
    """Return the options that differ from the defaults, ready for JSON."""
    values = {name: getattr(options, name) for name in _PER_RUN}
    if values["metadata"] is not None:
        values["metadata"] = dict(values["metadata"])
    return {name: value for name, value in values.items() if value != _PER_RUN[name]}


def identity(line: Fields) -> Fields:
    """Return what makes the item of a line the same one when it is planned again."""
    given = {name: line.get(name) for name in _IDENTITY}
    return {**given, "id": None if line.get("new") else line["id"]}


def item_fields(item: BulkItem) -> Fields:
    """Return an item as a line, with an id.

    Raises:
        InvalidAudioIdError: the id that it has is not a UUID.
    """
    for audio_id in (item.audio_id, item.supersedes):
        if audio_id is not None:
            require_audio_id(audio_id)
    return {
        "audio": _place(item.audio, item.remote_audio),
        "thumbnail": _place(item.thumbnail, item.remote_thumbnail),
        "metadata": dict(item.metadata),
        "source_path": item.source_path,
        "supersedes": item.supersedes,
        "id": item.audio_id or FilenameGenerator.generate_audio_id(),
        "origin": item.origin,
        "new": item.audio_id is None,
    }


def _place(path: Path | None, remote: "RemoteFile | None") -> str | None:
    """Return an absolute path, or all of a URL: a query may say which file it is, or admit us."""
    if remote is not None:
        return remote.url
    return None if path is None else os.path.abspath(path)  # noqa: PTH100  (keeps links)


def item_in(line: Fields) -> PlannedItem:
    """Return the item of a line.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    require_types(line, n=int, new=bool, audio=str, origin=str)
    require_types(line, thumbnail=str | None, source_path=str | None)
    supersedes = line["supersedes"]
    item = replace(
        BulkItem.of(
            line["audio"],
            line["thumbnail"],
            audio_id=require_audio_id(line["id"]),
            metadata=check_custom_metadata(line["metadata"]),
        ),
        origin=line["origin"],
        source_path=line["source_path"],
        supersedes=None if supersedes is None else require_audio_id(supersedes),
    )
    return PlannedItem(line["n"], item, line["new"])


def result_of(planned: PlannedItem, outcome: UploadOutcome) -> FleetResult:
    """Return what became of an item, for good."""
    item = planned.item
    stored = outcome.error or outcome.result
    return recorded(planned.index, item.audio_place, item.origin, item.audio_id or "", stored)


def recorded(
    index: int, audio: str, origin: str, audio_id: str, stored: StorageResult | Exception | None
) -> FleetResult:
    """Return what became of an item, for good: an asset, or why it cannot be one."""
    if not isinstance(stored, StorageResult):
        return FleetResult(
            index,
            audio,
            origin,
            audio_id,
            "failed",
            error_kind=type(stored).__name__,
            error=escaped(redacted(str(stored)))[:_MOST_ERROR_CHARACTERS],
        )
    return FleetResult(
        index,
        audio,
        origin,
        audio_id,
        "stored",
        audio_path=stored.audio_path,
        thumbnail_path=stored.thumbnail_path,
        size_bytes=None if stored.audio is None else stored.audio.size_bytes,
        duration_s=stored.duration_s,
        warnings=stored.warnings,
    )
