"""Change the metadata of assets.

Their audio never changes. Words with a '=' are metadata to set; --where, like the other filters,
says which assets.
"""

from __future__ import annotations

from argparse import ArgumentTypeError

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.consent import has_consent_to
from audiostore.cli.declare import ConsentOptions, arguments, flag, option
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.output import escape
from audiostore.cli.selection import Chosen
from audiostore.cli.values import key_and_value

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from audiostore.cli.selection import Selection

    _UpdateOf = Callable[[Chosen], dict[str, str | None]]

GROUP = "change"
EXAMPLE = """\
audiostore meta 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b title='Sinnerman' --remove mood
audiostore meta --where album='Nuff Said' --set genre=Jazz"""


class Options(AssetsOptions, ConsentOptions):
    """Options of `meta`."""

    audio_ids: tuple[str, ...] = arguments(
        "ID|KEY=VALUE",
        "ID of an asset, or the first characters of it (at least 4); or metadata to set: it "
        "replaces a tag of the file",
    )
    pairs: tuple[tuple[str, str], ...] = option(
        "--set",
        metavar="KEY=VALUE",
        repeatable=True,
        parse=key_and_value,
        help="metadata to set (repeatable)",
    )
    remove: tuple[str, ...] = option(
        metavar="KEY", repeatable=True, help="key to remove (repeatable)"
    )
    replace: bool = flag(help="remove all your other metadata; tags of the file stay")


def run(options: Options) -> int:
    """Change the metadata, after asking if keys go that were not named, or no ID was given."""
    from audiostore.asset import changed_metadata  # noqa: PLC0415  (not for --help)
    from audiostore.cli.listing import facts_block, row  # noqa: PLC0415
    from audiostore.values import OWN_KEYS  # noqa: PLC0415

    audio_ids = tuple(word for word in options.audio_ids if "=" not in word)
    changes = _changes(options)
    changed_metadata({}, changes, replace=False)  # what no asset can have is refused once

    def update_of(each: Chosen) -> dict[str, str | None]:
        audio = chosen.asset(each).audio
        update = changed_metadata(audio.metadata if audio else {}, changes, replace=options.replace)
        return {key: value for key, value in update.items() if key not in OWN_KEYS}

    def plan(each: Chosen) -> Report:
        update = update_of(each)
        if not update:
            return Report(note=f"nothing to change: {each.audio_id} already has this metadata")
        fields = planned("change", each.audio_id, metadata=update).fields
        of = "" if chosen.is_single else f"  {each.audio_id}"
        return Report(fields, "\n".join(f"would {escape(line)}{of}" for line in _lines(update)))

    def change(each: Chosen) -> Report:
        asset = chosen.manager.update_metadata(each.audio_id, changes, replace=options.replace)
        return Report(asset, facts_block(asset) if chosen.is_single else row(asset), about=asset)

    with choosing(options, audio_ids=audio_ids) as chosen:
        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        lost = _lost(chosen, changes, update_of) if options.replace else ""
        if lost:
            question = f"Remove {lost} too? This cannot be undone"
        else:
            question = f"Change {chosen.these}: {', '.join(_lines(changes))}? This cannot be undone"
        if (lost or chosen.is_implied) and not has_consent_to(options, chosen, question):
            return 1
        return with_each(chosen, change, "changed")


def _changes(options: Options) -> dict[str, str | None]:
    """Return the keys to set, and (None) those to remove.

    Raises:
        UsageError: one is given twice, or none at all, or it has no key.
    """
    try:
        words = [key_and_value(word) for word in options.audio_ids if "=" in word]
    except ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    changes: dict[str, str | None] = dict.fromkeys(options.remove)
    for key, value in (*words, *options.pairs):
        if key in changes:
            raise UsageError(f"{key} is given twice: give each key once")
        changes[key] = value
    if not changes and not options.replace:
        raise UsageError("nothing to change: give KEY=VALUE, or --remove KEY")
    return changes


def _lost(chosen: Selection, changes: Mapping[str, str | None], update_of: _UpdateOf) -> str:
    """Return which keys go that nobody named, as text."""
    if not chosen.is_single:
        return f"all your other metadata of {chosen.these}"
    update = update_of(next(iter(chosen)))
    return ", ".join(sorted(k for k, v in update.items() if v is None and k not in changes))


def _lines(changes: Mapping[str, str | None]) -> list[str]:
    return [
        f"remove {key}" if value is None else f"set {key}={value}"
        for key, value in sorted(changes.items())
    ]
