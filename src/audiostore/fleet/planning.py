"""Planning: every item gets its id here, in the store, and nowhere else."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Unpack

from audiostore.asset import FilenameGenerator, require_audio_id
from audiostore.bulk import BulkItem
from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
    InvalidRunError,
    RunConflictError,
    RunNotFoundError,
    shown,
)
from audiostore.fleet.layout import MAX_CHUNKS, items_name, plan_name, planned_chunks, require_run
from audiostore.fleet.objects import Fields, create, damaged, read
from audiostore.fleet.records import (
    PER_RUN,
    PlannedItem,
    identities_in,
    identity_of,
    item_fields,
    options_fields,
)
from audiostore.fleet.values import FleetPlan
from audiostore.ingest import UploadOptions
from audiostore.stores import ObjectStore

if TYPE_CHECKING:
    from audiostore.ingest import UploadKeywords
    from audiostore.manager import AudioStorageManager

_WRITERS = 16
"""Chunks are written so many at once."""
_Chunk = tuple[int, int, Sequence[BulkItem]]
"""Its number, the position of its first item, its items."""


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
    require_run(run)
    if not chunk_items >= 1:
        raise ValueError(f"chunk_items is {shown(chunk_items)}: it must be at least 1")
    manager = manager._for_many
    store = manager.store
    draft = _Draft(run, chunk_items, upload)
    known = _read_plan(store, run)
    if known is not None or dry_run:
        for _ in draft.chunks(items):
            pass
        found = draft.plan()
        return found if known is None else _same(store, known, found)
    chunks = draft.chunks(items)
    interrupted = planned_chunks(store, run)
    missing: list[_Chunk] = []

    def present() -> Iterator[_Chunk]:
        for chunk in islice(chunks, max(interrupted, default=-1) + 1):
            if chunk[0] in interrupted:
                yield chunk
            else:
                missing.append(chunk)

    # What an earlier call has written is compared first: another list must not be mixed with it.
    _write(manager, draft, present())
    _write(manager, draft, chain(missing, chunks))
    made = draft.plan()
    if create(store, plan_name(run), [_plan_fields(made)]):
        return made
    return _same(store, require_plan(store, run), made)


def require_plan(store: ObjectStore, run: str) -> FleetPlan:
    """Return the plan of a run.

    Raises:
        RunNotFoundError: there is no plan, or it is not complete.
        IntegrityError: it is damaged.
    """
    found = _read_plan(store, run)
    if found is None:
        raise RunNotFoundError(
            f"no run {run!r} in {store.url}: it was never planned, or planning it was interrupted "
            "(plan the same list again)"
        )
    return found


class _Draft:
    """A list, chunk by chunk."""

    def __init__(self, run: str, chunk_items: int, options: UploadOptions) -> None:
        self.run = run
        self.header: Fields = {"run": run, "options": options_fields(options)}
        self._chunk_items = chunk_items
        self._options = options
        self._digest = hashlib.sha256(_canonical(self.header["options"]))
        self._items = self._chunks = 0

    def chunks(self, items: Iterable[BulkItem]) -> Iterator[_Chunk]:
        """Yield the chunks, in order."""
        iterator = iter(items)
        while chunk := list(islice(iterator, self._chunk_items)):
            number, first = self._chunks, self._items
            if number == MAX_CHUNKS:
                raise InvalidRunError(
                    f"over {MAX_CHUNKS:,} chunks of {self._chunk_items}: raise chunk_items"
                )
            for item in chunk:
                for audio_id in (item.audio_id, item.supersedes):
                    if audio_id is not None:
                        require_audio_id(audio_id)
                self._digest.update(_canonical(identity_of(item)))
            self._chunks += 1
            self._items += len(chunk)
            yield number, first, chunk

    def plan(self) -> FleetPlan:
        """Return the plan of what was read."""
        if not self._items:
            raise InvalidRunError(f"nothing to plan as {self.run!r}: the list has no items")
        return FleetPlan(
            self.run,
            self._items,
            self._chunks,
            self._chunk_items,
            self._options,
            self._digest.hexdigest(),
        )


def _write(manager: "AudioStorageManager", draft: _Draft, chunks: Iterable[_Chunk]) -> None:
    """Write chunks, many at once.

    Raises:
        RunConflictError: other items were written before.
    """
    outcomes = manager.bulk.apply(
        lambda chunk: _write_chunk(manager.store, draft, *chunk),
        chunks,
        concurrency=_WRITERS,
        fail_fast=True,
    )
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error


def _write_chunk(
    store: ObjectStore, draft: _Draft, number: int, first: int, items: Sequence[BulkItem]
) -> None:
    """Write the items of a chunk with their ids; or find that it was written before.

    Raises:
        RunConflictError: other items were written before.
    """
    lines = []
    for index, item in enumerate(items, first):
        is_new = item.audio_id is None
        audio_id = item.audio_id or FilenameGenerator.generate_audio_id()
        lines.append(item_fields(PlannedItem(index, replace(item, audio_id=audio_id), is_new)))
    name = items_name(draft.run, number)
    if create(store, name, [draft.header, *lines]):
        return
    header, *present = read(store, store.stat(name))
    try:
        is_same = identities_in(present) == identities_in(lines) and header == draft.header
    except KeyError as error:
        raise damaged(store, name) from error
    if not is_same:
        raise _conflict(store, draft.run, f"chunk {number} has other items or options")


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
                    "no local file is deleted by one"
                    if name == "cleanup"
                    else "give it with each item"
                    if name != "trash_superseded"
                    else "no asset is deleted by one"
                )
            )
    return options


def _canonical(fields: Any) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _plan_fields(plan: FleetPlan) -> Fields:
    return {
        "run": plan.run,
        "items": plan.items,
        "chunks": plan.chunks,
        "chunk_items": plan.chunk_items,
        "options": options_fields(plan.options),
        "digest": plan.digest,
    }


def _read_plan(store: ObjectStore, run: str) -> FleetPlan | None:
    try:
        blob = store.stat(plan_name(run))
    except BlobNotFoundError:
        return None
    (fields, *rest) = read(store, blob)
    try:
        options = UploadOptions(**{**PER_RUN, **fields["options"]})
        plan = FleetPlan(**{**fields, "options": options, "created": False})
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, blob.name) from error
    counts = plan.items, plan.chunks, plan.chunk_items
    if rest or plan.run != run or not all(isinstance(each, int) and each > 0 for each in counts):
        raise damaged(store, blob.name)
    return plan


def _same(store: ObjectStore, known: FleetPlan, made: FleetPlan) -> FleetPlan:
    """Return the plan that is known if the new one is the same.

    Raises:
        RunConflictError: it is not.
    """
    if known == made:
        return known
    if options_fields(known.options) != options_fields(made.options):
        why = "it was planned with other options"
    elif known.digest == made.digest:
        why = f"it was planned in chunks of {known.chunk_items}"
    else:
        why = f"it was planned with another list, of {known.items:,} items"
    raise _conflict(store, made.run, why)


def _conflict(store: ObjectStore, run: str, why: str) -> RunConflictError:
    return RunConflictError(
        f"cannot plan {run!r} in {store.url}: {why}. A plan never changes: use another name"
    )
