"""Permanently delete assets in the trash.

Works on a directory only: a bucket deletes what is in its trash itself, at a set time.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.consent import has_consent, print_plan, will_ask
from audiostore.cli.declare import ConsentOptions, JsonOptions, StoreOptions, arguments, flag
from audiostore.cli.each import distinct_ids, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note
from audiostore.cli.store import is_bucket, opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = "audiostore purge 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Options(StoreOptions, JsonOptions, ConsentOptions):
    """Options of `purge`."""

    audio_ids: tuple[str, ...] = arguments("ID", "ID of a deleted asset")
    all: bool = flag(help="all assets in the trash, as 'audiostore trash list' prints them")


def run(options: Options) -> int:
    """Purge the assets, after asking."""
    if bool(options.audio_ids) == options.all:
        raise UsageError("name one or more IDs, or give --all")
    audio_ids = distinct_ids(options.audio_ids)
    with opened(options) as manager:
        if is_bucket(manager):
            raise UsageError(
                "nothing was done: Google Cloud Storage deletes what is in the trash at a set time "
                "('audiostore trash list' prints it), and cannot be made to do it earlier"
            )

        def plan(audio_id: str) -> None:
            print_plan(options, f"purge {_deleted(manager, audio_id)}", audio_id)

        def purge(audio_id: str) -> Mapping[str, object]:
            count = manager.trash.purge(audio_id)
            note(f"purged {audio_id}: {count} objects")
            return {"audio_id": audio_id, "purged_objects": count}

        if options.dry_run:
            return with_each(options, audio_ids or _all(manager), plan)
        these = "this asset" if len(audio_ids) == 1 else f"these {len(audio_ids):,} assets"
        if options.all and will_ask(options):
            count = _count(manager)
            if not count:
                note(f"the trash of {manager.url} is empty")
                return 0
            these = f"all {count:,} deleted assets of {manager.url}"
        if not has_consent(options, f"Permanently delete {these}? This cannot be undone"):
            return 1
        return with_each(options, audio_ids or _all(manager), purge)


def _all(manager: AudioStorageManager) -> Iterator[str]:
    return (trashed.audio_id for trashed in manager.trash.list())


def _count(manager: AudioStorageManager) -> int:
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    count = 0
    with CountProgress() as progress:
        for count, _ in enumerate(_all(manager), 1):
            progress(count)
    return count


def _deleted(manager: AudioStorageManager, audio_id: str) -> str:
    """Return what would be purged as a line.

    Raises:
        AssetNotFoundError: nothing is in the trash under the id.
    """
    from audiostore.asset import FileOrganizer  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415

    try:
        return deleted_row(manager.trash.get(audio_id))
    except audiostore.AssetNotFoundError:
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        count = sum(1 for _ in manager.store.list_deleted(prefix))
        if not count:
            raise
        return f"{audio_id}  ({count} deleted objects)"
