"""Downloading many assets: each file appears complete and verified, or not at all."""

import os
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.asset import PartName, require_part
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.bulk.items import DownloadOutcome
from audiostore.bulk.naming import FileNaming, name_by_id
from audiostore.bulk.targets import Targets
from audiostore.dataclass import dataclass
from audiostore.errors import AssetNotFoundError, affecting_all, affects_all
from audiostore.localfiles import LocalFile
from audiostore.values import BlobInfo, StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_LOOKUPS = 16
"""At once, of assets that are given by their ids and need names."""
_Input = tuple[int, str | StorageResult]
"""An asset with its position in the input."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to download."""

    index: int
    asset: str | StorageResult
    path: Path | None
    """None: the id, in the directory."""
    warnings: tuple[str, ...] = ()

    @property
    def audio_id(self) -> str:
        """The id of the asset."""
        return self.asset.audio_id if isinstance(self.asset, StorageResult) else self.asset


def download_assets(
    manager: "AudioStorageManager",
    assets: Iterable[str | StorageResult],
    to: str | os.PathLike[str],
    options: RunOptions,
    *,
    part: PartName,
    names: FileNaming | None,
    overwrite: bool,
) -> Generator[DownloadOutcome, None, None]:
    """Download a part of many assets into a directory (see `Bulk.download`)."""
    require_part(part)
    root = Path(to).absolute()
    root.mkdir(parents=True, exist_ok=True)
    job = Job(
        _Downloader(manager, root, part, overwrite),
        _failed,
        [manager._notify],
        may_fork=manager._survives_fork,
    )
    named = None if names is None else _Named(manager, part, names, Targets(root))
    return execute(_Assets(InputReader(assets), named), job, options)


@dataclass(frozen=True, slots=True)
class _Named:
    """Gives each asset a path by the caller's naming: in this process, one at a time."""

    manager: "AudioStorageManager"
    part: PartName
    names: FileNaming
    targets: Targets

    def __call__(self, given: Sequence[_Input]) -> Batch[_Wanted, DownloadOutcome]:
        """Return the files to download, and the outcomes of assets that cannot be found or named.

        Raises:
            Exception: an error that all others would meet, too.
        """
        threads = min(_LOOKUPS, sum(isinstance(asset, str) for _, asset in given))
        if threads > 1:
            with ThreadPoolExecutor(threads, thread_name_prefix="audiostore-lookup") as pool:
                found = list(pool.map(self._found, given))
        else:
            found = list(map(self._found, given))
        named = [self._named(*each) for each in found]
        return Batch(
            [each for each in named if isinstance(each, Task)],
            [each for each in named if isinstance(each, DownloadOutcome)],
        )

    def _found(self, given: _Input) -> tuple[int, str, StorageResult | Exception]:
        index, asset = given
        if isinstance(asset, StorageResult):
            return index, asset.audio_id, asset
        try:
            return index, asset, self.manager.get(asset)
        except Exception as error:  # noqa: BLE001  (it is reported as this asset's outcome)
            return index, asset, error

    def _named(
        self, index: int, audio_id: str, found: StorageResult | Exception
    ) -> Task[_Wanted] | DownloadOutcome:
        if isinstance(found, Exception):
            if affects_all(found):
                raise found
            return _failed(_Wanted(index, audio_id, None), found)
        try:
            path, warnings = self.targets.give(found, self.names(found), self.part)
        except Exception as error:  # noqa: BLE001  (it is reported as this asset's outcome)
            return _failed(_Wanted(index, audio_id, None), error)
        blob = found.parts.get(self.part)
        return Task(_Wanted(index, found, path, warnings), blob.size_bytes if blob else 0)


class _Assets:
    """The assets to download."""

    def __init__(
        self,
        assets: InputReader[str | StorageResult],
        named: _Named | None,
    ) -> None:
        self._assets = assets
        self._named = named
        self._typical_bytes = 0
        """A moving average: the size of an asset is not known before it is looked up."""

    def take(self, limit: int) -> Batch[_Wanted, DownloadOutcome] | None:
        """Return the next assets."""
        given = self._assets.take(limit)
        if not given:
            return None
        if self._named is None:
            return Batch([Task(_Wanted(*each, None), self._typical_bytes) for each in given])
        return self._named(given)

    def record(self, outcomes: Sequence[DownloadOutcome]) -> None:
        """Learn how large assets are. Nothing is recorded: the files show what was downloaded."""
        for outcome in outcomes:
            if outcome.size_bytes:
                before = self._typical_bytes or outcome.size_bytes
                self._typical_bytes = (7 * before + outcome.size_bytes) // 8

    def release(self, tasks: Sequence[_Wanted]) -> None:
        """Do nothing."""


def _failed(wanted: _Wanted, error: Exception) -> DownloadOutcome:
    return DownloadOutcome(wanted.index, wanted.audio_id, None, error)


@dataclass(frozen=True, slots=True)
class _Downloader:
    """Downloads one asset."""

    manager: "AudioStorageManager"
    root: Path
    part: PartName
    overwrite: bool

    def __call__(self, wanted: _Wanted) -> DownloadOutcome:
        started = time.monotonic()
        asset = wanted.asset
        path: Path | None = None
        error: Exception | None = None
        skipped = False
        size_bytes = 0
        try:
            if not isinstance(asset, StorageResult):
                asset = self.manager.get(asset)
            blob = self._blob(asset)
            size_bytes = blob.size_bytes
            target = wanted.path or self.root / name_by_id(asset, self.part)
            skipped = _is_downloaded(target, blob)
            path = target if skipped else self._download(asset, blob, target)
        except Exception as failure:  # noqa: BLE001  (it is reported as this asset's outcome)
            error = failure
            if isinstance(failure, PermissionError) and not os.access(self.root, os.W_OK | os.X_OK):
                affecting_all(failure)
        elapsed_s = time.monotonic() - started
        return DownloadOutcome(
            wanted.index,
            wanted.audio_id,
            path,
            error,
            skipped,
            size_bytes,
            elapsed_s,
            wanted.warnings,
        )

    def _blob(self, asset: StorageResult) -> BlobInfo:
        blob = asset.parts.get(self.part)
        if blob is None:
            raise AssetNotFoundError(
                f"asset {asset.audio_id} in {self.manager.url} has no {self.part}",
                audio_id=asset.audio_id,
            )
        return blob

    def _download(self, asset: StorageResult, blob: BlobInfo, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise ValueError(f"cannot download to {str(target)!r}: it is a directory")
        if not self.overwrite and os.path.lexists(target) and not _is_downloaded(target, blob):
            raise FileExistsError(
                f"{str(target)!r} exists with other content, and was not changed: move it away, or "
                "allow it to be overwritten"
            )
        return self.manager.download(asset, target, part=self.part)


def _is_downloaded(path: Path, blob: BlobInfo) -> bool:
    """Return whether the file at the path has exactly this content."""
    try:
        if not path.is_file() or path.stat().st_size != blob.size_bytes:
            return False
        return LocalFile.snapshot(path).crc32c == blob.crc32c
    except (OSError, ValueError, RuntimeError):
        return False  # it is unreadable or changing: replace it
