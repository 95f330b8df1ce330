"""What a file cannot do that controls the sandbox worker which looks at it."""

import contextlib
import json
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audiostore.media.sandbox.process import LimitReachedError, NotStartedError, WorkerFailedError
from audiostore.media.sandbox.worker import Request
from tests.sandbox_child import ATTACKS, HostileWorker
from tests.timing import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
HAS_FILTER = (
    platform.machine() in ("x86_64", "aarch64")
    and Path("/proc/sys/kernel/seccomp/actions_avail").exists()
)
needs_filter = pytest.mark.skipif(not HAS_FILTER, reason="this kernel has no seccomp filters")


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a file, a victim and a socket that listens."""
    folder = tmp_path_factory.mktemp("playground")
    (folder / "present").write_text(str(folder))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        yield folder


@pytest.fixture
def hostile() -> Iterator[HostileWorker]:
    worker = HostileWorker((), 64 * MIB)
    worker.wait_until_ready()
    yield worker
    if not worker.is_reaped:
        worker.reap()


def ask(
    worker: HostileWorker, task: str, path: Path, *, cpu_s: float = 60, timeout_s: float = 60
) -> dict[str, object]:
    with path.open("rb") as file:
        request = Request(task, "", 64 * MIB, cpu_s)
        return worker.run(request, file.fileno(), timeout_s)[0]


@pytest.fixture(scope="module")
def outcomes(playground: Path) -> dict[str, str]:
    """What each attack ended with, in a worker."""
    (playground / "victim").write_bytes(b"")
    worker = HostileWorker((), 64 * MIB)
    worker.wait_until_ready()
    try:
        found = ask(worker, "attack", playground / "present")["outcomes"]
    finally:
        worker.reap()
    assert isinstance(found, dict)
    assert (playground / "victim").exists()
    return found


@pytest.fixture(scope="module")
def outcomes_unconfined(playground: Path) -> dict[str, str]:
    """The control: what each attack ends with in a process that is not confined."""
    (playground / "victim").write_bytes(b"")
    command = [sys.executable, "-m", "tests.sandbox_child", str(playground)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=PATIENCE_S)
    found: dict[str, str] = json.loads(done.stdout.decode().removeprefix("x"))
    return found


@needs_filter
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_a_file_that_controls_its_worker_cannot(outcomes: dict[str, str], attack: str) -> None:
    others = {
        "resolve a name": "gaierror",
        "start a thread": "RuntimeError",
        "raise its own limits": "ValueError",
    }
    assert outcomes[attack] in ("EPERM", others.get(attack))


@pytest.mark.slow
@needs_filter
def test_a_process_that_is_not_confined_can_do_all_of_that(
    outcomes_unconfined: dict[str, str],
) -> None:
    """But for what the machine forbids anyone who is not root."""
    privileged = {"raise its own limits", "trace the parent", "read the parent's memory"}
    failed = {name for name, outcome in outcomes_unconfined.items() if outcome != "done"}
    assert failed - privileged == {"execute instead"}
    assert outcomes_unconfined["execute instead"] == "ENOENT"


def test_a_worker_has_no_environment_and_no_descriptor_but_its_channel(
    hostile: HostileWorker,
) -> None:
    process = Path(f"/proc/{hostile._process.pid}")
    variables = (process / "environ").read_bytes().split(b"\0")
    assert {each.partition(b"=")[0] for each in variables} <= {b"", b"LD_LIBRARY_PATH"}
    opened = {each.name: str(each.readlink()) for each in (process / "fd").iterdir()}
    standard = {opened.pop(number) for number in "012"}
    assert standard == {"/dev/null"}
    assert len(opened) == 1
    assert next(iter(opened.values())).startswith("socket:")


@needs_filter
def test_a_worker_has_no_privileges_and_gets_none(hostile: HostileWorker) -> None:
    status = Path(f"/proc/{hostile._process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert {fields[name].strip("0") for name in ("CapEff", "CapPrm", "CapInh")} == {""}


def test_memory_ends_at_the_limit_and_the_worker_says_so(
    hostile: HostileWorker, tmp_path: Path
) -> None:
    (tmp_path / "ok").write_text(f"{32 * MIB}")
    (tmp_path / "much").write_text(f"{80 * MIB}")
    assert ask(hostile, "memory", tmp_path / "ok") == {"taken": 32 * MIB}
    assert ask(hostile, "memory", tmp_path / "much") == {
        "limit": "it takes more than 64 MiB of memory"
    }


@pytest.mark.slow
def test_a_worker_that_switches_its_timer_off_is_ended_by_its_parent(
    hostile: HostileWorker, playground: Path
) -> None:
    with pytest.raises(LimitReachedError, match=r"more than 0\.1 s of CPU time"):
        ask(hostile, "compute", playground / "present", cpu_s=0.1)
    assert hostile.is_reaped


def test_a_worker_that_waits_for_ever_times_out(hostile: HostileWorker, playground: Path) -> None:
    with pytest.raises(TimeoutError):
        ask(hostile, "hang", playground / "present", timeout_s=0.1)


def test_a_worker_ends_when_its_parent_gives_up_however_busy_it_is(
    hostile: HostileWorker, playground: Path
) -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere its timer ends it")
    with contextlib.suppress(TimeoutError):
        ask(hostile, "compute", playground / "present", cpu_s=1000, timeout_s=0.1)
    # Nobody kills it: this end of its socket has hung up.
    wait_until(lambda: hostile._process.poll() is not None)
    assert hostile._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_file_is_to_blame_if_its_worker_died_and_not_if_it_was_ended_for_another(
    hostile: HostileWorker, playground: Path, is_ended: bool
) -> None:
    with ThreadPoolExecutor(1) as threads:
        before_s = _computed_s(hostile)
        busy = threads.submit(ask, hostile, "compute", playground / "present")
        wait_until(lambda: _computed_s(hostile) > before_s + 0.02)
        if is_ended:
            hostile.end()
        else:
            hostile._process.send_signal(signal.SIGSEGV)
        with pytest.raises(NotStartedError if is_ended else WorkerFailedError):
            busy.result()
        if not is_ended:
            hostile.end()
            assert not hostile._is_ended


def _computed_s(worker: HostileWorker) -> float:
    return time.clock_gettime(~worker._process.pid << 3 | 2)
