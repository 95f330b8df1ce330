"""Permanently delete assets in the trash.

Works on a directory only: a bucket deletes what is in its trash itself, at a set time.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.choosing import DeletedOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.selection import Chosen
from audiostore.cli.store import is_bucket

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = """\
audiostore purge 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b
audiostore purge --all --dry-run"""


class Options(DeletedOptions, ConsentOptions):
    """Options of `purge`."""


def run(options: Options) -> int:
    """Purge the assets, after asking."""
    with choosing(options, in_trash=True) as chosen:
        manager = chosen.manager
        if is_bucket(manager):
            raise UsageError(
                "nothing was done: Google Cloud Storage deletes what is in the trash at a set time "
                "('audiostore trash list' prints it), and cannot be made to do it earlier"
            )

        def plan(each: Chosen) -> Report:
            return planned(f"purge {_deleted(manager, each)}", each.audio_id)

        def purge(each: Chosen) -> Report:
            count = manager.trash.purge(each.audio_id)
            fields = {"audio_id": each.audio_id, "purged_objects": count}
            return Report(fields, note=f"purged {each.audio_id}: {count} objects")

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        question = f"Permanently delete {chosen.these}? This cannot be undone"
        if not has_consent_to(options, chosen, question, lambda each: _deleted(manager, each)):
            return 1
        return with_each(chosen, purge, "purged")


def _deleted(manager: AudioStorageManager, each: Chosen) -> str:
    """Return what would be purged as a line.

    Raises:
        AssetNotFoundError: nothing is in the trash under the id.
    """
    from audiostore.asset import folder_prefix  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415

    try:
        return deleted_row(each.trashed or manager.trash.get(each.audio_id))
    except audiostore.AssetNotFoundError:
        count = sum(1 for _ in manager.store.list_deleted(folder_prefix(each.audio_id)))
        if not count:
            raise
        return f"{each.audio_id}  ({count} deleted objects)"
