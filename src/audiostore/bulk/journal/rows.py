"""The rows of a journal's items, and which row belongs to a given item."""

import hashlib
import os
import sqlite3
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from audiostore.bulk.items import BulkItem
from audiostore.bulk.journal.claims import Claim, ItemSnapshot, PathState
from audiostore.bulk.journal.database import CLAIMED, FREE, STORED, SUPERSEDED
from audiostore.dataclass import dataclass, replace
from audiostore.localfiles import FileState
from audiostore.sourcepaths import is_url

_STATE = struct.Struct("<QqQ")

NO_FILE = FileState(-1, 0, 0)
"""The state of a file that was not seen: a file that appears later is another item."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as recorded."""

    key: int
    audio_id: str
    audio_state: bytes
    thumbnail_state: bytes
    thumbnail_path: bytes | None
    status: int
    run: int
    asked: str
    """What was asked of the files when they were stored, or later: words, see `asked_of`."""

    def matches(self, snapshot: ItemSnapshot) -> bool:
        """Return whether an item with the same paths has the same files."""
        return _may_be(self.audio_state, snapshot.audio) and _may_be(
            self.thumbnail_state, snapshot.thumbnail
        )

    def matches_without_thumbnail(self, snapshot: ItemSnapshot) -> bool:
        """Return whether an item has the same audio, and this row's thumbnail file is gone."""
        if self.status == SUPERSEDED or not _may_be(self.audio_state, snapshot.audio):
            return False
        if self.status == STORED and not snapshot.audio.is_missing and _has_own_cover(snapshot):
            return False  # with another cover than the stored one, it is another asset
        return self._is_thumbnail_missing()

    def is_stored_with_thumbnail(self, snapshot: ItemSnapshot) -> bool:
        """Return whether an item without a thumbnail is stored, and has one there."""
        return (
            not snapshot.item.has_thumbnail
            and self.status == STORED
            and _may_be(self.audio_state, snapshot.audio)
        )

    def stored(self) -> Claim:
        """Return the claim of an item that is stored."""
        return Claim("stored", self.audio_id, key=self.key, asked=frozenset(self.asked.split()))

    def resume(self, snapshot: ItemSnapshot, *, same_thumbnail: bool) -> Claim:
        """Return the claim of a later attempt.

        Args:
            snapshot: the item as it is now.
            same_thumbnail: whether it has the recorded thumbnail path.
        """
        thumbnail_state = (
            self.thumbnail_state if same_thumbnail else pack_state(snapshot.thumbnail.state)
        )
        return Claim(
            "claimed",
            self.audio_id,
            is_resumed=True,
            key=self.key,
            audio_state=_unpack_state(self.audio_state),
            thumbnail_state=_unpack_state(thumbnail_state),
            is_thumbnail_missing=self._is_thumbnail_missing(),
            was_interrupted=self.status in (CLAIMED, FREE),
        )

    def _is_thumbnail_missing(self) -> bool:
        if self.thumbnail_path is None or not self.thumbnail_state:
            return False
        path = os.fsdecode(self.thumbnail_path)
        return not is_url(path) and PathState.of(path).is_missing


@dataclass(frozen=True, slots=True)
class ItemRows:
    """What is recorded of an item."""

    row: ItemRow | None
    """The row of the item with the very files that it has now."""
    same_thumbnail: Sequence[ItemRow]
    """The rows of all its states with the same path of the thumbnail, the newest first."""
    previous_id: str | None
    """The id under which another state of it was stored last."""

    def resume(self, row: ItemRow, snapshot: ItemSnapshot) -> Claim:
        """Return the claim of a later attempt at a row."""
        claim = row.resume(snapshot, same_thumbnail=row in self.same_thumbnail)
        return replace(claim, previous_id=self.previous_id)


def find_rows(connection: sqlite3.Connection, store_url: str, snapshot: ItemSnapshot) -> ItemRows:
    """Return what is recorded of an item."""
    found = _find(connection, store_url, snapshot)
    if found.row is None and snapshot.audio.is_missing:
        for item in _in_other_forms(snapshot):
            other = _find(connection, store_url, replace(snapshot, item=item))
            if other.row is not None:
                return other
    return found


def _in_other_forms(snapshot: ItemSnapshot) -> Iterator[BulkItem]:
    """Yield an item with the names that its deleted files may have had: see `pathforms`."""
    item = snapshot.item
    if str(item.audio).isascii():
        return
    cover = item.thumbnail
    forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
    for form in forms:
        yield replace(
            item,
            audio=_in_form(form, item.audio),
            thumbnail=_in_form(form, cover) if cover and snapshot.thumbnail.is_missing else cover,
        )


def _in_form(form: Literal["NFC", "NFD"], path: Path) -> Path:
    return Path(unicodedata.normalize(form, str(path)))


def _find(connection: sqlite3.Connection, store_url: str, snapshot: ItemSnapshot) -> ItemRows:
    place = item_hash(store_url, snapshot.item)
    rows = [
        ItemRow(*columns)
        for columns in connection.execute(
            "SELECT id, audio_id, audio_state, thumbnail_state, thumbnail_path, status, run, asked"
            " FROM items WHERE place = ? ORDER BY id DESC",
            (place,),
        )
    ]
    thumbnail_path = pack_thumbnail(snapshot.item)
    same_thumbnail = [row for row in rows if row.thumbnail_path == thumbnail_path]
    row = (
        next((row for row in same_thumbnail if row.matches(snapshot)), None)
        or next((row for row in rows if row.matches_without_thumbnail(snapshot)), None)
        or next((row for row in rows if row.is_stored_with_thumbnail(snapshot)), None)
    )
    previous = next((each for each in rows if each.status == STORED and each is not row), None)
    return ItemRows(row, same_thumbnail, None if previous is None else previous.audio_id)


def stored_at(connection: sqlite3.Connection, store_url: str, path: Path) -> str | None:
    """Return the id under which a path was stored last; None if it never was."""
    row = connection.execute(
        "SELECT audio_id FROM items JOIN runs ON runs.id = items.run"
        " WHERE audio_path = ? AND status = ? AND store_url = ? ORDER BY items.id DESC LIMIT 1",
        (pack_path(path), STORED, store_url),
    ).fetchone()
    return None if row is None else str(row[0])


def path_of(connection: sqlite3.Connection, store_url: str, audio_id: str) -> Path | None:
    """Return the path from which an asset was stored last; None if it never was."""
    row = connection.execute(
        "SELECT audio_path FROM items JOIN runs ON runs.id = items.run"
        " WHERE audio_id = ? AND status = ? AND store_url = ? ORDER BY items.id DESC LIMIT 1",
        (audio_id, STORED, store_url),
    ).fetchone()
    return None if row is None else Path(os.fsdecode(row[0]))


def item_hash(store_url: str, item: BulkItem) -> bytes:
    """Return a hash of what identifies an item, except its thumbnail and its files' states."""
    metadata = sorted((repr(key), repr(value)) for key, value in item.metadata.items())
    given = (item.audio_id, item.supersedes) if item.supersedes else item.audio_id
    remote = item.remote_audio  # all of its URL, with a query that may say which file it is
    place = pack_path(item.audio) if remote is None else remote.url
    text = repr((store_url, place, given, metadata))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def pack_path(path: Path | None) -> bytes | None:
    """Return a path as it is recorded."""
    if path is None:
        return None
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100  (a Path costs more)


def pack_audio(item: BulkItem) -> bytes | None:
    """Return the path of an item's audio, or its URL, as it is recorded."""
    return pack_path(item.audio) if item.remote_audio is None else str(item.remote_audio).encode()


def pack_thumbnail(item: BulkItem) -> bytes | None:
    """Return the path of an item's thumbnail, or its URL, as it is recorded."""
    remote = item.remote_thumbnail
    return pack_path(item.thumbnail) if remote is None else str(remote).encode()


def pack_state(state: FileState | None) -> bytes:
    """Return the state of a file as it is recorded."""
    return b"" if state is None else _STATE.pack(state.size_bytes, state.mtime_ns, state.inode)


def _unpack_state(packed: bytes) -> FileState:
    return FileState(*_STATE.unpack(packed)) if packed else NO_FILE


def _may_be(recorded: bytes, now: PathState) -> bool:
    """Return whether a file may be the recorded one; a missing one may have been cleaned up."""
    return now.is_missing or recorded == pack_state(now.state)


def _has_own_cover(snapshot: ItemSnapshot) -> bool:
    """Return whether the item has a thumbnail that is not shared by a whole folder."""
    return snapshot.item.has_thumbnail and not snapshot.item.keeps_thumbnail
