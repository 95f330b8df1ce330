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
    from audiostore.ingest import AnalysisChoice, PreviewChoice
    from audiostore.manager import AudioStorageManager


@dataclass(frozen=True, slots=True)
class FleetAnalysis:
    """The result of analysing one asset."""

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
    wanted: "AnalysisChoice"


def plan_analysis(
    manager: "AudioStorageManager",
    query: Query = Query(),  # noqa: B008  (frozen)
    *,
    run: str,
    chunks: int = 64,
    true_peak: bool = False,
    preview: "PreviewChoice" = False,
    preview_kbps: int = 128,
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
        true_peak: also measure the true peak, which takes twice as long.
        preview: make a version that every browser plays, in MP3, of what some browser does not play
            as it is stored; "all": whatever it is.
        preview_kbps: the bit rate of these, if they are stereo.
        again: analyse also what is analysed.

    Raises:
        ValueError: `preview` or `preview_kbps` is not valid.
        InvalidRunError: the name is invalid, or the number of chunks.
        RunConflictError: the name is taken by another plan.
        AudioStoreError, OSError: the store failed permanently.
    """
    from audiostore.ingest import AnalysisChoice  # noqa: PLC0415  (inspection of files, which a plan needs last)

    AnalysisChoice(true_peak, preview, preview_kbps, again)  # checks it
    options = {
        "query": fields_of(query),
        "true_peak": true_peak,
        "preview": preview,
        "preview_kbps": preview_kbps,
        "again": again,
    }
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
    from audiostore.ingest import AnalysisChoice  # noqa: PLC0415  (inspection of files: not of other kinds)

    flags = fields["true_peak"], fields["again"]
    if not all(isinstance(flag, bool) for flag in flags):
        raise TypeError("a flag is true or false")
    true_peak, again = flags
    wanted = AnalysisChoice(true_peak, fields["preview"], fields["preview_kbps"], again)
    return _Options(query_in(fields["query"]), wanted)


def _lines(manager: "AudioStorageManager", shard: Shard, options: _Options) -> Iterator[Fields]:
    wanted = options.wanted

    def analyse(asset: StorageResult) -> StorageResult:
        if asset.audio is not None and not wanted.lacks(asset.audio, asset.derived):
            return asset
        return manager.analyse(
            asset.audio_id,
            true_peak=wanted.true_peak,
            preview=wanted.preview,
            preview_kbps=wanted.preview_kbps,
            again=wanted.again,
        )

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
