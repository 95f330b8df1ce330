"""Verify that a bucket does what audiostore relies on, and print a table.

It writes objects under a prefix of its own, runs audiostore's operations on them, and deletes them.
It reads the bucket's settings but changes none. The table names neither the bucket nor the account,
so you can paste it into an issue.
"""

from __future__ import annotations

import sys
from contextlib import closing

from audiostore.cli.consent import has_consent, will_ask
from audiostore.cli.declare import BillingOptions, ConsentOptions, JsonOptions, argument
from audiostore.cli.failures import sentence
from audiostore.cli.output import colored, escape, human_size, print_json, say, write_unguarded

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator

    from audiostore.errors import CredentialsError
    from audiostore.stores import StoreSettings
    from audiostore.verify import Row, Verification, VerifyCost

GROUP = "look after a store"
EXAMPLE = """\
audiostore verify-bucket gs://my-bucket --dry-run
audiostore verify-bucket gs://my-bucket/scratch"""
_DAY_S = 24 * 3600


class Options(BillingOptions, JsonOptions, ConsentOptions):
    """Options of `verify-bucket`."""

    url: str = argument("URL", "the bucket, or a prefix in it: gs://my-bucket/scratch")


def run(options: Options) -> int:
    """Run the checks, after asking; 1 if one of them has failed."""
    from audiostore.errors import CredentialsError  # noqa: PLC0415  (not for --help)
    from audiostore.verify import Verification  # noqa: PLC0415

    try:
        verification = Verification(options.url, project=options.billing_project)
    except CredentialsError as error:
        if not options.dry_run:
            raise
        return _plan_unread(options, error)
    with closing(verification):
        cost, settings = verification.cost, verification.facts.settings
        plan = list(_plan(verification.url, cost, settings))
        if options.dry_run:
            _print_plan(options, cost, plan)
            return 0
        if not will_ask(options):
            for line in plan:
                say("note", line)
        elif not has_consent(options, "\n".join([*plan, "Verify the bucket?"])):
            return 1
        return _verify(options, verification)


def _verify(options: Options, verification: Verification) -> int:
    from audiostore.cli.progress.display import Display  # noqa: PLC0415  (not for --help)

    table, display = _Table(options), Display()
    table.head(verification)
    try:
        for row in verification.rows(
            on_check=lambda check: display.draw(f"trying {check.name}: {check.promise}")
        ):
            table.add(row)
    finally:
        display.draw("deleting what was written")
        cleaned = verification.clean()
        table.add(cleaned)
        display.clear()
        if cleaned.outcome == "failed":
            say("warning", f"something was left below {verification.url}: delete it yourself")
    table.sums()
    return 1 if table.counts["failed"] else 0


def _plan_unread(options: Options, error: CredentialsError) -> int:
    """Print what would be done to a bucket whose settings cannot be read."""
    from audiostore.config import parse_bucket  # noqa: PLC0415  (not for --help)
    from audiostore.stores import StoreFacts  # noqa: PLC0415
    from audiostore.verify import CHECKS, cost_of  # noqa: PLC0415

    cost = cost_of(CHECKS, StoreFacts(keeps_deleted=False, location=None))
    url = f"a new prefix in {parse_bucket(options.url).url}"
    unread = "the cost is that of a multi-region, as the bucket's settings were not read"
    _print_plan(options, cost, [*_plan(url, cost, None), f"{unread}: {sentence(error)}"])
    return 0


def _plan(url: str, cost: VerifyCost, settings: StoreSettings | None) -> Iterator[str]:
    yield (
        f"everything is written below {url}, {human_size(cost.sent_bytes)} at most, "
        "and deleted afterwards; settings are only read"
    )
    yield (
        f"it costs at most {cost.amount * 100:.2f} cents ({escape(cost.currency)}): "
        f"{cost.class_a} operations of class A, {cost.class_b} of class B, and storage, by "
        f"{escape(cost.source)} of {cost.read_on.isoformat()}, without network and taxes"
    )
    if settings is not None and settings.soft_delete_s:
        yield f"the bucket keeps deleted objects for {settings.soft_delete_s / _DAY_S:g} days"


def _print_plan(options: Options, cost: VerifyCost, plan: list[str]) -> None:
    from audiostore.verify import CHECKS  # noqa: PLC0415  (not for --help)

    if options.json:
        for check in CHECKS:
            print_json({"would": "check", "check": check.name, "promise": check.promise})
        print_json({"cost": cost})
        return
    width = max(len(check.name) for check in CHECKS)
    for check in CHECKS:
        print(f"would check  {check.name:<{width}}  {check.promise}")
    for line in plan:
        say("dry run", line)


class _Table:
    """The rows, as they come."""

    def __init__(self, options: Options) -> None:
        self._json = options.json
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def head(self, verification: Verification) -> None:
        """Print what was verified with what."""
        facts = {"versions": _versions(), "bucket": _bucket(verification)}
        if self._json:
            print_json(facts)
            return
        for name, values in facts.items():
            print(f"{name:<10}{', '.join(f'{key} {value}' for key, value in values.items())}")
        print(flush=True)

    def add(self, row: Row) -> None:
        """Print a row."""
        self.counts[row.outcome] += 1
        if self._json:
            print_json(row)
            return
        mark = colored(row.outcome, sys.stdout)
        padding = " " * (10 - len(row.outcome))
        line = escape(f"{row.check:<21} {row.detail}")
        write_unguarded(sys.stdout, f"{mark}{padding}{line}\n")

    def sums(self) -> None:
        """Print how many rows there are of each outcome."""
        if self._json:
            print_json(self.counts)
        else:
            print(f"\n{', '.join(f'{count} {name}' for name, count in self.counts.items())}")


def _versions() -> dict[str, str]:
    import platform  # noqa: PLC0415  (not for --help)
    from importlib.metadata import version  # noqa: PLC0415

    import audiostore  # noqa: PLC0415

    return {
        "audiostore": audiostore.__version__,
        "Python": platform.python_version(),
        "pycurl": version("pycurl"),
        "google-auth": version("google-auth"),
        "on": platform.system(),
    }


def _bucket(verification: Verification) -> dict[str, str]:
    facts = verification.facts
    known = {
        "at": "an emulator" if verification.is_emulated else "storage.googleapis.com",
        "in": facts.location or "an unknown place",
    }
    settings = facts.settings
    if settings is None:
        known["settings"] = "cannot be read"
        return known
    switches = {
        "versioning": settings.versioning,
        "uniform access": settings.uniform_access,
        "Autoclass": settings.autoclass,
    }
    return {
        **known,
        "class": settings.storage_class,
        "soft delete": f"{settings.soft_delete_s / _DAY_S:g} days",
        **{name: "on" if is_on else "off" for name, is_on in switches.items()},
    }
