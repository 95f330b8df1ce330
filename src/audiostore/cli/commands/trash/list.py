"""List deleted assets that can be restored."""

from __future__ import annotations

from audiostore.cli.declare import JsonOptions, StoreOptions
from audiostore.cli.output import note, print_json
from audiostore.cli.store import known_facts, opened

EXAMPLE = "audiostore trash list"


class Options(StoreOptions, JsonOptions):
    """Options of `trash list`."""


def run(options: Options) -> int:
    """Print the deleted assets."""
    from audiostore.cli.listing import deleted_row  # noqa: PLC0415  (not for --help)

    count = 0
    with opened(options) as manager:
        for trashed in manager.trash.list():
            count += 1
            if options.json:
                print_json(trashed)
            else:
                print(deleted_row(trashed), flush=True)
        if count == 0:
            facts = known_facts(manager)
            keeps_none = not isinstance(facts, str) and not facts.keeps_deleted
            why = ": it cannot restore deleted assets (soft delete is off)" if keeps_none else ""
            note(f"the trash of {manager.url} is empty{why}")
    return 0
