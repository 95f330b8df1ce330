"""Change the metadata of an asset.

Its audio never changes.
"""

from __future__ import annotations

from audiostore.cli.consent import has_consent, print_plan
from audiostore.cli.declare import AssetOptions, ConsentOptions, arguments, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note
from audiostore.cli.store import opened, warn
from audiostore.cli.values import key_and_value

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "change"
EXAMPLE = "audiostore meta 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b title='Sinnerman' --remove mood"


class Options(AssetOptions, ConsentOptions):
    """Options of `meta`."""

    pairs: tuple[tuple[str, str], ...] = arguments(
        "KEY=VALUE", "metadata to set; it replaces a tag of the file", parse=key_and_value
    )
    remove: tuple[str, ...] = option(
        metavar="KEY", repeatable=True, help="key to remove (repeatable)"
    )
    replace: bool = flag(help="remove all your other metadata; tags of the file stay")


def run(options: Options) -> int:
    """Change the metadata, after asking if it removes keys that were not named."""
    from audiostore.asset import changed_metadata  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import print_asset, row  # noqa: PLC0415
    from audiostore.values import OWN_KEYS  # noqa: PLC0415

    changes: dict[str, str | None] = dict.fromkeys(options.remove)
    for key, value in options.pairs:
        if key in changes:
            raise UsageError(f"{key} is given twice: give each key once")
        changes[key] = value
    if not changes and not options.replace:
        raise UsageError("nothing to change: give KEY=VALUE, or --remove KEY")
    with opened(options) as manager:
        present = manager.get(options.audio_id)
        audio = present.audio
        update = changed_metadata(audio.metadata if audio else {}, changes, replace=options.replace)
        result = {key: value for key, value in update.items() if key not in OWN_KEYS}
        if not result:
            note(f"nothing to change: {present.audio_id} already has this metadata")
        if options.dry_run:
            _print_changes(options, result)
            return 0
        lost = sorted(key for key, value in result.items() if value is None and key not in changes)
        if lost and not has_consent(
            options, f"{row(present)}\nRemove {', '.join(lost)} too? This cannot be undone"
        ):
            return 1
        asset = manager.update_metadata(options.audio_id, changes, replace=options.replace)
    print_asset(asset, as_json=options.json)
    warn(asset)
    return 0


def _print_changes(options: Options, changes: Mapping[str, str | None]) -> None:
    if options.json:
        print_plan(options, "change", options.audio_id, metadata=dict(changes))
        return
    for key, value in sorted(changes.items()):
        action = f"remove {key}" if value is None else f"set {key}={value}"
        print_plan(options, action, options.audio_id)
