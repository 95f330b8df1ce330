"""A fleet run on one machine: what the plan, the marks and the results cost, and what Dask adds."""

from benchmarks.contest import lineup
from benchmarks.contest.targets import Within
from benchmarks.contest.workload import Workload, exits_with_0
from benchmarks.workloads.files import Files

_MOST = 1.15


def workloads(files: Files) -> list[Workload]:
    """Return a workload with as many clips as make the start of a cluster small."""
    inputs = files.grown[1]
    return [
        Workload(
            "fleet",
            f"{inputs.title}, as a fleet run",
            inputs,
            lineup.peers_of_a_fleet(),
            [Within(_MOST, lineup.LISTED), Within(_MOST, lineup.OURS, own=lineup.ON_DASK)],
            outcome=exits_with_0,  # a run has objects of its own
            is_read_back=True,
            counts_bytes=False,
        )
    ]
