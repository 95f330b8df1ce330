"""A part of a store, or many machines for all of its parts: for what looks at a whole store."""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import Declared, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import counted, note, print_json
from audiostore.cli.values import positive, shard

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import Literal

    from audiostore import FleetPlan, Query, Shard
    from audiostore.cli.filters import OrderedOptions

_PARTS = "parts of a store"
WITHOUT_FILES = frozenset({"analyse", "check", "export", "list", "shards", "stats"})
"""The kinds of fleet runs that store no files."""


class PartsOptions(Declared):
    """Only a part of the store; or a fleet run over all parts."""

    shard: Shard | None = option(
        metavar="N/COUNT",
        parse=shard,
        help="only one of COUNT parts of the store, such as 3/64, by the ids of assets",
        group=_PARTS,
    )
    run: str | None = option(
        metavar="NAME",
        help="plan a fleet run with this name instead: many machines do it with 'audiostore "
        "fleet work NAME', and 'audiostore fleet results NAME' prints what they found",
        group=_PARTS,
    )
    chunks: int | None = option(
        metavar="N",
        parse=positive,
        help="with --run: number of parts (default: 64)",
        group=_PARTS,
    )


def planned_run(options: PartsOptions, **excluded: object) -> tuple[str, int] | None:
    """Return the name of the run to plan, and how many chunks it has; None without one.

    Raises:
        UsageError: options that exclude each other; `excluded` are those that go with no run.
    """
    if options.run is None:
        if options.chunks is not None:
            raise UsageError("--chunks needs --run")
        return None
    for name, value in {"shard": options.shard, **excluded}.items():
        if value not in (None, False):
            raise UsageError(f"--{name} and --run exclude each other")
    return options.run, options.chunks or 64


def print_plan(plan: FleetPlan, *, as_json: bool = False) -> None:
    """Print a run that was planned, and what to do next."""
    if as_json:
        print_json({"run": plan.run, "chunks": plan.chunks, "created": plan.created})
        return
    print(f"{plan.run}  {counted(plan.chunks, 'chunk')}")
    if not plan.created:
        note(f"{plan.run} was planned before")
    note(
        f"{hints.command('fleet', 'work', plan.run)} on every machine, then "
        f"{hints.command('fleet', 'results', plan.run)}"
    )


def ordering(options: OrderedOptions) -> dict[str, object]:
    """Return the options that a run over all parts of a store cannot have: they cross the parts."""
    return {
        "sort": None if options.sort == "id" else options.sort,
        "reverse": options.reverse,
        "limit": options.limit,
        "after": options.after,
    }


def plan_list(
    options: OrderedOptions,
    name: str,
    chunks: int,
    query: Query,
    *,
    kind: Literal["list", "export"] = "list",
    as_json: bool = False,
) -> int:
    """Plan a run that lists or exports assets, and print it."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    with opened(options) as manager:
        plan = fleet.plan_list(manager, query, run=name, chunks=chunks, kind=kind)
    print_plan(plan, as_json=as_json)
    return 0
