"""The search index: what a store holds, in a private database that is never the truth.

It is built by listing the store, and brought up to date by listing it again: what differs is
replaced. Own writes are entered at once. The database is a temporary file of SQLite without a name:
nothing is left of it after the process. Words are found by trigrams (SQLite FTS5); what they
find is judged by `Query.matches` itself, so that the index and `catalog.find` agree.
"""

import pickle
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Final

from audiostore.catalog import SORT_KEYS, Query, SortKey, Statistics, sort_value, statistics_of
from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError
from audiostore.serve.documents import asset_text, etag_of
from audiostore.serve.finding import Condition, condition_of, metadata_text, searched_text, storable
from audiostore.values import StorageResult

_BATCH: Final = 500
"""How many assets are written, or judged, in one go: others can read in between."""
_CACHE_KIB: Final = 32 << 10
_KEPT_TEXTS: Final = 2000
"""Most requests are for the same pages: making a document takes longer than finding its asset. One
takes some 3 kB."""
_KEPT_COUNTS: Final = 1000
_SORT_COLUMNS: Final[dict[SortKey, str]] = {key: f"by_{key}" for key in SORT_KEYS if key != "id"}

_NEVER_MISSING: Final = ("id", "created", "size")

_SCHEMA: Final = f"""
CREATE TABLE assets (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    format TEXT NOT NULL,
    class TEXT NOT NULL,
    size INTEGER NOT NULL,
    duration REAL,
    created REAL NOT NULL,
    has_thumbnail INTEGER NOT NULL,
    held INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    {", ".join(_SORT_COLUMNS.values())}
);
CREATE INDEX newest ON assets (by_created, id);
CREATE TABLE metadata (n INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE documents (n INTEGER PRIMARY KEY, asset BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(
    text, tokenize = 'trigram case_sensitive 1', columnsize = 0
);
"""
_COLUMNS: Final = (
    "id", "version", "generation", "metageneration", "format", "class", "size", "duration",
    "created", "has_thumbnail", "held", "superseded", *_SORT_COLUMNS.values(),
)  # fmt: skip
_INSERT: Final = (
    f"INSERT INTO assets (n, {', '.join(_COLUMNS)}) "  # noqa: S608  (names of our own)
    f"VALUES (?, {', '.join('?' * len(_COLUMNS))})"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an order of assets: that of one asset."""

    value: float | str | None
    audio_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some assets in order, and where to go on."""

    assets: tuple[StorageResult, ...]
    next: Place | None
    """The place of the last one; None if there are no more."""


_Row = tuple[str, float | str | None, bytes]
"""An asset: its id, its value in the order that was asked for, and all of it, packed."""


class Index:
    """The assets of a store, as they were when it was last listed. Safe to use from many threads.

    Raises:
        ConfigurationError: this SQLite is too old for full text search by trigrams.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # "": a temporary file, which SQLite deletes while it has it open.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        try:
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"this Python has SQLite {sqlite3.sqlite_version}, without full text search by "
                "trigrams: 3.34 or newer is needed"
            ) from error
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA synchronous = OFF")
        self._own: set[str] | None = None
        """The ids of own writes since a refresh began; None: no refresh runs."""
        self._deleted: dict[str, int] = {}
        """The generations of audio that was deleted here since the last refresh, by ids."""
        self._statistics: tuple[int, Query, Statistics] | None = None
        """The latest ones, of what query, and after how many changes."""
        self._counts: dict[Query, int] = {}
        self._counted_at = 0
        """After how many changes `_counts` were right."""
        self.changes = 0
        """Rises with every change."""

    def close(self) -> None:
        """Close, and so delete, the database."""
        with self._lock:
            self._db.close()

    def put(self, asset: StorageResult) -> None:
        """Enter an asset that was just written; an older version of it changes nothing."""
        with self._writing():
            self._note_own(asset.audio_id)
            if asset.audio and asset.audio.generation <= self._deleted.get(asset.audio_id, 0):
                return  # a change that came before the deletion, and is entered after it
            self._put(asset)

    def remove(self, audio_id: str) -> None:
        """Remove an asset that was just deleted."""
        with self._writing():
            self._note_own(audio_id)
            row = self._db.execute(
                "SELECT generation FROM assets WHERE id = ?", (audio_id,)
            ).fetchone()
            if row is not None:
                self._deleted[audio_id] = row[0]
            self._delete([audio_id])

    def forget(self, audio_id: str) -> None:
        """Remove an asset that was found to be gone."""
        with self._writing():
            self._note_own(audio_id)
            self._delete([audio_id])

    def refresh(self, assets: Iterable[StorageResult]) -> int:
        """Bring the index up to date with a listing in the order of the ids; return its length.

        Own writes since the beginning of this call are kept, whatever the listing has seen.
        """
        with self._lock:
            self._own = set()
        try:
            return self._merge(iter(assets))
        finally:
            with self._lock:
                self._own = None
                self._deleted.clear()

    def find(
        self,
        query: Query,
        *,
        order_by: SortKey = "id",
        descending: bool = False,
        after: Place | None = None,
        limit: int,
    ) -> Page:
        """Return the assets that match a query, in order, `limit` at most."""
        rows, place = self._page(query, order_by, descending, after, limit)
        return Page(tuple(_unpacked(data) for _, _, data in rows), place)

    def documents(
        self,
        query: Query,
        *,
        order_by: SortKey = "id",
        descending: bool = False,
        after: Place | None = None,
        limit: int,
        root: str = "",
    ) -> tuple[list[str], Place | None]:
        """Return what `find` does as JSON: the documents of a page, and where to go on.

        Args:
            query: what the assets must be like, and the others as for `find`.
            order_by: their order.
            descending: whether it is reversed.
            after: where the page begins.
            limit: how many it has at most.
            root: the path under which the service is mounted.
        """
        rows, place = self._page(query, order_by, descending, after, limit)
        return [_text(data, root) for _, _, data in rows], place

    def count(self, query: Query) -> int:
        """Return how many assets match a query: at once, if nothing has changed."""
        with self._lock:
            if self._counted_at != self.changes or len(self._counts) >= _KEPT_COUNTS:
                self._counts, self._counted_at = {}, self.changes
            counts = self._counts
            known = counts.get(query)
        if known is None:
            known = counts[query] = self._count(query)
        return known

    def _count(self, query: Query) -> int:
        condition = condition_of(query)
        if not condition.is_exact:
            return sum(1 for _ in self._matching(query, "id", False, None))
        with self._lock:
            row = self._db.execute(
                f"SELECT count(*) FROM assets WHERE {condition.sql}",  # noqa: S608
                condition.values,
            ).fetchone()
        count: int = row[0]
        return count

    def statistics(self, query: Query) -> Statistics:
        """Return the totals of the assets that match a query: at once, if nothing has changed."""
        changes, known = self.changes, self._statistics
        if known is not None and known[:2] == (changes, query):
            return known[2]
        rows = self._matching(query, "id", False, None)
        found = statistics_of(_unpacked(data) for _, _, data in rows)
        self._statistics = (changes, query, found)
        return found

    def _page(
        self, query: Query, order_by: SortKey, descending: bool, after: Place | None, limit: int
    ) -> tuple[list[_Row], Place | None]:
        matching = self._matching(query, order_by, descending, after, most=limit + 1)
        rows = list(islice(matching, limit + 1))
        if len(rows) <= limit:
            return rows, None
        last_id, value, _ = rows[limit - 1]
        return rows[:limit], Place(value, last_id)

    def _matching(
        self,
        query: Query,
        order_by: SortKey,
        descending: bool,
        after: Place | None,
        *,
        most: int = _BATCH,
    ) -> Iterator[_Row]:
        """Yield what matches; `most` is how many will be taken."""
        condition = condition_of(query)
        size = min(most, _BATCH) if condition.is_exact else _BATCH
        while True:
            rows = self._rows(condition, order_by, descending, after, size)
            for row in rows:
                if condition.is_exact or query.matches(_unpacked(row[2])):
                    yield row
            if len(rows) < size:
                return
            after = Place(rows[-1][1], rows[-1][0])

    def _rows(
        self,
        condition: Condition,
        order_by: SortKey,
        descending: bool,
        after: Place | None,
        limit: int,
    ) -> list[_Row]:
        place, values = _after(order_by, descending, after)
        column = "id" if order_by == "id" else _SORT_COLUMNS[order_by]
        way = "DESC" if descending else "ASC"
        order = (
            f"{column} {way}, id {way}"
            if order_by in _NEVER_MISSING
            else (f"{column} IS NULL, {column} {way}, id {way}")
        )
        # What comes first is chosen by the small rows, before any document is read.
        sql = (
            f"SELECT id, value, (SELECT asset FROM documents WHERE documents.n = chosen.n) "  # noqa: S608
            f"FROM (SELECT n, id, {'NULL' if order_by == 'id' else column} AS value FROM assets "
            f"WHERE {condition.sql} AND {place} ORDER BY {order} LIMIT {limit}) AS chosen"
        )
        with self._lock:
            found: list[_Row] = self._db.execute(sql, (*condition.values, *values)).fetchall()
        return found

    def _merge(self, assets: Iterator[StorageResult]) -> int:
        count, last = 0, ""
        while True:
            batch = list(islice(assets, _BATCH))
            count += len(batch)
            stop = batch[-1].audio_id if len(batch) == _BATCH else None
            with self._writing():
                self._replace_between(last, stop, batch)
            if stop is None:
                return count
            last = stop

    def _replace_between(
        self, after: str, until: str | None, assets: Sequence[StorageResult]
    ) -> None:
        """Make the ids after `after`, up to `until`, those of `assets`."""
        bound, values = ("id <= ?", (after, until)) if until else ("1", (after,))
        known = dict(
            self._db.execute(
                f"SELECT id, version FROM assets WHERE id > ? AND {bound}",  # noqa: S608
                values,
            )
        )
        own = self._own or set()
        for asset in assets:
            is_known = known.pop(asset.audio_id, None) == etag_of(asset)
            if not is_known and asset.audio_id not in own:
                self._put(asset, is_latest=True)
        self._delete([each for each in known if each not in own])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock and a transaction for the block."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _note_own(self, audio_id: str) -> None:
        if self._own is not None:
            self._own.add(audio_id)

    def _put(self, asset: StorageResult, *, is_latest: bool = False) -> None:
        audio = asset.audio
        if audio is None:
            return
        row = self._db.execute(
            "SELECT n, generation, metageneration FROM assets WHERE id = ?", (asset.audio_id,)
        ).fetchone()
        if row is not None:
            if not is_latest and (row[1], row[2]) > (audio.generation, audio.metageneration):
                return
            self._delete([asset.audio_id])
        number = self._db.execute(
            _INSERT,
            (
                None,
                asset.audio_id,
                etag_of(asset),
                audio.generation,
                audio.metageneration,
                asset.format,
                audio.storage_class,
                audio.size_bytes,
                asset.duration_s,
                audio.created_at.timestamp(),
                asset.thumbnail is not None,
                audio.is_held,
                asset.superseded_by is not None,
                *(_value(asset, key) for key in _SORT_COLUMNS),
            ),
        ).lastrowid
        self._db.execute("INSERT INTO documents VALUES (?, ?)", (number, _packed(asset)))
        text = searched_text(audio.metadata)
        self._db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, text))
        text = metadata_text(audio.metadata)
        self._db.execute("INSERT INTO metadata VALUES (?, ?)", (number, text))
        self.changes += 1

    def _delete(self, ids: Sequence[str]) -> None:
        for audio_id in ids:
            row = self._db.execute("SELECT n FROM assets WHERE id = ?", (audio_id,)).fetchone()
            if row is not None:
                self._db.execute("DELETE FROM words WHERE rowid = ?", row)
                self._db.execute("DELETE FROM metadata WHERE n = ?", row)
                self._db.execute("DELETE FROM documents WHERE n = ?", row)
                self._db.execute("DELETE FROM assets WHERE n = ?", row)
                self.changes += 1


def _after(
    order_by: SortKey, descending: bool, after: Place | None
) -> tuple[str, tuple[object, ...]]:
    """Return the condition of being behind a place; assets without the value come last."""
    if after is None:
        return "1", ()
    way = "<" if descending else ">"
    if order_by == "id":
        return f"id {way} ?", (after.audio_id,)
    column = _SORT_COLUMNS[order_by]
    if order_by in _NEVER_MISSING:
        return f"({column}, id) {way} (?, ?)", (after.value, after.audio_id)
    if after.value is None:
        return f"({column} IS NULL AND id {way} ?)", (after.audio_id,)
    return (
        f"({column} IS NULL OR {column} {way} ? OR ({column} = ? AND id {way} ?))",
        (after.value, after.value, after.audio_id),
    )


def _value(asset: StorageResult, order_by: SortKey) -> float | str | None:
    value = sort_value(asset, order_by)
    return storable(value) if isinstance(value, str) else value


def _packed(asset: StorageResult) -> bytes:
    return pickle.dumps(asset, pickle.HIGHEST_PROTOCOL)


def _unpacked(data: bytes) -> StorageResult:
    # No other process can write to the database: it has no name.
    asset: StorageResult = pickle.loads(data)  # noqa: S301
    return asset


@lru_cache(_KEPT_TEXTS)
def _text(data: bytes, root: str) -> str:
    return asset_text(_unpacked(data), root)
