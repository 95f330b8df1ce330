"""Fleet runs under kills and at once: each item is stored once, and nothing is written twice.

Run as a module, this is the supervisor of the workers that are killed: one fresh interpreter
without threads, which forks each worker, and forks it again until it comes to its end.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, BulkItem, FleetPlan, LocalStore, fleet
from tests.assets import BUCKET, JPG, mp3_bytes
from tests.catalog_samples import audio_ids, put_asset
from tests.faults.child import ROOT, Nursery
from tests.faults.kills import run_killed_at_request
from tests.faults.reader import DirectoryReader, Truth, check
from tests.faults.rig import QUICK, managing, reader_of, settled
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

pytestmark = pytest.mark.row("fleet")
RUN = "nov"
STORES = pytest.mark.parametrize("kind", ["bucket", "directory"])


class Lot:
    """Local files, and the plan to store them."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True)
        self.local: dict[Path, bytes] = {}
        self.items: list[BulkItem] = []
        for n in range(count):
            song, cover = folder / f"{n}.mp3", folder / f"{n}.jpg"
            self.local[song] = mp3_bytes(1300 + n)
            self.local[cover] = JPG.read_bytes()[:2000] + bytes([n % 256, n // 256])
            self.items.append(BulkItem(song, cover))
        for path, data in self.local.items():
            path.write_bytes(data)

    def plan(self, manager: AudioStorageManager, chunk_items: int) -> FleetPlan:
        """Plan to store all."""
        return fleet.plan(manager, self.items, run=RUN, chunk_items=chunk_items, check="none")

    def assert_stored(self, manager: AudioStorageManager, things: Any) -> None:
        """See that each item is stored once, under its id, and nothing else is."""
        results = list(fleet.results(manager, RUN))
        assert [each.audio for each in results] == [str(each.audio) for each in self.items]
        truths = {
            each.audio_id: Truth(
                self.local[Path(each.audio)],
                (self.local[Path(each.audio).with_suffix(".jpg")],),
                True,
            )
            for each in results
        }
        assets = {name: thing for name, thing in things.items() if name.startswith("audio/")}
        assert len(assets) == 2 * len(self.items) == 2 * len(truths)
        check(assets, truths, self.local)
        assert fleet.status(manager, RUN).stored == len(self.items)


def assert_written_once(server: StrictServer, lot: Lot, chunks: int) -> None:
    """See that the successful writes are the objects, their marks and their results, no more."""
    settled(server)
    history = server.state.bucket(BUCKET).history
    assert {len(generations) for generations in history.values()} == {1}
    assert len(history) == 2 * len(lot.items) + 3 * chunks + 1


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_work_is_completed_whatever_request_it_was_killed_at(
    nursery: Nursery, tmp_path: Path, when: Any
) -> None:
    seen = set()
    for number in range(1, 30):
        lot = Lot(tmp_path / str(number) / "in", 2)
        with StrictServer(BUCKET) as server, managing(server) as manager:
            lot.plan(manager, 2)
            call = {"do": "work", "url": server.url, "bucket": BUCKET, "run": RUN, "chunk": 0}
            answer = run_killed_at_request(nursery, server, call, number, when)
            is_killed = answer["killed"]
            if is_killed:
                settled(server)
                seen.add(len(server.objects(BUCKET)))
                answer = nursery.run(call)
            assert answer.get("value", [0])[0] == 2, answer
            assert nursery.run(call)["value"] == [2, True]
            assert_written_once(server, lot, 1)
            lot.assert_stored(manager, reader_of(server).things())
            if not is_killed:
                break
    assert number == 9  # the chunk, its items, the mark, four objects, the results
    # The objects go out together, so how many are there in between depends on the machine.
    assert seen >= ({2, 3, 8} if when == "after" else {2, 7})


@pytest.mark.slow
def test_work_in_a_directory_is_completed_wherever_it_was_killed(
    nursery: Nursery, tmp_path: Path
) -> None:
    kills = 0
    for number in range(5, 2000, 17):
        folder = tmp_path / str(number)
        lot = Lot(folder / "in", 2)
        with AudioStorageManager(store=LocalStore(folder / "store"), retry_config=QUICK) as manager:
            lot.plan(manager, 2)
            call = {"do": "work", "root": str(folder / "store"), "run": RUN, "chunk": 0}
            answer = nursery.run({**call, "die_at": number})
            is_killed = answer["killed"]
            if is_killed:
                kills += 1
                answer = nursery.run(call)
            assert answer.get("value", [0])[0] == 2, answer
            lot.assert_stored(manager, DirectoryReader(folder / "store").things())
            if not is_killed:
                break
    assert kills > 5


@contextmanager
def nurseries(folder: Path, count: int) -> Iterator[list[Nursery]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Nursery(folder / str(n))) for n in range(count)]


@pytest.mark.slow
@STORES
def test_three_processes_on_the_same_chunk_store_it_once(kind: str, tmp_path: Path) -> None:
    lot = Lot(tmp_path / "in", 12)
    with ExitStack() as stack:
        if kind == "bucket":
            server = stack.enter_context(StrictServer(BUCKET))
            manager = stack.enter_context(managing(server))
            call = {"do": "work", "url": server.url, "bucket": BUCKET, "run": RUN, "chunk": 0}
        else:
            store = LocalStore(tmp_path / "store")
            manager = AudioStorageManager(store=store, retry_config=QUICK)
            call = {"do": "work", "root": str(tmp_path / "store"), "run": RUN, "chunk": 0}
        lot.plan(manager, 12)
        workers = stack.enter_context(nurseries(tmp_path / "state", 3))
        children = [each.start({**call, "stopped": True}) for each in workers]
        for child in children:
            child.go_on()
        answers = [child.wait() for child in children]

        assert [each["value"][0] for each in answers] == [12, 12, 12], answers
        if kind == "bucket":
            assert_written_once(server, lot, 1)
            lot.assert_stored(manager, reader_of(server).things())
        else:
            lot.assert_stored(manager, DirectoryReader(tmp_path / "store").things())


@STORES
def test_two_planners_at_once_make_one_plan(kind: str, tmp_path: Path) -> None:
    lot = Lot(tmp_path / "in", 40)
    with ExitStack() as stack:
        if kind == "bucket":
            server = stack.enter_context(StrictServer(BUCKET))
            managers = [stack.enter_context(managing(server)) for _ in range(2)]
        else:
            managers = [AudioStorageManager(store=LocalStore(tmp_path / "store")) for _ in range(2)]
        plans: list[FleetPlan] = []
        threads = [
            threading.Thread(target=lambda each=each: plans.append(lot.plan(each, 4)))
            for each in managers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)

        assert sorted(each.created for each in plans) == [False, True]
        assert plans[0] == plans[1]
        ids = [each.audio_id for each in fleet.results(managers[0], RUN)]
        assert ids == []
        for manager in managers:
            list(fleet.work_share(manager, RUN))
        if kind == "bucket":
            assert_written_once(server, lot, 10)


# -- workers with an index -----------------------------------------------------------------------


@pytest.mark.slow
@STORES
def test_four_workers_that_are_killed_again_and_again_store_everything_once(
    kind: str, tmp_path: Path
) -> None:
    lot = Lot(tmp_path / "in", 160)
    with ExitStack() as stack:
        if kind == "bucket":
            server = stack.enter_context(StrictServer(BUCKET))
            manager = stack.enter_context(managing(server))
            where = {"url": server.url}
        else:
            store = LocalStore(tmp_path / "store")
            manager = AudioStorageManager(store=store, retry_config=QUICK)
            where = {"root": str(tmp_path / "store")}
        lot.plan(manager, 10)
        assert run_supervised({**where, "kills": 25})["kills"] > 0
        assert fleet.status(manager, RUN).is_done
        if kind == "bucket":
            assert_written_once(server, lot, 16)
            lot.assert_stored(manager, reader_of(server).things())
        else:
            lot.assert_stored(manager, DirectoryReader(tmp_path / "store").things())


@pytest.mark.slow
def test_a_list_by_workers_that_are_killed_again_and_again_is_that_of_the_whole() -> None:
    with StrictServer(BUCKET) as server, managing(server) as manager:
        for audio_id in audio_ids(120):
            put_asset(manager.store, audio_id)
        fleet.plan_list(manager, run=RUN, chunks=40)
        ended = run_supervised({"url": server.url, "kills": 10})
        assert ended["kills"] > 0
        assert list(fleet.assets(manager, RUN)) == list(manager.catalog.find())
        settled(server)
        history = server.state.bucket(BUCKET).history
        assert {len(generations) for generations in history.values()} == {1}
        assert len(history) == 2 * 120 + 3 * 40 + 1


def run_supervised(call: dict[str, Any]) -> dict[str, int]:
    """Run workers in another process, which kills them."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.test_fleet", json.dumps(call)],
        cwd=ROOT,
        env={**os.environ, "NO_GCE_CHECK": "true"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    counts: dict[str, int] = json.loads(ended.stdout)
    return counts


def supervise(call: dict[str, Any], count: int = 4) -> dict[str, int]:
    """Run workers, kill one now and then, and start each again until it comes to its end."""
    import audiostore.fleet.working  # noqa: F401, PLC0415
    from audiostore.stores.gcs import store  # noqa: F401, PLC0415
    from tests.faults import rig  # noqa: F401, PLC0415

    rng = random.Random(7)
    workers = {index: start(call, index, count) for index in range(count)}
    kills = 0
    while workers:
        if kills < call["kills"]:
            time.sleep(rng.uniform(0.0, 0.3))
            index = rng.choice(sorted(workers))
            os.kill(workers[index], signal.SIGKILL)
        else:
            index = next(iter(workers))
        _, status = os.waitpid(workers[index], 0)
        if os.waitstatus_to_exitcode(status) == 0:
            del workers[index]
            continue
        kills += os.WIFSIGNALED(status)
        workers[index] = start(call, index, count)
    return {"kills": kills}


def start(call: dict[str, Any], index: int, count: int) -> int:
    """Fork a worker; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = work(call, index, count)
    finally:
        os._exit(code)


def work(call: dict[str, Any], index: int, count: int) -> int:
    """Be a worker; return its exit code."""
    from tests.faults.rig import gcs, simulate_waits  # noqa: PLC0415

    simulate_waits(pytest.MonkeyPatch())
    store = gcs(call["url"]) if "url" in call else LocalStore(Path(call["root"]))
    with AudioStorageManager(store=store, retry_config=QUICK) as manager:
        chunks = fleet.work_share(manager, RUN, index=index, count=count, takeover_after_s=0.0)
        return 1 if [each for each in chunks if each.error] else 0


if __name__ == "__main__":
    print(json.dumps(supervise(json.loads(sys.argv[1]))))
