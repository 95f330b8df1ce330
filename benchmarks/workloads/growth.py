"""Ten and a hundred times as many assets: the rate must hold, and memory must stay flat."""

from dataclasses import replace
from itertools import pairwise

from benchmarks.contest import lineup
from benchmarks.contest.targets import MEMORY, WALL_PER_ASSET, Within
from benchmarks.contest.workload import Workload
from benchmarks.workloads.files import Files

_FLAT = 1.1
_FEW = "1,000 assets do not fill what is bounded: the pages of a listing, and SQLite's caches"
_APART = (
    "the sizes run minutes apart: within 100,000, each tenth takes the same processor time an asset"
)


def workloads(files: Files) -> list[Workload]:
    """Return a workload for each size: `audiostore put` of a directory, and the same again."""
    peers = [lineup.audiostore_put(), lineup.audiostore_put(lineup.AGAIN, continues=True)]
    once = [replace(peer, most_rounds=1) for peer in peers]
    keys = [f"growth-{10**power}" for power in range(3, 3 + len(files.grown))]
    smaller = dict(pairwise(reversed(keys)))
    reasons = {(MEMORY, keys[1]): _FEW, (WALL_PER_ASSET, keys[-1]): _APART}
    return [
        Workload(
            key,
            inputs.title,
            inputs,
            once if key == keys[-1] else peers,
            [
                Within(
                    _FLAT,
                    family,
                    figure,
                    reason=reasons.get((figure, key), ""),
                    work=smaller[key],
                    work_name="with a tenth of them",
                    own=family,
                )
                for figure in (WALL_PER_ASSET, MEMORY)
                for family in (lineup.OURS, lineup.AGAIN)
                if key in smaller
            ],
            counts_bytes=False,
        )
        for key, inputs in zip(keys, files.grown, strict=True)
    ]
