"""Forks, threads, and programs that want to end."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, FilenameGenerator
from audiostore.media.sandbox.pool import probe_audio
from tests.assets import BUCKET, JPG, MP3
from tests.faults.child import ROOT
from tests.faults.reader import shown
from tests.faults.rig import managing, reader_of
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S, wait_until, within

_PRELUDE = """
import os, signal, sys, threading, time
from audiostore import AudioStorageManager, LocalStore
from audiostore.stores.gcs.store import GcsStore
url, audio, cover = sys.argv[1:4]
manager = AudioStorageManager(store=GcsStore("bucket", emulator=url))
"""

SCRIPTS = {
    "used before and after": """
first = manager.upload_audio_with_thumbnail(audio, cover)
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    second = manager.upload_audio_with_thumbnail(audio, cover)
    assert manager.get(first.audio_id).audio == first.audio
    os._exit(0)
third = manager.upload_audio_with_thumbnail(audio, cover)
assert os.waitpid(pid, 0)[1] == 0
assert manager.get(third.audio_id).audio == third.audio
assert len(list(manager.list())) == 3
""",
    "used only after": """
pids = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        manager.upload_audio_with_thumbnail(audio, cover)
        os._exit(0)
    pids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
assert len(list(manager.list())) == 4
""",
    "forked while busy": """
asset = manager.upload_audio_with_thumbnail(audio, cover)
ended = threading.Event()
failures = []
def work():
    try:
        while not ended.is_set():
            manager.get(asset.audio_id)
    except BaseException as error:
        failures.append(error)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
statuses = []
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        assert manager.get(asset.audio_id).audio == asset.audio
        os._exit(0)
    statuses.append(os.waitpid(pid, 0)[1])
ended.set()
for thread in threads:
    thread.join()
assert statuses == [0] * 40, statuses
assert not failures, failures
""",
    "forked while a child's child works": """
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    manager.upload_audio_with_thumbnail(audio, cover)
    inner = os.fork()
    if inner == 0:
        signal.alarm(60)
        manager.upload_audio_with_thumbnail(audio, cover)
        manager.close()
        os._exit(0)
    assert os.waitpid(inner, 0)[1] == 0
    manager.upload_audio_with_thumbnail(audio, cover)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert len(list(manager.list())) == 3
""",
    "closed in the child": """
asset = manager.upload_audio_with_thumbnail(audio, cover)
pid = os.fork()
if pid == 0:
    manager.close()
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert manager.get(asset.audio_id).audio == asset.audio
""",
    "a pool of forked workers": """
import multiprocessing
asset = manager.upload_audio_with_thumbnail(audio, cover)
def find(_):
    return manager.get(asset.audio_id).audio.generation
with multiprocessing.get_context("fork").Pool(3) as pool:
    found = pool.map(find, range(12))
assert set(found) == {asset.audio.generation}
""",
    "sent to a spawned worker": """
import concurrent.futures, multiprocessing
asset = manager.upload_audio_with_thumbnail(audio, cover)
spawn = multiprocessing.get_context("spawn")
with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
    assert pool.submit(manager.get, asset.audio_id).result().audio == asset.audio
    stored = pool.submit(manager.upload_audio_with_thumbnail, audio, cover).result()
assert manager.get(stored.audio_id).thumbnail == stored.thumbnail
""",
    "threads in both": """
def work():
    manager.upload_audio_with_thumbnail(audio, cover)
pid = os.fork()
if pid == 0:
    signal.alarm(60)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert len(list(manager.list())) == 12
""",
}


def run(script: str, server: StrictServer) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _PRELUDE + script, server.url, str(MP3), str(JPG)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.row("fork")
@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_a_manager_works_before_and_after_fork(server: StrictServer, script: str) -> None:
    done = run(SCRIPTS[script], server)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    things = reader_of(server).things()
    for asset in shown(things).values():
        assert asset.audio.data == MP3.read_bytes()
    assert all(len(server.generations(BUCKET, name)) == 1 for name in things)


def test_a_store_that_was_listed_before_keeps_no_run_from_forking(server: StrictServer) -> None:
    # `put DIR` looks at the store first: then all work would be done on one core.
    script = """
from audiostore import BulkItem
os.environ["STORAGE_EMULATOR_HOST"] = url
manager = AudioStorageManager("bucket")
assert list(manager.list()) == []
[outcome] = manager.bulk.upload([BulkItem(audio, cover)])
assert outcome.error is None, outcome.error
can_fork = sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1
assert threading.active_count() == (1 if can_fork else 2)
assert [asset.audio_id for asset in manager.list()] == [outcome.audio_id]
"""
    done = run(script, server)

    assert done.returncode == 0, done.stderr


@pytest.mark.row("fork")
def test_a_fork_while_a_token_is_fetched_does_not_hang(server: StrictServer) -> None:
    script = """
from google.oauth2.credentials import Credentials
credentials = Credentials(
    None, refresh_token="r", token_uri=url + "/token", client_id="c", client_secret="s"
)
manager = AudioStorageManager(store=GcsStore("bucket", emulator=url, credentials=credentials))
thread = threading.Thread(target=lambda: list(manager.list()))
thread.start()
time.sleep(0.3)  # the thread waits for its token
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    list(manager.list())
    os._exit(0)
status = os.waitpid(pid, 0)[1]
thread.join()
assert status == 0, status
"""
    from tests.gcs_server import faults  # noqa: PLC0415

    server.tokens = set()
    server.fault(faults.token, faults.stall(1.0))

    done = run(script, server)

    assert done.returncode == 0, done.stderr


HOLD_EVERY_LOCK = """
import gc, tempfile, wave
os.chdir(tempfile.mkdtemp())
with wave.open("long.wav", "wb") as file:
    file.setparams((2, 2, 44100, 0, "NONE", ""))
    file.writeframes(bytes(12 << 20))
asset = manager.upload_audio_with_thumbnail(audio, cover)
manager.audit, manager.bulk, manager.catalog, manager.lifecycle

def locks():
    for thing in gc.get_objects():
        module = thing.__module__ if isinstance(thing, type) else type(thing).__module__
        if str(module).startswith("audiostore"):
            fields = dict(getattr(thing, "__dict__", {}))
            if not isinstance(thing, type):
                slots = getattr(type(thing), "__slots__", ())
                fields.update((slot, getattr(thing, slot, None)) for slot in slots)
            for name, field in fields.items():
                lock = getattr(field, "lock", field)  # of a functools.cached_property
                if hasattr(lock, "acquire") and hasattr(lock, "release"):
                    yield f"{thing}.{name}", lock

held, ended = {}, threading.Event()
def hold():
    for name, lock in locks():
        if lock.acquire(blocking=False):
            held[name] = lock
    ready.set()
    ended.wait()
    for lock in held.values():
        lock.release()
ready = threading.Event()
thread = threading.Thread(target=hold)
thread.start()
ready.wait()
assert len(held) > 5, held
pid = os.fork()
if pid == 0:
    import faulthandler
    faulthandler.dump_traceback_later(30, exit=True)
    manager.upload_audio_with_thumbnail(audio, cover)
    manager.upload_audio_file("long.wav")  # in a resumable session
    assert manager.get(asset.audio_id).audio == asset.audio
    assert len(list(manager.list())) == 3
    assert not list(manager.audit.check())
    with manager._notify.listening(print):
        pass
    manager.delete(asset.audio_id)
    os._exit(0)
status = os.waitpid(pid, 0)[1]
ended.set()
thread.join()
assert status == 0, status
"""


@pytest.mark.row("fork")
def test_no_lock_that_a_thread_held_stops_the_child(server: StrictServer) -> None:
    done = run(HOLD_EVERY_LOCK, server)

    assert done.returncode == 0, done.stderr


@pytest.mark.row("fork")
def test_a_fork_waits_for_a_late_import(server: StrictServer, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("import time\ntime.sleep(0.5)\n")
    script = f"""
sys.path.insert(0, {str(tmp_path)!r})
from audiostore.lazyproperty import lazy_property
class Thing:
    @lazy_property
    def late(self):
        import late
        return late
thread = threading.Thread(target=lambda: Thing().late)
thread.start()
time.sleep(0.2)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    Thing().late
    os._exit(0)
status = os.waitpid(pid, 0)[1]
thread.join()
assert status == 0, status
"""
    done = run(script, server)

    assert done.returncode == 0, done.stderr


@pytest.mark.row("threads")
def test_64_threads_share_one_manager(server: StrictServer) -> None:
    ids = [FilenameGenerator.generate_audio_id() for _ in range(64)]
    barrier = threading.Barrier(64)

    with managing(server) as manager, ThreadPoolExecutor(64) as pool:

        def work(audio_id: str) -> bool:
            barrier.wait(PATIENCE_S)
            stored = manager.upload_audio_with_thumbnail(MP3, JPG, audio_id=audio_id)
            found = manager.get(audio_id)
            return stored.created and found.audio == stored.audio

        assert all(pool.map(work, ids))
        assert [r.audio_id for r in manager.list()] == sorted(ids)

    assets = shown(reader_of(server).things())
    assert sorted(assets) == sorted(ids)
    assert all(a.audio.data == MP3.read_bytes() and a.cover for a in assets.values())


@pytest.mark.row("threads")
@pytest.mark.parametrize("how", ["closed", "left open", "in the middle of a download"])
def test_no_thread_keeps_a_finished_program_alive(server: StrictServer, how: str) -> None:
    endings = {
        "closed": "manager.close()",
        "left open": "",
        "in the middle of a download": """
from tests.gcs_server import faults
blob = next(iter(manager._store.list("audio/")))
reader = manager._store.open(blob)
reader.read(10)
""",
    }
    with within(10, busy_limit_s=60):
        done = run(f"manager.upload_audio_with_thumbnail(audio, cover)\n{endings[how]}", server)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.row("threads")
def test_a_closed_manager_leaves_no_thread_and_no_descriptor(server: StrictServer) -> None:
    def descriptors() -> Counter[str]:
        """What this process has open: files by path, sockets and pipes by kind only."""
        found: Counter[str] = Counter()
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the descriptor of this very listing
                found[str(link.readlink()).partition(":[")[0]] += 1
        return found

    def threads() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name.startswith("audiostore")}

    probe_audio(MP3, "MP3")  # starts the sandbox worker of this process, which outlives managers
    before = descriptors(), threads()
    for _ in range(5):
        with managing(server) as manager:
            assert isinstance(manager, AudioStorageManager)
            manager.upload_audio_with_thumbnail(MP3, JPG)
    wait_until(lambda: not descriptors() - before[0] and threads() <= before[1])
