"""How long `audiostore --version` and `--help` take, also of a command, beside a bare Python.

    python benchmarks/startup.py

The target is at most 3 times the time of ``python -c pass``. The commands take turns, so a busy
moment of the machine affects all of them. Their bytecode is compiled beforehand, as in an installed
package, regardless of PYTHONDONTWRITEBYTECODE. Exits with 1 if the target is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

ROUNDS = 25
LIMIT = 3.0
SCRIPT = Path(sys.executable).with_name("audiostore")
BARE = "python -c pass"
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    "audiostore --version": [str(SCRIPT), "--version"],
    "audiostore --help": [str(SCRIPT), "--help"],
    "audiostore put --help": [str(SCRIPT), "put", "--help"],
}


def measure(command: list[str], environ: Mapping[str, str]) -> float:
    """Return the milliseconds from the start of a process to its exit."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    return (time.perf_counter() - start) * 1000


def medians_ms() -> dict[str, float]:
    """Return the median time of each command, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as bytecode:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in COMMANDS.values():
            measure(command, environ)  # writes the bytecode
        for _ in range(ROUNDS):
            for name, command in COMMANDS.items():
                times[name].append(measure(command, environ))
    return {name: median(values) for name, values in times.items()}


def main() -> int:
    medians = medians_ms()
    bare = medians[BARE]
    for name, value in medians.items():
        print(f"{name:<22} {value:7.1f} ms   {value / bare:4.2f} x")
    return 0 if all(value <= LIMIT * bare for value in medians.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
