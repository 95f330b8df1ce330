"""List all assets, or those that match.

Prints a table on a terminal, and tab-separated values elsewhere.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions, option
from audiostore.cli.filters import OrderedOptions, find_assets, query_of
from audiostore.cli.output import note
from audiostore.cli.parts import PartsOptions, ordering, plan_list, planned_run
from audiostore.cli.store import opened, warn

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator

    from audiostore import AudioStorageManager, Query, StorageResult
    from audiostore.cli.progress.count import CountProgress

GROUP = "find"
EXAMPLE = "audiostore list --artist simone --min-duration 5:00 --sort created --reverse"


class Options(OrderedOptions, JsonOptions, PartsOptions):
    """Options of `list`."""

    columns: str | None = option(
        metavar="NAMES",
        help="columns to print, such as id,title,size,meta.mood (a wrong name lists all)",
    )
    format: str | None = option(
        metavar="FORMAT",
        help=r"table, tsv, csv, json, or a template such as '{id}\t{title}' (default: table on a "
        "terminal, else tsv)",
    )


def run(options: Options) -> int:
    """Print the assets as they come, in constant memory."""
    from audiostore.cli.formats import printer  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415

    query = query_of(options)
    planned = planned_run(
        options, **ordering(options), columns=options.columns, format=options.format
    )
    if planned is not None:
        return plan_list(options, *planned, query, as_json=options.json)
    print_all = printer(options.format, options.columns, as_json=options.json)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        found = _Found(manager, options, query, progress)
        print_all(found)
        progress.clear()
        if found.count == 0 and query == type(query)() and options.after is None:
            put = hints.command("put", "FILE")
            note(f"no assets in {manager.url} yet: store one with {put}")
        elif found.count == 0:
            note(f"no asset in {manager.url} matches")
    return 0


class _Found:
    """The assets, each with the warnings on it once it is printed."""

    def __init__(
        self,
        manager: AudioStorageManager,
        options: Options,
        query: Query,
        progress: CountProgress,
    ) -> None:
        self._assets = find_assets(manager, options, query, progress, options.shard)
        self._progress = progress
        self.count = 0

    def __iter__(self) -> Iterator[StorageResult]:
        for asset in self._assets:
            self._progress.clear()
            self.count += 1
            yield asset
            warn(asset)
