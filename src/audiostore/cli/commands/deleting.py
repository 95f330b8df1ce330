"""The commands that delete assets, and bring them back."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping

from audiostore.asset import FileOrganizer, TrashedAsset
from audiostore.cli.commands.consent import has_consent, tell_plan, will_ask
from audiostore.cli.commands.each import given_ids, with_each
from audiostore.cli.commands.opening import opened, warn
from audiostore.cli.commands.settings import is_bucket, known_settings
from audiostore.cli.counting import Counting
from audiostore.cli.listing import json_line, row
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, human_size, note
from audiostore.errors import AssetNotFoundError, HeldError
from audiostore.manager import AudioStorageManager

_DAY_S = 24 * 3600


def rm(options: Namespace) -> int:
    """Delete assets; an unknown one does not keep the others."""
    audio_ids = given_ids(options)
    with opened(options) as manager:
        way_back = _way_back(manager, permanent=options.permanent)

        def tell(audio_id: str) -> None:
            line = _present(manager, audio_id)
            tell_plan(options, f"delete {line}  {way_back}", audio_id, permanent=options.permanent)

        def delete(audio_id: str) -> Mapping[str, object]:
            manager.delete(audio_id, permanent=options.permanent)
            note(f"deleted {audio_id} {way_back}")
            return {"audio_id": audio_id, "deleted": True}

        if options.dry_run:
            return with_each(options, audio_ids, tell)
        if will_ask(options):
            for audio_id in audio_ids:
                print(_present_or_none(manager, audio_id), file=sys.stderr)
        if not has_consent(options, f"Delete {_what(audio_ids)} from {manager.url} {way_back}?"):
            return 1
        return with_each(options, audio_ids, delete)


def _way_back(manager: AudioStorageManager, *, permanent: bool) -> str:
    """Say whether what is deleted can be had back.

    Raises:
        UsageError: it cannot, and nobody has said that it need not.
    """
    settings = known_settings(manager)
    if isinstance(settings, str):
        if permanent:
            return "for good, as far as can be told"
        raise UsageError(
            f"nothing was deleted, as it is not known whether {manager.url} keeps what is deleted "
            f"({settings}); with --permanent it is deleted, way back or not"
        )
    days = f"{settings.soft_delete_s / _DAY_S:g} days"
    if permanent and settings.soft_delete_s and is_bucket(manager):
        return f"for good (yet the bucket's soft delete keeps and bills what is deleted for {days})"
    if permanent:
        return "for good"
    if not settings.soft_delete_s:
        raise UsageError(
            f"{manager.url} keeps nothing that is deleted (soft delete is off): there would be no "
            "way back, and nothing was deleted. Switch soft delete on ('audiostore doctor' says "
            "how), or say --permanent"
        )
    return f"('audiostore restore' undoes that for {days})"


def _present(manager: AudioStorageManager, audio_id: str) -> str:
    """Return what would be deleted as a line.

    Raises:
        AssetNotFoundError: there is nothing.
        HeldError: it cannot be deleted.
    """
    try:
        asset = manager.get(audio_id)
    except AssetNotFoundError:
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        count = sum(1 for _ in manager.store.list(prefix))
        if not count:
            raise
        return f"{audio_id}  (no complete asset, but {count} objects)"
    if any(blob.temporary_hold for blob in (asset.audio, asset.thumbnail) if blob):
        raise HeldError(
            f"{audio_id} is under a hold: 'audiostore release {audio_id}' lets it be deleted"
        )
    return row(asset)


def _present_or_none(manager: AudioStorageManager, audio_id: str) -> str:
    try:
        return _present(manager, audio_id)
    except (AssetNotFoundError, HeldError) as error:
        return f"{audio_id}  ({'not there' if isinstance(error, AssetNotFoundError) else 'held'})"


def trash_list(options: Namespace) -> int:
    """List deleted assets that can be restored."""
    count = 0
    with opened(options) as manager:
        for trashed in manager.trash.list():
            count += 1
            line = json_line(trashed.to_dict()) if options.json else _row(trashed)
            print(line, flush=True)
        if count == 0:
            _tell_empty(manager)
    return 0


def _tell_empty(manager: AudioStorageManager) -> None:
    settings = known_settings(manager)
    keeps_none = not isinstance(settings, str) and not settings.soft_delete_s
    why = ": it keeps nothing that is deleted (soft delete is off)" if keeps_none else ""
    note(f"the trash of {manager.url} is empty{why}")


def restore(options: Namespace) -> int:
    """Bring deleted assets back."""
    audio_ids = given_ids(options)
    with opened(options) as manager:

        def tell(audio_id: str) -> None:
            if _is_whole(manager, audio_id):
                note(f"{audio_id} is there, and whole: there is nothing to restore")
            else:
                trashed = manager.trash.get(audio_id)
                tell_plan(options, f"restore {_row(trashed)}", audio_id)

        def bring_back(audio_id: str) -> Mapping[str, object]:
            was_whole = _is_whole(manager, audio_id)
            asset = manager.restore(audio_id)
            note(f"{audio_id} was there, and whole" if was_whole else f"restored {audio_id}")
            warn(asset)
            return asset.to_dict()

        return with_each(options, audio_ids, tell if options.dry_run else bring_back)


def _is_whole(manager: AudioStorageManager, audio_id: str) -> bool:
    try:
        return not manager.get(audio_id).warnings
    except AssetNotFoundError:
        return False


def purge(options: Namespace) -> int:
    """Let deleted assets go for good."""
    if bool(options.audio_ids) == options.all:
        raise UsageError("say which: one or more IDs, or --all")
    audio_ids = given_ids(options)
    with opened(options) as manager:
        if is_bucket(manager):
            raise UsageError(
                "Google Cloud Storage lets deleted assets go when their time has come "
                "('audiostore trash list' says when), and nobody can have it done earlier: "
                "nothing was done"
            )

        def tell(audio_id: str) -> None:
            tell_plan(options, f"purge {_deleted(manager, audio_id)}", audio_id)

        def let_go(audio_id: str) -> Mapping[str, object]:
            count = manager.trash.purge(audio_id)
            note(f"purged {audio_id}: {count} objects")
            return {"audio_id": audio_id, "purged_objects": count}

        if options.dry_run:
            return with_each(options, audio_ids or _all(manager), tell)
        question = f"Let {_what(audio_ids)} go for good? There is no way back"
        if options.all and will_ask(options):
            with Counting() as counting:
                count = 0
                for count, _ in enumerate(_all(manager), 1):
                    counting(count)
            if not count:
                _tell_empty(manager)
                return 0
            question = f"Let all {count:,} deleted assets of {manager.url} go for good? There is "
            question += "no way back"
        if not has_consent(options, question):
            return 1
        return with_each(options, audio_ids or _all(manager), let_go)


def _all(manager: AudioStorageManager) -> Iterator[str]:
    return (trashed.audio_id for trashed in manager.trash.list())


def _deleted(manager: AudioStorageManager, audio_id: str) -> str:
    """Return what would be purged as a line.

    Raises:
        AssetNotFoundError: there is nothing.
    """
    try:
        return _row(manager.trash.get(audio_id))
    except AssetNotFoundError:
        prefix = FileOrganizer.get_folder_structure(audio_id)["audio_prefix"]
        count = sum(1 for _ in manager.store.list_deleted(prefix))
        if not count:
            raise
        return f"{audio_id}  ({count} deleted objects)"


def _what(audio_ids: list[str]) -> str:
    return "this asset" if len(audio_ids) == 1 else f"these {len(audio_ids):,} assets"


def _row(trashed: TrashedAsset) -> str:
    audio = trashed.audio.blob
    name = escape(audio.metadata.get("original_filename", "")) or "-"
    return (
        f"{trashed.audio_id}  {human_size(audio.size_bytes):>10}  deleted "
        f"{trashed.deleted_at:%Y-%m-%d %H:%M}  gone {trashed.gone_at:%Y-%m-%d %H:%M} UTC  {name}"
    )
