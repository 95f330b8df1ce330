"""Ctrl-C and SIGTERM to dry runs, and before a command begins."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.assets import BUCKET, make_silence, mp3_bytes
from tests.faults.rig import ID
from tests.faults.test_interrupts import SIGNALS, Command
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S, wait_until, within

pytestmark = pytest.mark.row("interrupts")
GIB = 1 << 30

DRY_RUNS = (
    ("rm", "-n", ID),
    ("restore", "-n", ID),
    ("copy", "-n", "--from", f"gs://{BUCKET}", "--to", "file:///nowhere"),
    ("list",),
    ("check",),
)


@pytest.mark.slow
def test_a_plan_ends_at_once_while_the_bucket_is_silent(
    server: StrictServer, tmp_path: Path
) -> None:
    server.fault(faults.any_request, faults.stall(30), times=None)
    for arguments in DRY_RUNS:
        asked = len(server.requests)
        command = Command(server, tmp_path / "state", *arguments)
        wait_until(lambda asked=asked: len(server.requests) > asked)  # type: ignore[misc]
        with within(1.5):
            command.process.send_signal(signal.SIGINT)
            code, _, err = command.ended()
        assert code == 130, (arguments, err)
        assert "Traceback" not in err


@pytest.mark.slow
@SIGNALS
def test_a_dry_run_that_nobody_reads_ends_at_once(
    server: StrictServer, tmp_path: Path, number: signal.Signals, codes: tuple[int, ...]
) -> None:
    """Its output waits for the reader while long files are decoded."""
    folder = tmp_path / "music"
    folder.mkdir()
    name_bytes = 200
    for index in range(10):
        (folder / f"{index:0{name_bytes}}.mp3").write_bytes(mp3_bytes(4000))
    for index in range(4):
        make_silence(folder / f"long {index}.wav", 4 * GIB - 8)  # minutes to decode
    command = Command(server, tmp_path / "state", "put", "-n", "--check", "full", folder)
    assert command.process.stdout is not None
    # The pipe holds a few lines; the dry run reads 16 files ahead, which includes the long ones.
    fcntl.fcntl(command.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    pipe = command.process.stdout
    wait_until(lambda: waiting_bytes(pipe) > 3000)
    before = children_of(command.process.pid)

    def is_decoding_long_files() -> bool:
        now = children_of(command.process.pid)
        return any(seconds - before.get(pid, 0) > 1.5 for pid, seconds in now.items())

    wait_until(is_decoding_long_files)

    workers = children_of(command.process.pid)

    with within(1.5):
        command.process.send_signal(number)
        code = command.process.wait(PATIENCE_S)

    assert code in codes
    wait_until(lambda: not any(map(is_running, workers)))
    _, err = command.process.communicate()
    assert "Traceback" not in err


def waiting_bytes(pipe: IO[str]) -> int:
    """Return how many bytes wait in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


def children_of(pid: int) -> dict[int, float]:
    """Return the seconds of CPU time of each child of a process, by its id."""
    found = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = each.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                ticks = int(fields[11]) + int(fields[12])
                found[int(each.parent.name)] = ticks / os.sysconf("SC_CLK_TCK")
    return found


def is_running(pid: int) -> bool:
    """Say whether a process exists that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "module", ["audiostore.cli", "audiostore.cli.parser", "audiostore.cli.commands.put"]
)
def test_ctrl_c_before_the_command_begins_prints_no_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "audiostore", "put", "song.mp3"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
