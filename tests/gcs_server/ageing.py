"""Applies the lifecycle rules of a bucket, once.

Called with the lock of the state held. https://cloud.google.com/storage/docs/lifecycle
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from .buckets import Bucket
from .clock import written
from .errors import ApiError
from .lifecycle import Candidate, Verdict, verdict
from .objects import StoredObject
from .shelves import put_back, remove

Done = tuple[StoredObject, Verdict]


def carry_out(
    home: Bucket, now: datetime, check_free: Callable[[StoredObject], None]
) -> list[Done]:
    """Apply the rules at this moment, at most one action per object; return what was done.

    A held or retained object is not deleted, but its class does change. SetStorageClass keeps the
    generation and sets `updated` and timeStorageClassUpdated. That it increases the metageneration
    is unverified. Resumable sessions are not multipart uploads, so none is aborted.
    """
    rules = (home.settings.get("lifecycle") or {}).get("rule", [])
    done: list[Done] = []
    for candidate in _candidates(home):
        asked = verdict(rules, candidate, now)
        if asked is None:
            continue
        record = candidate.record
        if asked.storage_class is not None:
            record = _recoloured(record, asked.storage_class, now)
            put_back(home, candidate.record, record)
        else:
            try:
                check_free(record)
            except ApiError:
                continue
            remove(home, record, now, becomes_noncurrent=candidate.live and home.versioned)
        done.append((record, asked))
    return done


def _candidates(home: Bucket) -> list[Candidate]:
    """Return every object that the rules can act on, which excludes soft-deleted ones."""
    found = [Candidate(record, live=True, newer=0) for record in home.objects.values()]
    for name, kept in home.noncurrent.items():
        above = 1 if name in home.objects else 0
        for newer, record in enumerate(reversed(kept)):
            found.append(Candidate(record, live=False, newer=newer + above))
    return found


def _recoloured(record: StoredObject, storage_class: str, now: datetime) -> StoredObject:
    return replace(
        record,
        fields={**record.fields, "storageClass": storage_class},
        metageneration=record.metageneration + 1,
        updated=written(now),
        time_storage_class_updated=written(now),
    )
