"""Chunks as tasks of Dask: how many are in flight, what is tried again, and what stays where.

The cluster has its scheduler and workers in this process; tests/faults kills real ones.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    ConfigurationError,
    FleetChunk,
    RunNotFoundError,
    fleet,
)
from tests.assets import MP3
from tests.timing import PATIENCE_S, wait_until

if os.environ.get("CI") != "true":  # there, constraints.txt has it
    pytest.importorskip("distributed", reason="needs audiostore[dask]")
from distributed import Client, LocalCluster

from audiostore.fleet import dask

pytestmark = pytest.mark.slow
_work = dask._work
Limits = dict[str, Any]
Ended = tuple[FleetChunk, int]
GO_ON = threading.Event()
CALLS: list[tuple[int, Limits]] = []


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    options["scheduler_kwargs"] = {"dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(dashboard_address=None, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[AudioStorageManager]:
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        yield manager


def plan(manager: AudioStorageManager, folder: Path, count: int, chunk_items: int = 1) -> None:
    folder.mkdir()
    for n in range(count):
        shutil.copy(MP3, folder / f"{n}.mp3")
    items = [BulkItem(folder / f"{n}.mp3") for n in range(count)]
    fleet.plan(manager, items, run="nov", chunk_items=chunk_items, check="none")


def tasks(client: Client) -> int:
    """Return how many tasks the scheduler knows."""
    assert client.cluster is not None
    return len(client.cluster.scheduler.tasks)


def note(arguments: bytes, run: str, number: int, limits: Limits) -> Ended:
    """Be a task that says what it was given."""
    CALLS.append((number, limits))
    return _work(arguments, run, number, limits)


def wait(arguments: bytes, run: str, number: int, limits: Limits) -> Ended:
    """Be a task that takes long, but for the first."""
    CALLS.append((number, limits))
    assert number == 0 or GO_ON.wait(PATIENCE_S)
    return _work(arguments, run, number, limits)


def fail(arguments: bytes, run: str, number: int, limits: Limits) -> Ended:
    """Be a task that fails for now, but for the second time."""
    CALLS.append((number, limits))
    if number == 1 and len([each for each, _ in CALLS if each == 1]) < 3:
        error = ConnectionError("the network is gone")
        return FleetChunk(number, 1, 0, unfinished=1, error=error), 0
    return _work(arguments, run, number, limits)


def break_(arguments: bytes, run: str, number: int, limits: Limits) -> Ended:
    """Be a task with an error that affects all."""
    raise RunNotFoundError("deleted meanwhile")


def unknown(arguments: bytes, run: str, number: int, limits: Limits) -> Ended:
    """Be a task of another release."""
    raise ModuleNotFoundError("No module named 'audiostore.fleet'", name="audiostore.fleet")


def test_chunks_are_stored_and_nothing_stays_with_dask(
    client: Client, manager: AudioStorageManager, tmp_path: Path
) -> None:
    plan(manager, tmp_path / "in", 24, 2)
    (tmp_path / "in" / "5.mp3").unlink()
    done, known = [], []
    for chunk in dask.run(client, manager.url, "nov", window=3):
        done.append(chunk)
        known.append(tasks(client))
    assert sorted(chunk.number for chunk in done) == list(range(12))
    assert sum(chunk.stored for chunk in done) == 23
    (failure,) = [failure for chunk in done for failure in chunk.failures]
    assert failure.audio.endswith("5.mp3")
    assert failure == next(each for each in fleet.results(manager, "nov") if each.error)
    assert max(known) <= 4  # the window, and the one that was just yielded
    wait_until(lambda: tasks(client) == 0)
    assert list(dask.run(client, manager, "nov")) == []
    fleet.retry(manager, "nov")
    assert [each.number for each in dask.run(client, manager, "nov")] == [2]


def test_what_is_left_when_it_is_stopped_is_found_by_the_next(
    client: Client, manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(manager, tmp_path / "in", 8)
    CALLS.clear()
    GO_ON.clear()
    with monkeypatch.context() as patch:
        patch.setattr(dask, "_work", wait)
        chunks = dask.run(client, manager, "nov", window=8)
        assert next(chunks).number == 0
        chunks.close()
        wait_until(lambda: tasks(client) <= 2, "what waits is not dropped")
        GO_ON.set()
        wait_until(lambda: tasks(client) == 0)
    assert len(CALLS) <= 3  # two threads, and the one that ended
    rest = list(dask.run(client, manager, "nov"))
    assert {each.number for each in rest} <= set(range(1, 8))
    assert fleet.status(manager, "nov").stored == len(list(manager.list())) == 8


def test_limits_are_shared_by_what_is_in_flight(
    client: Client, manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_work", note)
    CALLS.clear()
    plan(manager, tmp_path / "in", 6)
    known = [
        tasks(client)
        for _ in dask.run(client, manager, "nov", max_writes_per_s=500, max_rate_bytes_s=1e9)
    ]
    assert max(known) <= 3  # two threads, and the one that was just yielded
    parts = {"concurrency": None, "max_writes_per_s": 250, "max_rate_bytes_s": 5e8}
    assert [limits for _, limits in CALLS] == [parts] * 6


def test_what_fails_for_now_is_tried_again_and_given_up_in_the_end(
    client: Client, manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_work", fail)
    plan(manager, tmp_path / "in", 4)
    CALLS.clear()
    done = {each.number: each for each in dask.run(client, manager, "nov", attempts=2)}
    assert (done[1].unfinished, str(done[1].error)) == (1, "the network is gone")
    assert sum(each.stored for each in done.values()) == 3
    CALLS.clear()
    (last,) = dask.run(client, manager, "nov", attempts=3)
    assert (last.number, last.stored, len(CALLS)) == (1, 1, 3)


def test_an_error_that_affects_all_ends_it(
    client: Client, manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(manager, tmp_path / "in", 4)
    with pytest.raises(RunNotFoundError):
        next(dask.run(client, manager, "dec"))
    for option in ({"window": 0}, {"attempts": 0}, {"max_writes_per_s": 0}, {"concurrency": 0}):
        with pytest.raises(ValueError, match=r"at least 1|above 0"):
            next(dask.run(client, manager, "nov", **option))
    monkeypatch.setattr(dask, "_work", break_)
    with pytest.raises(RunNotFoundError, match="meanwhile"):
        list(dask.run(client, manager, "nov"))
    monkeypatch.setattr(dask, "_work", unknown)
    with pytest.raises(ConfigurationError, match="on all workers"):
        list(dask.run(client, manager, "nov"))
    wait_until(lambda: tasks(client) == 0)
