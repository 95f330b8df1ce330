"""The processes that examine files, and forks of the process that keeps them."""

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
from audiostore.media.sandbox.pool import prepare_children, probe_apart
song = Path(sys.argv[1])
signal.alarm(30)

def look():
    assert probe_apart(song, "Ogg").codec == "opus"

def kept():
    return [child._process.pid for child in pool._shared()._children]

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
    "a fork uses children of its own, and ends none of its parent's": """
look()
before = kept()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    look()
    assert kept() and not set(kept()) & set(before), (kept(), before)
    sys.exit(0)  # runs what its parent registered to be run at its end
assert ends_well(pid)
look()
assert kept() == before
""",
    "a fork does not wait for locks that are held in its parent": """
look()
pool._shared()._lock.acquire()
pid = os.fork()
if pid == 0:
    signal.alarm(5)
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
            signal.alarm(20)
            look()
            os._exit(0)
        pids.append(pid)
    for job in jobs:
        job.result()
assert all([ends_well(pid) for pid in pids])
""",
    "children end with a worker that is killed, their parent's do not": """
look()
ours = kept()
told, telling = os.pipe()
workers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        prepare_children(1)
        look()
        os.write(telling, kept()[0].to_bytes(4, "big"))
        signal.pause()
    workers.append(pid)
theirs = [int.from_bytes(os.read(told, 4), "big") for _ in workers]
assert all(map(is_there, theirs))
for pid in workers:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
for pid in theirs:
    wait_until_gone(pid)
look()
assert kept() == ours
""",
    "children end with a worker that ends without cleaning up": """
told, telling = os.pipe()
pid = os.fork()
if pid == 0:
    look()
    os.write(telling, kept()[0].to_bytes(4, "big"))
    os._exit(0)
assert ends_well(pid)
wait_until_gone(int.from_bytes(os.read(told, 4), "big"))
""",
    "a worker outlives its killed parent, whose children end no later than it": """
look_at, answer = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    look()
    children = kept()
    worker = os.fork()  # it inherits this end of the children's sockets
    if worker == 0:
        signal.alarm(20)
        os.read(look_at[0], 1)
        look()
        os.write(answer[1], b"done")
        os._exit(0)
    os.write(answer[1], children[0].to_bytes(4, "big"))
    os.kill(os.getpid(), signal.SIGKILL)
child = int.from_bytes(os.read(answer[0], 4), "big")
os.waitpid(pid, 0)
os.write(look_at[1], b"!")
assert os.read(answer[0], 4) == b"done"
wait_until_gone(child)
""",
    "no more children are kept than were asked for": """
prepare_children(1)
with ThreadPoolExecutor(4) as threads:
    for job in [threads.submit(look) for _ in range(40)]:
        job.result()
assert len(kept()) == 1
""",
}


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
