"""Compare audiostore with other tools: python -m benchmarks (`make bench`).

Prints the tables, and writes performance.md, the plots and the single runs into --output.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import summary
from benchmarks.contest import baseline
from benchmarks.contest.inputs import Inputs, Tree
from benchmarks.contest.lineup import OURS, versions
from benchmarks.contest.machine import facts, server_limits
from benchmarks.contest.measuring import Run
from benchmarks.contest.plots import plot
from benchmarks.contest.report import report, result_table, startup_targets, target_table
from benchmarks.contest.results import Result
from benchmarks.contest.rounds import contest
from benchmarks.contest.targets import compare_all
from benchmarks.contest.workload import Workload
from benchmarks.startup import medians_ms
from benchmarks.workloads import workloads

_CORES = 2
_STARTUP = "startup"
_DOCS = Path(__file__).parent.parent / "docs"


def main() -> int:
    """Run the benchmarks; return 1 if audiostore failed in a run."""
    options = _parser().parse_args()
    start, load = time.monotonic(), os.getloadavg()[1]
    # The server and all tools share these.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    chosen = [
        _with_peers(work, options.peers)
        for work in workloads(quick=options.quick)
        if work.key in (options.only or [work.key])
    ]
    rounds = options.rounds or (1 if options.quick else 3)
    with tempfile.TemporaryDirectory(prefix="audiostore-bench-", dir=options.work) as directory:
        limits = server_limits(seconds=0.5 if options.quick else 3.0)
        results = []
        trees: dict[Inputs, Tree] = {}
        for number, workload in enumerate(chosen):
            tree = trees.get(workload.inputs) or _made(workload, Path(directory))
            trees[workload.inputs] = tree
            results.append(contest(workload, tree, Path(directory), rounds=rounds))
            print(f"\n{workload.title}\n\n{result_table(results[-1])}", flush=True)
            if all(later.inputs != workload.inputs for later in chosen[number + 1 :]):
                shutil.rmtree(tree.root, ignore_errors=True)
    startup_ms = medians_ms() if _STARTUP in (options.only or [_STARTUP]) else {}
    print("\n" + target_table([*compare_all(results), *startup_targets(startup_ms)]))
    output = options.output or (None if options.quick or options.only or options.peers else _DOCS)
    if output is not None:
        page = report(
            results,
            startup_ms,
            machine=facts() | {"load when it began": f"{load:.1f}"},
            versions=versions(),
            limits=limits,
            rounds=rounds,
            minutes=(time.monotonic() - start) / 60,
        )
        _write(output, page, results)
        if output == _DOCS:
            summary.update()
    failed = [run for r in results for row in r.rows if row.family == OURS for run in row.runs]
    return 1 if any(run.failure for run in failed) else 0


def _made(workload: Workload, directory: Path) -> Tree:
    print(f"{workload.key}: creating the files", file=sys.stderr, flush=True)
    return workload.inputs.make(directory / workload.key)


def _with_peers(workload: Workload, wanted: list[str] | None) -> Workload:
    peers = [
        peer
        for peer in workload.peers
        if any(word in peer.name for word in [OURS, *(wanted or [""])])
        and not (peer.is_before and baseline.source() is None)
    ]
    return replace(workload, peers=peers)


def _write(output: Path, page: str, results: list[Result]) -> None:
    plots = output / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for result in results:
        (plots / f"{result.workload.key}.svg").write_text(plot(result))
    runs = {
        r.workload.key: {row.name: list(map(_kept, row.runs)) for row in r.rows} for r in results
    }
    (plots / "runs.json").write_text(json.dumps(runs, indent=1) + "\n")
    (output / "performance.md").write_text(page)
    print(f"written: {output / 'performance.md'}", file=sys.stderr)


def _kept(run: Run) -> dict[str, Any]:
    """Return what is kept of a run: of a failure, the last line, which has no paths."""
    return {**asdict(run), "failure": run.failure.strip().rpartition("\n")[2]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys = [*(work.key for work in workloads(quick=True)), _STARTUP]
    parser.add_argument(
        "--quick", action="store_true", help="small workloads, one round: a trial run"
    )
    parser.add_argument("--rounds", type=int, help="runs of each tool (default: 3)")
    parser.add_argument("--only", nargs="+", choices=keys, help="run only these workloads")
    parser.add_argument(
        "--peers",
        nargs="+",
        help="besides audiostore, run only tools whose name contains one of these words",
    )
    parser.add_argument(
        "--output", type=Path, help="directory for the report (default: docs, for a full run)"
    )
    parser.add_argument(
        "--work", type=Path, help="directory for temporary files (default: the system's)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
