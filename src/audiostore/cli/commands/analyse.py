"""Measure the loudness of assets, and make their waveforms."""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.declare import flag
from audiostore.cli.each import Report, with_each
from audiostore.cli.selection import Chosen

GROUP = "change"
EXAMPLE = """\
audiostore analyse 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b
audiostore analyse --all"""


class Options(AssetsOptions):
    """Options of `analyse`."""

    true_peak: bool = flag(help="find the true peak, too, which takes twice as long")
    again: bool = flag(help="analyse also what is analysed already")


def run(options: Options) -> int:
    """Analyse with all cores what is not analysed yet: the same command goes on after a stop."""
    from audiostore.cli.listing import loudness_row  # noqa: PLC0415  (not for --help)
    from audiostore.ingest import has_analysis  # noqa: PLC0415

    with choosing(options) as chosen:

        def analyse(each: Chosen) -> Report:
            asset = chosen.asset(each)
            waveform = asset.derived.get("waveform")
            if (
                not options.again
                and asset.audio is not None
                and has_analysis(asset.audio, waveform, true_peak=options.true_peak)
            ):
                note = f"{asset.audio_id} is already analysed" if chosen.is_single else ""
                return Report(asset, loudness_row(asset), note=note, about=asset)
            analysed = chosen.manager.analyse(
                asset.audio_id, true_peak=options.true_peak, again=options.again
            )
            return Report(analysed, loudness_row(analysed), about=analysed)

        return with_each(chosen, analyse, "analysed")
