"""Turn objects in another layout into assets, copied within Cloud Storage.

This writes a plan, like 'fleet plan'. Then run 'fleet work RUN' on as many machines as you like: no
audio passes through them. The old objects are left alone until 'adopt --clean RUN' compares each
with its asset and deletes it.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import (
    ConsentOptions,
    JsonOptions,
    StoreOptions,
    argument,
    fields_of,
    option,
)
from audiostore.cli.failures import BAD_INPUT, PARTLY_FAILED, UsageError
from audiostore.cli.filters import STORAGE_CLASSES
from audiostore.cli.output import counted, escape, human_size, print_json, say
from audiostore.cli.uploading import ColumnOptions
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from typing import Literal

    from audiostore import AdoptCost, Adoption, Manifest, ManifestProblem, Refusal, StorageClass

GROUP = "store and fetch"
EXAMPLE = """\
audiostore adopt gs://old --layout 'music/{artist}/{album}/{title}.{ext}' --cover cover.jpg \\
    --run a1 --dry-run
audiostore fleet work a1
audiostore adopt --clean a1"""
_SHOWN = 3
"""So many objects of each reason are named."""


class Options(StoreOptions, JsonOptions, ConsentOptions, ColumnOptions):
    """Options of `adopt`."""

    source: str | None = argument(
        "SOURCE", "the bucket with the objects, or a prefix in it: gs://old/music", default=None
    )
    run: str | None = option(
        metavar="NAME", help="name of the run: lower-case letters, digits, . _ -"
    )
    layout: str | None = option(
        metavar="TEMPLATE",
        help="template for the names below SOURCE: {artist}/{album}/{track} {title}.{ext}; "
        "fields become metadata, except {_}, {stem} and {id} (the ID of the asset); "
        "{folders}/ matches any number of folders",
    )
    cover: tuple[str, ...] = option(
        metavar="NAME",
        repeatable=True,
        help="name of the cover next to the audio: cover.jpg, {stem}.jpg, ../art/{record}.png "
        "(repeatable, best first)",
    )
    map: str | None = option(
        metavar="LIST",
        files="lists",
        help="a list of names, as CSV, TSV, JSON Lines or Parquet: columns audio, thumbnail, id, "
        "filename; others become metadata; it takes precedence over --layout",
    )
    keep_meta: tuple[str, ...] | None = option(
        metavar="KEYS",
        parse=lambda text: tuple(filter(None, text.split(","))),
        help="metadata keys to keep, separated by commas; '' for none (default: all except "
        "Firebase download tokens)",
    )
    storage_class: StorageClass | Literal["keep"] = option(
        "--class",
        metavar="CLASS",
        parse=lambda text: text if text == "keep" else text.upper(),
        choices=("keep", *STORAGE_CLASSES),
        default="keep",
        help=f"storage class of the assets: {', '.join(STORAGE_CLASSES)}, or keep (default: "
        "keep, the class of each object)",
    )
    kms_key: str | None = option(
        metavar="KEY",
        help="Cloud KMS key that encrypts the assets: projects/…/cryptoKeys/… (default: the key "
        "of each object)",
    )
    chunk: int = option(
        metavar="N",
        parse=positive,
        default=200,
        help="number of objects that a machine takes at a time (default: 200)",
    )
    prices: str | None = option(
        metavar="FILE", help="price table (see 'audiostore stats --help')", files="any"
    )
    clean: str | None = option(
        metavar="RUN",
        help="delete the objects that this run has adopted, after comparing each with its asset",
    )


def run(options: Options) -> int:
    """Plan a run, or delete what one has adopted."""
    if options.clean is not None:
        if options.source is not None or options.run is not None:
            raise UsageError("--clean RUN excludes SOURCE and --run")
        if of_plans := _given_for_plans(options):
            raise UsageError(f"--clean RUN excludes {', '.join(of_plans)}: the run is planned")
        return _clean(options, options.clean)
    if options.source is None or options.run is None:
        missing = {"SOURCE": options.source, "--run NAME": options.run}
        names = " and ".join(name for name, value in missing.items() if value is None)
        raise UsageError(f"give {names}; or --clean RUN")
    if options.layout is None and options.map is None:
        raise UsageError("nothing says what to adopt: give --layout TEMPLATE or --map LIST")
    return _plan(options, options.source, options.run)


def _given_for_plans(options: Options) -> list[str]:
    """Return the flags that were given and say what a run is: they change nothing of one."""
    of_both = {
        name for base in (StoreOptions, JsonOptions, ConsentOptions) for name in fields_of(base)
    } | {"clean"}
    return [
        argument.flags[0] if argument.flags else f"--{name.replace('_', '-')}"
        for name, argument in fields_of(Options).items()
        if name not in of_both and getattr(options, name) != argument.default
    ]


def _plan(options: Options, source: str, run_name: str) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415
    from audiostore.cli.store import opened  # noqa: PLC0415

    mapping = None if options.map is None else _checked_map(options, options.map)
    if mapping is not None and mapping.errors:
        say("error", f"{options.map} has {counted(mapping.errors, 'error')}: nothing was planned")
        return BAD_INPUT
    refusals = _Refusals(options)
    try:
        with (
            CountProgress(what="objects") as progress,
            opened(options, progress.waiting) as manager,
        ):
            adoption = fleet.plan_adoption(
                manager,
                source,
                run=run_name,
                layout=options.layout,
                covers=options.cover,
                mapping=mapping,
                keep_metadata=options.keep_meta,
                storage_class=None if options.storage_class == "keep" else options.storage_class,
                kms_key=options.kms_key,
                chunk_items=options.chunk,
                dry_run=options.dry_run,
                prices=options.prices,
                on_refused=refusals.add,
                on_progress=progress,
            )
    finally:  # they are why there may be nothing to adopt
        refusals.print()
    _print(options, adoption)
    return 0


def _checked_map(options: Options, path: str) -> Manifest:
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore import check_manifest  # noqa: PLC0415
    from audiostore.cli.report import print_problem  # noqa: PLC0415

    def report(problem: ManifestProblem) -> None:
        print_problem(path, problem)

    return check_manifest(
        Path(path),
        report,
        columns=options.column_names(),
        ignored_columns=options.ignore_column,
        fix_extension=True,  # names may have none
        looks_at_files=False,
    )


class _Refusals:
    """Objects that are not adopted: a line of JSON each, or some of each reason."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._some: dict[str, list[Refusal]] = {}
        self._counts: dict[str, int] = {}

    def add(self, refusal: Refusal) -> None:
        if self._options.json:
            fields = {"name": refusal.name, "reason": refusal.reason}
            print_json({"refused": True, **fields, "message": refusal.message})
            return
        self._counts[refusal.reason] = self._counts.get(refusal.reason, 0) + 1
        some = self._some.setdefault(refusal.reason, [])
        if len(some) < _SHOWN:
            some.append(refusal)

    def print(self) -> None:
        """Print the count of each reason, and some objects."""
        for reason, count in sorted(self._counts.items(), key=lambda item: -item[1]):
            print(f"{reason}  {counted(count, 'object')} left out:")
            for refusal in self._some[reason]:
                print(f"  {escape(refusal.name)}  {escape(refusal.message)}")
            if more := count - len(self._some[reason]):
                print(f"  … and {more:,} more (--json prints all)")


def _print(options: Options, adoption: Adoption) -> None:
    cost = adoption.cost
    if options.json:
        print_json(
            {
                "run": adoption.run,
                "assets": adoption.assets,
                "covers": adoption.covers,
                "size_bytes": adoption.size_bytes,
                "refused": adoption.refused,
                "kept": adoption.kept,
                "cost": None if cost is None else cost.to_dict(),
                "created": adoption.created,
            }
        )
        return
    print(
        f"{adoption.run}  {counted(adoption.assets, 'asset')}, {adoption.covers:,} with a cover, "
        f"{human_size(adoption.size_bytes)}"
    )
    if not (adoption.created or options.dry_run):
        say("note", f"{adoption.run} was planned before, with the same objects: nothing is new")
        return
    if cost is not None:
        for line in _cost_lines(cost):
            print(line)
    if adoption.kept:
        say(
            "note",
            f"{counted(adoption.kept, 'object')} under a hold or a retention period: they can be "
            "adopted, but not be deleted for now",
        )
    if options.dry_run:
        say("dry run", "nothing was written")
    else:
        say("note", f"{hints.command('fleet', 'work', adoption.run)} adopts them")


def _cost_lines(cost: AdoptCost) -> list[str]:
    def money(amount: float) -> str:
        return f"{amount:,.2f} {escape(cost.currency)}"

    return [
        f"cost  {money(cost.total)}, if the old objects are deleted in the end:",
        f"      {money(cost.operations)} for operations ({cost.class_a:,} of class A, at least "
        f"{cost.class_b:,} of class B)",
        f"      {money(cost.retrieval)} for copying out of colder storage classes",
        f"      {money(cost.early_deletion)} for deleting them now, before their minimum time",
        f"      {money(cost.soft_deleted)} for what their bucket keeps of them after that",
        f"      and {money(cost.storage_a_month)} a month for the assets: on top of the old "
        "objects, until these are deleted",
        f"      (by {escape(cost.source)} of {cost.read_on.isoformat()}; without network between "
        "locations)",
    ]


def _clean(options: Options, name: str) -> int:
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.consent import has_consent  # noqa: PLC0415
    from audiostore.cli.store import opened  # noqa: PLC0415

    counts: dict[str, int] = {}
    size_bytes = 0
    with opened(options) as manager:
        found = fleet.status(manager, name)
        if not found.is_done:
            say(
                "note",
                f"{name} is not done ({found.chunks_done:,} of {counted(found.chunks, 'chunk')}): "
                f"what is not adopted stays; {hints.command('fleet', 'work', name)} adopts it",
            )
        question = (
            f"Delete the old objects of {counted(found.stored, 'asset')}, each after comparing it "
            "with its asset?"
        )
        if not options.dry_run and not has_consent(options, question):
            return 1
        for outcome in fleet.clean_adopted(manager, name, dry_run=options.dry_run):
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
            size_bytes += outcome.size_bytes if outcome.status == "deleted" else 0
            if options.json:
                is_planned = options.dry_run and outcome.status == "deleted"
                status = "would be deleted" if is_planned else outcome.status
                print_json({"uri": outcome.uri, "status": status, "reason": outcome.reason or None})
            elif outcome.status in ("held", "differs"):
                print(f"{outcome.status}  {escape(outcome.uri)}  {escape(outcome.reason)}")
    deleted = counts.pop("deleted", 0)
    word = "would be deleted" if options.dry_run else "deleted"
    left = "".join(f", {count:,} {status}" for status, count in counts.items())
    say("done", f"{counted(deleted, 'object')} ({human_size(size_bytes)}) {word}{left}")
    if "needed" in counts and not options.json:
        say("note", "--json says what needs each")
    return PARTLY_FAILED if counts.keys() & {"held", "differs"} else 0
