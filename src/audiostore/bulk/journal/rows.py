"""The rows of a journal's items, and which row belongs to a given item."""

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from audiostore.bulk.items import BulkItem
from audiostore.bulk.journal.claims import Claim, ItemSnapshot, PathState
from audiostore.bulk.journal.database import STORED, SUPERSEDED
from audiostore.localfiles import FileState

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
        )

    def _is_thumbnail_missing(self) -> bool:
        if self.thumbnail_path is None or not self.thumbnail_state:
            return False
        return PathState.of(os.fsdecode(self.thumbnail_path)).is_missing


def item_hash(store_url: str, item: BulkItem) -> bytes:
    """Return a hash of what identifies an item, except its thumbnail and its files' states."""
    metadata = sorted((repr(key), repr(value)) for key, value in item.metadata.items())
    text = repr((store_url, pack_path(item.audio), item.audio_id, metadata))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def pack_path(path: Path | None) -> bytes | None:
    """Return a path as it is recorded."""
    if path is None:
        return None
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100  (a Path costs more)


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
    return snapshot.item.thumbnail is not None and not snapshot.item.keeps_thumbnail
