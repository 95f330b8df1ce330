"""Items and results as the lines of the objects that hold them."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from json import dumps, loads
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

from audiostore.asset import check_custom_metadata, require_audio_id
from audiostore.bulk import BulkItem, UploadOutcome
from audiostore.dataclass import dataclass, replace
from audiostore.errors import escaped, redacted
from audiostore.fleet.layout import ChunkState, items_name
from audiostore.fleet.objects import Fields, damaged, read
from audiostore.fleet.values import FleetResult
from audiostore.ingest import UploadKeywords, UploadOptions
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

if TYPE_CHECKING:
    from audiostore.remotefiles import RemoteFile

_MOST_ERROR_CHARACTERS = 2000
PER_RUN = {
    name: getattr(UploadOptions(), name)
    for name in UploadKeywords.__annotations__
    if name not in ("cleanup", "supersedes", "source_path", "trash_superseded")
}
"""The options that a run can have, and what they are if they are not given."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item, and its id."""

    index: int
    """Position in the list."""
    item: BulkItem
    """With its id."""
    has_own_id: bool
    """Whether its id was made when it was planned: nothing else was ever stored under it."""


def options_fields(options: UploadOptions) -> dict[str, Any]:
    """Return the options that differ from the defaults, ready for JSON."""
    values = {name: getattr(options, name) for name in PER_RUN}
    if values["metadata"] is not None:
        values["metadata"] = dict(values["metadata"])
    return {name: value for name, value in values.items() if value != PER_RUN[name]}


def identity_of(item: BulkItem) -> Fields:
    """Return what makes an item the same one when it is planned again, ready for JSON."""
    return {
        "audio": _place(item.audio, item.remote_audio),
        "thumbnail": _place(item.thumbnail, item.remote_thumbnail),
        "id": item.audio_id,
        "metadata": dict(item.metadata),
        "source_path": item.source_path,
        "supersedes": item.supersedes,
    }


def _place(path: Path | None, remote: "RemoteFile | None") -> str | None:
    """Return an absolute path, or all of a URL: a query may say which file it is, or admit us."""
    if remote is not None:
        return remote.url
    return None if path is None else os.path.abspath(path)  # noqa: PTH100  (keeps links)


def identities_in(lines: Sequence[Fields]) -> list[Fields]:
    """Return the identities of the items in the lines of a chunk."""
    names = identity_of(BulkItem(Path())).keys()
    return [
        {**{name: line.get(name) for name in names}, "id": None if line.get("new") else line["id"]}
        for line in lines
    ]


def item_fields(planned: PlannedItem) -> Fields:
    """Return an item as a line."""
    return {
        "n": planned.index,
        **identity_of(planned.item),
        "origin": planned.item.origin,
        "new": planned.has_own_id,
    }


def read_chunk(
    store: ObjectStore, run: str, state: ChunkState
) -> tuple[UploadOptions, list[PlannedItem]]:
    """Return the options, and the items of a chunk.

    Raises:
        IntegrityError: they are damaged, or missing.
    """
    if state.items is None:
        raise damaged(store, items_name(run, state.number))
    header, *lines = read(store, state.items)
    try:
        options = UploadOptions(**header["options"])
        return options, [_planned(line) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, state.items.name) from error


def _planned(line: Fields) -> PlannedItem:
    """Return the item of a line.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    _require_types(line, n=int, new=bool, audio=str, origin=str)
    _require_types(line, thumbnail=str | None, source_path=str | None)
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


def _require_types(fields: Fields, **types: "type | UnionType") -> None:
    for name, expected in types.items():
        if not isinstance(fields.get(name), expected):
            raise TypeError(f"{name} is not as it was written")


_RESULT_TYPES: dict[str, "type | UnionType"] = {
    "index": int,
    **dict.fromkeys(("audio", "origin", "audio_id", "status"), str),
    **dict.fromkeys(("audio_path", "thumbnail_path", "error_kind", "error"), str | None),
    "size_bytes": int | None,
    "duration_s": float | int | None,
}


def result_of(planned: PlannedItem, outcome: UploadOutcome) -> FleetResult:
    """Return what became of an item, for good."""
    item, error, stored = planned.item, outcome.error, outcome.result
    audio_id = item.audio_id or ""
    if error is not None or stored is None:
        text = escaped(redacted(str(error)))[:_MOST_ERROR_CHARACTERS]
        return FleetResult(
            planned.index,
            item.audio_place,
            item.origin,
            audio_id,
            "failed",
            error_kind=type(error).__name__,
            error=text,
        )
    return FleetResult(
        planned.index,
        item.audio_place,
        item.origin,
        audio_id,
        "stored",
        audio_path=stored.audio_path,
        thumbnail_path=stored.thumbnail_path,
        size_bytes=None if stored.audio is None else stored.audio.size_bytes,
        duration_s=stored.duration_s,
        warnings=stored.warnings,
    )


def result_fields(result: FleetResult) -> Fields:
    """Return a result as a line: what is not known is left out."""
    fields = {name: getattr(result, name) for name in FleetResult.__match_args__}
    return {name: value for name, value in fields.items() if value not in (None, "", ())}


def counts_of(results: Sequence[FleetResult]) -> Mapping[str, str]:
    """Return the counts of results, as metadata of the object that holds them."""
    errors = Counter(each.error_kind for each in results if each.status == "failed")
    return {
        "items": str(len(results)),
        "failed": str(errors.total()),
        **({"errors": dumps(errors)} if errors else {}),
    }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many results an attempt has."""

    items: int
    errors: Counter[str]
    """How many failed, by the class of the error."""

    @property
    def failed(self) -> int:
        """How many items failed."""
        return self.errors.total()


def counts_in(store: ObjectStore, blob: BlobInfo) -> Counts:
    """Return the counts in the metadata of results.

    Raises:
        IntegrityError: they are damaged.
    """
    try:
        counts = Counts(
            int(blob.metadata["items"]), Counter(loads(blob.metadata.get("errors", "{}")))
        )
        is_whole = counts.failed == int(blob.metadata["failed"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, blob.name) from error
    if not is_whole:
        raise damaged(store, blob.name)
    return counts


def read_results(store: ObjectStore, state: ChunkState) -> list[FleetResult]:
    """Return the results of a chunk, the last of each item, in order.

    Raises:
        IntegrityError: they are damaged.
    """
    latest: dict[int, FleetResult] = {}
    for blob in state.results:
        for line in read(store, blob):
            try:
                warnings = tuple(map(str, line.get("warnings", ())))
                fields = {"origin": "", **line, "warnings": warnings}
                _require_types(fields, **_RESULT_TYPES)
                result = FleetResult(**fields)
            except TypeError as error:
                raise damaged(store, blob.name) from error
            latest[result.index] = result
    return [latest[index] for index in sorted(latest)]
