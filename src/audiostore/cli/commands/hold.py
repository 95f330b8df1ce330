"""Protect assets from deletion.

Until 'audiostore release', they can be neither deleted nor overwritten, and their artwork cannot
be replaced.
"""

from __future__ import annotations

from dataclasses import dataclass

from audiostore.cli.consent import print_plan
from audiostore.cli.declare import AssetsOptions, DryRunOptions
from audiostore.cli.each import distinct_ids, with_each
from audiostore.cli.output import note
from audiostore.cli.store import opened, warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = "audiostore hold 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@dataclass(frozen=True, kw_only=True)
class Options(AssetsOptions, DryRunOptions):
    """Options of `hold`."""


def run(options: Options) -> int:
    """Put a hold on each asset."""
    from audiostore.cli.listing import row  # noqa: PLC0415  (not for --help)

    audio_ids = distinct_ids(options.audio_ids)
    with opened(options.bucket) as manager:

        def plan(audio_id: str) -> None:
            print_plan(options, f"hold {row(manager.get(audio_id))}", audio_id)

        def hold(audio_id: str) -> Mapping[str, object]:
            asset = manager.hold(audio_id)
            note(f"put a hold on {audio_id}")
            warn(asset)
            return asset.to_dict()

        return with_each(options, audio_ids, plan if options.dry_run else hold)
