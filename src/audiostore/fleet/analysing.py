"""Runs that analyse assets, shard by shard."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from audiostore.asset import Shard
from audiostore.catalog import Query
from audiostore.dataclass import dataclass
from audiostore.fleet.chunks import is_for_now
from audiostore.fleet.jsonvalues import fields_of
from audiostore.fleet.listing import query_in
from audiostore.fleet.objects import Fields
from audiostore.fleet.shards import plan_shards, recorded, shard_kind
from audiostore.fleet.values import FleetPlan
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class FleetAnalysis:
    """What came of analysing one asset."""

    audio_id: str
    integrated_lufs: float | None = None
    """Its loudness, in LUFS; None for silence, and if it could not be analysed."""
    error_kind: str | None = None
    """The class of the error, such as "UnplayableAudioError"; None if it was analysed."""
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Options:
    query: Query
    true_peak: bool = False
    again: bool = False


def plan_analysis(
    manager: "AudioStorageManager",
    query: Query = Query(),  # noqa: B008  (frozen)
    *,
    run: str,
    chunks: int = 64,
    true_peak: bool = False,
    again: bool = False,
) -> FleetPlan:
    """Plan a run that analyses the assets that match a query, in so many parts of the store.

    What is analysed already is skipped, also if a part is worked on again. `analyses` yields what
    came of each.

    Args:
        manager: of the store.
        query: which assets; all of them by default.
        run: the name of the run.
        chunks: how many parts there are; each is about equally large.
        true_peak: find the true peak, too, which takes twice as long.
        again: analyse also what is analysed.

    Raises:
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    options = {"query": fields_of(query), "true_peak": true_peak, "again": again}
    return plan_shards(manager, KIND, options, run=run, chunks=chunks)


def analyses(manager: "AudioStorageManager", run: str) -> Iterator[FleetAnalysis]:
    """Yield what a run has found, in order of the ids, in constant memory.

    Parts without results are left out: `status` says how many have theirs.

    Raises:
        InvalidRunError: the name is invalid, or the run does not analyse assets.
        RunNotFoundError: the run is not planned.
        IntegrityError: its objects are damaged.
    """
    return recorded(manager, KIND, run, FleetAnalysis)


def _options_in(fields: Fields) -> _Options:
    flags = fields["true_peak"], fields["again"]
    if not all(isinstance(flag, bool) for flag in flags):
        raise TypeError("a flag is true or false")
    return _Options(query_in(fields["query"]), *flags)


def _lines(manager: "AudioStorageManager", shard: Shard, options: _Options) -> Iterator[Fields]:
    from audiostore.ingest import has_analysis  # noqa: PLC0415  (FFmpeg, where there is work)

    def analyse(asset: StorageResult) -> StorageResult:
        waveform = asset.derived.get("waveform")
        if (
            not options.again
            and asset.audio is not None
            and has_analysis(asset.audio, waveform, true_peak=options.true_peak)
        ):
            return asset
        return manager.analyse(asset.audio_id, true_peak=options.true_peak, again=options.again)

    found = manager.catalog.find(options.query, shard=shard)
    with closing(manager.bulk.apply(analyse, found, in_order=True)) as outcomes:
        for outcome in outcomes:
            error, audio_id = outcome.error, outcome.item.audio_id
            if error is not None and is_for_now(error):
                raise error
            loudness = None if outcome.result is None else outcome.result.loudness
            yield fields_of(
                FleetAnalysis(
                    audio_id,
                    None if loudness is None else loudness.integrated_lufs,
                    None if error is None else type(error).__name__,
                    None if error is None else str(error),
                    () if outcome.result is None else outcome.result.warnings,
                )
            )


KIND = shard_kind("analyse", _options_in, _lines)
