"""Check which store is used, as whom, and whether it works.

Each line is marked: ok; note, for what works and could be better; failed, for what does not work.
"""

from __future__ import annotations

import sys
from contextlib import closing

from audiostore.cli.declare import BillingOptions, JsonOptions, LocationOptions
from audiostore.cli.failures import as_typed
from audiostore.cli.output import colored, escape, print_json, write_unguarded
from audiostore.cli.store import choose_store

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.stores import Finding

GROUP = "look after a store"
EXAMPLE = "audiostore doctor --bucket gs://my-bucket"


class Options(LocationOptions, BillingOptions, JsonOptions):
    """Options of `doctor`."""


def run(options: Options) -> int:
    """Print the findings; 1 if one of them has failed, whatever the notes are."""
    from audiostore.stores import Finding, complete, open_store  # noqa: PLC0415  (not for --help)

    choice = choose_store(options)
    project = choice.payer(options.billing_project)
    failed = False
    _print(options, Finding("choice", ok=True, detail=f"{choice.describe()}, {choice.origin}"))
    with closing(open_store(choice.location.url, project=project)) as store:
        for finding in complete(store).diagnose():
            failed = failed or not finding.ok
            _print(options, finding)
    return 1 if failed else 0


def _print(options: Options, finding: Finding) -> None:
    if options.json:
        print_json(finding)
        return
    hint = f" -> {as_typed(finding.hint)}" if finding.hint else ""
    padding = " " * (8 - len(finding.mark))
    line = escape(f"{finding.subject}: {finding.detail}{hint}")
    write_unguarded(sys.stdout, f"{colored(finding.mark, sys.stdout)}{padding}{line}\n")
