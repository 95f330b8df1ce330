"""Restore deleted assets."""

from __future__ import annotations

import audiostore
from audiostore.cli.consent import print_plan
from audiostore.cli.declare import AssetsOptions, DryRunOptions
from audiostore.cli.each import distinct_ids, with_each
from audiostore.cli.output import note
from audiostore.cli.store import opened, warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping

    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = "audiostore restore 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Options(AssetsOptions, DryRunOptions):
    """Options of `restore`."""


def run(options: Options) -> int:
    """Restore each asset."""
    from audiostore.asset import FileOrganizer  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415  (not for --help)

    audio_ids = distinct_ids(options.audio_ids)
    with opened(options) as manager:

        def plan(audio_id: str) -> None:
            if _is_complete(manager, audio_id):
                note(f"nothing to restore: {audio_id} is stored and complete")
                return
            try:
                found = deleted_row(manager.trash.get(audio_id))
            except audiostore.AssetNotFoundError:
                prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
                versions = len(manager.admin.noncurrent(prefix))
                if not versions:
                    raise
                found = f"{audio_id}  ({versions} noncurrent versions)"
            print_plan(options, f"restore {found}", audio_id)

        def restore(audio_id: str) -> Mapping[str, object]:
            was_complete = _is_complete(manager, audio_id)
            asset = manager.restore(audio_id)
            note(
                f"nothing to restore: {audio_id} is stored and complete"
                if was_complete
                else f"restored {audio_id}"
            )
            warn(asset)
            return asset.to_dict()

        return with_each(options, audio_ids, plan if options.dry_run else restore)


def _is_complete(manager: AudioStorageManager, audio_id: str) -> bool:
    try:
        return not manager.get(audio_id).warnings
    except audiostore.AssetNotFoundError:
        return False
