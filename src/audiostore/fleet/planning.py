"""Planning: a list becomes lines in the store, in chunks, and never changes again."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from audiostore.errors import (
    BlobNotFoundError,
    InvalidRunError,
    RunConflictError,
    RunNotFoundError,
    shown,
)
from audiostore.fleet.kinds import STORE, Kind, kind_fields, purpose_of
from audiostore.fleet.layout import MAX_CHUNKS, items_name, plan_name, planned_chunks, require_run
from audiostore.fleet.objects import Fields, create, damaged, read
from audiostore.fleet.values import FleetPlan
from audiostore.stores import ObjectStore

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_WRITERS = 16
"""Chunks are written so many at once."""
_Chunk = tuple[int, Sequence[Fields]]
"""Its number, and its lines."""


def plan_lines(
    manager: "AudioStorageManager",
    kind: Kind,
    lines: Iterable[Fields],
    options: Fields,
    *,
    run: str,
    chunk_items: int,
    dry_run: bool = False,
) -> FleetPlan:
    """Write the items of a run of any kind into the store, in chunks (see `fleet.plan`).

    Args:
        manager: of the store.
        kind: of the run.
        lines: the items as JSON has them, with their ids where they need some; "n" is added.
        options: those that differ from the defaults, as JSON has them.
        run: the name of the run.
        chunk_items: how many items a worker takes at once.
        dry_run: compare with what is planned under that name, and write nothing.

    Raises:
        RunConflictError: another list, or the same with other options, has the name.
        InvalidRunError: the name is invalid, or there are no items, or too many.
        ValueError: an option is invalid.
        AudioStoreError, OSError: the store failed permanently.
        Exception: what `lines` raises.
    """
    require_run(run)
    if not chunk_items >= 1:
        raise ValueError(f"chunk_items is {shown(chunk_items)}: it must be at least 1")
    manager = manager._for_many
    store = manager.store
    draft = _Draft(run, kind, chunk_items, options)
    known = _read_plan(store, run)
    if known is not None or dry_run:
        for _ in draft.chunks(lines):
            pass
        found = draft.plan()
        return found if known is None else _same(store, kind, known, found)
    chunks = draft.chunks(lines)
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
    return _same(store, kind, require_plan(store, run), made)


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

    def __init__(self, run: str, kind: Kind, chunk_items: int, options: Fields) -> None:
        self.run = run
        self.kind = kind
        self.header: Fields = {"run": run, **kind_fields(kind.name), "options": options}
        self._chunk_items = chunk_items
        self._options = options
        self._digest = hashlib.sha256(_canonical(options))
        self._items = self._chunks = 0

    def chunks(self, lines: Iterable[Fields]) -> Iterator[_Chunk]:
        """Yield the chunks, in order."""
        iterator = iter(lines)
        while chunk := list(islice(iterator, self._chunk_items)):
            if self._chunks == MAX_CHUNKS:
                raise InvalidRunError(
                    f"over {MAX_CHUNKS:,} chunks of {self._chunk_items}: raise chunk_items"
                )
            for line in chunk:
                self._digest.update(_canonical(self.kind.identity(line)))
            numbered = [{"n": n, **line} for n, line in enumerate(chunk, self._items)]
            number = self._chunks
            self._chunks += 1
            self._items += len(chunk)
            yield number, numbered

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
            self.kind.name,
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


def _write_chunk(store: ObjectStore, draft: _Draft, number: int, lines: Sequence[Fields]) -> None:
    """Write the items of a chunk; or find that it was written before.

    Raises:
        RunConflictError: other items were written before.
    """
    name = items_name(draft.run, number)
    if create(store, name, [draft.header, *lines]):
        return
    header, *present = read(store, store.stat(name))
    identity = draft.kind.identity
    try:
        is_same = header == draft.header and list(map(identity, present)) == list(
            map(identity, lines)
        )
    except KeyError as error:
        raise damaged(store, name) from error
    if not is_same:
        raise _conflict(store, draft.run, f"chunk {number} has other items or options")


def _canonical(fields: Any) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _plan_fields(plan: FleetPlan) -> Fields:
    return {
        "run": plan.run,
        **kind_fields(plan.kind),
        "items": plan.items,
        "chunks": plan.chunks,
        "chunk_items": plan.chunk_items,
        "options": plan.options,
        "digest": plan.digest,
    }


def _read_plan(store: ObjectStore, run: str) -> FleetPlan | None:
    try:
        blob = store.stat(plan_name(run))
    except BlobNotFoundError:
        return None
    (fields, *rest) = read(store, blob)
    try:
        plan = FleetPlan(**{"kind": STORE, **fields, "created": False})
    except TypeError as error:
        raise damaged(store, blob.name) from error
    counts = plan.items, plan.chunks, plan.chunk_items
    is_whole = (
        plan.run == run
        and all(isinstance(each, int) and each > 0 for each in counts)
        and isinstance(plan.options, dict)
        and isinstance(plan.kind, str)
    )
    if rest or not is_whole:
        raise damaged(store, blob.name)
    return plan


def _same(store: ObjectStore, kind: Kind, known: FleetPlan, made: FleetPlan) -> FleetPlan:
    """Return the plan that is known if the new one is the same.

    Raises:
        RunConflictError: it is not.
    """
    if known == made:
        return known
    if known.kind != made.kind:
        why = _other_kind(known, made.kind)
    elif known.options != made.options:
        why = "it was planned with other options"
    elif known.digest == made.digest:
        why = f"it was planned in chunks of {known.chunk_items:,}, not of {made.chunk_items:,}"
    elif kind.is_of_parts:
        why = f"it was planned in {known.chunks:,} parts, not in {made.chunks:,}"
    else:
        why = f"it was planned with another list, of {known.items:,} items"
    raise _conflict(store, made.run, why)


def require_free(store: ObjectStore, run: str, kind: str, **options: object) -> None:
    """Refuse a run that cannot be planned, before anything is written for it elsewhere.

    Args:
        store: which has the runs.
        run: the name.
        kind: of the run.
        **options: some of its options.

    Raises:
        InvalidRunError: the name is invalid.
        RunConflictError: it is taken by a run of another kind, or with others of these options.
        IntegrityError: the plan that has the name is damaged.
    """
    known = _read_plan(store, require_run(run))
    if known is None:
        return
    if known.kind != kind:
        raise _conflict(store, run, _other_kind(known, kind))
    if any(known.options.get(name) != value for name, value in options.items()):
        raise _conflict(store, run, "it was planned with other options")


def _other_kind(known: FleetPlan, kind: str) -> str:
    return f"it was planned to {purpose_of(known.kind)}, not to {purpose_of(kind)}"


def _conflict(store: ObjectStore, run: str, why: str) -> RunConflictError:
    return RunConflictError(
        f"cannot plan {run!r} in {store.url}: {why}. A plan never changes: use another name"
    )
