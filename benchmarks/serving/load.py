"""Loads a server with requests, and measures what it answers and what that costs it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import compiled

_CLIENT = Path(__file__).with_name("client.c")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What a server answered, and the processor time that it took itself."""

    requests_per_s: float
    bytes_per_s: float
    cpu_ms: float
    """For each request."""
    median_ms: float
    p99_ms: float


def load(
    port: int, pids: Sequence[int], heads: Sequence[str], *, connections: int, seconds: float
) -> Load:
    """Send requests one after the other on so many connections, again and again.

    Args:
        port: of the server, on this machine.
        pids: its processes.
        heads: of the requests, each up to its empty line.
        connections: how many wait for an answer at any moment.
        seconds: for how long.
    """
    with tempfile.NamedTemporaryFile("w", newline="") as file:
        file.write("".join(heads))
        file.flush()
        before_s = _cpu_s(pids)
        done = subprocess.run(
            [
                str(compiled("bench-get", (_CLIENT,))),
                *(str(port), str(connections), str(seconds), file.name),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        cpu_s = _cpu_s(pids) - before_s
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    found = json.loads(done.stdout)
    return Load(
        requests_per_s=found["requests"] / found["seconds"],
        bytes_per_s=found["bytes"] / found["seconds"],
        cpu_ms=1000 * cpu_s / found["requests"],
        median_ms=found["median_ms"],
        p99_ms=found["p99_ms"],
    )


def _cpu_s(pids: Sequence[int]) -> float:
    """Return the user and system time of processes (proc(5): fields 14 and 15 of their stat)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S
