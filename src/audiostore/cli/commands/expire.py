"""Set the date on which the store deletes assets.

The date can be moved later, but not earlier, and it cannot be removed. It takes effect only with
the rule expire_on_custom_time: see 'audiostore lifecycle'.
"""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli import hints
from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions, option
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.selection import Chosen
from audiostore.cli.store import is_bucket, known_facts
from audiostore.cli.values import moment

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import BlobInfo, StorageResult, StoreFacts

GROUP = "change"
EXAMPLE = """\
audiostore expire 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --on 2031-12-31
audiostore expire --superseded --on 2031-12-31 --dry-run"""


class Options(AssetsOptions, ConsentOptions):
    """Options of `expire`."""

    on: datetime = option(
        metavar="DATE",
        required=True,
        parse=moment,
        help="2031-12-31, or with a time: 2031-12-31T18:00:00+01:00 (default zone: UTC)",
    )


def run(options: Options) -> int:
    """Set the date, after asking."""
    from audiostore.cli.listing import facts_block, row  # noqa: PLC0415  (not for --help)

    day = f"{options.on:%Y-%m-%d %H:%M} UTC"
    with choosing(options) as chosen:
        if options.on <= datetime.now(UTC):
            raise UsageError(
                f"{day} is in the past: give a future date, or delete the asset now with "
                f"{hints.command('rm', *options.audio_ids)}"
            )
        manager = chosen.manager

        def plan(each: Chosen) -> Report:
            asset = chosen.asset(each)
            _require_not_earlier(asset, options.on)
            action = f"expire {asset.audio_id}: the store deletes it on {day}"
            return planned(action, asset.audio_id, on=options.on.isoformat())

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        if chosen.is_single:
            _require_not_earlier(chosen.asset(next(iter(chosen))), options.on)
        it = "it" if len(chosen) == 1 else chosen.these
        question = f"Delete {it} on {day}? The date can be moved later, but not earlier or removed"
        if not has_consent_to(options, chosen, question):
            return 1
        facts = known_facts(manager)
        given: dict[str, str] = {}

        def expire(each: Chosen) -> Report:
            if not chosen.is_single:
                _require_not_earlier(chosen.asset(each), options.on)
            asset = manager.expire(each.audio_id, options.on)
            text = facts_block(asset) if chosen.is_single else row(asset)
            obstacles = [] if asset.audio is None else _obstacles(facts, asset.audio)
            # What is the same for many is said once.
            new = [
                why for why in obstacles if given.setdefault(why, each.audio_id) == each.audio_id
            ]
            run_later = f"run {hints.command('lifecycle', 'run')} after that date to delete it"
            later = "" if obstacles or is_bucket(manager) else run_later
            return Report(asset, text, note=later, about=asset, warnings=new)

        return with_each(chosen, expire, "set to expire")


def _require_not_earlier(asset: StorageResult, on: datetime) -> None:
    blobs = [blob for blob in (asset.audio, asset.thumbnail) if blob]
    present = max((blob.custom_time for blob in blobs if blob.custom_time), default=None)
    if present and on < present:
        raise UsageError(
            f"{asset.audio_id} expires on {present:%Y-%m-%d %H:%M} UTC: the date can be moved "
            f"later, but not earlier ({on:%Y-%m-%d %H:%M} UTC), nor removed; nothing was changed"
        )


def _obstacles(facts: StoreFacts | str, audio: BlobInfo) -> list[str]:
    """Return what prevents the deletion."""
    from audiostore.lifecycle import deletes_on_custom_time  # noqa: PLC0415  (not for --help)

    obstacles: list[str] = []
    settings = None if isinstance(facts, str) else facts.settings
    if settings is None:
        why = facts if isinstance(facts, str) else "storage.buckets.get is missing"
        obstacles.append(f"cannot tell whether the store will delete it: {why}")
    elif not deletes_on_custom_time(settings.lifecycle_rules, settings.prefix + audio.name):
        obstacles.append(
            "the date is set, but the store has no rule that deletes by it: put "
            "'expire_on_custom_time = true' into lifecycle.toml, and run "
            f"{hints.command('lifecycle', 'apply', 'lifecycle.toml')}"
        )
    if audio.temporary_hold:
        obstacles.append("it is under a hold, and is kept until 'audiostore release'")
    elif audio.event_based_hold:
        obstacles.append("it is under an event-based hold, and is kept until that is released")
    return obstacles
