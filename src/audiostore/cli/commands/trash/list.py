"""List deleted assets that can be restored, all or those that match."""

from __future__ import annotations

from audiostore.cli.declare import JsonOptions
from audiostore.cli.filters import FilterOptions, query_of
from audiostore.cli.output import note, print_json
from audiostore.cli.store import known_facts, opened

EXAMPLE = "audiostore trash list"


class Options(FilterOptions, JsonOptions):
    """Options of `trash list`."""


def run(options: Options) -> int:
    """Print the deleted assets."""
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415

    query = query_of(options)
    count = 0
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        for trashed in manager.catalog.find_deleted(query, on_progress=progress):
            progress.clear()
            count += 1
            if options.json:
                print_json(trashed)
            else:
                print(deleted_row(trashed), flush=True)
        progress.clear()
        if count == 0 and query != type(query)():
            note(f"no asset in the trash of {manager.url} matches")
        elif count == 0:
            facts = known_facts(manager)
            keeps_none = not isinstance(facts, str) and not facts.keeps_deleted
            why = ": it cannot restore deleted assets (soft delete is off)" if keeps_none else ""
            note(f"the trash of {manager.url} is empty{why}")
    return 0
