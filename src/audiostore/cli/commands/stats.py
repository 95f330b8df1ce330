"""Show how much is stored, and what it costs.

In total, and by format, month and storage class.
"""

from __future__ import annotations

import sys

import audiostore
from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions, option
from audiostore.cli.filters import FilterOptions, query_of
from audiostore.cli.output import counted, escape, human_size, note, print_json, say
from audiostore.cli.parts import PartsOptions, planned_run, print_plan
from audiostore.cli.store import is_bucket, opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from audiostore import AudioStorageManager, Query, Rates
    from audiostore.catalog import Cost, Statistics, Tally

GROUP = "find"
EXAMPLE = "audiostore stats --since 2026-01-01 --prices ours.toml"
_BAR_COLUMNS = 24
_BLOCKS = " ▏▎▍▌▋▊▉█"


class Options(FilterOptions, JsonOptions, PartsOptions):
    """Options of `stats`."""

    prices: str | None = option(
        metavar="FILE", help="price table in TOML (default: Google's list prices)", files="any"
    )
    location: str | None = option(
        metavar="NAME",
        help="location to price: region, dual-region, multi-region, or one from the price table "
        "(default: the location of the bucket; a directory costs nothing)",
    )


def run(options: Options) -> int:
    """Print the statistics."""
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    query = query_of(options)
    planned = planned_run(options, prices=options.prices, location=options.location)
    if planned is not None:
        return _plan(options, *planned, query)
    with CountProgress() as progress, opened(options, progress.waiting) as manager:
        location = options.location or _location(manager)
        rates = None if location is None else audiostore.Rates.read(location, options.prices)
        statistics = manager.catalog.statistics(query, shard=options.shard, on_progress=progress)
        progress.clear()
        _print(manager, statistics, rates, as_json=options.json)
    return 0


def print_statistics(
    manager: AudioStorageManager, statistics: Statistics, *, as_json: bool
) -> None:
    """Print statistics, and what it all costs at list prices."""
    location = _location(manager)
    rates = None if location is None else audiostore.Rates.read(location)
    _print(manager, statistics, rates, as_json=as_json)


def _print(
    manager: AudioStorageManager, statistics: Statistics, rates: Rates | None, *, as_json: bool
) -> None:
    cost = None if rates is None else rates.monthly_cost(statistics)
    if statistics.unverified:
        say(
            "warning",
            f"{counted(statistics.unverified, 'asset')} cannot be verified: "
            f"{hints.command('check')} says why",
        )
    if as_json:
        print_json({"url": manager.url, **statistics.to_dict(), "cost": cost})
    else:
        print(statistics_block(statistics, cost))


def _plan(options: Options, name: str, chunks: int, query: Query) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)

    with opened(options) as manager:
        plan = fleet.plan_statistics(manager, query, run=name, chunks=chunks)
    print_plan(plan, as_json=options.json)
    return 0


def _location(manager: AudioStorageManager) -> str | None:
    """Return where a bucket is; None for a directory, and if it may not be read."""
    if not is_bucket(manager):
        return None
    location = manager.admin.facts().location
    if location is None:
        note("cannot read the bucket's location: give it with --location")
    return location


def statistics_block(statistics: Statistics, cost: Cost | None) -> str:
    """Return the statistics as text."""
    total = statistics.total
    notes = []
    if total.estimated_duration_s:
        hours = f"{total.estimated_duration_s / 3600:,.1f}"
        notes.append(f"{'less than 0.1' if hours == '0.0' else hours} of them estimated")
    if statistics.unknown_durations:
        notes.append(f"{statistics.unknown_durations:,} of unknown duration")
    lines = [
        f"assets   {total.assets:,}",
        f"audio    {human_size(total.audio_bytes)}",
        f"artwork  {human_size(total.artwork_bytes)}",
        *([f"derived  {human_size(total.derived_bytes)}"] if total.derived_bytes else []),
        *([f"attached {human_size(total.attached_bytes)}"] if total.attached_bytes else []),
        f"hours    {_hours(total)}" + (f" ({'; '.join(notes)})" if notes else ""),
    ]
    if cost is not None:
        lines.append(f"cost     {_money(cost.total, cost)} a month")
        lines.append(
            f"         (data at rest in {escape(cost.rates.title)}, by "
            f"{escape(cost.rates.source)} of {cost.rates.read_on.isoformat()})"
        )
        if cost.unpriced_bytes:
            unpriced = human_size(cost.unpriced_bytes)
            lines.append(f"         ({unpriced} in storage classes without a price)")
    for heading, tallies in (
        ("format", statistics.by_format),
        ("month", statistics.by_month),
        ("storage class", statistics.by_storage_class),
    ):
        prices = cost if tallies is statistics.by_storage_class else None
        if tallies:
            lines += ["", *_table(heading, tallies, prices)]
    return "\n".join(lines)


def bar(share: float, encoding: str) -> str:
    """Return a bar for a share of 1: blocks in steps of an eighth, else ``#``."""
    share = min(1.0, max(0.0, share))
    try:
        _BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#" * max(round(share * _BAR_COLUMNS), 1 if share else 0)
    eighths = max(round(share * _BAR_COLUMNS * 8), 1 if share else 0)
    return _BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _table(heading: str, tallies: Mapping[str, Tally], cost: Cost | None) -> Iterator[str]:
    width = max([len(heading), *(len(escape(key)) for key in tallies)])
    yield f"{heading:<{width}}  {'assets':>11}  {'size':>10}  {'hours':>10}"
    most = max((tally.size_bytes for tally in tallies.values()), default=0)
    encoding = sys.stdout.encoding or "ascii"
    for key, tally in tallies.items():
        drawn = bar(tally.size_bytes / most if most else 0.0, encoding)
        priced = ""
        if cost is not None and key in cost.by_storage_class:
            priced = f"  {_money(cost.by_storage_class[key], cost)} a month"
        yield (
            f"{escape(key):<{width}}  {tally.assets:>11,}  {human_size(tally.size_bytes):>10}  "
            f"{_hours(tally):>10}  {drawn:<{_BAR_COLUMNS}}{priced}"
        ).rstrip()


def _hours(tally: Tally) -> str:
    about = "~" if tally.estimated_duration_s else ""
    return f"{about}{tally.duration_s / 3600:,.1f}"


def _money(amount: float, cost: Cost) -> str:
    return f"{amount:,.2f} {escape(cost.rates.currency)}"
