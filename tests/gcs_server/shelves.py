"""Moving generations between a bucket's live, noncurrent and soft-deleted objects.

Called with the lock of the state held.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from .buckets import Bucket
from .clock import moment_of, written
from .errors import no_object
from .objects import StoredObject


def present(home: Bucket, name: str, generation: int | None) -> StoredObject:
    """Return the live object, or the live or noncurrent one of a generation; 404 if it is gone."""
    live = home.objects.get(name)
    if live is not None and generation in (None, live.generation):
        return live
    found = None
    if generation is not None:
        found = of_generation(home.noncurrent.get(name, ()), generation)
    if found is None:
        raise no_object(home.name, name)
    return found


def of_generation(records: Sequence[StoredObject], generation: int) -> StoredObject | None:
    """Find a generation."""
    return next((record for record in records if record.generation == generation), None)


def versions(home: Bucket, name: str) -> list[StoredObject]:
    """Return the noncurrent generations of a name, oldest first, and the live one."""
    live = home.objects.get(name)
    return [*home.noncurrent.get(name, ()), *([] if live is None else [live])]


def place(home: Bucket, made: StoredObject, now: datetime) -> None:
    """Make a new generation live, and retire the previous one."""
    current = home.objects.get(made.name)
    home.objects[made.name] = made
    home.make_folders(made.name, made.time_created)
    home.history.setdefault(made.name, []).append(made.generation)
    if current is None:
        bisect.insort(home.names, made.name)
    else:
        retire(home, current, now, becomes_noncurrent=home.versioned)


def put_back(home: Bucket, old: StoredObject, new: StoredObject) -> None:
    """Replace the earlier state of a generation with a later one."""
    if home.objects.get(old.name) is old:
        home.objects[old.name] = new
    else:
        kept = home.noncurrent[old.name]
        kept[kept.index(old)] = new


def remove(home: Bucket, record: StoredObject, now: datetime, *, becomes_noncurrent: bool) -> None:
    """Remove a generation from the live or noncurrent ones, and retire it."""
    if home.objects.get(record.name) is record:
        del home.objects[record.name]
        del home.names[bisect.bisect_left(home.names, record.name)]
    else:
        left = [other for other in home.noncurrent[record.name] if other is not record]
        _shelve(home.noncurrent, record.name, left)
    retire(home, record, now, becomes_noncurrent=becomes_noncurrent)


def retire(home: Bucket, record: StoredObject, now: datetime, *, becomes_noncurrent: bool) -> None:
    """Keep a generation that is no longer live, according to the bucket's settings.

    softDeleteTime and hardDeleteTime are set once
    (https://cloud.google.com/storage/docs/json_api/v1/objects).
    """
    if becomes_noncurrent:
        made = replace(record, time_deleted=written(now))
        home.noncurrent.setdefault(record.name, []).append(made)
    elif home.soft_delete_seconds:
        gone = now + timedelta(seconds=home.soft_delete_seconds)
        made = replace(record, soft_delete_time=written(now), hard_delete_time=written(gone))
        kept = home.deleted.setdefault(record.name, [])
        bisect.insort(kept, made, key=lambda other: other.generation)
    else:
        record.blob.remove()


def forget(home: Bucket, now: datetime) -> None:
    """Release what was soft-deleted long enough ago."""
    for name, kept in list(home.deleted.items()):
        gone = [r for r in kept if moment_of(r.hard_delete_time or "") <= now]
        for record in gone:
            record.blob.remove()
        _shelve(home.deleted, name, [record for record in kept if record not in gone])


def _shelve(shelf: dict[str, list[StoredObject]], name: str, records: list[StoredObject]) -> None:
    if records:
        shelf[name] = records
    else:
        del shelf[name]
