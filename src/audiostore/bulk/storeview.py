"""What a store holds, as far as a bulk run needs to know: by id, and by content.

To find assets by something else: add a column to `_COLUMNS` and to `_row`, an index to `_INDEXES`,
and a method that begins with `with self._listed() as connection`.
"""

import base64
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from audiostore.dataclass import dataclass
from audiostore.errors import AssetNotFoundError
from audiostore.scratch import on_the_disk, open_scratch
from audiostore.sources import Source
from audiostore.stores import has_bytes, md5_of
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

MAX_LOOKUPS = 100
"""To know of more assets than this, the store is listed once: 200,000 assets take about 5 s."""
_THREADS = 16
_ROWS = 1000

_COLUMNS = (
    "id BLOB, has_artwork INT, size_bytes INT, crc32c BLOB, md5 BLOB, data_size INT,"
    " data_crc32c TEXT, is_superseded INT"
)
_INDEXES = (
    "CREATE INDEX by_id ON assets (id)",
    "CREATE INDEX by_content ON assets (size_bytes, crc32c)",
    "CREATE INDEX by_audio_data ON assets (data_size, data_crc32c)",
    "CREATE TABLE taken (id BLOB PRIMARY KEY)",
)
_Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a store holds under an id."""

    presence: Literal["present", "in the trash", "gone"]
    """"gone": it was never stored, or deleted for good."""
    has_artwork: bool = False


class SameAudio(NamedTuple):
    """An asset with the same audio as a file."""

    audio_id: str
    has_artwork: bool


class StoreView:
    """The assets of a store: a few are looked up; to know of more, the store is listed once.

    The listing is made when it is first needed, and kept in a private temporary file of about 100
    bytes per asset. It is never trusted with what is missing: that is looked up. Safe to use from
    many threads; a context manager.
    """

    def __init__(self, manager: "AudioStorageManager") -> None:
        """Ask nothing yet."""
        self._manager = manager
        self._lock = threading.RLock()
        self._free = threading.Condition()
        self._under_way: set[tuple[int, str]] = set()
        self._connection: sqlite3.Connection | None = None
        self._lookups = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def states(self, audio_ids: Iterable[str]) -> dict[str, StoredState]:
        """Return what the store holds under each of these ids.

        Raises:
            OSError, google.api_core.exceptions.GoogleAPICallError: the store cannot be read.
        """
        wanted = list(dict.fromkeys(audio_ids))
        states: dict[str, StoredState] = {}
        self._lookups += len(wanted)
        if self._connection is not None or self._lookups > MAX_LOOKUPS:
            states = self._read(wanted)
        missing = [each for each in wanted if each not in states]
        if len(missing) > 1:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (not for one file)

            with ThreadPoolExecutor(min(_THREADS, len(missing))) as pool:
                states.update(zip(missing, pool.map(self._look_up, missing), strict=True))
        else:
            states.update((each, self._look_up(each)) for each in missing)
        return states

    def find_audio(self, file: Source, own_id: str) -> SameAudio | None:
        """Return an asset with the same audio as a file: that of `own_id` if it is one of them.

        Of an object in a bucket that has no md5, size and crc32c decide.

        Raises:
            SourceChangedError: the file changed meanwhile.
            BlobNotFoundError: an asset is deleted meanwhile.
            OSError, google.api_core.exceptions.GoogleAPICallError: the file, or the store, cannot
                be read.
        """
        with self._listed() as connection:
            found = connection.execute(
                "SELECT id, has_artwork, md5 FROM assets WHERE size_bytes = ? AND crc32c = ?",
                (file.size_bytes, base64.b64decode(file.crc32c)),
            ).fetchall()
        found.sort(key=lambda row: row[0] != _raw(own_id))
        for raw, has_artwork, md5 in found:
            audio_id = _text(raw)
            if self._has_bytes(audio_id, md5, file):
                return SameAudio(audio_id, bool(has_artwork))
        return None

    def _has_bytes(self, audio_id: str, md5: bytes | None, file: Source) -> bool:
        """Say whether an asset, stored or planned, has the bytes of a file, not just the crc32c."""
        if md5 is not None:
            return md5 == base64.b64decode(md5_of(file))
        try:
            audio = self._manager.get(audio_id).audio
        except AssetNotFoundError:  # only planned
            return True
        return audio is None or has_bytes(self._manager.store, audio, file, downloads=False)

    def with_bytes(self, size_bytes: int, crc32c: str) -> list[str]:
        """Return the ids of the assets whose audio has a size and a crc32c."""
        return self._ids("size_bytes = ? AND crc32c = ?", size_bytes, base64.b64decode(crc32c))

    def with_audio_data(self, size_bytes: int, crc32c: str) -> list[str]:
        """Return the ids of the assets whose audio data have a size and a crc32c."""
        return self._ids("data_size = ? AND data_crc32c = ?", size_bytes, crc32c)

    def take(self, audio_id: str) -> bool:
        """Take an asset for a file; return False if it was taken for another one."""
        with self._listed() as connection:
            taken = connection.execute("INSERT OR IGNORE INTO taken VALUES (?)", (_raw(audio_id),))
        return taken.rowcount == 1

    def is_taken(self, audio_id: str) -> bool:
        """Say whether an asset was taken for a file."""
        with self._listed() as connection:
            found = connection.execute(
                "SELECT 1 FROM taken WHERE id = ?", (_raw(audio_id),)
            ).fetchone()
        return found is not None

    def _ids(self, condition: str, *values: object) -> list[str]:
        # What supersedes something is looked at first; then the ids decide.
        sql = f"SELECT id FROM assets WHERE {condition} ORDER BY is_superseded, id"  # noqa: S608
        with self._listed() as connection:
            return [_text(raw) for (raw,) in connection.execute(sql, values)]

    def add(self, asset: StorageResult) -> None:
        """Add an asset that was just stored."""
        with self._listed() as connection:
            _insert(connection, [_row(asset)])

    def add_planned(
        self, audio_id: str, size_bytes: int, crc32c: str, *, has_artwork: bool
    ) -> None:
        """Add an asset that would be stored, by the size and crc32c (base64) of its audio."""
        crc = base64.b64decode(crc32c)
        row = (_raw(audio_id), has_artwork, size_bytes, crc, None, None, None, False)
        with self._listed() as connection:
            _insert(connection, [row])

    @contextmanager
    def exclusive(self, file: Source) -> Iterator[None]:
        """Make other threads with a file of the same content wait until the block ends."""
        content = (file.size_bytes, file.crc32c)
        with self._free:
            self._free.wait_for(lambda: content not in self._under_way)
            self._under_way.add(content)
        try:
            yield
        finally:
            with self._free:
                self._under_way.remove(content)
                self._free.notify_all()

    def list_now(self) -> None:
        """List the store, unless that was done before: it fails here if the store cannot be read.

        Raises:
            OSError, google.api_core.exceptions.GoogleAPICallError: the store cannot be read.
        """
        with self._listed():
            pass

    def _look_up(self, audio_id: str) -> StoredState:
        try:
            asset = self._manager.get(audio_id)
        except AssetNotFoundError:
            try:
                self._manager.trash.get(audio_id)
            except AssetNotFoundError:
                return StoredState("gone")
            return StoredState("in the trash")
        return StoredState("present", has_artwork=asset.thumbnail is not None)

    def _read(self, audio_ids: Sequence[str]) -> dict[str, StoredState]:
        found = {}
        with self._listed() as connection:
            for audio_id in audio_ids:
                row = connection.execute(
                    "SELECT has_artwork FROM assets WHERE id = ?", (_raw(audio_id),)
                ).fetchone()
                if row is not None:
                    found[audio_id] = StoredState("present", has_artwork=bool(row[0]))
        return found

    @contextmanager
    def _listed(self) -> Iterator[sqlite3.Connection]:
        """Yield the table of all assets, for this thread alone; list the store if need be."""
        with self._lock, on_the_disk():
            if self._connection is None:
                connection = open_scratch()
                try:
                    _fill(connection, self._manager.catalog.find())
                except BaseException:
                    connection.close()
                    raise
                self._connection = connection
            yield self._connection


def _fill(connection: sqlite3.Connection, assets: Iterable[StorageResult]) -> None:
    connection.execute(f"CREATE TABLE assets ({_COLUMNS})")
    rows = map(_row, assets)
    connection.execute("BEGIN")
    while some := list(islice(rows, _ROWS)):
        _insert(connection, some)
    for index in _INDEXES:
        connection.execute(index)
    connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    marks = ", ".join("?" for _ in rows[0])
    connection.executemany(f"INSERT INTO assets VALUES ({marks})", rows)  # noqa: S608


def _row(asset: StorageResult) -> _Row:
    """Return the row of an asset. Audio without a known checksum cannot be recognised."""
    audio = asset.audio
    size_bytes, crc32c, md5 = -1, None, None
    if audio is not None and audio.crc32c is not None:
        size_bytes, crc32c = audio.size_bytes, base64.b64decode(audio.crc32c)
        md5 = None if audio.md5_hash is None else base64.b64decode(audio.md5_hash)
    return (
        *(_raw(asset.audio_id), asset.thumbnail is not None, size_bytes, crc32c, md5),
        *(asset.audio_data_size_bytes, asset.audio_data_crc32c),
        asset.superseded_by is not None,
    )


def _raw(audio_id: str) -> bytes:
    return bytes.fromhex(audio_id.replace("-", ""))


def _text(raw: bytes) -> str:
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
