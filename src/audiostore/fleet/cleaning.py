"""Deletes the objects that a run has adopted, each compared with its asset first."""

import json
from collections.abc import Iterator
from contextlib import closing
from sqlite3 import Connection
from typing import TYPE_CHECKING, Literal

from audiostore.adopt import AdoptItem, Rules, folded, folders_of, kind_of, own_uris
from audiostore.asset import find_asset
from audiostore.dataclass import dataclass
from audiostore.errors import (
    BlobNotFoundError,
    HeldError,
    InvalidRunError,
    PreconditionFailedError,
    shown,
)
from audiostore.fleet.adoptions import (
    KIND,
    ItemState,
    PlannedAdoption,
    items_of,
    options_of,
    rules_of,
)
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.fleet.kinds import purpose_of
from audiostore.fleet.planning import require_plan
from audiostore.scratch import on_the_disk, open_scratch
from audiostore.stores import Store
from audiostore.values import BlobInfo, same_bytes

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

CleanStatus = Literal["deleted", "gone", "held", "differs", "needed"]
"""What became of an old object.

- "deleted": it was deleted, or would be;
- "gone": it is not there any more, or was replaced since it was adopted;
- "held": a hold or a retention period forbids it;
- "differs": its asset is gone, or has other bytes: it may be the only copy;
- "needed": it was not adopted, or is the cover of what is still there.
"""


@dataclass(frozen=True, slots=True)
class CleanOutcome:
    """The result of cleaning up an old object, audio or a cover."""

    uri: str
    status: CleanStatus
    size_bytes: int
    reason: str = ""
    """Why it was left, as the rest of a sentence."""


def clean_adopted(
    manager: "AudioStorageManager", run: str, *, dry_run: bool = False
) -> Iterator[CleanOutcome]:
    """Delete the objects that a run has adopted; yield what becomes of each.

    Each is deleted by its generation, and only if the asset that was made of it is there now, with
    the same size and crc32c. Covers come last: the source is listed again, and a cover is deleted
    only if nothing is left there that may need it, adopted or not. Where the bucket keeps what is
    deleted, it can be restored. After an interruption, call it again.

    Args:
        manager: of the store that has the assets.
        run: the name of the run.
        dry_run: delete nothing.

    Raises:
        InvalidRunError: the name is invalid, or the run does not adopt.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
        AudioStoreError, OSError: a store failed permanently, or may not be written to.
    """
    manager = manager._for_many
    store = manager.store
    plan = require_plan(store, run)
    if plan.kind != KIND.name:
        raise InvalidRunError(
            f"{run!r} is planned to {purpose_of(plan.kind)}, not to {purpose_of(KIND.name)}"
        )
    options = options_of(store, plan)
    rules = rules_of(options.layout, options.covers)
    source = manager._remote.store_at(options.source)
    remover = _Remover(source, dry_run=dry_run)

    def clean(task: tuple[PlannedAdoption, ItemState]) -> tuple[CleanOutcome, bool]:
        """Return what became of the audio, and whether the asset has the cover."""
        planned, state = task
        audio, cover = planned.item.audio, planned.item.cover
        if state != "stored":
            return remover.left(audio, "needed", "was not adopted"), False
        asset = find_asset(store, planned.audio_id)
        if asset is None:
            return remover.left(audio, "differs", "no longer has an asset"), False
        has_cover = cover is not None and same_bytes(asset.thumbnail, cover)
        if not same_bytes(asset.audio, audio):
            return remover.left(audio, "differs", "has other bytes than its asset"), has_cover
        return remover.remove(audio), has_cover

    with on_the_disk(), closing(open_scratch()) as scratch:
        for table in _TABLES:
            scratch.execute(table)
        outcomes = manager.bulk.apply(clean, items_of(store, plan))
        with closing(outcomes):
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                planned, state = outcome.item
                is_adopted = state == "stored"
                if outcome.result is not None:
                    cleaned, has_cover = outcome.result
                    _note_cover(scratch, planned, is_adopted=is_adopted, has_cover=has_cover)
                    _note_places(scratch, rules, planned.item)
                    if cleaned.status == "deleted":
                        audio = planned.item.audio
                        scratch.execute(
                            "INSERT INTO deleted VALUES (?, ?)", (audio.name, audio.generation)
                        )
                    yield cleaned
        if scratch.execute("SELECT 1 FROM covers LIMIT 1").fetchone():
            _note_wanted(scratch, rules, source, own_uris(store))
        yield from _clean_covers(manager, scratch, remover)


_TABLES = (
    "CREATE TABLE covers (name TEXT, generation INT, blob TEXT, needed INT, safe INT,"
    " PRIMARY KEY (name, generation)) WITHOUT ROWID",
    "CREATE TABLE places (cover TEXT, place TEXT, PRIMARY KEY (cover, place)) WITHOUT ROWID",
    "CREATE TABLE wanted (place TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID",
    "CREATE TABLE deleted (name TEXT, generation INT, PRIMARY KEY (name, generation))"
    " WITHOUT ROWID",
)
"""Objects that are left want covers at some places; a cover that is at one of them stays."""
_ANYWHERE = "*/"
"""The place of a cover that the map has named: no rule says what else may need it."""


def _note_cover(
    scratch: Connection, planned: PlannedAdoption, *, is_adopted: bool, has_cover: bool
) -> None:
    cover = planned.item.cover
    if cover is None:
        return
    scratch.execute(
        "INSERT INTO covers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " needed = max(needed, excluded.needed), safe = max(safe, excluded.safe)",
        (
            cover.name,
            cover.generation,
            json.dumps(fields_of(cover)),
            not is_adopted,
            is_adopted and has_cover,
        ),
    )


def _note_places(scratch: Connection, rules: Rules, item: AdoptItem) -> None:
    """Note where a cover is: by its name, beside its audio, or anywhere."""
    if item.cover is None:
        return
    cover, audio = item.cover.name, item.audio.name
    places = [folded(cover), *(f"{each}/" for each in folders_of(audio))]
    if item.cover_is_mapped or not rules.covers.names:  # or planned before plans had the names
        places = [_ANYWHERE]
    scratch.executemany(
        "INSERT OR IGNORE INTO places VALUES (?, ?)", [(cover, place) for place in places]
    )


def _note_wanted(scratch: Connection, rules: Rules, source: Store, own: tuple[str, ...]) -> None:
    """Note where all that is in the source now, but images, may have a cover."""
    for blob in source.list(""):
        name = blob.name
        if (
            (name.endswith("/") and not blob.size_bytes)
            or kind_of(name, blob.content_type) == "image"
            or source.uri(name).startswith(own)
            or scratch.execute("SELECT 1 FROM covers WHERE name = ?", (name,)).fetchone()
            or scratch.execute(  # in a dry run, it is still there
                "SELECT 1 FROM deleted WHERE name = ? AND generation = ?", (name, blob.generation)
            ).fetchone()
        ):
            continue
        values = rules.layout.match(name) if rules.layout else None
        places = [_ANYWHERE, *map(folded, rules.covers.of(name, values or {}))]
        if values is None and rules.covers.takes_values:
            places += [f"{each}/" for each in folders_of(name)]
        scratch.executemany(
            "INSERT OR IGNORE INTO wanted VALUES (?, ?)", [(place, name) for place in places]
        )


def _clean_covers(
    manager: "AudioStorageManager", scratch: Connection, remover: "_Remover"
) -> Iterator[CleanOutcome]:
    rows = scratch.execute(
        "SELECT blob, needed, safe, (SELECT wanted.name FROM places JOIN wanted USING (place)"
        " WHERE places.cover = covers.name LIMIT 1) FROM covers ORDER BY name, generation"
    )

    def clean(row: tuple[str, int, int, str | None]) -> CleanOutcome:
        fields, needed, safe, needed_by = row
        cover = value_in(BlobInfo, json.loads(fields))
        if needed:
            return remover.left(cover, "needed", "is the cover of audio that was not adopted")
        if not safe:
            return remover.left(cover, "differs", "is no longer the cover of any asset")
        if needed_by is not None:
            still_there = f"may be the cover of {shown(needed_by)}, which is still there"
            return remover.left(cover, "needed", still_there)
        return remover.remove(cover)

    outcomes = manager.bulk.apply(clean, rows)
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if outcome.result is not None:
                yield outcome.result


class _Remover:
    """Deletes old objects, or says what would be deleted."""

    def __init__(self, source: Store, *, dry_run: bool) -> None:
        self._source = source
        self._dry_run = dry_run

    def left(self, blob: BlobInfo, status: CleanStatus, reason: str) -> CleanOutcome:
        """Leave an object."""
        return CleanOutcome(self._source.uri(blob.name), status, blob.size_bytes, reason)

    def remove(self, blob: BlobInfo) -> CleanOutcome:
        """Delete this generation of an object."""
        try:
            if self._dry_run:
                present = self._source.stat(blob.name)
                if present.generation != blob.generation:
                    return self.left(blob, "gone", "was replaced since it was adopted")
                if present.kept_by:
                    return self.left(blob, "held", f"is kept by {present.kept_by}")
            else:
                self._source.delete(blob)
        except (BlobNotFoundError, PreconditionFailedError):
            return self.left(blob, "gone", "is gone, or was replaced since it was adopted")
        except HeldError as error:
            return self.left(blob, "held", f"cannot be deleted: {error}")
        return self.left(blob, "deleted", "")
