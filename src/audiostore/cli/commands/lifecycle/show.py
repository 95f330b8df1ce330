"""Show what the store does with assets as they age."""

from __future__ import annotations

from audiostore.cli.declare import JsonOptions, StoreOptions
from audiostore.cli.output import escape, print_json
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiostore import LifecycleRule, StoreSettings

EXAMPLE = "audiostore lifecycle show"
_DAY_S = 24 * 3600


class Options(StoreOptions, JsonOptions):
    """Options of `lifecycle show`."""


def run(options: Options) -> int:
    """Print the settings and the rules."""
    from audiostore.lifecycle import describe_rules  # noqa: PLC0415  (not for --help)

    with opened(options) as manager:
        settings = manager.admin.settings()
    rules = describe_rules(settings)
    if options.json:
        print_json(
            {
                "soft_delete_s": settings.soft_delete_s,
                "retention_s": settings.retention_s,
                "versioning": settings.versioning,
                "rules": [
                    {"ours": each.is_ours, "current": each.is_current, "rule": each.rule}
                    for each in rules
                ],
            }
        )
        return 0
    for line in _lines(settings, rules):
        print(line)
    return 0


def _lines(settings: StoreSettings, rules: Sequence[LifecycleRule]) -> Sequence[str]:
    kept = settings.soft_delete_s / _DAY_S
    lines = [f"keep deleted assets for {kept:g} days" if kept else "keep no deleted assets"]
    if settings.retention_s:
        lines.append(f"keep everything for at least {settings.retention_s / _DAY_S:g} days")
    lines += [rule.description for rule in rules if rule.is_ours]
    lines += [f"not audiostore's: {escape(r.description)}" for r in rules if not r.is_ours]
    return lines
