"""Sorting any number of assets in constant memory."""

import heapq
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import IO, Literal, get_args

from audiostore.catalog.query import folded
from audiostore.files import explained
from audiostore.values import StorageResult

SortKey = Literal["id", "created", "size", "duration", "title", "artist", "album", "track", "name"]
"""What assets can be sorted by.

"track" is the order of a library: album artist (else artist), album, disc, track. "album" is that
of albums by their names, and of the tracks in each. "name" is the name of the original file.
"""
SORT_KEYS: tuple[SortKey, ...] = get_args(SortKey)

Key = tuple[bool, float, str]
Keyed = tuple[Key, StorageResult]

_RUN_ASSETS = 8192
"""How many are sorted in memory at once: about 4 kB each."""
_BATCH_ASSETS = 16
"""How many of each run are in memory while the runs are merged."""
_HEAP_ASSETS = 10_000
"""Up to this limit, no file is needed."""


def in_order(
    assets: Iterable[StorageResult],
    order_by: SortKey,
    *,
    descending: bool = False,
    limit: int | None = None,
    run_assets: int = _RUN_ASSETS,
) -> Iterator[StorageResult]:
    """Yield assets in order; the sort is stable.

    Assets without the value (no duration, no title) come last, in both directions. Text is compared
    without regard to case. More than `run_assets` go through a temporary file of about 2 kB an
    asset, in the directory that the environment variable TMPDIR names.

    Raises:
        OSError: the temporary file cannot be written.
    """
    keyed = ((_key(asset, order_by, descending=descending), asset) for asset in assets)
    if limit is not None and limit <= _HEAP_ASSETS:
        pick = heapq.nlargest if descending else heapq.nsmallest
        first: Iterable[Keyed] = pick(limit, keyed, key=itemgetter(0))
    else:
        first = islice(_merged(keyed, descending=descending, run_assets=run_assets), limit)
    yield from map(itemgetter(1), first)


def _key(asset: StorageResult, order_by: SortKey, *, descending: bool) -> Key:
    value = sort_value(asset, order_by)
    # Assets without a value come last; in reverse order, their keys must come first for that.
    is_last = (value is None) != descending
    if isinstance(value, str):
        return is_last, 0.0, value
    return is_last, value or 0.0, ""


def sort_value(asset: StorageResult, order_by: SortKey) -> float | str | None:
    """Return what an asset is sorted by: a number, or text in folded form; None without it."""
    audio = asset.audio
    if audio is None or order_by == "id":
        return asset.audio_id
    match order_by:
        case "created":
            return audio.created_at.timestamp()
        case "size":
            return float(audio.size_bytes)
        case "duration":
            return asset.duration_s
        case "album":
            text = _in_album(asset) if asset.album is not None else None
        case "track":
            text = _in_library(asset)
        case "name":
            text = audio.metadata.get("original_filename")
        case _:
            text = audio.metadata.get(order_by)
    return None if text is None else folded(text)


def _in_album(asset: StorageResult) -> str:
    names = (asset.album or "", asset.album_artist or asset.artist or "")
    return "\0".join([*names, *_place(asset)])  # sorts before all that a name can go on with


def _in_library(asset: StorageResult) -> str | None:
    names = (asset.album_artist or asset.artist or "", asset.album or "")
    place = _place(asset)
    return "\0".join([*names, *place]) if any((*names, *place)) else None


def _place(asset: StorageResult) -> tuple[str, str, str]:
    """Return where a track stands in its album, as texts in the order of the numbers."""
    disc, track = (
        "" if number is None else f"{number:010}" for number in (asset.disc, asset.track)
    )
    return disc, track, asset.title or ""


def _merged(keyed: Iterator[Keyed], *, descending: bool, run_assets: int) -> Iterator[Keyed]:
    run = _sorted_run(keyed, run_assets, descending=descending)
    if len(run) < run_assets:
        yield from run
        return
    folder = tempfile.gettempdir()
    with explained(folder), tempfile.TemporaryFile(prefix="audiostore-sort-", dir=folder) as file:
        runs = []
        while run:
            runs.append((file.tell(), len(run)))
            _write(file, run)
            run = _sorted_run(keyed, run_assets, descending=descending)
        file.flush()
        readers = [_read(file, offset, count) for offset, count in runs]
        yield from heapq.merge(*readers, key=itemgetter(0), reverse=descending)


def _sorted_run(keyed: Iterator[Keyed], count: int, *, descending: bool) -> list[Keyed]:
    return sorted(islice(keyed, count), key=itemgetter(0), reverse=descending)


def _write(file: IO[bytes], run: list[Keyed]) -> None:
    for start in range(0, len(run), _BATCH_ASSETS):
        pickle.dump(run[start : start + _BATCH_ASSETS], file, pickle.HIGHEST_PROTOCOL)


def _read(file: IO[bytes], offset: int, count: int) -> Iterator[Keyed]:
    while count:
        file.seek(offset)  # all runs share the file
        # No other process can write to it: it has no name.
        batch: list[Keyed] = pickle.load(file)  # noqa: S301
        offset = file.tell()
        count -= len(batch)
        yield from batch
