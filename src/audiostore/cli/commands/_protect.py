"""What `hold` and `release` have in common."""

from __future__ import annotations

from audiostore.cli.consent import print_plan
from audiostore.cli.declare import AssetsOptions, DryRunOptions
from audiostore.cli.each import distinct_ids, with_each
from audiostore.cli.output import note
from audiostore.cli.store import opened, warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from audiostore import AudioStorageManager, StorageResult


class ProtectOptions(AssetsOptions, DryRunOptions):
    """Which assets."""


def protect(
    options: ProtectOptions,
    verb: str,
    done: str,
    change: Callable[[AudioStorageManager, str], StorageResult],
) -> int:
    """Change the protection of each asset."""
    from audiostore.cli.listing import row  # noqa: PLC0415  (not for --help)

    audio_ids = distinct_ids(options.audio_ids)
    with opened(options) as manager:

        def plan(audio_id: str) -> None:
            print_plan(options, f"{verb} {row(manager.get(audio_id))}", audio_id)

        def act(audio_id: str) -> Mapping[str, object]:
            asset = change(manager, audio_id)
            if not asset.warnings:
                note(f"{done} {audio_id}")
            warn(asset)
            return asset.to_dict()

        return with_each(options, audio_ids, plan if options.dry_run else act)
