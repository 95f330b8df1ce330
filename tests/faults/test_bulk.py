"""A bulk run that is killed again and again, over a bad line: each item is stored exactly once.

Run as a module, this is the program that is killed: one fresh interpreter without threads, which
forks a child for every run.
"""

import base64
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import google_crc32c
import pytest

from audiostore.bulk.journal import Journal
from tests.assets import BUCKET, mp3_bytes
from tests.faults.child import ROOT
from tests.faults.reader import Truth, agree, check
from tests.faults.rig import managing, reader_of, settled
from tests.gcs_server import Request, StrictServer, faults
from tests.timing import PATIENCE_S

KILLS = 50
ASSETS = 2000
SEED = 6

pytestmark = pytest.mark.row("bulk", "new ids")


class Runner:
    """Makes children that do a bulk run."""

    def __init__(self, state_home: Path, **call: object) -> None:
        environment = {**os.environ, "XDG_STATE_HOME": str(state_home), "NO_GCE_CHECK": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.test_bulk", json.dumps(call)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""

    def start(self) -> int:
        """Start a run and return its process id; it begins with `go`."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"start\n")
        self._process.stdin.flush()
        return int(self._line()["pid"])

    def wait(self) -> dict[str, Any]:
        """Wait for the end of the run."""
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
            piece = os.read(descriptor, 1 << 20) if ready else b""
            if not piece:
                raise AssertionError("the runner does not answer")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Killer:
    """Kills a process at its nth request: before it is handled, or before it is answered.

    With `a_worker`, it first kills one worker of that process, half-way: a pool survives that.
    """

    def __init__(
        self, server: StrictServer, pid: int, at: int, *, after: bool, a_worker: bool
    ) -> None:
        self._pid = pid
        self._at = at
        self._a_worker = a_worker
        self._count = 0
        self._lock = threading.Lock()
        self._server = server
        hook = self._request
        server.on_request, server.on_response = (None, hook) if after else (hook, None)

    def _request(self, _request: Request) -> None:
        with self._lock:
            self._count += 1
            due = self._count == self._at
            half_way = self._count == self._at // 2
        if half_way and self._a_worker:
            for pid in children_of(self._pid)[:1]:
                os.kill(pid, signal.SIGKILL)
        if due:
            self.kill()
            raise ConnectionAbortedError("its client was killed")

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(self._pid, signal.SIGKILL)

    def leave(self) -> None:
        self._server.on_request = self._server.on_response = None


def children_of(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return []


def make_tree(folder: Path, count: int) -> dict[Path, bytes]:
    """Make small songs, no two alike; a quarter of them with a cover."""
    made = {}
    for number in range(count):
        song = folder / f"{number % 20:02}" / f"{number:04}.mp3"
        song.parent.mkdir(parents=True, exist_ok=True)
        made[song] = mp3_bytes(1300 + number)
        if number % 4 == 0:
            made[song.with_suffix(".jpg")] = (
                b"\xff\xd8\xff\xe0" + f"cover of {number:04} ".encode() * 20
            )
    for path, data in made.items():
        path.write_bytes(data)
    return made


def bad_line(server: StrictServer, rng: random.Random) -> None:
    """Answer 503 and 429, reset, and lose responses, now and then."""

    def sometimes(part: float) -> faults.Matcher:
        return faults.Matcher(lambda _head: rng.random() < part)

    server.fault(sometimes(0.01), faults.respond(503), times=None)
    server.fault(sometimes(0.003), faults.respond(429), times=None)
    server.fault(faults.any_upload & sometimes(0.01), faults.reset(700), times=None)
    server.fault(sometimes(0.005), faults.reset(0), times=None)
    server.fault(faults.any_upload & sometimes(0.015), faults.lose_response("rst"), times=None)
    server.fault(faults.any_upload & sometimes(0.015), faults.lose_response("close"), times=None)


def crc32c_of(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@pytest.mark.parametrize(
    ("cleanup", "forks"),
    [(False, True), (True, True), (True, False)],
    ids=["kept", "cleaned up", "cleaned up, by threads"],
)
def test_a_run_killed_fifty_times_over_a_bad_line_stores_everything_exactly_once(
    server: StrictServer, tmp_path: Path, *, cleanup: bool, forks: bool
) -> None:
    # Files that are deleted behind each step add points to be killed at; fewer will do.
    count = ASSETS // 4 if cleanup else ASSETS
    rng = random.Random(SEED)
    local = make_tree(tmp_path / "local", count)
    journal = tmp_path / "journal"
    call = {
        "url": server.url,
        "folder": str(tmp_path / "local"),
        "journal": str(journal),
        "count": count,
        "cleanup": cleanup,
        "forks": forks,
    }
    bad_line(server, random.Random(SEED))
    history = server.state.bucket(BUCKET).history
    kills = runs = 0
    with Runner(tmp_path / "state", **call) as runner:
        while True:
            pid = runner.start()
            runs += 1
            assert runs < 3 * KILLS, "it does not come to an end"
            if kills < KILLS:
                # So that the kills are spread over all of the work; what was claimed, and is
                # looked for in the store, takes requests too.
                share = (len(local) - len(history)) // (KILLS - kills + 2)
                at = rng.randint(1, 2 * share + 60)
                killer = Killer(
                    server, pid, at, after=rng.random() < 0.5, a_worker=rng.random() < 0.3
                )
                os.kill(pid, signal.SIGCONT)
                timer = threading.Timer(rng.uniform(0.0, 0.05), killer.kill)
                if rng.random() < 0.2:  # while it opens its journal, or claims
                    timer.start()
                ended = runner.wait()
                timer.cancel()
                killer.leave()
                kills += ended["killed"]
            else:
                os.kill(pid, signal.SIGCONT)
                ended = runner.wait()
            assert ended["killed"] or "failed" in ended, ended
            if not ended["killed"] and not ended["failed"]:
                break

    assert kills == KILLS
    assert ended["outcomes"] == count
    settled(server)
    server.clear_faults()
    assert {len(generations) for generations in history.values()} == {1}
    things = reader_of(server).things()
    assert things.keys() == history.keys()
    assert sorted(thing.crc32c for thing in things.values()) == sorted(
        map(crc32c_of, local.values())
    )
    truths = {
        audio_id: Truth(local[Path(path)], (local.get(Path(path).with_suffix(".jpg")),), True)
        for path, audio_id in ended["ids"].items()
    }
    assert len(truths) == count
    assets = check(things, truths, local)
    with managing(server) as manager:
        agree(manager, assets)
    assert any(path.exists() for path in local) == (not cleanup)
    with Journal(journal) as kept:
        listed = list(kept.runs())
        assert not any(run.is_running for run in listed)
        assert not list(kept.failures(listed[0].run))
        assert sum(run.stored for run in listed) <= count


# -- the program that is killed ----------------------------------------------------------------


def serve(call: dict[str, Any]) -> None:
    """Fork a run for every line of standard input."""
    import audiostore.bulk.uploads  # noqa: F401, PLC0415
    from audiostore.stores.gcs import store  # noqa: F401, PLC0415
    from tests.faults import rig  # noqa: F401, PLC0415

    for _ in sys.stdin.buffer:
        receiver, sender = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(receiver)
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                answer = bulk_run(call)
            except BaseException as error:  # noqa: BLE001
                answer = {"error": f"{type(error).__name__}: {error}"}
            with os.fdopen(sender, "wb") as stream:
                stream.write(json.dumps(answer).encode())
            os._exit(0)
        os.close(sender)
        os.waitpid(pid, os.WUNTRACED)
        _say({"pid": pid})
        with os.fdopen(receiver, "rb") as stream:
            answered = stream.read()
        _, status = os.waitpid(pid, 0)
        answer = json.loads(answered) if answered else {}
        _say({"killed": os.WIFSIGNALED(status), **answer})


def _say(message: dict[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def items(folder: Path, count: int, *, allow_missing: bool) -> Iterator[Any]:
    """Find the songs with their covers; those that were deleted meanwhile are named as well.

    Every second one brings an id, as in a manifest.
    """
    from audiostore.bulk.sources.folders import find_items  # noqa: PLC0415

    songs = [folder / f"{number % 20:02}" / f"{number:04}.mp3" for number in range(count)]
    for item in find_items(
        sorted(songs) if allow_missing else [folder], lambda _: None, allow_missing=allow_missing
    ):
        given = uuid.uuid5(uuid.NAMESPACE_URL, item.audio.name)
        yield replace(item, audio_id=str(given)) if int(item.audio.stem) % 2 else item


def bulk_run(call: dict[str, Any]) -> dict[str, Any]:
    """Upload all, with the journal."""
    from audiostore import AudioStorageManager  # noqa: PLC0415
    from tests.faults.rig import QUICK, gcs, simulate_waits  # noqa: PLC0415

    simulate_waits(pytest.MonkeyPatch())
    ids = {}
    failed: dict[str, str] = {}
    outcomes = 0
    with AudioStorageManager(store=gcs(call["url"]), retry_config=QUICK) as manager:
        manager._survives_fork = call["forks"]
        for outcome in manager.bulk.upload(
            items(Path(call["folder"]), call["count"], allow_missing=call["cleanup"]),
            journal=call["journal"],
            cleanup=call["cleanup"],
            check="none",
        ):
            outcomes += 1
            if outcome.error is not None:
                failed[str(outcome.item.audio)] = repr(outcome.error)
            else:
                ids[str(outcome.item.audio)] = outcome.audio_id
    return {"outcomes": outcomes, "ids": ids, "failed": failed}


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
