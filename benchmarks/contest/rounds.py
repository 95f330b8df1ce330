"""The contest: in each round every peer does the work once, on the same server."""

import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.contest.inputs import Tree, write_manifest
from benchmarks.contest.lineup import Peer, environment, ours
from benchmarks.contest.measuring import Run, measure
from benchmarks.contest.results import Result, Row
from benchmarks.contest.workload import Workload, is_in_bucket
from benchmarks.peers.job import Job
from benchmarks.server import Server, running

_LIMIT_S = 600.0


def contest(workload: Workload, tree: Tree, work: Path, *, rounds: int) -> Result:
    """Run all peers in turns; progress goes to stderr."""
    scratch = work / "scratch"
    table, manifest = work / "md5-table", work / "manifest.csv"
    table.write_text(tree.md5_table)
    write_manifest(tree, manifest)
    runs: dict[str, list[Run]] = {peer.name: [] for peer in workload.peers}
    with ExitStack() as stack:
        server = stack.enter_context(
            running(
                preload=workload.preloaded,
                delay_ms=workload.delay_ms,
                keep=workload.is_filled or workload.is_read_back,
                md5_table=table,
                limit_s=4 * 3600,
            )
        )
        if workload.is_filled:
            run = _measured(ours("upload-as-named"), server, tree, scratch)
            if run.failure or not is_in_bucket(server, tree, scratch):
                raise RuntimeError(f"the inputs could not be stored: {run.failure}")
        for turn in range(rounds * workload.repeats):
            for peer in workload.peers:
                if turn >= peer.most_rounds:
                    continue
                run = _run(peer, workload, server, tree, scratch)
                runs[peer.name].append(run)
                _report(workload.key, turn, peer.name, run)
    rows = (Row(peer.family, peer.name, tuple(runs[peer.name])) for peer in workload.peers)
    return Result(workload, tree, tuple(rows))


def _run(peer: Peer, workload: Workload, server: Server, tree: Tree, scratch: Path) -> Run:
    if not (workload.is_filled or workload.preloaded or peer.continues):
        server.reset()
    run = _measured(peer, server, tree, scratch)
    if run.failure or not peer.stores or workload.outcome(server, tree, scratch):
        return run
    return replace(run, failure="did not complete the work")


def _measured(peer: Peer, server: Server, tree: Tree, scratch: Path) -> Run:
    if not peer.continues:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
    os.sync()  # so that nothing is written back for others during the run
    job = Job(
        str(tree.root),
        tree.assets,
        str(scratch.parent / "manifest.csv"),
        server.tls_url,
        str(server.certificates.bundle),
        str(scratch),
        concurrency=peer.concurrency,
    )
    file = scratch / "job.json"
    job.write(file)
    requests = server.state().requests + 1  # with this one
    command, environ = peer.command(job, file), environment(job, is_before=peer.is_before)
    run = measure(command, environ, scratch, limit_s=_LIMIT_S)
    return replace(run, requests=server.state().requests - requests)


def _report(key: str, turn: int, name: str, run: Run) -> None:
    outcome = run.failure.splitlines()[-1] if run.failure else f"{run.wall_s:7.2f} s"
    print(f"{key:<14} round {turn + 1}  {name:<38} {outcome}", file=sys.stderr, flush=True)
