"""How long `audiostore --version` and `--help` take, beside a bare Python.

    python benchmarks/startup.py

The goal is at most 3 times the time of ``python -c pass``. The commands take turns, so that a
busy moment of the machine falls on all of them. Exits with 1 if the goal is missed.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROUNDS = 25
LIMIT = 3.0
SCRIPT = Path(sys.executable).with_name("audiostore")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "audiostore --version": [str(SCRIPT), "--version"],
    "audiostore --help": [str(SCRIPT), "--help"],
}


def measure(command: list[str]) -> float:
    """Return the milliseconds that a process takes from its start to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def main() -> int:
    for command in COMMANDS.values():
        measure(command)  # writes the bytecode
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            times[name].append(measure(command))
    medians = {name: median(values) for name, values in times.items()}
    bare = medians["python -c pass"]
    for name, value in medians.items():
        print(f"{name:<22} {value:7.1f} ms   {value / bare:4.2f} x")
    return 0 if all(value <= LIMIT * bare for value in medians.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
