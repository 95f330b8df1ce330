"""Sandbox workers, and forks of the process that owns them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.timing import PATIENCE_S

ROOT = Path(__file__).parents[2]
SONG = ROOT / "examples" / "last-tram-home.opus"

_PRELUDE = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from audiostore.media.sandbox import pool
from audiostore.media.sandbox import early
from audiostore.media.sandbox.early import start_early
from audiostore.media.sandbox.pool import start_workers, probe_audio
song = Path(sys.argv[1])
signal.alarm(120)

def look():
    assert probe_audio(song, "Ogg").codec == "opus"

def workers():
    return [worker._process.pid for worker in pool._shared()._workers]

def is_there(pid):
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False

def wait_until_gone(pid):
    while is_there(pid):
        time.sleep(0.01)

def ends_well(pid):
    return os.waitpid(pid, 0)[1] == 0
"""

SCRIPTS = {
    "a fork uses workers of its own, and ends none of its parent's": """
look()
before = workers()
pid = os.fork()
if pid == 0:
    signal.alarm(120)
    look()
    assert workers() and not set(workers()) & set(before), (workers(), before)
    sys.exit(0)  # runs what its parent registered to run at exit
assert ends_well(pid)
look()
assert workers() == before
""",
    "a fork does not wait for locks that are held in its parent": """
look()
pool._shared()._lock.acquire()
pid = os.fork()
if pid == 0:
    signal.alarm(120)
    look()
    sys.exit(0)
pool._shared()._lock.release()
assert ends_well(pid)
""",
    "a fork works while threads of its parent begin to": """
with ThreadPoolExecutor(4) as threads:
    jobs = [threads.submit(look) for _ in range(40)]
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            look()
            os._exit(0)
        pids.append(pid)
    for job in jobs:
        job.result()
assert all([ends_well(pid) for pid in pids])
""",
    "workers end with a fork that is killed, its parent's do not": """
look()
ours = workers()
reading, writing = os.pipe()
forks = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        signal.alarm(120)
        start_workers(1)
        look()
        os.write(writing, workers()[0].to_bytes(4, "big"))
        signal.pause()
    forks.append(pid)
theirs = [int.from_bytes(os.read(reading, 4), "big") for _ in forks]
assert all(map(is_there, theirs))
for pid in forks:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
for pid in theirs:
    wait_until_gone(pid)
look()
assert workers() == ours
""",
    "workers end with a fork that exits without cleaning up": """
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    look()
    os.write(writing, workers()[0].to_bytes(4, "big"))
    os._exit(0)
assert ends_well(pid)
wait_until_gone(int.from_bytes(os.read(reading, 4), "big"))
""",
    "a fork outlives its killed parent, whose workers end no later than it": """
go, response = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    look()
    owned = workers()
    fork = os.fork()  # it inherits this end of the workers' sockets
    if fork == 0:
        signal.alarm(120)
        os.read(go[0], 1)
        look()
        os.write(response[1], b"done")
        os._exit(0)
    os.write(response[1], owned[0].to_bytes(4, "big"))
    os.kill(os.getpid(), signal.SIGKILL)
worker = int.from_bytes(os.read(response[0], 4), "big")
os.waitpid(pid, 0)
os.write(go[1], b"!")
assert os.read(response[0], 4) == b"done"
wait_until_gone(worker)
""",
    "a worker that was started early is the first of its process, and of no fork": """
start_early()
start_early()
[worker] = early._started.values()
pid = os.fork()
if pid == 0:
    look()
    assert worker._process.pid not in workers()
    sys.exit(0)  # runs what its parent registered to run at exit
assert ends_well(pid)
look()
assert workers() == [worker._process.pid]
""",
    "no more workers run than the limit": """
start_workers(1)
with ThreadPoolExecutor(4) as threads:
    for job in [threads.submit(look) for _ in range(40)]:
        job.result()
assert len(workers()) == 1
""",
    "decoding while others are probed takes no more workers than twice the limit": """
shared = pool._shared(1)
probe, decode = (shared._request(task, "Ogg", 1) for task in ("probe", "decode"))
def acquired(*requests):
    return [
        shared._acquire(request, is_short=request.task == "probe") for request in requests
    ]
first = acquired(probe, decode)
assert len(set(first)) == 2
for worker in first:
    shared._release(worker)
for _ in range(3):
    now = acquired(probe, probe, decode)
    assert set(now) == set(first) and now[0] is now[1]
    for worker in reversed(now):
        shared._release(worker)
look()
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("promise", SCRIPTS)
def test_forks(promise: str) -> None:
    done = subprocess.run(
        # Newer interpreters warn of forks among threads, which is what is tried here.
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            _PRELUDE + SCRIPTS[promise],
            str(SONG),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
