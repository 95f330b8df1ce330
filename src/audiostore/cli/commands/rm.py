"""Delete assets.

They can be restored for as long as the store keeps deleted assets.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.choosing import AssetsOptions, choosing, resolve_anywhere
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions, flag
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.selection import Chosen, Selection
from audiostore.cli.store import is_bucket, known_facts

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager

GROUP = "delete and restore"
EXAMPLE = """\
audiostore rm 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --yes
audiostore rm --superseded --before 2026-01-01 --dry-run"""
_DAY_S = 24 * 3600


class Options(AssetsOptions, ConsentOptions):
    """Options of `rm`."""

    permanent: bool = flag(
        help="delete permanently; required where the store does not keep deleted assets"
    )


def run(options: Options) -> int:
    """Delete the assets, after asking."""
    with choosing(options, resolve=resolve_anywhere) as chosen:
        manager = chosen.manager
        way_back = _way_back(manager, permanent=options.permanent)

        def plan(each: Chosen) -> Report:
            action = f"delete {_present(chosen, each)}  {way_back}"
            return planned(action, each.audio_id, permanent=options.permanent)

        def delete(each: Chosen) -> Report:
            manager.delete(each.audio_id, permanent=options.permanent)
            fields = {"audio_id": each.audio_id, "deleted": True}
            return Report(fields, note=f"deleted {each.audio_id} {way_back}")

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        of = "" if options.all else f" from {manager.url}"
        question = f"Delete {chosen.these}{of} {way_back}?"
        if not has_consent_to(options, chosen, question, lambda each: _seen(chosen, each)):
            return 1
        return with_each(chosen, delete, "deleted")


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


def _present(chosen: Selection, each: Chosen) -> str:
    """Return what would be deleted as a line.

    Raises:
        AssetNotFoundError: nothing is stored under the id.
        HeldError: it cannot be deleted.
    """
    from audiostore.asset import folder_prefix  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import row  # noqa: PLC0415
    from audiostore.stores import require_free  # noqa: PLC0415

    audio_id, manager = each.audio_id, chosen.manager
    try:
        asset = chosen.asset(each)
    except audiostore.AssetNotFoundError:
        prefix = folder_prefix(audio_id)
        count = sum(1 for _ in manager.store.list(prefix))
        if count:
            return f"{audio_id}  (incomplete asset, {count} objects)"
        versions = len(manager.admin.noncurrent(prefix))
        if versions:
            return f"{audio_id}  (deleted before, {versions} noncurrent versions)"
        raise
    blobs = (*asset.parts.values(), *asset.stale)
    require_free(manager.store, blobs, f"{audio_id} cannot be deleted", audio_id=audio_id)
    return row(asset)


def _seen(chosen: Selection, each: Chosen) -> str:
    try:
        return _present(chosen, each)
    except audiostore.HeldError:
        return f"{each.audio_id}  (held)"
