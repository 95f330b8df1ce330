"""What `hold` and `release` have in common."""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.selection import Chosen

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable

    from audiostore import AudioStorageManager, StorageResult


class ProtectOptions(AssetsOptions, ConsentOptions):
    """Which assets."""


def protect(
    options: ProtectOptions,
    verb: str,
    done: str,
    change: Callable[[AudioStorageManager, str], StorageResult],
) -> int:
    """Change the protection of each asset, after asking if no ID was given."""
    from audiostore.cli.listing import row  # noqa: PLC0415  (not for --help)

    with choosing(options) as chosen:

        def plan(each: Chosen) -> Report:
            return planned(f"{verb} {row(chosen.asset(each))}", each.audio_id)

        def act(each: Chosen) -> Report:
            asset = change(chosen.manager, each.audio_id)
            done_note = "" if asset.warnings else f"{done} {each.audio_id}"
            return Report(asset, note=done_note, about=asset)

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        question = f"{verb.capitalize()} {chosen.these}?"
        if chosen.is_implied and not has_consent_to(options, chosen, question):
            return 1
        return with_each(chosen, act, "held" if verb == "hold" else "released")
