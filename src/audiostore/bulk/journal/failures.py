"""What failed in a run, and what became of it since."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from audiostore.bulk.journal.database import (
    CLAIMED,
    FAILED,
    STORED,
    SUPERSEDED,
    JournalDatabase,
    is_locked,
)
from audiostore.dataclass import dataclass

# A file that has changed since, or that was given with other metadata, is another item of the same
# path; what the latest run made of it counts.
_FAILURES = f"""
SELECT failures.item, failures.error, first.audio_path, last.origin, last.audio_id, last.status,
    last.run, last.error, later.lock_name
FROM failures
JOIN runs ON runs.id = failures.run
JOIN items AS first ON first.id = failures.item
JOIN items AS last ON last.id = CASE
    WHEN first.run > failures.run AND first.status != {SUPERSEDED} THEN first.id
    ELSE ifnull((
        SELECT same.id FROM items AS same JOIN runs AS its ON its.id = same.run
        WHERE same.audio_path = first.audio_path AND same.status != {SUPERSEDED}
            AND its.store_url = runs.store_url
        ORDER BY same.run DESC, same.id DESC LIMIT 1
    ), first.id) END
JOIN runs AS later ON later.id = last.run
WHERE failures.item > ? AND failures.run = ? ORDER BY failures.item LIMIT ?
"""  # noqa: S608  (a number of our own)

_URL = re.compile("^(gs|https):/+")
"""As a path, a URL has one slash; the paths of files are absolute."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that a run could not store."""

    audio: Path
    origin: str
    audio_id: str
    error: str
    became: Literal["not tried again", "stored", "failed again", "in progress", "interrupted"]
    """What the latest run that tried it again has made of it, so far."""
    later_run: int | None = None
    """The number of that run."""
    later_error: str | None = None
    """Why it failed again."""

    @property
    def audio_place(self) -> str:
        """The path of the audio file, or its URL without a query."""
        return _URL.sub(r"\1://", str(self.audio))

    @property
    def is_remote(self) -> bool:
        """Whether it is fetched."""
        return _URL.match(str(self.audio)) is not None


def failures_of(database: JournalDatabase, run: int) -> Iterator[FailedItem]:
    """Yield the items that failed in a run, and what became of them."""
    for _, error, path, origin, audio_id, status, last_run, last_error, lock_name in database.pages(
        _FAILURES, -1, run
    ):
        item = (Path(os.fsdecode(path)), origin, audio_id, error)
        if last_run <= run:
            yield FailedItem(*item, "not tried again")
        elif status == STORED:
            yield FailedItem(*item, "stored", last_run)
        elif status == FAILED:
            yield FailedItem(*item, "failed again", last_run, last_error)
        elif status == CLAIMED and is_locked(database.lock_path(lock_name)):
            yield FailedItem(*item, "in progress", last_run)
        else:
            yield FailedItem(*item, "interrupted", last_run)
