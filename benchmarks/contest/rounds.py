"""The contest: in each round every peer does the work once, on the same server."""

import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.contest.inputs import Tree, same_files
from benchmarks.contest.lineup import Peer, environment, ours
from benchmarks.contest.measuring import Run, measure
from benchmarks.contest.workloads import Workload
from benchmarks.peers.job import Job
from benchmarks.server import Server, running

_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one peer, and their medians."""

    family: str
    name: str
    runs: tuple[Run, ...]

    @property
    def good(self) -> list[Run]:
        """The runs that completed the work."""
        return [run for run in self.runs if not run.failure]

    @property
    def wall_s(self) -> float:
        """Median."""
        return median(run.wall_s for run in self.good)

    @property
    def cpu_s(self) -> float:
        """Median."""
        return median(run.cpu_s for run in self.good)

    @property
    def peak_bytes(self) -> int:
        """Median."""
        return int(median(run.peak_bytes for run in self.good))


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of a workload."""

    workload: Workload
    tree: Tree
    rows: tuple[Row, ...]

    def best(self, family: str) -> Row | None:
        """Return the fastest mode of a family; None if no run of it succeeded."""
        rows = [row for row in self.rows if row.family == family and row.good]
        return min(rows, key=lambda row: row.wall_s, default=None)


def contest(workload: Workload, tree: Tree, work: Path, *, rounds: int) -> Result:
    """Run all peers in turns; progress goes to stderr."""
    scratch = work / "scratch"
    table = work / "md5-table"
    table.write_text(tree.md5_table)
    runs: dict[str, list[Run]] = {peer.name: [] for peer in workload.peers}
    with ExitStack() as stack:
        server = stack.enter_context(
            running(
                delay_ms=workload.delay_ms,
                keep=workload.fetches,
                md5_table=table,
                limit_s=4 * 3600,
            )
        )
        if workload.fetches:
            _fill(server, tree, scratch)
        for turn in range(rounds):
            for peer in workload.peers:
                if turn >= peer.most_rounds:
                    continue
                run = _run(peer, workload, server, tree, scratch)
                runs[peer.name].append(run)
                _report(workload.key, turn, peer.name, run)
    rows = (Row(peer.family, peer.name, tuple(runs[peer.name])) for peer in workload.peers)
    return Result(workload, tree, tuple(rows))


def _fill(server: Server, tree: Tree, scratch: Path) -> None:
    run = _measured(ours("upload-as-named"), server, tree, scratch)
    if run.failure or not _is_stored(server, tree):
        raise RuntimeError(f"the objects to fetch could not be stored: {run.failure}")


def _run(peer: Peer, workload: Workload, server: Server, tree: Tree, scratch: Path) -> Run:
    if not workload.fetches:
        server.reset()
    run = _measured(peer, server, tree, scratch)
    if run.failure:
        return run
    if workload.fetches:
        is_done = same_files(scratch / "fetched", tree)
    else:
        is_done = _is_stored(server, tree)
    return run if is_done else replace(run, failure="did not complete the work")


def _measured(peer: Peer, server: Server, tree: Tree, scratch: Path) -> Run:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    job = Job(
        str(tree.root),
        server.tls_url,
        str(server.certificates.bundle),
        str(scratch),
        concurrency=peer.concurrency,
    )
    file = scratch / "job.json"
    job.write(file)
    return measure(peer.command(job, file), environment(job), scratch, limit_s=_LIMIT_S)


def _is_stored(server: Server, tree: Tree) -> bool:
    state = server.state()
    stored = (state.objects, state.bytes, state.crc32c_xor)
    return stored == (tree.objects, tree.size_bytes, tree.crc32c_xor)


def _report(key: str, turn: int, name: str, run: Run) -> None:
    outcome = run.failure.splitlines()[-1] if run.failure else f"{run.wall_s:7.2f} s"
    print(f"{key:<11} round {turn + 1}  {name:<38} {outcome}", file=sys.stderr, flush=True)
