"""Let workers retry what failed in a run, under the same IDs."""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions, StoreOptions, argument
from audiostore.cli.output import counted, note, print_json

EXAMPLE = """\
audiostore fleet retry nov
audiostore fleet work nov"""


class Options(StoreOptions, JsonOptions):
    """Options of `fleet retry`."""

    name: str = argument("RUN", "name of the run")


def run(options: Options) -> int:
    """Ask for another attempt."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    with opened(options) as manager:
        count = fleet.retry(manager, options.name)
    if options.json:
        print_json({"run": options.name, "items": count})
    elif count:
        print(f"{counted(count, 'file')} to try again")
        note(f"{hints.command('fleet', 'work', options.name)} tries them")
    else:
        note("nothing has failed")
    return 0
