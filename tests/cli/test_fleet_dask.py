"""``fleet work --dask``: a cluster that is started here, and what cannot be one."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager
from tests.cli.conftest import COMMAND, Call
from tests.cli.test_fleet import plan, songs  # noqa: F401  (a fixture)
from tests.timing import PATIENCE_S, wait_until

if os.environ.get("CI") != "true":  # there, constraints.txt has it
    pytest.importorskip("distributed", reason="needs audiostore[dask]")
import dask.system
import psutil
from distributed import Client


def left(group: int) -> list[psutil.Process]:
    """Return the processes of a group that run."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                found.append(process)
    return found


@pytest.mark.slow
def test_a_local_cluster_has_one_process_for_each_core(
    call: Call,
    bucket: str,
    songs: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask.system, "CPU_COUNT", 5)
    threads: list[list[int]] = []
    close: Any = Client.close

    def look(client: Client, *args: Any, **options: Any) -> Any:
        if client.status == "running":
            threads.append(list(client.nthreads().values()))
        return close(client, *args, **options)

    monkeypatch.setattr(Client, "close", look)
    plan(call, songs)
    (songs.parent / "d.mp3").unlink()

    with socket.socket() as taken:
        with suppress(OSError):  # another cluster has it
            taken.bind(("127.0.0.1", 8787))  # where Dask shows its pages, and warns if it cannot
            taken.listen()
        code, out, err = call("fleet", "work", "nov", "--dask", "local")

    assert code == 4
    assert sorted(out.splitlines()) == [
        "chunk 0: 2 done",
        "chunk 1: 2 done",
        "chunk 2: 0 done, 1 failed",
    ]
    assert re.match("audiostore: done: 4 .*, 1 failed$", err.splitlines()[-1])
    assert "list.jsonl, line 5: " in err
    assert "Port" not in err
    assert threads[0] == [1] * 5
    with AudioStorageManager(bucket) as manager:
        assert len(list(manager.list())) == 4


@pytest.mark.slow
def test_ctrl_c_stops_a_local_cluster_in_good_order(call: Call, bucket: str, songs: Path) -> None:  # noqa: F811
    plan(call, songs)
    command = [*COMMAND, "fleet", "work", "nov", "--dask", "local", "--max-writes-per-s", "1"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    begun = Path(bucket.removeprefix("file://")) / "fleet" / "nov"
    wait_until(lambda: list(begun.rglob("begun-0*")), "nothing begins")
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130, err
    said = [line.removeprefix("audiostore: ").split(":")[0] for line in err.splitlines()]
    assert said == ["stopped", "interrupted"], err
    wait_until(lambda: not left(running.pid), "a process is left")
    assert call("fleet", "work", "nov", "--takeover-after", "0s")[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("foo",), "invalid address of a Dask scheduler 'foo'"),
        (("x://h:1",), "unknown address scheme"),
        (("local", "--index", "0", "--count", "2"), "--dask and --index exclude each other"),
        (("local", "--takeover-after", "1s"), "--dask and --takeover-after exclude each other"),
    ],
)
def test_what_is_not_a_cluster_is_refused(
    call: Call, bucket: str, options: tuple[str, ...], message: str
) -> None:
    code, out, err = call("fleet", "work", "nov", "--dask", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_without_dask_it_says_what_to_install(
    call: Call, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = call("fleet", "work", "nov", "--dask", "local")
    assert code == 2
    assert "pip install 'audiostore[dask]'" in err
