"""Check a store for problems, and repair them."""

from __future__ import annotations

from contextlib import contextmanager

import audiostore
from audiostore.cli.declare import ConsentOptions, JsonOptions, StoreOptions, flag, option
from audiostore.cli.failures import UsageError, sentence
from audiostore.cli.output import counted, human_size, say
from audiostore.cli.parts import PartsOptions, planned_run, print_plan
from audiostore.cli.problems import print_problem
from audiostore.cli.store import known_facts, opened
from audiostore.cli.values import share

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator

    from audiostore import (
        AudioStorageManager,
        Checked,
        CheckRecord,
        InventoryReport,
        Problem,
        Repaired,
    )
    from audiostore.cli.progress.checking import (
        DeepProgress,
        QuickProgress,
    )

GROUP = "look after a store"
EXAMPLE = "audiostore check --repair"


class Options(StoreOptions, JsonOptions, ConsentOptions, PartsOptions):
    """Options of `check`."""

    deep: bool = flag(
        help="also read, verify and decode every byte; continues an interrupted check"
    )
    restart: bool = flag(help="with --deep: start over instead of continuing an interrupted check")
    sample: float | None = option(
        metavar="PERCENT",
        parse=share,
        help="with --deep: read only a random share of the assets, such as 1%%",
    )
    inventory: str | None = option(
        metavar="MANIFEST",
        help="do not list the bucket, but check what looks wrong in this inventory report of "
        "Storage Insights: its manifest, a file or gs://…",
        files="any",
    )
    known: str | None = option(
        metavar="EXPORT",
        help="with --inventory: compare sizes and checksums with this table written by 'export' "
        "or 'fleet results' (.jsonl, .csv or .parquet)",
        files="any",
    )
    repair: bool = flag(help="print how each problem would be repaired; with --yes, repair it")


def run(options: Options) -> int:
    """Print every problem; 0 if there is none, or none remains."""
    from audiostore.cli.progress.checking import (  # noqa: PLC0415  (not for --help)
        DeepProgress,
        QuickProgress,
    )

    if options.yes and not options.repair:
        raise UsageError("--yes needs --repair")
    if options.restart and not options.deep:
        raise UsageError("--restart needs --deep")
    if options.sample is not None and not options.deep:
        raise UsageError("--sample needs --deep")
    if options.known is not None and options.inventory is None:
        raise UsageError("--known needs --inventory")
    if options.inventory is not None and (options.deep or options.shard is not None):
        raise UsageError("--inventory excludes --deep and --shard")
    planned = planned_run(
        options, repair=options.repair, restart=options.restart, inventory=options.inventory
    )
    if planned is not None:
        return _plan(options, *planned)
    progress: QuickProgress | DeepProgress = DeepProgress() if options.deep else QuickProgress()
    with progress, opened(options, progress.listener, warns=False) as manager:
        with _record(options, manager.url) as record:
            seen, found = _check(options, manager, progress, record)
        with progress.aside():
            _warn_of_rules(manager)
        url = manager.url
    _sum_up(options, url, seen, found)
    return 1 if found.problems > found.repaired else 0


def _warn_of_rules(manager: AudioStorageManager) -> None:
    """Say if lifecycle rules delete what fleet runs need."""
    from audiostore.lifecycle import deletes_below  # noqa: PLC0415  (not for --help)

    facts = known_facts(manager)
    settings = None if isinstance(facts, str) else facts.settings
    if settings is None:
        return
    folder = f"{settings.prefix}fleet/"
    if deletes_below(settings.lifecycle_rules, folder) and any(manager.store.list("fleet/")):
        say(
            "warning",
            f"a lifecycle rule of the bucket deletes objects under {folder}, too, which hold the "
            "plans and results of fleet runs: limit it to other prefixes",
        )


def _plan(options: Options, name: str, chunks: int) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)

    with opened(options) as manager:
        plan = fleet.plan_check(
            manager, run=name, chunks=chunks, deep=options.deep, sample=options.sample
        )
    print_plan(plan, as_json=options.json)
    return 0


def _check(
    options: Options,
    manager: AudioStorageManager,
    progress: QuickProgress | DeepProgress,
    record: CheckRecord | None,
) -> tuple[Checked, _Found]:
    """Print every problem; return what was checked, and how many there were."""
    from audiostore.audit import Checked  # noqa: PLC0415  (not for --help)

    found = _Found()
    repairs = options.repair and options.yes and not options.dry_run
    seen = Checked()

    def on_progress(checked: Checked) -> None:
        nonlocal seen
        seen = checked
        progress.show(checked)

    with progress.aside():
        report = None if options.inventory is None else _report(manager, options.inventory)
    problems = manager.audit.check(
        inventory=report,
        known=options.known,
        deep=options.deep,
        record=record,
        sample=options.sample,
        shard=options.shard,
        on_progress=on_progress,
    )
    progress.begin(_sizes(manager, options))
    try:
        for problem in problems:
            with progress.aside():
                outcome = manager.audit.repair(problem) if repairs else None
                found.add(problem, outcome)
                print_problem(problem, outcome, as_json=options.json, repairs=options.repair)
    except BaseException:
        if record is not None and seen.assets_read:
            with progress.aside():
                read = counted(seen.assets_read + seen.assets_read_before, "asset")
                say("note", f"{read} read so far: the same command continues there")
        raise
    return seen, found


class _Found:
    """Counts problems."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.problems = self.repaired = 0
        self.repairable = 0
        """How many of them a program can repair, now or once they are old enough."""

    def add(self, problem: Problem, outcome: Repaired | None) -> None:
        """Count a problem, and what its repair came to."""
        self.problems += 1
        self.repaired += outcome == "done"
        self.repairable += problem.repair is not None


def _report(manager: AudioStorageManager, manifest: str) -> InventoryReport:
    report = manager.audit.read_inventory(manifest)
    say(
        "note",
        f"the report shows the bucket as of {report.snapshot_at:%Y-%m-%d %H:%M} UTC; what was "
        "stored since is not checked",
    )
    return report


def _sizes(manager: AudioStorageManager, options: Options) -> Iterator[tuple[int, int]]:
    """Yield a count and a size for each asset to read; nothing if they are chosen at random."""
    from audiostore.bulk import size_of  # noqa: PLC0415  (not for --help)

    if options.sample is not None:
        return
    for asset in manager.catalog.find(shard=options.shard):
        yield 1, size_of(asset)


@contextmanager
def _record(options: Options, url: str) -> Iterator[CheckRecord | None]:
    """Yield what a deep check of a store has read; None for any other, or while one is running."""
    if not options.deep:
        yield None
        return
    from audiostore.audit import CheckRecord  # noqa: PLC0415  (not for --help)
    from audiostore.config import emulator_endpoint, state_directory  # noqa: PLC0415
    from audiostore.statefiles import hash_of  # noqa: PLC0415

    # A bucket and one of the same name in an emulator have the same URL.
    # Each shard, and each sample, goes on by itself.
    parts = [str(each) for each in (options.shard, options.sample) if each is not None]
    path = state_directory() / "checks" / hash_of([url, emulator_endpoint(), *parts])[:32]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = CheckRecord(path)
    except (audiostore.ConfigurationError, OSError) as error:
        say("note", f"if this check is interrupted, it starts over: {sentence(error)}")
        yield None
        return
    with record:
        if options.restart:
            record.restart()
        elif record.begun_at is not None:
            say(
                "note",
                f"continuing the check that began on {record.begun_at:%Y-%m-%d %H:%M} UTC and was "
                "interrupted: what it has read is not read again (--restart reads everything)",
            )
        yield record


def _sum_up(options: Options, url: str, seen: Checked, found: _Found) -> None:
    what = f"checked {counted(seen.assets, 'asset')} ({counted(seen.objects, 'object')})"
    if options.shard is not None:
        what = f"shard {options.shard}: {what}"
    if seen.assets_read_before or options.sample is not None:
        what += f", read {seen.assets_read:,} ({human_size(seen.bytes_read)})"
    if seen.assets_read_before:
        what += f"; {seen.assets_read_before:,} were read by the interrupted check"
    problems = counted(found.problems, "problem")
    if options.inventory is not None:
        what = f"by the report, {what}"
    if not found.problems and not seen.objects and options.shard is None:
        say("warning", f"{url} is empty: is this the right store?")
    elif not found.problems:
        if not options.json:
            print(f"{what}: no problems found")
    elif options.repair and options.yes and not options.dry_run:
        word = "ok" if found.repaired == found.problems else "error"
        say(word, f"{what}: {problems}, {found.repaired:,} repaired")
    elif not found.repairable:
        say("error", f"{what}: {problems}; to be repaired by hand: '->' says how")
    elif options.repair:
        by = "add --yes to repair"
        if found.repairable < found.problems:
            by += f" {found.repairable:,} of them"
        say("error", f"{what}: {problems}; nothing was changed: {by}")
    else:
        say("error", f"{what}: {problems}; run with --repair to see how to repair each")
