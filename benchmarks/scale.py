"""Walk a store of a million assets: in one process, and in parts by two workers of a fleet run.

    python -m benchmarks.scale [--assets 1000000] [--chunks 32] [--only check]

Whole processes, measured from start to exit, against the benchmark server; their output is
discarded. The last row of each command is what puts the parts together.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.contest.measuring import measure
from benchmarks.listing import LIMIT_S, environment
from benchmarks.server import Server, running

COMMANDS = {
    "list": ["list", "--json"],
    "stats": ["stats", "--json"],
    "export": ["export"],
    "check": ["check"],
}
WORKERS = 2


def show(what: str, server: Server, scratch: Path, assets: int, command: list[str]) -> None:
    """Measure a command, and print its row."""
    found = measure(command, environment(server), scratch, limit_s=LIMIT_S)
    if found.failure:
        raise RuntimeError(f"{what}: {found.failure}")
    print(
        f"| {what} | {found.wall_s:.1f} s | {found.cpu_s:.1f} s "
        f"| {found.cpu_s / assets * 1e6:.0f} µs | {found.peak_bytes / 1e6:.0f} MB |",
        flush=True,
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(COMMANDS), help="a command")
    parser.add_argument("--assets", type=int, default=1_000_000)
    parser.add_argument("--chunks", type=int, default=32)
    options = parser.parse_args()
    audiostore = [sys.executable, "-m", "audiostore"]
    print(f"{options.assets:,} assets with artwork")
    print("| | time | CPU | CPU an asset | peak memory |\n|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory(prefix="audiostore-bench-") as name,
        running(preload=options.assets, keep=True) as server,
    ):

        def measured(what: str, command: list[str]) -> None:
            show(what, server, Path(name), options.assets, command)

        for each in options.only or COMMANDS:
            whole = [*audiostore, *COMMANDS[each]]
            measured(f"`{each}`", whole)
            plan = [*audiostore, each, "--run", each, "--chunks", str(options.chunks)]
            measured(f"`{each}`: plan", plan)
            work = " ".join([*audiostore, "fleet", "work", each, "--count", str(WORKERS)])
            both = " & ".join(f"{work} --index {index}" for index in range(WORKERS))
            measured(f"`{each}`: {WORKERS} workers", ["sh", "-c", f"{both} & wait"])
            measured(f"`{each}`: results", [*audiostore, "fleet", "results", each])


if __name__ == "__main__":
    main()
