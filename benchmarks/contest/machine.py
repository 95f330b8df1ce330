"""The environment of a run: the machine, and the limits of the server itself."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import Server, compiled, running

_LOAD = Path(__file__).with_name("load.c")
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast the server is over plain HTTP, with a minimal client in C."""

    requests_per_s: float
    bytes_per_s: float


def server_limits(*, seconds: float) -> Limits:
    """Measure both, for `seconds` each."""
    with running() as server:
        bytes_per_s = _load(server, "put", seconds)["bytes_per_s"]  # also stores what get reads
        return Limits(_load(server, "get", seconds)["requests_per_s"], bytes_per_s)


def _load(server: Server, what: str, seconds: float) -> dict[str, float]:
    port = server.url.rpartition(":")[2]
    command = [str(compiled("bench-load", (_LOAD,))), port, str(_CONNECTIONS), str(seconds), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def facts() -> dict[str, str]:
    """Return facts about the machine."""
    return {
        "cores used": str(len(os.sched_getaffinity(0))),
        "processor": _after("/proc/cpuinfo", "model name") or platform.machine(),
        "memory": f"{int(_after('/proc/meminfo', 'MemTotal').split()[0]) / 1e6:.0f} GB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
    }


def _after(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
