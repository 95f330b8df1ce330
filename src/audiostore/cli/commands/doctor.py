"""Show which store is used, under which account, and whether it works.

Each line is marked ok, note (it works, but could be better) or failed.
"""

from __future__ import annotations

import sys
from contextlib import closing

from audiostore.cli import hints
from audiostore.cli.declare import BillingOptions, JsonOptions, LocationOptions
from audiostore.cli.failures import as_typed
from audiostore.cli.output import colored, escape, print_json, write_unguarded
from audiostore.cli.store import MISSING, NO_ASSETS, choose_store

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from audiostore.stores import Finding, Store

_STEPS: Final = "uploads in steps"
GROUP = "look after a store"
EXAMPLE = "audiostore doctor --bucket gs://my-bucket"


class Options(LocationOptions, BillingOptions, JsonOptions):
    """Options of `doctor`."""


def run(options: Options) -> int:
    """Print the findings; 1 if one of them has failed, whatever the notes are.

    That the user's own directory does not exist before the first upload is a note; one that was
    named is probably mistyped.
    """
    from audiostore.dataclass import replace  # noqa: PLC0415  (not for --help)
    from audiostore.stores import Finding, complete, open_store  # noqa: PLC0415

    choice = choose_store(options)
    project = choice.payer(options.billing_project)
    failed, is_mistyped = False, choice.is_missing() and not choice.is_fallback
    is_plain = choice.is_plain_folder()
    chosen = f"{choice.describe()}, {choice.origin}"
    _print(options, Finding("choice", ok=True, detail=chosen, hint=hints.meant_directory()))
    for finding in _extras():
        _print(options, finding)
    with closing(open_store(choice.location.url, project=project)) as opened:
        store = complete(opened)
        for finding in store.diagnose():
            if finding.subject == "store" and is_mistyped:
                finding = replace(finding, ok=False, hint=MISSING)  # noqa: PLW2901
            elif finding.subject == "store" and is_plain:
                finding = replace(finding, hint=f"it {NO_ASSETS}")  # noqa: PLW2901
            failed = failed or not finding.ok
            _print(options, finding)
        if store.url.startswith("gs://") and not failed:
            for finding in _uploads_in_steps(store):
                _print(options, finding)
    return 1 if failed else 0


def _extras() -> Iterator[Finding]:
    """Say which extras are installed, and what those that are not would give."""
    from audiostore.cli.extras import EXTRAS  # noqa: PLC0415  (not for --help)
    from audiostore.stores import Finding  # noqa: PLC0415

    missing = [extra for extra in EXTRAS if any(extra.missing())]
    installed = ", ".join(extra.name for extra in EXTRAS if extra not in missing)
    yield Finding("extras", ok=True, detail=f"installed: {installed or 'none'}")
    for extra in missing:
        detail = f"not installed: {extra.gives}"
        yield Finding(f"extra {extra.name}", ok=True, detail=detail, hint=extra.command)


def _uploads_in_steps(store: Store) -> Iterator[Finding]:
    """Say whether a bucket removes what browsers send to it, and nobody completes."""
    from audiostore.errors import AudioStoreError  # noqa: PLC0415  (not for --help)
    from audiostore.lifecycle import INCOMING, deletes_below  # noqa: PLC0415
    from audiostore.stores import Finding  # noqa: PLC0415

    try:
        settings = store.settings()
    except AudioStoreError:
        return  # the findings have said that they cannot be read
    if deletes_below(settings.lifecycle_rules, f"{settings.prefix}{INCOMING}"):
        yield Finding(_STEPS, ok=True, detail="the bucket deletes uploads that nobody completes")
        return
    yield Finding(
        _STEPS,
        ok=True,
        detail=f"no lifecycle rule deletes uploads in {INCOMING} that clients of 'audiostore "
        f"serve' never complete",
        hint="delete_incoming_after_days = 1 in the policy of 'audiostore lifecycle apply'",
    )


def _print(options: Options, finding: Finding) -> None:
    if options.json:
        print_json(finding)
        return
    hint = f" -> {finding.hint}" if finding.hint else ""
    padding = " " * (8 - len(finding.mark))
    line = escape(as_typed(f"{finding.subject}: {finding.detail}{hint}"))
    write_unguarded(sys.stdout, f"{colored(finding.mark, sys.stdout)}{padding}{line}\n")
