"""The commands that change, serve and protect assets."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from audiostore.asset import changed_metadata
from audiostore.cli.commands.consent import has_consent, tell_plan, will_ask
from audiostore.cli.commands.each import given_ids, with_each
from audiostore.cli.commands.opening import opened, warn
from audiostore.cli.commands.settings import is_bucket, known_settings
from audiostore.cli.listing import facts_block, json_line, row
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import note, say
from audiostore.cli.progress import Watch
from audiostore.lifecycle import deletes_on_custom_time
from audiostore.manager import AudioStorageManager
from audiostore.values import StorageResult


def meta(options: Namespace) -> int:
    """Change the metadata of an asset."""
    changes: dict[str, str | None] = dict.fromkeys(options.remove)
    for key, value in options.pairs:
        if key in changes:
            raise UsageError(f"{key} is given twice: give each key once")
        changes[key] = value
    if not changes and not options.replace:
        raise UsageError("nothing to change is given: write KEY=VALUE, or --remove KEY")
    with opened(options) as manager:
        present = manager.get(options.audio_id)
        audio = present.audio
        settled = changed_metadata(
            audio.metadata if audio else {}, changes, replace=options.replace
        )
        if not settled:
            note(f"{present.audio_id} says all this already: nothing is to be changed")
        if options.dry_run:
            _tell_changes(options, settled)
            return 0
        lost = sorted(key for key, value in settled.items() if value is None and key not in changes)
        if lost and not has_consent(
            options, f"{row(present)}\nRemove {', '.join(lost)} too? Nothing brings them back"
        ):
            return 1
        asset = manager.update_metadata(options.audio_id, changes, replace=options.replace)
    _show(options, asset)
    return 0


def _tell_changes(options: Namespace, settled: Mapping[str, str | None]) -> None:
    if options.json:
        tell_plan(options, "change it", options.audio_id, metadata=dict(settled))
        return
    for key, value in sorted(settled.items()):
        what = f"remove {key}" if value is None else f"set {key}={value}"
        tell_plan(options, what, options.audio_id)


def cover(options: Namespace) -> int:
    """Give an asset other artwork."""
    from audiostore.ingest import UploadOptions, prepare_image  # noqa: PLC0415  (Pillow)

    watch = Watch()
    with opened(options, watch) as manager, watch:
        present = manager.get(options.audio_id)
        item = prepare_image(options.file, UploadOptions(fix_extension=options.fix_extension))
        if options.dry_run:
            words = f"store {item.filename} ({item.content_type}) as the artwork of"
            facts = {"filename": item.filename, "content_type": item.content_type}
            tell_plan(options, f"{words} {present.audio_id}", present.audio_id, **facts)
            return 0
        if present.thumbnail and not has_consent(
            options,
            f"{row(present)}\nReplace its artwork? 'audiostore restore' does not bring the "
            "present one back",
        ):
            return 1
        asset = manager.upload_thumbnail_file(
            options.file,
            options.audio_id,
            fix_extension=options.fix_extension,
            cache="public" if options.public else "private",
        )
    _show(options, asset)
    return 0


def url(options: Namespace) -> int:
    """Print a link."""
    name = options.download_as
    if name is not None and not (name.strip() and name.isprintable()):
        raise UsageError(f"--download-as {name!r}: a file name is printable, and not empty")
    with opened(options) as manager:
        link = manager.signed_url(
            options.audio_id, part=options.part, expires_s=options.expires, download_as=name
        )
    if options.json:
        fields = {"audio_id": options.audio_id, "part": options.part, "url": link}
        print(json_line({**fields, "expires_s": options.expires}))
    else:
        print(link)
    return 0


def hold(options: Namespace) -> int:
    """Protect assets."""
    return _protect(options, "hold", "held", AudioStorageManager.hold)


def release(options: Namespace) -> int:
    """Undo the protection of assets."""
    return _protect(options, "release", "released", AudioStorageManager.release)


def _protect(
    options: Namespace,
    verb: str,
    done: str,
    change: Callable[[AudioStorageManager, str], StorageResult],
) -> int:
    audio_ids = given_ids(options)
    with opened(options) as manager:

        def tell(audio_id: str) -> None:
            tell_plan(options, f"{verb} {row(manager.get(audio_id))}", audio_id)

        def act(audio_id: str) -> Mapping[str, object]:
            asset = change(manager, audio_id)
            note(f"{done} {audio_id}")
            warn(asset)
            return asset.to_dict()

        return with_each(options, audio_ids, tell if options.dry_run else act)


def expire(options: Namespace) -> int:
    """Have the store delete an asset on a date."""
    on: datetime = options.on
    if on <= datetime.now(UTC):
        raise UsageError(
            f"{on:%Y-%m-%d %H:%M} UTC has passed: name a date to come, or delete the asset "
            f"now with 'audiostore rm {options.audio_id}'"
        )
    with opened(options) as manager:
        asset = manager.get(options.audio_id)
        _require_not_earlier(asset, on)
        day = f"{on:%Y-%m-%d %H:%M} UTC"
        if options.dry_run:
            words = f"expire {asset.audio_id}: have it deleted on {day}"
            tell_plan(options, words, asset.audio_id, on=on.isoformat())
            return 0
        if not has_consent(
            options,
            f"{row(asset)}\nHave it deleted on {day}? That can move later, but never earlier or "
            "away",
        ):
            return 1
        asset = manager.expire(options.audio_id, on)
        _warn_if_kept(manager, asset)
    _show(options, asset)
    return 0


def _require_not_earlier(asset: StorageResult, on: datetime) -> None:
    blobs = [blob for blob in (asset.audio, asset.thumbnail) if blob]
    present = max((blob.custom_time for blob in blobs if blob.custom_time), default=None)
    if present and on < present:
        raise UsageError(
            f"{asset.audio_id} expires on {present:%Y-%m-%d %H:%M} UTC: that can move later, but "
            f"never earlier ({on:%Y-%m-%d %H:%M} UTC) or away; nothing was changed"
        )


def _warn_if_kept(manager: AudioStorageManager, asset: StorageResult) -> None:
    """Say what keeps the date from having its effect."""
    settings = known_settings(manager)
    if isinstance(settings, str):
        say("warning", f"whether the store deletes it then is not known: {settings}")
    elif asset.audio and not deletes_on_custom_time(settings.lifecycle_rules, asset.audio.name):
        say(
            "warning",
            "the date is set, but the store has no rule that deletes by it: put "
            "'expire_on_custom_time = true' into lifecycle.toml, and run 'audiostore lifecycle "
            "apply lifecycle.toml'",
        )
    elif not is_bucket(manager):
        note("'audiostore lifecycle run' deletes it, once that date has come")
    if asset.audio and asset.audio.temporary_hold:
        say("warning", "it is under a hold, and stays until 'audiostore release', date or not")


def set_class(options: Namespace) -> int:
    """Move the audio of an asset to another storage class."""
    from audiostore.cli.commands.costs import costs_of_moving  # noqa: PLC0415  (the price table)

    storage_class = options.storage_class
    with opened(options) as manager:
        asset = manager.get(options.audio_id)
        audio = asset.audio
        if audio is None or audio.storage_class == storage_class:
            note(f"{asset.audio_id} is {storage_class} already: nothing is to be changed")
            costs: list[str] = []
        else:
            costs = costs_of_moving(manager, audio, storage_class)
            if options.dry_run:
                words = f"move the audio of {asset.audio_id} from {audio.storage_class} to "
                words += "; ".join([storage_class, *costs])
                facts = {"from": audio.storage_class, "to": storage_class, "costs": costs}
                tell_plan(options, words, asset.audio_id, **facts)
        if options.dry_run:
            return 0
        if not will_ask(options):
            for cost in costs:
                say("warning", cost)
        elif costs and not has_consent(
            options, "\n".join([row(asset), *costs, f"Move its audio to {storage_class}?"])
        ):
            return 1
        asset = manager.set_class(options.audio_id, storage_class)
    _show(options, asset)
    return 0


def _show(options: Namespace, asset: StorageResult) -> None:
    print(json_line(asset.to_dict()) if options.json else facts_block(asset))
    warn(asset)
