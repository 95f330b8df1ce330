"""What `audiostore serve` gives many clients at once, beside nginx with the same files.

    python -m benchmarks.serving [--quick] [--output docs/performance-serving.md]

A store in a directory; requests for lists, searches and ranges of audio, of one client in C; and
how soon the page is shown. nginx and Chromium are left out if they are not installed (on Debian:
apt-get install nginx-light chromium).
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.contest.machine import facts
from benchmarks.serving.load import Load, load
from benchmarks.serving.painting import BAR_MS, Painted, painted
from benchmarks.serving.servers import (
    BEHIND_A_PROXY,
    USER_HEADER,
    audiostore,
    nginx,
    nginx_path,
    nginx_version,
)
from benchmarks.serving.stored import Track, await_index, fill

_CORES = 2
_CONNECTIONS = 16
_USERS = 1000
"""Each may make 100 requests a second."""
_HEADS = 2000
_VISITS = 7
_RANGE_BYTES = 64 << 10
_LIST = "list.json"
OURS, THEIRS = "`audiostore serve`", "nginx"
LISTING, SEARCHING, RANGES = "the newest 50 assets", "a search", "64 KiB of audio"

Measured = dict[tuple[str, str], list[Load]]
"""The rounds of each kind of request and each server."""


def main() -> int:
    """Measure, and print the table."""
    options = _parser().parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    small, seconds, rounds = (200, 0.3, 1) if options.quick else (10_000, 3.0, 3)
    with tempfile.TemporaryDirectory(prefix="audiostore-bench-", dir=options.work) as name:
        found, shown = measured(Path(name), small=small, seconds=seconds, rounds=rounds)
    text = f"{table(found)}\n\n{sentence(shown)}"
    print(text)
    if nginx_path() is None:
        print("nginx was not found, so nothing is compared: apt-get install nginx-light")
    if options.output is not None:
        options.output.write_text(page(text, small, rounds))
    return 0


def measured(
    folder: Path, *, small: int, seconds: float, rounds: int
) -> tuple[Measured, Painted | None]:
    """Load each server with each kind of request, in turn, and open the page."""
    tracks = fill(folder / "store", folder / "inputs", small=small, large=20)
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "NO_GCE_CHECK": "true"}
    found: Measured = {}

    def take(what: str, who: str, port: int, pids: Sequence[int], heads: Sequence[str]) -> None:
        run = load(port, pids, heads, connections=_CONNECTIONS, seconds=seconds)
        found.setdefault((what, who), []).append(run)

    ours, theirs = requests_of(tracks, small)
    with audiostore(folder / "store", folder / "page.log", environ) as service:
        await_index(service, small + len(tracks))
        shown = painted(service, times=_VISITS)
    with audiostore(folder / "store", folder / "access.log", environ, BEHIND_A_PROXY) as service:
        page = await_index(service, small + len(tracks))
        # Where the store keeps nothing: its files are served as they are.
        (folder / "store" / _LIST).write_bytes(page)
        for _ in range(rounds):
            for what, heads in ours.items():
                take(what, OURS, service.port, service.pids, heads)
    program = nginx_path()
    if program is not None:
        with nginx(program, folder / "store", folder / "nginx", workers=_CORES) as server:
            for _ in range(rounds):
                for what, heads in theirs.items():
                    take(what, THEIRS, server.port, server.pids, heads)
    return found, shown


def requests_of(
    tracks: Sequence[Track], small: int
) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """Return the requests for the service, and those for nginx that give the same bytes."""
    rng = random.Random(3)
    chosen = [rng.choice(tracks) for _ in range(_HEADS)]
    starts = [rng.randrange(each.size_bytes - _RANGE_BYTES) for each in chosen]
    ranges = [f"Range: bytes={start}-{start + _RANGE_BYTES - 1}\r\n" for start in starts]
    words = [str(rng.randrange(small)) for _ in range(_HEADS)]
    ours = {
        LISTING: [_head("/v1/assets")] * _HEADS,
        SEARCHING: [_head(f"/v1/assets?text=track+{word}") for word in words],
        RANGES: [
            _head(f"/v1/assets/{each.audio_id}/audio", line)
            for each, line in zip(chosen, ranges, strict=True)
        ],
    }
    users = [f"{USER_HEADER}: {number % _USERS}\r\n" for number in range(_HEADS)]
    named = {
        what: [
            head.replace("\r\n\r\n", f"\r\n{user}\r\n")
            for head, user in zip(heads, users, strict=True)
        ]
        for what, heads in ours.items()
    }
    theirs = {
        LISTING: [_head(f"/{_LIST}")],
        RANGES: [_head(f"/{each.name}", line) for each, line in zip(chosen, ranges, strict=True)],
    }
    return named, theirs


def _head(path: str, lines: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n"


def table(found: Measured) -> str:
    """Return the medians as a table."""
    lines = [
        "| | server | requests/s | CPU a request | median | 99 % within | bodies |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for what in (LISTING, SEARCHING, RANGES):
        for who in (OURS, THEIRS):
            runs = found.get((what, who))
            if runs:
                lines.append(f"| {what} | {who} | {_cells(runs)} |")
    return "\n".join(lines)


def sentence(shown: Painted | None) -> str:
    """Return what to say of the page."""
    if shown is None:
        return "The page was not opened, for want of Chromium: apt-get install chromium."
    return (
        f"The page of the same store, in {shown.browser}, which had opened it before: first "
        f"contentful paint after {shown.paint_ms:.0f} ms (the bar: {BAR_MS} ms), the list has "
        f"arrived after {shown.list_ms:.0f} ms (medians of {_VISITS} visits)."
    )


def _cells(runs: Sequence[Load]) -> str:
    rate = median(run.requests_per_s for run in runs)
    cpu_ms = median(run.cpu_ms for run in runs)
    middle_ms, late_ms = (median(run.median_ms for run in runs), median(run.p99_ms for run in runs))
    speed = median(run.bytes_per_s for run in runs)
    return (
        f"{rate:,.0f} | {cpu_ms:.2f} ms | {middle_ms:.1f} ms | {late_ms:.1f} ms "
        f"| {speed / 1e6:,.0f} MB/s"
    )


def page(text: str, small: int, rounds: int) -> str:
    """Return the page for --output."""
    machine = ", ".join(f"{key} {value}" for key, value in facts().items())
    program = nginx_path()
    version = "" if program is None else f"; {nginx_version(program)}"
    return f"""\
# Serving

Generated by `python -m benchmarks.serving --output docs/performance-serving.md`: do not edit.

What `audiostore serve` answers {_CONNECTIONS} connections that ask without a pause, for a store
of {small:,} small tracks and 20 of 5 MB in a directory, and what nginx with {_CORES} workers does
with the same bytes: the list as a static file, the ranges from the same files. Both write an access
log, over plain HTTP. The client, in C, runs on the same {_CORES} cores. Medians of {rounds} rounds;
CPU is the server's own, for each request.

{text}

Ranges are at random offsets; searches are for "track" and a number, most of them for the first
time. The service asks who makes each request, counts it, looks the asset up in the store, and reads
through its checks; nginx does none of it.

Machine: {machine}{version}.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few assets, one round: a trial run")
    parser.add_argument("--output", type=Path, help="file for the report")
    parser.add_argument(
        "--work", type=Path, help="directory for temporary files (default: the system's)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
