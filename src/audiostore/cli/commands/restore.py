"""Restore deleted assets."""

from __future__ import annotations

import audiostore
from audiostore.cli.choosing import DeletedOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.selection import Chosen

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = """\
audiostore restore 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b
audiostore restore --artist 'Nina Simone' --dry-run"""


class Options(DeletedOptions, ConsentOptions):
    """Options of `restore`."""


def run(options: Options) -> int:
    """Restore each asset, after asking if no ID was given."""
    with choosing(options, in_trash=True) as chosen:
        manager = chosen.manager

        def plan(each: Chosen) -> Report:
            if _is_complete(manager, each.audio_id):
                return Report(note=f"nothing to restore: {each.audio_id} is stored and complete")
            return planned(f"restore {_deleted(manager, each)}", each.audio_id)

        def restore(each: Chosen) -> Report:
            was_complete = _is_complete(manager, each.audio_id)
            asset = manager.restore(each.audio_id)
            message = (
                f"nothing to restore: {each.audio_id} is stored and complete"
                if was_complete
                else f"restored {each.audio_id}"
            )
            return Report(asset, note=message, about=asset)

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        if chosen.is_implied and not has_consent_to(
            options, chosen, f"Restore {chosen.these}?", lambda each: _deleted(manager, each)
        ):
            return 1
        return with_each(chosen, restore, "restored")


def _deleted(manager: AudioStorageManager, each: Chosen) -> str:
    """Return what would be restored as a line.

    Raises:
        AssetNotFoundError: it cannot be restored.
    """
    from audiostore.asset import folder_prefix  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415

    try:
        return deleted_row(each.trashed or manager.trash.get(each.audio_id))
    except audiostore.AssetNotFoundError:
        versions = len(manager.admin.noncurrent(folder_prefix(each.audio_id)))
        if not versions:
            raise
        return f"{each.audio_id}  ({versions} noncurrent versions)"


def _is_complete(manager: AudioStorageManager, audio_id: str) -> bool:
    try:
        return not manager.get(audio_id).warnings
    except audiostore.AssetNotFoundError:
        return False
