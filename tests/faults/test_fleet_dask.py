"""Fleet runs on a Dask cluster: every process of it is killed, and then another goes on."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from tests.assets import BUCKET
from tests.faults.child import ROOT
from tests.faults.reader import DirectoryReader
from tests.faults.rig import managing, reader_of
from tests.faults.test_fleet import RUN, Lot, assert_written_once
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S, wait_until

if os.environ.get("CI") != "true":  # there, constraints.txt has it
    pytest.importorskip("distributed", reason="needs audiostore[dask]")
import psutil

from audiostore.fleet import dask

pytestmark = [pytest.mark.row("fleet"), pytest.mark.slow]
KILLS = 10
_STATES = re.compile(r"Registered to|was killed by signal|Restarting worker|Start worker at")
"""What a nanny and its worker say of its life."""
_QUIET = ("--no-dashboard", "--host", "127.0.0.1")


class Started:
    """A command that runs, and the lines that it prints."""

    def __init__(self, *command: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, "NO_GCE_CHECK": "true", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def chunks(self) -> int:
        return sum(line.startswith("chunk ") for line in self.lines)

    def until(self, pattern: str) -> str:
        """Wait for a line; return what the group in the pattern matches."""
        found: list[str] = []

        def look() -> bool:
            found.extend(re.findall(pattern, self.text))
            return bool(found)

        wait_until(look, f"{pattern!r} was not printed")
        return found[0]

    def kill(self) -> None:
        self.process.kill()
        self.wait()
        print(self.text)

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return code


class Cluster:
    """A scheduler, and two nannies with a worker each."""

    def __init__(self, folder: Path, stack: ExitStack, env: dict[str, str]) -> None:
        self._stack = stack
        self._env = env
        # Each death of a worker is reported: its chunk must be submitted again.
        settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        (folder / "sitecustomize.py").write_text('import sys; sys.modules["audiostore"] = None')
        without_audiostore = {"PYTHONPATH": str(folder)}
        self.scheduler = self.start(
            *("dask", "scheduler", *_QUIET, "--port", "0"), **settings, **without_audiostore
        )
        self.address = self.scheduler.until(r"Scheduler at:\s+(tcp://\S+)")
        self.nannies = [
            self.start(
                *("dask", "worker", self.address, *_QUIET, "--nthreads", "1"),
                *("--local-directory", str(folder / f"worker{number}")),
            )
            for number in range(2)
        ]

    def start(self, *command: str, **env: str) -> Started:
        started = Started(*command, env={**self._env, **env})
        self._stack.callback(started.kill)
        return started

    def work(self, bucket: str) -> Started:
        """Start to work on the run; slowly, so that there is time to kill."""
        command = ("audiostore", "fleet", "work", RUN, "--dask", self.address)
        return self.start(*command, "--bucket", bucket, "--max-writes-per-s", "40")

    def workers(self) -> list[int]:
        """Return the processes that nannies have started, once they are known to the scheduler.

        A nanny may give up on a worker that dies while it starts.
        """
        found = []
        for nanny in self.nannies:
            if _STATES.findall(nanny.text)[-1:] != ["Registered to"]:
                continue
            for child in psutil.Process(nanny.process.pid).children():
                with suppress(psutil.NoSuchProcess):  # it has just been killed
                    if "spawn_main" in str(child.cmdline()):
                        found.append(child.pid)
        return found


def test_everything_is_stored_once_whatever_process_is_killed(tmp_path: Path) -> None:
    rng = random.Random(3)
    lot = Lot(tmp_path / "in", 120)
    with ExitStack() as stack:
        server = stack.enter_context(StrictServer(BUCKET))
        remote = stack.enter_context(managing(server))
        local = AudioStorageManager((tmp_path / "store").as_uri())
        for manager in (remote, local):
            lot.plan(manager, 5)
        killed = Cluster(tmp_path, stack, {"STORAGE_EMULATOR_HOST": server.url})
        places = (BUCKET, local.url)
        drivers = [killed.work(each) for each in places]

        for kill in range(KILLS):
            wait_until(lambda n=kill: sum(each.chunks for each in drivers) > n, "no chunk ends")  # type: ignore[misc]
            wait_until(killed.workers)
            os.kill(rng.choice(killed.workers()), signal.SIGKILL)
        killed.nannies.pop().kill()
        drivers[0].kill()
        drivers[0] = killed.work(places[0])
        wait_until(lambda: drivers[0].chunks > 0, "no chunk ends")
        killed.scheduler.kill()
        for driver in drivers:
            assert driver.wait() == 1, driver.text
            assert driver.lines[-1].startswith("audiostore: error: lost the Dask scheduler")
            assert all(re.match("chunk |audiostore: ", line) for line in driver.lines), driver.text

        with dask.cluster("local", workers=2) as client:
            for manager in (remote, local):
                done = list(dask.run(client, manager, RUN))
                assert done
                assert [each.error for each in done if each.error] == []
        assert_written_once(server, lot, 24)
        lot.assert_stored(remote, reader_of(server).things())
        lot.assert_stored(local, DirectoryReader(tmp_path / "store").things())
