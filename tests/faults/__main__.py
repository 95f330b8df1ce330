"""`python -m tests.faults`: run the suite, print its table, write docs/reliability.md."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from tests.faults.table import ROWS, Result, document, printed

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Collector:
    """Gathers the outcomes of all cases, from all workers."""

    def __init__(self) -> None:
        self.results = {row.label: Result(row) for row in ROWS}
        self.broken: list[str] = []
        self._seen: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the outcome of one phase of one test."""
        if report.when != "call" and not report.failed and not report.skipped:
            return
        if report.nodeid in self._seen:
            return
        self._seen.add(report.nodeid)
        properties = dict(report.user_properties)
        case = re.sub(r"^.*tests/faults/|^faults/", "", report.nodeid)
        labels = [label for label in str(properties.get("rows", "")).split(",") if label]
        if not labels and report.failed:
            self.broken.append(case)
        for label in labels:
            result = self.results[label]
            reason = getattr(report, "wasxfail", None)
            if report.failed:
                result.failed.append(case)
            elif reason is not None:
                result.known_bugs.append((case, str(reason).removeprefix("reason: ")))
            elif report.skipped:
                result.skipped.append(case)
            else:
                result.passed.append(case)
                result.points += int(str(properties.get("points", 0)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice what could not be collected."""
        if report.failed:
            self.broken.append(report.nodeid)


def main(arguments: list[str]) -> int:
    """Run the suite; 0 if every row holds."""
    os.chdir(ROOT)
    os.environ.setdefault("NO_GCE_CHECK", "true")
    os.environ["CI"] = "true"  # the randomized run repeats itself
    collector = Collector()
    started = time.monotonic()
    options = ["-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", str(HERE)]
    code = pytest.main([*options, *arguments], plugins=[collector])
    results = list(collector.results.values())
    print()
    print(printed(results))
    for result in results:
        for case, reason in result.known_bugs:
            print(f"known bug in row {result.row.label}: {case}: {reason}")
    print(f"{sum(r.cases for r in results)} cases in {time.monotonic() - started:.0f} s")
    if arguments:
        print("docs/reliability.md was not written: not all cases were run")
    else:
        path = ROOT / "docs" / "reliability.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(document(results), encoding="utf-8")
    holds = all(result.verdict == "pass" for result in results)
    return 0 if code == 0 and holds and not collector.broken else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
