"""Writes the comparison in the README from the latest runs: python -m benchmarks.summary.

The runs are docs/performance/runs.json (`make bench`) and docs/performance/survival.json
(`python -m benchmarks.survival`); both commands end with this one.
"""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contest.lineup import GCLOUD, GOOGLE, OURS, RCLONE
from benchmarks.survival.page import survivals

_ROOT = Path(__file__).parents[1]
README = _ROOT / "README.md"
_BLOCK = re.compile(r"(<!-- compared: .*? -->\n).*?(<!-- compared: end -->)", re.DOTALL)
_TOOLS = {
    OURS: "**audiostore**",
    GOOGLE: "a script on google-cloud-storage",
    RCLONE: "rclone",
    GCLOUD: "gcloud storage",
}
_MB = 1e6


def table() -> str:
    """Return the comparison as Markdown: for each tool that took part in all, its fastest mode."""
    found = _read("survival.json")
    runs = _read("runs.json")
    lines = [
        f"| | faults survived, of {len(found)} | 200 tracks | memory | 1,500 small tracks |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, shown in _TOOLS.items():
        tracks, small = _fastest(runs["tracks"], name), _fastest(runs["small"], name)
        if not (tracks and small and all(name in wrong for wrong in found.values())):
            continue
        lines.append(
            f"| {shown} | {survivals(found, name)} | {_seconds(tracks)} |"
            f" {median(run['peak_bytes'] for run in tracks) / _MB:.0f} MB | {_seconds(small)} |"
        )
    return "\n".join(lines) + "\n"


def update() -> None:
    """Put the table into the README."""
    text, count = _BLOCK.subn(lambda found: found[1] + table() + found[2], README.read_text())
    if count != 1:
        raise ValueError(f"{README.name} has {count} blocks for the comparison, not one")
    README.write_text(text)


def shown() -> str:
    """Return the table that the README has."""
    found = _BLOCK.search(README.read_text())
    if found is None:
        raise ValueError(f"{README.name} has no block for the comparison")
    return found[0].removeprefix(found[1]).removesuffix(found[2])


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((_ROOT / "docs" / "performance" / name).read_text())
    return read


def _fastest(rows: dict[str, list[dict[str, Any]]], family: str) -> list[dict[str, Any]]:
    """Return the good runs of the mode of a tool that has the shortest median, if any."""
    modes = [
        [run for run in runs if not run["failure"]]
        for name, runs in rows.items()
        if name.partition(",")[0] == family
    ]
    good = filter(None, modes)
    return min(good, key=lambda runs: median(run["wall_s"] for run in runs), default=[])


def _seconds(runs: list[dict[str, Any]]) -> str:
    return f"{median(run['wall_s'] for run in runs):.1f} s"


if __name__ == "__main__":
    update()
