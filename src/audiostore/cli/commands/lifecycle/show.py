"""Show what the store does with assets as they age."""

from __future__ import annotations

import json
from dataclasses import dataclass

from audiostore.cli.declare import JsonOptions, StoreOptions
from audiostore.cli.output import escape, print_json
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiostore import StoreSettings

EXAMPLE = "audiostore lifecycle show"
_DAY_S = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Options(StoreOptions, JsonOptions):
    """Options of `lifecycle show`."""


def run(options: Options) -> int:
    """Print the settings and the rules."""
    from audiostore.lifecycle import recognise  # noqa: PLC0415  (not for --help)

    with opened(options.bucket) as manager:
        settings = manager.admin.settings()
    if options.json:
        rules = [
            {"ours": recognise(rule) is not None, "rule": rule} for rule in settings.lifecycle_rules
        ]
        print_json(
            {
                "soft_delete_s": settings.soft_delete_s,
                "retention_s": settings.retention_s,
                "versioning": settings.versioning,
                "rules": rules,
            }
        )
        return 0
    for line in _lines(settings):
        print(line)
    return 0


def _lines(settings: StoreSettings) -> Sequence[str]:
    from audiostore.lifecycle import age_note, recognise  # noqa: PLC0415  (not for --help)

    kept = settings.soft_delete_s / _DAY_S
    lines = [f"keep what is deleted for {kept:g} days" if kept else "keep nothing that is deleted"]
    if settings.retention_s:
        lines.append(f"keep everything for at least {settings.retention_s / _DAY_S:g} days")
    for own in filter(None, map(recognise, settings.lifecycle_rules)):
        note = age_note(own)
        lines.append(f"{own.description} ({note})" if note else own.description)
    foreign = [rule for rule in settings.lifecycle_rules if recognise(rule) is None]
    lines += [f"not audiostore's: {escape(json.dumps(rule))}" for rule in foreign]
    return lines
