"""List assets, all or those that match."""

from __future__ import annotations

import sys

from audiostore.cli.declare import JsonOptions
from audiostore.cli.filters import OrderedOptions, find_assets, query_of
from audiostore.cli.output import is_terminal, note, print_json
from audiostore.cli.store import opened, warn

EXAMPLE = "audiostore list --artist simone --min-duration 5:00 --sort created --reverse"


class Options(OrderedOptions, JsonOptions):
    """Options of `list`."""


def run(options: Options) -> int:
    """Print the assets as they come, in constant memory."""
    from audiostore.cli.listing import HEADING, row  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415

    query = query_of(options)
    count = 0
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        for asset in find_assets(manager, options, query, progress):
            progress.clear()
            if count == 0 and not options.json and is_terminal(sys.stdout):
                print(HEADING)
            count += 1
            if options.json:
                print_json(asset)
            else:
                print(row(asset))
            warn(asset)
        progress.clear()
        if count == 0 and query == type(query)():
            note(f"no assets in {manager.url} yet: store one with 'audiostore put FILE'")
        elif count == 0:
            note(f"no asset in {manager.url} matches")
    return 0
