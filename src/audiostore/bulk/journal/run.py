"""One run of a journal: claims items, and records their results."""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from audiostore.asset import FilenameGenerator
from audiostore.bulk.items import UploadStatus
from audiostore.bulk.journal.claims import Claim, ItemResult, ItemSnapshot
from audiostore.bulk.journal.database import (
    CLAIMED,
    FAILED,
    FREE,
    STORED,
    SUPERSEDED,
    JournalDatabase,
    is_locked,
)
from audiostore.bulk.journal.rows import (
    NO_FILE,
    ItemRows,
    find_rows,
    item_hash,
    pack_audio,
    pack_state,
    pack_thumbnail,
    path_of,
    stored_at,
)
from audiostore.dataclass import replace

_MAX_ERROR_CHARACTERS = 2000


class JournaledRun:
    """A `Run` that a journal records."""

    def __init__(
        self, database: JournalDatabase, store_url: str, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._store_url = store_url
        self._clock = clock
        self._dead_runs: set[int] = set()
        self._is_open = True
        self._is_complete = False
        self._counts: Counter[UploadStatus] = Counter()
        lock_name = os.urandom(8).hex()
        self._lock_path = database.lock_path(lock_name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._lock_file = os.open(self._lock_path, flags, 0o600)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)  # before other processes can see the run
        try:
            self.number = self._insert_run(lock_name)
        except BaseException:
            self._unlock()
            raise

    def claim(self, snapshots: Sequence[ItemSnapshot]) -> list[Claim]:
        """Return a claim for each item; those with the status "claimed" are on the disk."""
        with self._database.transaction(is_synced=True) as connection:
            return [self._claim(connection, snapshot) for snapshot in snapshots]

    def renew(self, claims: Sequence[tuple[Claim, ItemSnapshot]]) -> list[Claim]:
        """Claim items whose assets are no longer in the store, under new ids."""
        if not claims:
            return []
        with self._database.transaction(is_synced=True) as connection:
            return [self._renew(connection, *each) for each in claims]

    def stored_at(self, path: Path) -> str | None:
        """Return the id under which a path was stored last; None if it never was."""
        with self._database.reading() as connection:
            return stored_at(connection, self._store_url, path)

    def path_of(self, audio_id: str) -> Path | None:
        """Return the path from which an asset was stored last; None if it never was."""
        with self._database.reading() as connection:
            return path_of(connection, self._store_url, audio_id)

    def record(self, results: Sequence[ItemResult]) -> None:
        """Record results: of claimed items, and of those that were stored before."""
        self._counts.update(each.status for each in results)
        rows = [
            (
                FAILED if each.status == "failed" else STORED,
                each.audio_id,
                None if each.error is None else each.error[:_MAX_ERROR_CHARACTERS],
                " ".join(sorted(each.asked)),
                each.claim.key,
            )
            for each in results
            if each.claim.status == "claimed"
        ]
        examined = [
            (" ".join(sorted(each.claim.asked | each.asked)), self.number, each.claim.key)
            for each in results
            if each.claim.status == "stored" and each.asked
        ]
        failures = [
            (self.number, each.claim.key, (each.error or "")[:_MAX_ERROR_CHARACTERS])
            for each in results
            if each.status == "failed"
        ]
        if not (rows or failures or examined):
            return  # the counts are written with the next result, or at the end
        changed = [
            (each.audio_id, STORED, each.claim.key) for each in results if each.status == "changed"
        ]
        with self._database.transaction(is_synced=False) as connection:
            connection.executemany(
                "UPDATE items SET status = ?, audio_id = ?, error = ?, asked = ? WHERE id = ?", rows
            )
            connection.executemany("UPDATE items SET asked = ?, run = ? WHERE id = ?", examined)
            # An asset belongs to one path, and to the state that its files have now.
            connection.executemany(
                "DELETE FROM items WHERE audio_id = ? AND status = ? AND id != ?", changed
            )
            connection.executemany("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", failures)
            self._write_counts(connection)

    def release(self, claims: Sequence[Claim]) -> None:
        """Delete new ids, which were never used, and free the others."""
        if not claims:
            return
        with self._database.transaction(is_synced=False) as connection:
            connection.executemany(
                "DELETE FROM items WHERE id = ?", [(c.key,) for c in claims if c.is_new]
            )
            connection.executemany(
                "UPDATE items SET status = ? WHERE id = ?",
                [(FREE, c.key) for c in claims if not c.is_new],
            )

    def complete(self) -> None:
        """Note that no item is left to be claimed."""
        self._is_complete = True

    def close(self) -> None:
        """End the run; claims without a result are free for other runs."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            with self._database.transaction(is_synced=False) as connection:
                self._write_counts(connection)
                connection.execute(
                    "UPDATE runs SET ended_at = ?, is_complete = ? WHERE id = ?",
                    (self._clock(), self._is_complete, self.number),
                )
        finally:
            self._unlock()

    def _write_counts(self, connection: sqlite3.Connection) -> None:
        statuses = get_args(UploadStatus)
        columns = ", ".join(f"{status.replace(' ', '_')} = ?" for status in statuses)
        connection.execute(
            f"UPDATE runs SET {columns} WHERE id = ?",  # noqa: S608  (names of our own)
            (*(self._counts[status] for status in statuses), self.number),
        )

    def _insert_run(self, lock_name: str) -> int:
        with self._database.transaction(is_synced=False) as connection:
            cursor = connection.execute(
                "INSERT INTO runs (store_url, lock_name, started_at) VALUES (?, ?, ?)",
                (self._store_url, lock_name, self._clock()),
            )
            # Killed runs leave lock files that no process holds.
            for (name,) in connection.execute("SELECT lock_name FROM runs WHERE ended_at IS NULL"):
                if not is_locked(self._database.lock_path(name)):
                    self._database.lock_path(name).unlink(missing_ok=True)
        if cursor.lastrowid is None:
            raise RuntimeError("SQLite has given the run no number")
        return cursor.lastrowid

    def _claim(self, connection: sqlite3.Connection, snapshot: ItemSnapshot) -> Claim:
        found = find_rows(connection, self._store_url, snapshot)
        row = found.row
        if row is None:
            return self._insert_item(connection, snapshot, found)
        if row.status == STORED:
            return row.stored()
        if row.status == CLAIMED and self._is_alive(connection, row.run):
            return Claim("busy", row.audio_id, key=row.key)
        connection.execute(
            "UPDATE items SET status = ?, run = ?, error = NULL WHERE id = ?",
            (CLAIMED, self.number, row.key),
        )
        return found.resume(row, snapshot)

    def _renew(self, connection: sqlite3.Connection, claim: Claim, snapshot: ItemSnapshot) -> Claim:
        given = snapshot.item.audio_id
        audio_id = given or FilenameGenerator.generate_audio_id()
        changed = connection.execute(
            "UPDATE items SET audio_state = ?, thumbnail_state = ?, thumbnail_path = ?, origin = ?,"
            " audio_id = ?, status = ?, run = ?, error = NULL"
            " WHERE id = ? AND audio_id = ? AND (status = ? OR (status = ? AND run = ?))",
            (
                pack_state(snapshot.audio.state),
                pack_state(snapshot.thumbnail.state),
                pack_thumbnail(snapshot.item),
                snapshot.item.origin,
                audio_id,
                CLAIMED,
                self.number,
                claim.key,
                claim.audio_id,
                STORED,
                CLAIMED,
                self.number,
            ),
        )
        if not changed.rowcount:
            return replace(claim, status="busy")  # another run has done it meanwhile
        return _new_claim(claim.key, audio_id, snapshot)

    def _insert_item(
        self,
        connection: sqlite3.Connection,
        snapshot: ItemSnapshot,
        found: ItemRows,
    ) -> Claim:
        connection.executemany(
            "UPDATE items SET status = ? WHERE id = ? AND status IN (?, ?)",
            [(SUPERSEDED, row.key, FREE, FAILED) for row in found.same_thumbnail],
        )
        given = snapshot.item.audio_id
        audio_id = given or FilenameGenerator.generate_audio_id()
        cursor = connection.execute(
            "INSERT INTO items (place, audio_state, thumbnail_state, audio_path, thumbnail_path,"
            " origin, audio_id, status, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item_hash(self._store_url, snapshot.item),
                pack_state(snapshot.audio.state),
                pack_state(snapshot.thumbnail.state),
                pack_audio(snapshot.item),
                pack_thumbnail(snapshot.item),
                snapshot.item.origin,
                audio_id,
                CLAIMED,
                self.number,
            ),
        )
        claim = _new_claim(cursor.lastrowid or 0, audio_id, snapshot)
        return replace(claim, previous_id=found.previous_id)

    def _is_alive(self, connection: sqlite3.Connection, run: int) -> bool:
        if run == self.number:
            return True
        if run in self._dead_runs:
            return False
        (lock_name,) = connection.execute(
            "SELECT lock_name FROM runs WHERE id = ?", (run,)
        ).fetchone()
        if is_locked(self._database.lock_path(lock_name)):
            return True
        self._dead_runs.add(run)
        return False

    def _unlock(self) -> None:
        with suppress(FileNotFoundError):
            self._lock_path.unlink()
        os.close(self._lock_file)


def _new_claim(key: int, audio_id: str, snapshot: ItemSnapshot) -> Claim:
    return Claim(
        "claimed",
        audio_id,
        is_new=snapshot.item.audio_id is None,
        key=key,
        audio_state=snapshot.audio.state or NO_FILE,
        thumbnail_state=snapshot.thumbnail.state or NO_FILE,
    )
