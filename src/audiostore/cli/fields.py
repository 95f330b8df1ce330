"""The fields of an asset by their names: the columns of an export, and short ones for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from audiostore.catalog import COLUMNS, GETTERS, Value
from audiostore.cli.failures import UsageError
from audiostore.cli.output import human_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from audiostore import BlobInfo, StorageResult

    Getter = Callable[[StorageResult, BlobInfo], Value]


def clock(seconds: float | None) -> str | None:
    """Return a duration as players show it: ``4:05``, ``1:02:03``."""
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _duration(asset: StorageResult, _: BlobInfo) -> str | None:
    shown = clock(asset.duration_s)
    return shown if shown is None or asset.duration_is_exact else f"~{shown}"


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix[1:]


_FOR_PEOPLE: dict[str, Getter] = {
    "id": lambda asset, _: asset.audio_id,
    "label": lambda asset, _: asset.title or asset.original_filename,
    "name": lambda asset, _: asset.original_filename,
    "duration": _duration,
    "size": lambda _, audio: human_size(audio.size_bytes),
    "created": lambda _, audio: f"{audio.created_at.astimezone(UTC):%Y-%m-%d %H:%M}",
    "cover": lambda asset, _: _extension(asset.thumbnail.name) if asset.thumbnail else None,
}
FIELDS = tuple(_FOR_PEOPLE) + tuple(COLUMNS)
_OF_METADATA = "meta."


def getter(name: str) -> Getter:
    """Return what gets the value of a field.

    Raises:
        UsageError: no field has that name.
    """
    if name.startswith(_OF_METADATA) and name != _OF_METADATA:
        key = name.removeprefix(_OF_METADATA)
        return lambda _, audio: audio.metadata.get(key)
    get = _FOR_PEOPLE.get(name) or GETTERS.get(name)
    if get is None:
        raise UsageError(
            f"unknown field {name!r}: choose from {', '.join(FIELDS)}; or meta.KEY for any key of "
            "the metadata, such as meta.mood"
        )
    return get


def as_text(value: Value) -> str:
    """Return a value as text; a missing one is empty."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
