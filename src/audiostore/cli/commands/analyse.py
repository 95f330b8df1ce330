"""Measure the loudness of assets, and make their waveforms and previews."""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing, require_one_way
from audiostore.cli.declare import flag, option
from audiostore.cli.each import Report, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.previews import PreviewOptions
from audiostore.cli.selection import Chosen
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.ingest import AnalysisChoice

_MACHINES = "on many machines"
GROUP = "change"
EXAMPLE = """\
audiostore analyse 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b
audiostore analyse --all --preview"""


class Options(AssetsOptions, PreviewOptions):
    """Options of `analyse`."""

    true_peak: bool = flag(help="also measure the true peak, which takes twice as long")
    again: bool = flag(help="analyse again what is already analysed")
    run: str | None = option(
        metavar="NAME",
        help="plan a fleet run with this name instead: many machines do it with 'audiostore "
        "fleet work NAME', and 'audiostore fleet results NAME' prints the results",
        group=_MACHINES,
    )
    chunks: int | None = option(
        metavar="N",
        parse=positive,
        help="with --run: number of parts (default: 64)",
        group=_MACHINES,
    )


def run(options: Options) -> int:
    """Analyse with all cores what is not analysed yet: the same command goes on after a stop."""
    from audiostore.cli.listing import loudness_row  # noqa: PLC0415  (not for --help)
    from audiostore.ingest import AnalysisChoice  # noqa: PLC0415

    preview, kbps = options.preview_choice()
    try:
        wanted = AnalysisChoice(options.true_peak, preview, kbps, options.again)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if options.run is not None:
        return _plan(options, options.run, wanted)
    if options.chunks is not None:
        raise UsageError("--chunks needs --run")
    with choosing(options) as chosen:

        def analyse(each: Chosen) -> Report:
            asset = chosen.asset(each)
            if asset.audio is not None and not wanted.lacks(asset.audio, asset.derived):
                note = f"{asset.audio_id} is already analysed" if chosen.is_single else ""
                return Report(asset, loudness_row(asset), note=note, about=asset)
            analysed = chosen.manager.analyse(
                asset.audio_id,
                true_peak=wanted.true_peak,
                preview=wanted.preview,
                preview_kbps=wanted.preview_kbps,
                again=wanted.again,
            )
            return Report(analysed, loudness_row(analysed), about=analysed)

        return with_each(chosen, analyse, "analysed")


def _plan(options: Options, name: str, wanted: AnalysisChoice) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.filters import query_of  # noqa: PLC0415
    from audiostore.cli.parts import print_plan  # noqa: PLC0415
    from audiostore.cli.store import opened  # noqa: PLC0415

    require_one_way(options, options.audio_ids)
    if options.audio_ids or options.from_file is not None:
        raise UsageError("a run looks at the whole store: choose its assets by filters, or --all")
    with opened(options) as manager:
        plan = fleet.plan_analysis(
            manager,
            query_of(options),
            run=name,
            chunks=options.chunks or 64,
            true_peak=wanted.true_peak,
            preview=wanted.preview,
            preview_kbps=wanted.preview_kbps,
            again=wanted.again,
        )
    print_plan(plan, as_json=options.json)
    return 0
