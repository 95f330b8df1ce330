"""Downloading many assets: each file appears complete and verified, or not at all."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from audiostore.asset import PartName, require_part
from audiostore.bulk.executors import Batch, InputReader, Job, RunOptions, Task, execute
from audiostore.bulk.items import Fetched
from audiostore.errors import AssetNotFoundError, shown
from audiostore.manager import AudioStorageManager
from audiostore.sources import LocalFile
from audiostore.values import BlobInfo, StorageResult

Naming = Callable[[StorageResult], str]


def named_by_id(asset: StorageResult, part: PartName = "audio") -> str:
    """Return a file name that is unique to the asset: ``{id}.mp3``."""
    blob = asset.parts.get(part)
    return f"{asset.audio_id}{PurePath(blob.name).suffix if blob is not None else ''}"


def download_many(
    manager: AudioStorageManager,
    audio_ids: Iterable[str],
    folder: str | os.PathLike[str],
    *,
    part: PartName = "audio",
    names: Naming | None = None,
    concurrency: int | None = None,
    in_order: bool = False,
    fail_fast: bool = False,
    max_rate_bytes_s: float | None = None,
) -> Iterator[Fetched]:
    """Fetch a part of many assets into a folder, and yield one outcome for each.

    A file that is there already, with the right size and crc32c, is not fetched again: after an
    interruption, call it again. A file with other content is replaced in one step.

    Args:
        manager: fetches them.
        audio_ids: of the assets; read as they are needed.
        folder: where the files go; it is made if need be.
        part: "audio" or "thumbnail".
        names: gives the file its name (folders within `folder` are made; nothing may lie outside
            of it), by nothing but the asset: it may be called in several processes. It is for
            the caller to give no two assets the same. None: ``{id}.mp3``.
        concurrency: how many at once at most; None: as many as is found best, up
            to 64 in each process.
        in_order: yield outcomes in the order of the ids, instead of that of completion.
        fail_fast: begin nothing more after the first failure.
        max_rate_bytes_s: how many bytes a second may come at most, on average.

    Raises:
        ValueError: an option is wrong.
        OSError: the folder cannot be made.
        Exception: what `audio_ids` raises, after the outcomes of all that it gave before.
    """
    options = RunOptions(concurrency, max_rate_bytes_s, in_order, fail_fast)
    require_part(part)
    root = Path(folder).absolute()
    root.mkdir(parents=True, exist_ok=True)
    job = Job(
        _Downloader(manager, root, part, names or (lambda asset: named_by_id(asset, part))),
        _failed,
        [manager.notifier],
        may_fork=manager.survives_fork,
    )
    return execute(_Ids(InputReader(audio_ids)), job, options)


class _Ids:
    """The ids of assets to download."""

    def __init__(self, audio_ids: InputReader[str]) -> None:
        self._audio_ids = audio_ids
        self._typical_bytes = 0
        """A moving average: the size of an asset is not known before it is looked up."""

    def take(self, limit: int) -> Batch[tuple[int, str], Fetched] | None:
        """Return the next ids."""
        ids = self._audio_ids.take(limit)
        return Batch([Task(each, self._typical_bytes) for each in ids]) if ids else None

    def record(self, outcomes: Sequence[Fetched]) -> None:
        """Learn how large assets are. Nothing is recorded: the files show what was downloaded."""
        for outcome in outcomes:
            if outcome.size_bytes:
                before = self._typical_bytes or outcome.size_bytes
                self._typical_bytes = (7 * before + outcome.size_bytes) // 8

    def release(self, tasks: Sequence[tuple[int, str]]) -> None:
        """Do nothing."""


def _failed(wanted: tuple[int, str], error: Exception) -> Fetched:
    index, audio_id = wanted
    return Fetched(index, audio_id, None, error)


@dataclass(frozen=True, slots=True)
class _Downloader:
    """Downloads one asset."""

    manager: AudioStorageManager
    root: Path
    part: PartName
    names: Naming

    def __call__(self, wanted: tuple[int, str]) -> Fetched:
        started = time.monotonic()
        index, audio_id = wanted
        path: Path | None = None
        error: Exception | None = None
        skipped = False
        size_bytes = 0
        try:
            asset = self.manager.get(audio_id)
            blob = self._blob(asset)
            size_bytes = blob.size_bytes
            target = self._target(asset)
            skipped = _is_downloaded(target, blob)
            path = target if skipped else self._download(asset, target)
        except Exception as failure:  # noqa: BLE001  (it is reported as this asset's outcome)
            error = failure
        elapsed_s = time.monotonic() - started
        return Fetched(index, audio_id, path, error, skipped, size_bytes, elapsed_s)

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
