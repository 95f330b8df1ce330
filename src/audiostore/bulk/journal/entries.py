"""What a journal records of an item, and which item of today it is."""

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from audiostore.bulk.items import BulkItem
from audiostore.bulk.journal.claims import Claim, Entry, Seen
from audiostore.bulk.journal.file import STORED, SUPERSEDED
from audiostore.sources import FileState

_STATE = struct.Struct("<QqQ")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An item as it is recorded."""

    key: int
    audio_id: str
    audio_state: bytes
    thumbnail_state: bytes
    thumbnail_path: bytes | None
    status: int
    run: int

    def is_of(self, entry: Entry) -> bool:
        """Say whether an item with the same paths may be this one."""
        return _is_of(self.audio_state, entry.audio) and _is_of(
            self.thumbnail_state, entry.thumbnail
        )

    def is_of_what_lost_its_thumbnail(self, entry: Entry) -> bool:
        """Say whether an item with the same audio file had this one's thumbnail, which is gone."""
        if self.status == SUPERSEDED or not _is_of(self.audio_state, entry.audio):
            return False
        if self.status == STORED and not entry.audio.is_gone and _names_artwork(entry.item):
            return False  # for what is stored: that makes another asset
        return self._has_lost_its_thumbnail()

    def taken_up(self, entry: Entry, *, is_alike: bool) -> Claim:
        """Return the claim of a later attempt.

        Args:
            entry: the item as it is now.
            is_alike: it has the thumbnail that is recorded.
        """
        thumbnail_state = self.thumbnail_state if is_alike else pack_state(entry.thumbnail.state)
        return Claim(
            "ours",
            self.audio_id,
            is_taken_up=True,
            key=self.key,
            audio_state=_unpack(self.audio_state),
            thumbnail_state=_unpack(thumbnail_state),
            lost_thumbnail=self._has_lost_its_thumbnail(),
        )

    def _has_lost_its_thumbnail(self) -> bool:
        if self.thumbnail_path is None or not self.thumbnail_state:
            return False
        return Seen.at(os.fsdecode(self.thumbnail_path)).is_gone


def place_of(store_url: str, item: BulkItem) -> bytes:
    """Return a hash of what an item is, but for its thumbnail and the state of its files."""
    metadata = sorted((repr(key), repr(value)) for key, value in item.metadata.items())
    text = repr((store_url, pack_path(item.audio), item.audio_id, metadata))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _names_artwork(item: BulkItem) -> bool:
    """Say whether an item has artwork, other than what a folder has for whatever is in it."""
    return item.thumbnail is not None and not item.keeps_thumbnail


def pack_path(path: Path | None) -> bytes | None:
    """Return a path as it is recorded."""
    if path is None:
        return None
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100  (a Path costs more)


def _is_of(recorded: bytes, seen: Seen) -> bool:
    """Say whether a file may be the recorded one; one that is gone may have been cleaned up."""
    return seen.is_gone or recorded == pack_state(seen.state)


NO_FILE = FileState(-1, 0, 0)
"""Where nothing was seen nothing may be stored: what appears later is another item."""


def pack_state(state: FileState | None) -> bytes:
    """Return the state of a file as it is recorded."""
    return b"" if state is None else _STATE.pack(state.size_bytes, state.mtime_ns, state.inode)


def _unpack(packed: bytes) -> FileState:
    return FileState(*_STATE.unpack(packed)) if packed else NO_FILE
