"""What a run would claim, read from a journal without writing anything: for dry runs."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from audiostore.bulk.journal.claims import Claim, ItemResult, ItemSnapshot, UnjournaledRun
from audiostore.bulk.journal.database import CLAIMED, STORED, is_locked, lock_path, read_only
from audiostore.bulk.journal.rows import find_rows, path_of, stored_at
from audiostore.dataclass import replace


class ReadOnlyRun:
    """A `Run` that records nothing. The journal is opened for each call, and need not exist."""

    def __init__(self, path: Path, store_url: str) -> None:
        self._path = path
        self._store_url = store_url
        self._unrecorded = UnjournaledRun()

    def claim(self, snapshots: Sequence[ItemSnapshot]) -> list[Claim]:
        """Return the claim that a run would get for each item."""
        new = self._unrecorded.claim(snapshots)
        with read_only(self._path) as connection:
            if connection is None:
                return new
            return [
                self._claim(connection, snapshot, claim)
                for snapshot, claim in zip(snapshots, new, strict=True)
            ]

    def renew(self, claims: Sequence[tuple[Claim, ItemSnapshot]]) -> list[Claim]:
        """Return claims with new ids."""
        return self._unrecorded.renew(claims)

    def stored_at(self, path: Path) -> str | None:
        """Return the id under which a path was stored last; None if it never was."""
        with read_only(self._path) as connection:
            return None if connection is None else stored_at(connection, self._store_url, path)

    def path_of(self, audio_id: str) -> Path | None:
        """Return the path from which an asset was stored last; None if it never was."""
        with read_only(self._path) as connection:
            return None if connection is None else path_of(connection, self._store_url, audio_id)

    def record(self, results: Sequence[ItemResult]) -> None:
        """Do nothing."""

    def release(self, claims: Sequence[Claim]) -> None:
        """Do nothing."""

    def complete(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def _claim(self, connection: sqlite3.Connection, snapshot: ItemSnapshot, new: Claim) -> Claim:
        found = find_rows(connection, self._store_url, snapshot)
        row = found.row
        if row is None:
            return replace(new, previous_id=found.previous_id)
        if row.status == STORED:
            return row.stored()
        if row.status == CLAIMED:
            (name,) = connection.execute(
                "SELECT lock_name FROM runs WHERE id = ?", (row.run,)
            ).fetchone()
            if is_locked(lock_path(self._path, name)):
                return Claim("busy", row.audio_id, key=row.key)
        return found.resume(row, snapshot)
