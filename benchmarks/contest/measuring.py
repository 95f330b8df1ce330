"""Measures a process from start to exit: time, CPU, memory, including its children."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import compiled

_SPAWN = Path(__file__).with_name("spawn.c")
_SAMPLE_EVERY_S = 0.05
_MESSAGE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one process."""

    wall_s: float
    cpu_s: float
    """User and system, including children that it waited for."""
    peak_bytes: int
    """Resident; for a process with children, the highest sum seen of proportional set sizes."""
    failure: str = ""
    """Why it does not count."""
    requests: int = 0
    """How many the server has answered."""


def measure(
    command: Sequence[str], environ: Mapping[str, str], scratch: Path, *, limit_s: float
) -> Run:
    """Run a command to its end; kill it after `limit_s`."""
    figures = scratch / "figures.json"
    figures.unlink(missing_ok=True)
    process = subprocess.Popen(
        [str(compiled("bench-spawn", (_SPAWN,))), str(figures), *command],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    messages = bytearray()
    watch = _Watch(process.pid)
    timer = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    watch.start()
    try:
        assert process.stderr is not None
        with process.stderr:
            while piece := os.read(process.stderr.fileno(), 1 << 16):
                messages += piece
                del messages[:-_MESSAGE_BYTES]
        process.wait()
    finally:
        timer.cancel()
        watch.stop()
    if not figures.exists():
        return Run(limit_s, 0.0, 0, f"took longer than {limit_s:.0f} s")
    taken = json.loads(figures.read_text())
    failure = ""
    if taken["exit_code"]:
        said = messages.decode(errors="replace").strip()
        failure = f"exit code {taken['exit_code']}: {said}"
    peak_bytes = max(taken["peak_bytes"], watch.peak_bytes)
    return Run(taken["wall_s"], taken["cpu_s"], peak_bytes, failure)


class _Watch:
    """Samples the memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_SAMPLE_EVERY_S):
            family = _family(self._pid)[1:]  # without bench-spawn
            if len(family) > 1:
                self.peak_bytes = max(self.peak_bytes, sum(map(_proportional_bytes, family)))


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        for thread in _listed(Path(f"/proc/{member}/task")):
            family += map(int, _read(thread / "children").split())
    return family


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:  # it has exited
        return []


def _proportional_bytes(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has exited
        return ""
