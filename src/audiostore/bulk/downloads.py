"""Downloading many assets: each file appears complete and verified, or not at all."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from audiostore.asset import PartName, require_part
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.bulk.items import DownloadOutcome
from audiostore.errors import AssetNotFoundError, affecting_all, shown
from audiostore.localfiles import LocalFile
from audiostore.values import BlobInfo, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

FileNaming = Callable[[StorageResult], str]
_Wanted = tuple[int, str | StorageResult]
"""An asset with its position in the input."""


def name_by_id(asset: StorageResult, part: PartName = "audio") -> str:
    """Return a file name that is unique to the asset: ``{id}.mp3``."""
    blob = asset.parts.get(part)
    return f"{asset.audio_id}{PurePath(blob.name).suffix if blob is not None else ''}"


def download_assets(
    manager: "AudioStorageManager",
    assets: Iterable[str | StorageResult],
    to: str | os.PathLike[str],
    options: RunOptions,
    *,
    part: PartName,
    names: FileNaming | None,
) -> Generator[DownloadOutcome, None, None]:
    """Download a part of many assets into a directory (see `Bulk.download`)."""
    require_part(part)
    root = Path(to).absolute()
    root.mkdir(parents=True, exist_ok=True)
    job = Job(
        _Downloader(manager, root, part, names or (lambda asset: name_by_id(asset, part))),
        _failed,
        [manager._notify],
        may_fork=manager._survives_fork,
    )
    return execute(_Assets(InputReader(assets)), job, options)


class _Assets:
    """The assets to download."""

    def __init__(self, assets: InputReader[str | StorageResult]) -> None:
        self._assets = assets
        self._typical_bytes = 0
        """A moving average: the size of an asset is not known before it is looked up."""

    def take(self, limit: int) -> Batch[_Wanted, DownloadOutcome] | None:
        """Return the next assets."""
        assets = self._assets.take(limit)
        return Batch([Task(each, self._typical_bytes) for each in assets]) if assets else None

    def record(self, outcomes: Sequence[DownloadOutcome]) -> None:
        """Learn how large assets are. Nothing is recorded: the files show what was downloaded."""
        for outcome in outcomes:
            if outcome.size_bytes:
                before = self._typical_bytes or outcome.size_bytes
                self._typical_bytes = (7 * before + outcome.size_bytes) // 8

    def release(self, tasks: Sequence[_Wanted]) -> None:
        """Do nothing."""


def _failed(wanted: _Wanted, error: Exception) -> DownloadOutcome:
    index, asset = wanted
    return DownloadOutcome(index, _id_of(asset), None, error)


def _id_of(asset: str | StorageResult) -> str:
    return asset.audio_id if isinstance(asset, StorageResult) else asset


@dataclass(frozen=True, slots=True)
class _Downloader:
    """Downloads one asset."""

    manager: "AudioStorageManager"
    root: Path
    part: PartName
    names: FileNaming

    def __call__(self, wanted: _Wanted) -> DownloadOutcome:
        started = time.monotonic()
        index, asset = wanted
        audio_id = _id_of(asset)
        path: Path | None = None
        error: Exception | None = None
        skipped = False
        size_bytes = 0
        try:
            if not isinstance(asset, StorageResult):
                asset = self.manager.get(asset)
            blob = self._blob(asset)
            size_bytes = blob.size_bytes
            target = self._target(asset)
            skipped = _is_downloaded(target, blob)
            path = target if skipped else self._download(asset, target)
        except Exception as failure:  # noqa: BLE001  (it is reported as this asset's outcome)
            error = failure
            if isinstance(failure, PermissionError) and not os.access(self.root, os.W_OK | os.X_OK):
                affecting_all(failure)
        elapsed_s = time.monotonic() - started
        return DownloadOutcome(index, audio_id, path, error, skipped, size_bytes, elapsed_s)

    def _blob(self, asset: StorageResult) -> BlobInfo:
        blob = asset.parts.get(self.part)
        if blob is None:
            raise AssetNotFoundError(
                f"asset {asset.audio_id} in {self.manager.url} has no {self.part}",
                audio_id=asset.audio_id,
            )
        return blob

    def _target(self, asset: StorageResult) -> Path:
        name = self.names(asset)
        target = Path(os.path.normpath(self.root / name))
        if target == self.root or not target.is_relative_to(self.root):
            raise ValueError(
                f"cannot download asset {asset.audio_id} to {shown(name)}: it lies outside "
                f"{str(self.root)!r}; give it another name"
            )
        return target

    def _download(self, asset: StorageResult, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise ValueError(f"cannot download to {str(target)!r}: it is a directory")
        return self.manager.download(asset, target, part=self.part)


def _is_downloaded(path: Path, blob: BlobInfo) -> bool:
    """Return whether the file at the path has exactly this content."""
    try:
        if not path.is_file() or path.stat().st_size != blob.size_bytes:
            return False
        return LocalFile.snapshot(path).crc32c == blob.crc32c
    except (OSError, ValueError, RuntimeError):
        return False  # it is unreadable or changing: replace it
