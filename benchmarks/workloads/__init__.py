"""All workloads, one module a family."""

from benchmarks.contest.workload import Workload
from benchmarks.workloads import checks, directory, fleet, growth, mission, others
from benchmarks.workloads.files import Files


def workloads(*, quick: bool) -> list[Workload]:
    """Return all workloads; `quick`: so small that they only show that everything runs."""
    files = Files.sized(quick=quick)
    families = (others, mission, directory, fleet, checks, growth)
    return [workload for family in families for workload in family.workloads(files)]
