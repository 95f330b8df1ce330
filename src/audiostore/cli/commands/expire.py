"""Set the date on which the store deletes an asset.

The date can be moved later, but not earlier, and it cannot be removed. It has an effect only with
the rule expire_on_custom_time: see 'audiostore lifecycle'.
"""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli.consent import has_consent, print_plan
from audiostore.cli.declare import AssetOptions, ConsentOptions, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note, say
from audiostore.cli.store import is_bucket, known_facts, opened, warn
from audiostore.cli.values import moment

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager, StorageResult

GROUP = "change"
EXAMPLE = "audiostore expire 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --on 2031-12-31"


class Options(AssetOptions, ConsentOptions):
    """Options of `expire`."""

    on: datetime = option(
        metavar="DATE",
        required=True,
        parse=moment,
        help="2031-12-31, or with a time: 2031-12-31T18:00:00+01:00 (default zone: UTC)",
    )


def run(options: Options) -> int:
    """Set the date, after asking."""
    from audiostore.cli.listing import print_asset, row  # noqa: PLC0415  (not for --help)

    if options.on <= datetime.now(UTC):
        raise UsageError(
            f"{options.on:%Y-%m-%d %H:%M} UTC is in the past: give a future date, or delete the "
            f"asset now with 'audiostore rm {options.audio_id}'"
        )
    with opened(options) as manager:
        asset = manager.get(options.audio_id)
        _require_not_earlier(asset, options.on)
        day = f"{options.on:%Y-%m-%d %H:%M} UTC"
        if options.dry_run:
            action = f"expire {asset.audio_id}: the store deletes it on {day}"
            print_plan(options, action, asset.audio_id, on=options.on.isoformat())
            return 0
        question = f"Delete it on {day}? The date can be moved later, but not earlier or removed"
        if not has_consent(options, f"{row(asset)}\n{question}"):
            return 1
        asset = manager.expire(options.audio_id, options.on)
        _warn_if_kept(manager, asset)
    print_asset(asset, as_json=options.json)
    warn(asset)
    return 0


def _require_not_earlier(asset: StorageResult, on: datetime) -> None:
    blobs = [blob for blob in (asset.audio, asset.thumbnail) if blob]
    present = max((blob.custom_time for blob in blobs if blob.custom_time), default=None)
    if present and on < present:
        raise UsageError(
            f"{asset.audio_id} expires on {present:%Y-%m-%d %H:%M} UTC: the date can move later, "
            f"never earlier ({on:%Y-%m-%d %H:%M} UTC) or away; nothing was changed"
        )


def _warn_if_kept(manager: AudioStorageManager, asset: StorageResult) -> None:
    """Warn about what prevents the deletion."""
    from audiostore.lifecycle import deletes_on_custom_time  # noqa: PLC0415  (not for --help)

    facts = known_facts(manager)
    settings = None if isinstance(facts, str) else facts.settings
    if settings is None:
        why = facts if isinstance(facts, str) else "storage.buckets.get is missing"
        say("warning", f"cannot tell whether the store will delete it: {why}")
    elif asset.audio and not deletes_on_custom_time(
        settings.lifecycle_rules, settings.prefix + asset.audio.name
    ):
        say(
            "warning",
            "the date is set, but the store has no rule that deletes by it: put "
            "'expire_on_custom_time = true' into lifecycle.toml, and run 'audiostore lifecycle "
            "apply lifecycle.toml'",
        )
    elif not is_bucket(manager):
        note("run 'audiostore lifecycle run' after that date to delete it")
    if asset.audio and asset.audio.temporary_hold:
        say("warning", "it is under a hold, and is kept until 'audiostore release'")
    elif asset.audio and asset.audio.event_based_hold:
        say("warning", "it is under an event-based hold, and is kept until that is released")
