"""What became of a file since it was stored.

The bytes of a file decide, so this runs in the worker, after the decision to do something about
it (see `decisions`). A stored asset belongs to a file

- if the journal says that its path was stored as that asset, and nothing was stored from another
  path since;
- or if the journal does not know it, and it has the audio of the file, and the same source path, or
  one of which either is the end of the other, as below another directory;
- or else if it has the file's bytes, or its audio data, and the path that it was stored from does
  not hold these any more: the file was moved.

That other audio has the same source path shows nothing: many albums have a "01.mp3".

The rest follows from what differs. Nothing here writes to the store.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiostore.asset import PreparedFile, origin_changes, refreshed_metadata
from audiostore.bulk.items import BulkItem
from audiostore.bulk.journal import Claim, Run
from audiostore.bulk.storeview import StoreView
from audiostore.dataclass import dataclass, replace
from audiostore.errors import AssetNotFoundError, AudioStoreError, SourceNotFoundError
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from audiostore.localfiles import FileState
from audiostore.sourcepaths import path_beside
from audiostore.stores import has_bytes, has_content
from audiostore.values import AUDIO_DATA_KEYS, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_SOUND_KEYS = ("codec", "sample_rate_hz", "channels")
"""The same samples at another rate are other audio."""


@dataclass(frozen=True, slots=True)
class Match:
    """The stored asset that a file belongs to, and what is to be done with it."""

    kind: Literal["new", "stored", "retagged", "moved", "superseded"]
    """"new": none; "stored": it is as the file is; "retagged": it gets the file's tags and artwork;
    "moved": that, and the file's path; "superseded": by a new one, as the audio differs."""
    asset: StorageResult | None = None
    source_path: str | None = None
    """The new one of a file that was moved; None: as it was."""
    replaced: StorageResult | None = None
    """What was stored from the path that a file was moved to."""
    has_artwork: bool = False
    """Whether the asset has artwork, or gets some."""
    audio_state: FileState | None = None
    """The state of the file that was compared."""
    thumbnail_state: FileState | None = None


NEW = Match("new")


class Matcher:
    """Finds the assets that files belong to. Safe to use from many threads."""

    def __init__(self, manager: "AudioStorageManager", view: StoreView, run: Run) -> None:
        self._manager = manager
        self._view = view
        self._run = run

    def match(self, item: BulkItem, claim: Claim, options: UploadOptions) -> Match:
        """Return the asset that the file of an item belongs to.

        Raises:
            AudioStoreError, OSError: the file cannot be stored, or the store cannot be read.
        """
        if item.supersedes is not None:
            return NEW
        inspected = replace(options, artwork="none") if item.thumbnail else options
        with ExitStack() as files:
            try:
                audio = files.enter_context(prepare_audio(item.audio, inspected))
            except SourceNotFoundError:
                return NEW  # the upload says so, or finds that an earlier run has deleted it
            cover = audio.artwork
            if item.thumbnail is not None:
                with suppress(SourceNotFoundError):
                    cover = files.enter_context(prepare_image(item.thumbnail, options))
            match = self._find(item, claim, audio)
            has_artwork = match.asset is not None and match.asset.has_thumbnail
            match = replace(
                match,
                has_artwork=has_artwork or cover is not None,
                audio_state=_state_of(audio),
                thumbnail_state=_state_of(cover),
            )
            if match.kind == "stored" and self._differs(match.asset, item, audio, cover):
                return replace(match, kind="retagged")
            return match

    def _find(self, item: BulkItem, claim: Claim, audio: PreparedFile) -> Match:
        path = Path(os.path.abspath(item.audio))  # noqa: PTH100  (keeps links)
        own = self._own(item, path, claim, audio)
        if own is not None and self._is_of(own, audio) and self._view.take(own.audio_id):
            return Match("stored", own)
        replaced = own
        if own is None or own.audio_id == item.audio_id or self._view.is_taken(own.audio_id):
            replaced = None
        for asset in self._moved(item, path, audio):
            if self._view.take(asset.audio_id):
                source_path = self._new_source_path(asset, item, path)
                return Match("moved", asset, source_path, replaced)
        return NEW if replaced is None else Match("superseded", replaced)

    def _own(
        self, item: BulkItem, path: Path, claim: Claim, audio: PreparedFile
    ) -> StorageResult | None:
        """Return the asset that was stored from this path; None if none is known."""
        recorded = self._run.stored_at(path)
        if recorded is not None and self._run.path_of(recorded) == path:
            asset = self._get(recorded)
            if asset is not None and asset.superseded_by in (None, claim.audio_id):
                return asset
        if item.source_path is None:
            return None
        same_end = (
            asset
            for asset in self._with_audio(audio)
            if asset.superseded_by is None
            and self._run.path_of(asset.audio_id) is None
            and _have_same_end(asset.source_path, item.source_path)
        )
        return next(same_end, None)

    def _with_audio(self, audio: PreparedFile) -> Iterator[StorageResult]:
        """Yield the assets with the bytes of a file, then those with its audio data."""
        data = [audio.facts.get(key) for key in AUDIO_DATA_KEYS]
        ids = self._view.with_bytes(audio.source.size_bytes, audio.source.crc32c)
        if data[0] is not None and data[1] is not None:
            ids += self._view.with_audio_data(int(data[0]), data[1])
        for audio_id in dict.fromkeys(ids):
            asset = self._get(audio_id)
            if asset is not None and self._is_of(asset, audio):
                yield asset

    def _moved(self, item: BulkItem, path: Path, audio: PreparedFile) -> Iterator[StorageResult]:
        """Yield the assets that may have been stored from this file while it was elsewhere."""
        for asset in self._with_audio(audio):
            old = self._path_of(asset, item, path)
            if old is not None and old != path and not self._holds(old, asset):
                yield asset

    def _path_of(self, asset: StorageResult, item: BulkItem, path: Path) -> Path | None:
        """Return where an asset was stored from; None if it is not known."""
        recorded = self._run.path_of(asset.audio_id)
        if recorded is not None or asset.source_path is None or item.source_path is None:
            return recorded
        depth = item.source_path.count("/")
        return path.parents[depth] / asset.source_path

    def _new_source_path(self, asset: StorageResult, item: BulkItem, path: Path) -> str | None:
        """Return the source path of a moved file: relative to the directory of the old one."""
        old = self._run.path_of(asset.audio_id)
        if old is not None and asset.source_path is not None:
            root = os.fspath(old).removesuffix(f"/{asset.source_path}")
            if root != os.fspath(old) and path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return item.source_path

    def _differs(
        self,
        asset: StorageResult | None,
        item: BulkItem,
        audio: PreparedFile,
        cover: PreparedFile | None,
    ) -> bool:
        if asset is None or asset.audio is None:
            return False
        if cover is not None:
            thumbnail = asset.thumbnail
            if thumbnail is None or not has_content(thumbnail, cover.source):
                return True
            cover_path = None
            if asset.source_path is not None and item.thumbnail is not None:
                cover_path = path_beside(asset.source_path, item.audio, item.thumbnail)
            if origin_changes(thumbnail, cover, cover_path):
                return True
        return bool(refreshed_metadata(asset.audio.metadata, audio, item.metadata))

    def _is_of(self, asset: StorageResult, audio: PreparedFile) -> bool:
        """Say whether an asset has the audio of a file."""
        return asset.audio is not None and (
            _has_audio_data(asset, audio)
            or has_bytes(self._manager.store, asset.audio, audio.source, downloads=False)
        )

    def _holds(self, path: Path, asset: StorageResult) -> bool:
        """Say whether there is a file with the audio of an asset at a path."""
        try:
            options = UploadOptions(check="none", artwork="none", fix_extension=True)
            with prepare_audio(path, options) as audio:
                return self._is_of(asset, audio)
        except SourceNotFoundError:
            return False
        except (AudioStoreError, OSError):
            return path.exists()  # it cannot be read now: nothing shows that it was moved

    def _get(self, audio_id: str) -> StorageResult | None:
        try:
            return self._manager.get(audio_id)
        except AssetNotFoundError:
            return None


def _state_of(prepared: PreparedFile | None) -> FileState | None:
    return prepared.file.state if prepared and prepared.file else None


def _have_same_end(one: str | None, other: str) -> bool:
    """Say whether two paths may be that of one file, relative to two of the directories above."""
    return one is not None and (
        one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
    )


def _has_audio_data(asset: StorageResult, audio: PreparedFile) -> bool:
    """Say whether an asset is known to have the audio of a file, whatever the tags of both."""
    metadata = asset.audio.metadata if asset.audio else {}
    return all(
        key in metadata and metadata[key] == audio.facts.get(key) for key in AUDIO_DATA_KEYS
    ) and all(
        metadata.get(key) == audio.facts.get(key)
        for key in _SOUND_KEYS
        if key in metadata and key in audio.facts
    )
