"""Runs that store files: planning one, and storing the items of its chunks."""

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from audiostore.bulk import BulkItem, RunOptions, upload_items
from audiostore.dataclass import replace
from audiostore.errors import InvalidSourceError, SourceNotFoundError
from audiostore.fleet.chunks import OpenChunk, is_for_now
from audiostore.fleet.items import (
    PlannedItem,
    identity,
    item_fields,
    item_in,
    options_fields,
    options_in,
    result_of,
)
from audiostore.fleet.kinds import STORE, Kind
from audiostore.fleet.planning import plan_lines
from audiostore.fleet.values import FleetChunk, FleetPlan, FleetResult
from audiostore.ingest import UploadOptions
from audiostore.pathforms import on_disk
from audiostore.sourcepaths import is_url

if TYPE_CHECKING:
    from audiostore.ingest import UploadKeywords
    from audiostore.manager import AudioStorageManager


def plan(
    manager: "AudioStorageManager",
    items: Iterable[BulkItem],
    *,
    run: str,
    chunk_items: int = 200,
    dry_run: bool = False,
    options: UploadOptions | None = None,
    **keywords: "Unpack[UploadKeywords]",
) -> FleetPlan:
    """Plan a run: write its list into the store, in chunks, with an id for each item.

    The same list again under the same name is the same plan, with the same ids, whether it was
    planned before, was interrupted half-way, or is being planned by another process. No file is
    looked at: workers do that.

    Args:
        manager: of the store.
        items: the assets to store, read as they are needed; relative paths are those of this
            process. Workers must find the files under the same absolute paths.
        run: the name of the run.
        chunk_items: how many items a worker takes at once.
        dry_run: compare with what is planned under that name, and write nothing.
        options: how to inspect, prepare and store the files; without `cleanup`, `supersedes`,
            `trash_superseded` and `source_path`.
        **keywords: fields of `UploadOptions`; each overrides `options`.

    Raises:
        RunConflictError: another list, or the same with other options, has the name.
        InvalidAudioIdError: an item has an id that is not a UUID.
        InvalidRunError: the name is invalid, or there are no items, or too many.
        ValueError: an option is invalid.
        AudioStoreError, OSError: the store failed permanently.
        Exception: what `items` raises.
    """
    upload = _checked(UploadOptions.of(options, **keywords))
    return plan_lines(
        manager,
        KIND,
        map(item_fields, items),
        options_fields(upload),
        run=run,
        chunk_items=chunk_items,
        dry_run=dry_run,
    )


def _checked(options: UploadOptions) -> UploadOptions:
    """Return options that a run can have.

    Raises:
        ValueError: one of them is for a single asset, or deletes.
    """
    plain = UploadOptions()
    for name in ("cleanup", "supersedes", "trash_superseded", "source_path"):
        if getattr(options, name) != getattr(plain, name):
            raise ValueError(
                f"{name} is not for a fleet run: "
                + (
                    "it deletes no local files"
                    if name == "cleanup"
                    else "give it with each item"
                    if name != "trash_superseded"
                    else "it deletes no assets"
                )
            )
    return options


def _store(
    manager: "AudioStorageManager",
    chunks: Iterable[OpenChunk],
    options: UploadOptions,
    run_options: RunOptions,
    *,
    may_fork: bool,
) -> Generator[FleetChunk, None, None]:
    """Store the items of chunks, one stream of all; yield each chunk as it ends."""
    under_way: dict[int, tuple[OpenChunk, PlannedItem]] = {}
    missing: dict[int, list[PlannedItem]] = {}

    def items() -> Iterator[BulkItem]:
        planned_items = ((chunk, planned) for chunk in chunks for planned in chunk.items)
        for position, (chunk, planned) in enumerate(planned_items):
            under_way[position] = chunk, planned
            yield _bulk_item(chunk, planned)

    outcomes = upload_items(
        manager,
        items(),
        None,
        _without_own(options),
        run_options,
        skip_stored=False,
        again=False,
        update=False,
        may_fork=may_fork,
    )
    with closing(outcomes):
        for outcome in outcomes:
            chunk, planned = under_way.pop(outcome.index)
            error = outcome.error
            if isinstance(error, SourceNotFoundError):
                missing.setdefault(chunk.number, []).append(planned)
            result = result_of(planned, outcome)
            if error is not None and is_for_now(error):
                chunk.fail_for_now(result, error)
            else:
                chunk.add(result)
            if chunk.is_complete:
                try:
                    yield _finish(chunk, missing.pop(chunk.number, []))
                except KeyboardInterrupt as interrupt:  # does not wait for what is running
                    outcomes.throw(interrupt)


def _finish(chunk: OpenChunk, missing: list[PlannedItem]) -> FleetChunk:
    # What is wrong with this machine must not make a run fail that would succeed elsewhere. What
    # is tried again has failed for good before: failing again, it does so for the same reason.
    is_missing = len(missing) == len(chunk.items) and not any(map(_has_neighbours, missing))
    if is_missing and not chunk.is_retry:
        first = missing[0].item.audio
        return chunk.give_up(
            SourceNotFoundError(
                "none of its files is here, nor anything else in their folders, such as "
                f"{str(first.parent)!r}: is the disk mounted?",
                path=first,
            )
        )
    if all(getattr(error, "host", None) for error in chunk.errors) and (
        chunk.is_retry or any(map(_shows_network, chunk.results))
    ):
        chunk.fail_for_good()
    return chunk.finish()


def _shows_network(result: FleetResult) -> bool:
    """Say whether a store or a server was reached: those that were not are to blame themselves."""
    return result.status == "stored" or is_url(result.audio)


def _without_own(options: UploadOptions) -> UploadOptions:
    """Return options without those that each item brings along."""
    return replace(options, metadata=None, id_is_new=False)


def _bulk_item(chunk: OpenChunk, planned: PlannedItem) -> BulkItem:
    """Return an item as it is uploaded.

    An id that was made for it is new in the first attempt, and looked up in all others. Of an
    id that was given nothing is known, unless the options say so.
    """
    is_new: bool | None = chunk.is_fresh
    if chunk.is_fresh and not planned.has_own_id:
        is_new = True if chunk.options.id_is_new else None
    item = planned.item
    return replace(
        item,
        audio=_on_disk(item.audio) if item.remote_audio is None else item.audio,
        thumbnail=None if item.thumbnail is None else _on_disk(item.thumbnail),
        id_is_new=is_new,
        metadata={**(chunk.options.metadata or {}), **item.metadata},
    )


def _on_disk(path: Path) -> Path:
    """Return a path with its accents as the disk has them: the plan does not look."""
    with suppress(InvalidSourceError):  # several look the same: the upload finds none
        return Path(on_disk(str(path)))
    return path


def _has_neighbours(planned: PlannedItem) -> bool:
    """Say whether there is anything in the folder of a file that is missing; on a server, yes."""
    if planned.item.is_remote:
        return True
    try:
        with os.scandir(planned.item.audio.parent) as entries:
            return next(entries, None) is not None
    except (OSError, ValueError):
        return False


KIND = Kind(STORE, options_in, item_in, identity, _store)
