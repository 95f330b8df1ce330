"""What was measured, and what is demanded of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Protocol

from benchmarks.contest.inputs import Tree
from benchmarks.contest.measuring import Run

if TYPE_CHECKING:
    from benchmarks.contest.workload import Workload


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

    @property
    def requests(self) -> int:
        """Median."""
        return int(median(run.requests for run in self.good))


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of a workload."""

    workload: "Workload"
    tree: Tree
    rows: tuple[Row, ...]

    def best(self, family: str) -> Row | None:
        """Return the fastest mode of a family; None if no run of it succeeded."""
        rows = [row for row in self.rows if row.family == family and row.good]
        return min(rows, key=lambda row: row.wall_s, default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target, and what was measured."""

    work: str
    target: str
    measured: str
    is_met: bool
    reason: str = ""
    """Why it is missed, where it is."""


class Target(Protocol):
    """What is demanded of a workload's rows."""

    def compare(self, result: Result, by_key: Mapping[str, Result]) -> Comparison | None:
        """Compare; None if what it takes was not measured.

        Args:
            result: of the workload.
            by_key: the results of all workloads.
        """
        ...
