"""The kinds of targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contest.lineup import OURS
from benchmarks.contest.results import Comparison, Result, Row


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a row."""

    name: str
    of: Callable[[Result, Row], float]
    form: str

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return self.form.format(value)


WALL = Figure("", lambda result, row: row.wall_s, "{:.2f} s")
CPU = Figure("the CPU of ", lambda result, row: row.cpu_s, "{:.2f} s of CPU")
CPU_PER_GB = Figure(
    "the CPU of ", lambda result, row: row.cpu_s / result.tree.size_bytes * 1e9, "{:.2f} s CPU/GB"
)
WALL_PER_ASSET = Figure(
    "the time per asset of ",
    lambda result, row: row.wall_s / result.tree.assets * 1e3,
    "{:.2f} ms per asset",
)
MEMORY = Figure("the memory of ", lambda result, row: row.peak_bytes / 1e6, "{:.0f} MB of memory")
REQUESTS = Figure(
    "the requests of ",
    lambda result, row: row.requests / result.tree.assets,
    "{:.2f} requests per asset",
)


@dataclass(frozen=True, slots=True)
class Faster:
    """So many times as fast as the best mode of another family."""

    factor: float
    family: str
    reason: str = ""

    def compare(self, result: Result, by_key: Mapping[str, Result]) -> Comparison | None:
        """Compare the times."""
        del by_key
        own, peer = result.best(OURS), result.best(self.family)
        if own is None or peer is None:
            return None
        ratio = peer.wall_s / own.wall_s
        return Comparison(
            result.workload.title,
            f"{_times(self.factor)}as fast as {self.family}",
            f"{ratio:.2f} times as fast as {peer.name}",
            ratio >= self.factor,
            self.reason,
        )


@dataclass(frozen=True, slots=True)
class Within:
    """At most so many times what another row takes, here or in another workload."""

    factor: float
    family: str
    figure: Figure = WALL
    reason: str = ""
    work: str = ""
    """The key of the other workload."""
    work_name: str = ""
    """How it differs, such as "without delay"."""
    own: str = OURS

    def compare(self, result: Result, by_key: Mapping[str, Result]) -> Comparison | None:
        """Compare one figure."""
        there = by_key.get(self.work) if self.work else result
        if there is None:
            return None
        own, peer = result.best(self.own), there.best(self.family)
        if own is None or peer is None:
            return None
        ratio = self.figure.of(result, own) / self.figure.of(there, peer)
        where = f" {self.work_name}" if self.work else ""
        return Comparison(
            result.workload.title + ("" if self.own == OURS else f": {self.own}"),
            f"at most {self.factor:g} times {self.figure.name}{self.family}{where}",
            f"{ratio:.2f} times {self.figure.name}{peer.name}{where}",
            ratio <= self.factor,
            self.reason,
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """At most this, on any machine."""

    most: float
    figure: Figure
    reason: str = ""

    def compare(self, result: Result, by_key: Mapping[str, Result]) -> Comparison | None:
        """Compare one figure."""
        del by_key
        own = result.best(OURS)
        if own is None:
            return None
        value = self.figure.of(result, own)
        return Comparison(
            result.workload.title,
            f"at most {self.figure.shown(self.most)}",
            self.figure.shown(value),
            value <= self.most,
            self.reason,
        )


@dataclass(frozen=True, slots=True)
class OnTop:
    """At most so many milliseconds per asset on top of what other rows take together."""

    most_ms: float
    families: Sequence[str]
    reason: str = ""

    def compare(self, result: Result, by_key: Mapping[str, Result]) -> Comparison | None:
        """Compare the difference."""
        del by_key
        own = result.best(OURS)
        others = [row for row in map(result.best, self.families) if row is not None]
        if own is None or len(others) < len(self.families):
            return None
        others_s = sum(row.wall_s for row in others)
        added_ms = (own.wall_s - others_s) / result.tree.assets * 1e3
        return Comparison(
            result.workload.title,
            f"at most {self.most_ms:g} ms per asset on top of {' and '.join(self.families)}",
            f"{added_ms:.2f} ms",
            added_ms <= self.most_ms,
            self.reason,
        )


def compare_all(results: Sequence[Result]) -> list[Comparison]:
    """Return the comparisons of all workloads."""
    by_key = {result.workload.key: result for result in results}
    lines = []
    for result in results:
        if result.best(OURS) is None:
            lines.append(Comparison(result.workload.title, "completes", "failed", is_met=False))
        compared = (target.compare(result, by_key) for target in result.workload.targets)
        lines += [line for line in compared if line is not None]
    return lines


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{factor:g} times "
