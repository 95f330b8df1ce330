"""Run a sample of mutations against the nearest tests: ``python -m tests.mutants --help``.

Each mutation is made in a copy of the checkout. It is caught if a test fails, or hangs. What the
nearest tests miss is run against all the quick tests, too. Exits 1 if under 95 % are caught; what
`targets.EQUIVALENT` explains is not counted.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.mutants.mutations import Mutation, mutations
from tests.mutants.targets import NEAREST, reason

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path("src/audiostore")
TIMEOUT_S: Final = 1200.0
ENOUGH: Final = 0.95
_LONG: Final = "slow or faults or property or browser or benchmarks"
QUICK: Final = ("-m", f"not ({_LONG})")
LONG: Final = ("-m", _LONG)
NO_TESTS: Final = 5
"""The exit code of pytest where all tests are deselected."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutation."""

    mutation: Mutation
    caught_by: str | None
    why: str | None
    """Why it need not be caught."""


def _run(copy: Path, tests: tuple[str, ...]) -> str | None:
    """Run tests in a copy; return the one that failed, None if all passed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p"]
    with subprocess.Popen(
        [*command, "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "NO_GCE_CHECK": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "a timeout"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode in (0, NO_TESTS):
        return None
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0] if failed else output[-200:].strip()


def _stages(module: str) -> Iterator[tuple[str, ...]]:
    """Yield what to run, until something fails: most mutations are caught within seconds."""
    yield (*QUICK, *NEAREST[module])
    yield (*LONG, *NEAREST[module])
    yield (*QUICK, "tests")


def _judge(mutation: Mutation, copies: "SimpleQueue[Path]") -> Verdict:
    copy = copies.get()
    module = copy / mutation.path
    original = module.read_text(encoding="utf-8")
    try:
        module.write_text(mutation.source, encoding="utf-8")
        name = mutation.path.relative_to(PACKAGE).as_posix()
        caught_by = next(filter(None, (_run(copy, tests) for tests in _stages(name))), None)
    finally:
        module.write_text(original, encoding="utf-8")
        copies.put(copy)
    why = None
    if caught_by is None:
        why = reason(mutation.path, mutation.before, mutation.after)
    verdict = Verdict(mutation, caught_by, why)
    print(f"{'caught  ' if caught_by else 'SURVIVED'} {mutation}  [{caught_by or why}]", flush=True)
    return verdict


def _sample(per_module: int, seed: int, only: str) -> list[Mutation]:
    chosen = []
    for name in NEAREST:
        if only in name:
            every = mutations(PACKAGE / name, ROOT)
            draw = random.Random(f"{seed} {name}")
            chosen += draw.sample(every, min(per_module, len(every)))
    return chosen


def main() -> int:
    """Run the sample and print what was caught; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--per-module", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    parser.add_argument("--only", default="", metavar="TEXT", help="modules whose path contains it")
    options = parser.parse_args()
    chosen = _sample(options.per_module, options.seed, options.only)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copy = Path(folder) / str(number)
            shutil.copytree(
                ROOT,
                copy,
                ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache"),
            )
            copies.put(copy)
        nearest = {test for name in NEAREST if options.only in name for test in NEAREST[name]}
        if failed := _run(copy, ("-n", str(options.jobs), *sorted(nearest))):
            print(f"the tests fail without any mutation: {failed}", file=sys.stderr)
            return 2
        verdicts = list(pool.map(lambda each: _judge(each, copies), chosen))
    counted = [each for each in verdicts if each.why is None]
    caught = [each for each in counted if each.caught_by is not None]
    print(
        f"\n{len(verdicts)} mutations of {len({each.mutation.path for each in verdicts})} modules: "
        f"{len(caught)} caught, {len(counted) - len(caught)} survived, "
        f"{len(verdicts) - len(counted)} change nothing that is promised"
    )
    return int(len(caught) < ENOUGH * len(counted))


if __name__ == "__main__":
    sys.exit(main())
