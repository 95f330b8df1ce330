"""Delete assets.

They can be restored for as long as the store keeps deleted assets.
"""

from __future__ import annotations

import sys

import audiostore
from audiostore.cli.consent import has_consent, print_plan, will_ask
from audiostore.cli.declare import AssetsOptions, ConsentOptions, flag
from audiostore.cli.each import distinct_ids, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note
from audiostore.cli.store import is_bucket, known_facts, opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping

    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = "audiostore rm 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --yes"
_DAY_S = 24 * 3600


class Options(AssetsOptions, ConsentOptions):
    """Options of `rm`."""

    permanent: bool = flag(
        help="delete permanently; required where the store does not keep deleted assets"
    )


def run(options: Options) -> int:
    """Delete the assets, after asking."""
    audio_ids = distinct_ids(options.audio_ids)
    with opened(options) as manager:
        way_back = _way_back(manager, permanent=options.permanent)

        def plan(audio_id: str) -> None:
            line = _present(manager, audio_id)
            print_plan(options, f"delete {line}  {way_back}", audio_id, permanent=options.permanent)

        def delete(audio_id: str) -> Mapping[str, object]:
            manager.delete(audio_id, permanent=options.permanent)
            note(f"deleted {audio_id} {way_back}")
            return {"audio_id": audio_id, "deleted": True}

        if options.dry_run:
            return with_each(options, audio_ids, plan)
        if will_ask(options):
            for audio_id in audio_ids:
                print(_present_or_none(manager, audio_id), file=sys.stderr)
        these = "this asset" if len(audio_ids) == 1 else f"these {len(audio_ids):,} assets"
        if not has_consent(options, f"Delete {these} from {manager.url} {way_back}?"):
            return 1
        return with_each(options, audio_ids, delete)


def _way_back(manager: AudioStorageManager, *, permanent: bool) -> str:
    """Return how deleted assets can be restored.

    Raises:
        UsageError: it cannot, and --permanent is not given.
    """
    facts = known_facts(manager)
    if isinstance(facts, str):
        if permanent:
            return "permanently, as far as is known"
        raise UsageError(
            f"nothing was deleted: unknown whether {manager.url} keeps deleted assets "
            f"({facts}); give --permanent to delete anyway"
        )
    settings = facts.settings
    time = (
        f"{settings.soft_delete_s / _DAY_S:g} days"
        if settings
        else "a time that this account may not see"
    )
    if permanent and facts.keeps_deleted and is_bucket(manager):
        return f"permanently (the bucket's soft delete still keeps and bills it for {time})"
    if permanent:
        return "permanently"
    if not facts.keeps_deleted:
        is_versioned = settings is not None and settings.versioning
        versions = ", and versioning keeps nothing that is deleted" if is_versioned else ""
        raise UsageError(
            f"nothing was deleted: {manager.url} cannot restore deleted assets (soft delete is "
            f"off{versions}); enable soft delete ('audiostore doctor' prints how), or give "
            "--permanent"
        )
    return f"('audiostore restore' can undo this for {time})"


def _present(manager: AudioStorageManager, audio_id: str) -> str:
    """Return what would be deleted as a line.

    Raises:
        AssetNotFoundError: nothing is stored under the id.
        HeldError: it cannot be deleted.
    """
    from audiostore.asset import FileOrganizer  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import row  # noqa: PLC0415
    from audiostore.stores import require_free  # noqa: PLC0415

    try:
        asset = manager.get(audio_id)
    except audiostore.AssetNotFoundError:
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        count = sum(1 for _ in manager.store.list(prefix))
        if count:
            return f"{audio_id}  (incomplete asset, {count} objects)"
        versions = len(manager.admin.noncurrent(prefix))
        if versions:
            return f"{audio_id}  (deleted before, {versions} noncurrent versions)"
        raise
    blobs = asset.parts.values()
    require_free(manager.store, blobs, f"{audio_id} cannot be deleted", audio_id=audio_id)
    return row(asset)


def _present_or_none(manager: AudioStorageManager, audio_id: str) -> str:
    try:
        return _present(manager, audio_id)
    except audiostore.AssetNotFoundError:
        return f"{audio_id}  (not found)"
    except audiostore.HeldError:
        return f"{audio_id}  (held)"
