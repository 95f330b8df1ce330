"""Many assets are read at once: what is found, and in which order, is as if one after the other."""

import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, Checked, CheckRecord, MemoryStore, Shard
from audiostore.asset import walk_objects
from audiostore.audit import reading as reading_module
from audiostore.audit.checking import Checker
from audiostore.audit.folders import Folder
from audiostore.audit.problems import Problem
from audiostore.audit.reading import Reading, Turn, in_turn
from audiostore.media.sandbox import pool as pool_module, process
from audiostore.media.sandbox.pool import SandboxPool
from audiostore.media.sandbox.process import WorkerProcess
from audiostore.media.sandbox.worker import Request
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.assets import JPG, MP3, OGG, OTHER_JPG, PNG, opened, repeated_mp3
from tests.catalog_samples import audio_ids, made_up_store, put_asset
from tests.damages import Patient
from tests.timing import PATIENCE_S, wait_until


class Reader:
    """Reads no bytes: waits, counts, and finds a problem named like the asset."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.go_on: dict[str, threading.Event] = {}
        self.active = self.most = 0
        self.begun: list[str] = []
        self.noted: list[str] = []

    def __call__(self, folder: Folder) -> list[Problem]:
        with self.lock:
            self.begun.append(folder.audio_id)
            self.active += 1
            self.most = max(self.most, self.active)
        if folder.audio_id in self.go_on:
            assert self.go_on[folder.audio_id].wait(PATIENCE_S)
        with self.lock:
            self.active -= 1
        if folder.audio_id == "fails":
            raise ConnectionError
        return [problem(folder.audio_id)]

    def note(self, reading: Reading) -> None:
        self.noted.append(reading.folder.audio_id)


def problem(name: str) -> Problem:
    return Problem("kind", None, name, "", "")


def turns(names: Iterator[str] | list[str], size_bytes: int = 1) -> Generator[Turn, None, None]:
    for name in names:
        yield problem(f"before {name}")
        yield Reading(Folder(name, ()), size_bytes)


def names(found: Iterator[Problem | None]) -> Iterator[str]:
    return (each.name for each in found if each is not None)


def test_findings_come_in_the_order_of_the_listing_whatever_is_read_first() -> None:
    reader = Reader()
    reader.go_on = {"0": threading.Event(), "3": threading.Event()}
    found = names(in_turn(turns([str(n) for n in range(9)]), reader, reader.note, 4))
    assert next(found) == "before 0"

    def let_go() -> None:
        wait_until(lambda: len(reader.begun) == 9)
        reader.go_on["3"].set()
        wait_until(lambda: len(reader.noted) == 8)
        reader.go_on["0"].set()

    threading.Thread(target=let_go).start()
    assert list(found) == [f"{b}{n}" for n in range(9) for b in ("before ", "")][1:]
    assert 1 < reader.most <= 4
    assert reader.noted[-1] == "0"


def test_what_is_read_at_once_and_waits_for_its_turn_is_bounded() -> None:
    reader = Reader()
    reader.go_on = {"0": threading.Event()}
    listed: list[str] = []

    def listing() -> Iterator[str]:
        for number in range(500):
            listed.append(str(number))
            yield str(number)

    found = names(in_turn(turns(listing()), reader, reader.note, 2))
    assert next(found) == "before 0"
    threading.Timer(0.1, reader.go_on["0"].set).start()
    next(found)
    assert len(listed) <= 2 * reading_module._TURNS_AHEAD_OF_EACH
    assert len(list(found)) == 2 * 500 - 2
    assert reader.most <= 2


def test_large_assets_are_read_one_after_the_other() -> None:
    reader = Reader()
    size = reading_module._MAX_BYTES_AT_ONCE // 2 + 1
    assert len(list(names(in_turn(turns(list("abcdef"), size), reader, reader.note, 8)))) == 12
    assert reader.most == 1


def test_an_error_is_raised_when_its_turn_comes_and_nothing_is_noted_after_the_end() -> None:
    reader = Reader()
    reader.go_on = {"0": threading.Event(), "late": threading.Event()}
    found = names(in_turn(turns(["0", "fails", "late"]), reader, reader.note, 3))
    assert next(found) == "before 0"

    def let_go() -> None:
        wait_until(lambda: len(reader.begun) == 3)
        reader.go_on["0"].set()

    threading.Thread(target=let_go).start()
    got: list[str] = []
    with pytest.raises(ConnectionError):
        got.extend(iter(lambda: next(found), None))
    assert reader.noted == ["0"]
    reader.go_on["late"].set()
    wait_until(lambda: reader.active == 0)
    for thread in threading.enumerate():
        if thread.name == "audiostore check":
            thread.join(PATIENCE_S)
    assert reader.noted == ["0"]


# --- with real stores and workers -----------------------------------------------------------------


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    with opened("local", tmp_path) as store:
        yield Patient(store, AudioStorageManager(store=store), tmp_path / "store")


@pytest.mark.slow
def test_damage_found_at_once_is_that_found_one_by_one(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(
        patient.asset(*kind)[0].metadata["audio_id"] for kind in [(MP3, JPG), (OGG, None)] * 3
    )
    for audio_id in ids[::3]:
        (audio,) = (patient.directory / "audio" / audio_id).glob("audio.*")
        data = bytearray(audio.read_bytes())
        data[len(data) // 2] ^= 1
        state = audio.stat()
        audio.write_bytes(data)
        os.utime(audio, ns=(state.st_atime_ns, state.st_mtime_ns))
    patient.store.put(BlobSpec(f"audio/{ids[5][:3]}-foreign", "text/plain"), BytesSource(b"x"))
    found = []
    for at_once in (1, 8):
        monkeypatch.setattr("audiostore.audit.checking._READ_AT_ONCE_OF_A_CORE", at_once)
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        found.append(list(Checker(patient.manager, deep=True, sleep=lambda _: None).run()))
    assert found[0] == found[1]
    assert [p.audio_id for p in found[0] if p.kind == "damaged-bytes"] == ids[::3]
    assert len(found[0]) == len(ids[::3]) + 1


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 99])
def test_a_worker_that_dies_accuses_only_its_file_and_the_rest_goes_on(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    song = tmp_path / "long.mp3"
    song.write_bytes(repeated_mp3(30))
    for _ in range(5):
        patient.asset(OGG, JPG)
    victim = patient.manager.upload_audio_file(song, artwork="none").audio_id
    size, killed = song.stat().st_size, []
    run = WorkerProcess.run

    def kill(worker: WorkerProcess) -> None:
        computed_s = process._computed_s(worker._process.pid)
        wait_until(lambda: process._computed_s(worker._process.pid) > computed_s + 0.1)
        killed.append(worker._process.pid)
        os.kill(worker._process.pid, signal.SIGKILL)

    def run_and_kill(
        worker: WorkerProcess, request: Request, descriptor: int, *rest: Any
    ) -> process.Response:
        is_victim = request.task == "decode" and os.fstat(descriptor).st_size == size
        if is_victim and len(killed) < times:
            threading.Thread(target=kill, args=[worker]).start()
        return run(worker, request, descriptor, *rest)

    monkeypatch.setattr(WorkerProcess, "run", run_and_kill)
    seen = Checked()

    def note(checked: Checked) -> None:
        nonlocal seen
        seen = checked

    found = list(patient.manager.audit.check(deep=True, on_progress=note))
    assert seen.assets_read == 6
    # Its first worker has looked at other files, which may be to blame: a fresh one does again.
    assert len(killed) == min(times, 2)
    accused = [("unreadable-object", victim)] if times > 1 else []
    assert [(p.kind, p.audio_id) for p in found] == accused


@pytest.mark.slow
def test_a_core_has_one_worker_and_what_it_looks_at_has_no_name(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in [(MP3, JPG), (OGG, PNG), (MP3, OTHER_JPG), (OGG, None)] * 3:
        patient.asset(*kind)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(os, "fsync", None)  # what is thrown away need not survive
    workers: set[WorkerProcess] = set()
    tasks: list[str] = []
    names: list[Path] = []
    run = WorkerProcess.run

    def noted(worker: WorkerProcess, request: Request, *rest: Any) -> process.Response:
        workers.add(worker)
        tasks.append(request.task)
        names.extend(temporary.iterdir())
        return run(worker, request, *rest)

    monkeypatch.setattr(WorkerProcess, "run", noted)
    with SandboxPool(limit=2) as pool:
        monkeypatch.setattr(pool_module, "_shared", lambda *_: pool)
        assert list(patient.manager.audit.check(deep=True)) == []
    # The same artwork is decoded once.
    assert Counter(tasks) == {"probe": 12, "decode": 12, "image": 3}
    assert len(workers) <= 2
    assert names == []


# --- parts of a store -----------------------------------------------------------------------------


def test_shards_are_the_store_and_no_object_is_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    for audio_id in audio_ids(60):
        put_asset(store, audio_id)
    for shard in (Shard(1, 2), Shard(1, 3), Shard(5, 7)):
        for end in ("", "/", "/x", "x"):
            store.put(BlobSpec(f"{shard.until}{end}", "text/plain"), BytesSource(b"x"))
    for name in ("audio/", "audio/!", "audio/4x", "audio/g", "audio/é", "audio/9:", "audio/A"):
        store.put(BlobSpec(name, "text/plain"), BytesSource(b"x"))
    manager = AudioStorageManager(store=store)
    for url in ("memory://", "gs://bucket"):
        monkeypatch.setattr(MemoryStore, "url", url)
        whole, objects = _checked(manager, None)
        assert objects == len(list(store.list("audio/")))
        assert len(whole) > 15
        for count in (1, 2, 3, 7, 64):
            parts = [_checked(manager, Shard(n, count)) for n in range(1, count + 1)]
            assert [each for found, _ in parts for each in found] == whole
            assert sum(each for _, each in parts) == objects


def _checked(manager: AudioStorageManager, shard: Shard | None) -> tuple[list[str], int]:
    seen: list[Checked] = [Checked()]
    checker = Checker(
        manager, shard=shard, sleep=lambda _: None, clock=lambda: 0, on_progress=seen.append
    )
    return sorted(f"{p.name} {p.kind}" for p in checker.run()), seen[-1].objects


def test_a_shard_of_a_large_bucket_costs_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "url", "gs://made-up")
    store, prefixes = made_up_store(50_000), []
    list_ = store.list

    def noted(prefix: str, *, start_after: str = "") -> Iterator[BlobInfo]:
        prefixes.append(prefix)
        return list_(prefix, start_after=start_after)

    store.list = noted  # type: ignore[method-assign]
    shard = Shard(3, 64)
    found = [blob.name for blob in walk_objects(store, after=shard.after, until=shard.until)]
    assert len(found) == 2 * 50_000 // 64
    assert all(map(shard.holds, found))
    assert len(prefixes) <= 3
    assert shard == Shard.parse("3/64")


@pytest.mark.slow
def test_a_sample_is_chosen_anew_but_kept_while_a_check_is_continued(tmp_path: Path) -> None:
    store = MemoryStore()
    manager = AudioStorageManager(store=store)
    for audio_id in audio_ids(200):
        put_asset(store, audio_id, cover=False)
    read: list[set[str]] = []

    class Noting(Checker):
        def _problems_in_bytes(self, folder: Folder) -> list[Problem]:
            read[-1].add(folder.audio_id)
            return []

    def check(record: CheckRecord | None, sample: float) -> set[str]:
        read.append(set())
        list(Noting(manager, deep=True, record=record, sample=sample).run())
        return read[-1]

    first, second = check(None, 0.2), check(None, 0.2)
    assert 10 < len(first) < 80
    assert first != second
    assert len(check(None, 1)) == 200
    with CheckRecord(tmp_path / "record") as record:
        kept = check(record, 0.2)
        assert check(record, 0.2) == kept
        assert kept < check(record, 0.5)
    with pytest.raises(ValueError, match="share"):
        manager.audit.check(sample=0.5)
    for wrong in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="share"):
            manager.audit.check(deep=True, sample=wrong)
