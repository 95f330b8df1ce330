"""Fleet runs: one plan, ids that stay, chunks that are stored once, and what that costs."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from audiostore import (
    AssetConflictError,
    AudioStorageManager,
    BlobSpec,
    BulkItem,
    BytesSource,
    FleetChunk,
    FleetPlan,
    IntegrityError,
    RunConflictError,
    RunNotFoundError,
    SourceNotFoundError,
    StoreTimeoutError,
    fleet,
)
from audiostore.bulk.executors import engine
from audiostore.bulk.executors.limits import RateLimiter
from audiostore.fleet import claims
from audiostore.fleet.chunks import is_for_now
from audiostore.fleet.layout import begun_name, chunk_states
from audiostore.fleet.objects import create
from audiostore.fleet.working import work_on_chunk
from audiostore.stores.protocol import spec_of
from tests.assets import BUCKET, JPG, mp3_bytes, opened
from tests.faults.rig import QUICK, gcs
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

STORES = pytest.mark.parametrize("kind", ["gcs", "local"])
RUN = "nov"


@pytest.fixture
def manager(kind: str, tmp_path: Path) -> Iterator[AudioStorageManager]:
    with opened(kind, tmp_path) as store:
        yield AudioStorageManager(store=store, retry_config=QUICK)


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(BUCKET) as running:
        yield running


@pytest.fixture
def bucket(server: StrictServer) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=gcs(server), retry_config=QUICK) as manager:
        yield manager


def make(folder: Path, count: int, *, has_cover: bool = True) -> list[BulkItem]:
    folder.mkdir(exist_ok=True)
    items = []
    for n in range(count):
        song, cover = folder / f"{n}.mp3", folder / f"{n}.jpg"
        song.write_bytes(mp3_bytes(1700 + n))
        cover.write_bytes(JPG.read_bytes() + bytes([n]))
        items.append(BulkItem(song, cover if has_cover else None, origin=f"list, line {n}"))
    return items


def planned(manager: AudioStorageManager, items: list[BulkItem], **options: Any) -> FleetPlan:
    return fleet.plan(
        manager, items, run=RUN, **{"chunk_items": 4, "check": "none", "artwork": "none", **options}
    )


def left_to_others(manager: AudioStorageManager, **options: Any) -> int:
    """Find nothing to do; return how many chunks were left to others."""
    with pytest.raises(StopIteration) as end:
        next(fleet.work_share(manager, RUN, **options))
    assert isinstance(end.value.value, int)
    return end.value.value


def share(manager: AudioStorageManager, **options: Any) -> list[FleetChunk]:
    chunks = list(fleet.work_share(manager, RUN, **options))
    assert not [each.error for each in chunks if each.error]
    return chunks


def ids(manager: AudioStorageManager) -> list[str]:
    return [each.audio_id for each in fleet.results(manager, RUN)]


def stored(manager: AudioStorageManager) -> dict[str, int]:
    return {blob.name: blob.generation for blob in manager.store.list("audio/")}


def planned_ids(manager: AudioStorageManager) -> list[str]:
    """The ids in the store's own words."""
    found = []
    for blob in manager.store.list(f"fleet/{RUN}/"):
        if blob.name.endswith("plan.jsonl"):
            lines = manager.store.open(blob).read(1 << 20).splitlines()
            found += [json.loads(line)["id"] for line in lines[1:]]
    return found


# -- plan ----------------------------------------------------------------------------------------


@STORES
def test_a_run_stores_each_item_once_under_the_planned_id(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 10)
    items[3] = replace(items[3], metadata={"mood": "calm"}, source_path="a/3.mp3")
    plan = planned(manager, items, metadata={"mood": "loud", "label": "x"})
    assert (plan.items, plan.chunks, plan.created) == (10, 3, True)

    chunks = share(manager)

    assert sorted((each.number, each.stored) for each in chunks) == [(0, 4), (1, 4), (2, 2)]
    assert len(stored(manager)) == 20
    assert ids(manager) == planned_ids(manager)
    results = list(fleet.results(manager, RUN))
    assert [each.index for each in results] == list(range(10))
    assert [each.audio for each in results] == [str(each.audio) for each in items]
    asset = manager.get(results[3].audio_id)
    assert asset.audio is not None
    assert {"mood": "calm", "label": "x"}.items() <= asset.audio.metadata.items()
    assert (asset.source_path, asset.audio_path) == ("a/3.mp3", results[3].audio_path)
    assert share(manager) == []
    status = fleet.status(manager, RUN)
    assert (status.is_done, status.stored, status.failed, status.chunks_begun) == (True, 10, 0, 0)


@STORES
def test_what_a_run_keeps_in_the_store_is_no_asset_and_no_problem(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    planned(manager, make(tmp_path / "in", 5))
    share(manager)
    before = stored(manager)

    assert list(manager.audit.check(grace=timedelta())) == []
    assert len(list(manager.list())) == manager.catalog.statistics().total.assets == 5
    assert list(manager.trash.list()) == []
    assert list(manager.store.foreign_files("")) == []
    assert stored(manager) == before


@STORES
def test_the_same_plan_again_has_the_same_ids_and_another_list_is_refused(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 10)
    plan = planned(manager, items)
    before = planned_ids(manager)

    again = planned(manager, [replace(each, origin="renamed.csv") for each in items])

    assert (again, again.created) == (plan, False)
    assert planned_ids(manager) == before
    for other, options in (
        (items[:9], {}),
        ([*items[1:], items[0]], {}),
        ([replace(items[0], metadata={"a": "b"}), *items[1:]], {}),
        ([replace(items[0], audio_id=str(uuid4())), *items[1:]], {}),
        (items, {"check": "full"}),
        (items, {"metadata": {"a": "b"}}),
        (items, {"chunk_items": 5}),
    ):
        for dry_run in (False, True):
            with pytest.raises(RunConflictError, match="cannot plan 'nov'"):
                planned(manager, other, dry_run=dry_run, **options)
    assert planned_ids(manager) == before


@STORES
@pytest.mark.parametrize("written", range(5))
def test_a_planner_that_was_killed_is_completed_by_the_next(
    manager: AudioStorageManager, tmp_path: Path, written: int
) -> None:
    items = make(tmp_path / "in", 10)

    def interrupted() -> Iterator[BulkItem]:
        yield from items[: 4 * written]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fleet.plan(manager, interrupted(), run=RUN, chunk_items=4, check="none", artwork="none")
    with pytest.raises(RunNotFoundError):
        fleet.status(manager, RUN)
    before = planned_ids(manager)

    assert planned(manager, items).created

    after = planned_ids(manager)
    assert after[: len(before)] == before
    assert len(set(after)) == 10
    with pytest.raises(RunConflictError):
        planned(manager, items[1:])


@STORES
def test_another_list_is_not_mixed_with_one_whose_planning_was_interrupted(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 12, has_cover=False)
    planned(manager, items, chunk_items=1)
    for name in ("plan.json", "000003/plan.jsonl", "000008/plan.jsonl"):
        manager.store.delete(manager.store.stat(f"fleet/{RUN}/{name}"))
    before = planned_ids(manager)

    for other, options in (
        ([*items[:9], replace(items[9], metadata={"a": "b"}), *items[10:]], {}),
        (items, {"metadata": {"a": "b"}}),
        (items, {"chunk_items": 2}),
    ):
        with pytest.raises(RunConflictError):
            planned(manager, other, **{"chunk_items": 1, **options})
        assert planned_ids(manager) == before

    assert planned(manager, items, chunk_items=1).created
    assert len(set(planned_ids(manager))) == 12
    assert set(before) < set(planned_ids(manager))


@STORES
def test_a_list_is_not_looked_at_when_it_is_planned(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = [BulkItem(tmp_path / f"{n}.mp3") for n in range(3)]
    assert planned(manager, items, dry_run=True).items == 3
    assert list(manager.store.list("fleet/")) == []
    assert planned(manager, items).items == 3


@pytest.mark.parametrize("kind", ["local"])
@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        ("Nov", {}, "invalid run name"),
        ("", {}, "invalid run name"),
        (".nov", {}, "invalid run name"),
        ("a/b", {}, "invalid run name"),
        ("audio", {}, "invalid run name"),
        ("n" * 64, {}, "invalid run name"),
        (RUN, {"chunk_items": 0}, "chunk_items"),
        (RUN, {"cleanup": True}, "cleanup is not for a fleet run"),
        (RUN, {"supersedes": str(uuid4())}, "supersedes is not for a fleet run"),
        (RUN, {"trash_superseded": True}, "trash_superseded is not for a fleet run"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    manager: AudioStorageManager, tmp_path: Path, run: str, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fleet.plan(manager, make(tmp_path / "in", 1), run=run, **options)
    with pytest.raises(ValueError, match="no items"):
        fleet.plan(manager, [], run=RUN)


# -- work ----------------------------------------------------------------------------------------


@pytest.mark.slow
@STORES
def test_a_bad_file_is_recorded_and_tried_again_only_when_asked(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 10, has_cover=False)
    items[5].audio.write_bytes(b"no sound")
    items[9].audio.unlink()
    planned(manager, items, check="quick")

    chunks = share(manager)

    failures = [(each.index, each.error_kind) for chunk in chunks for each in chunk.failures]
    assert sorted(failures) == [(5, "UnsupportedFormatError"), (9, "SourceNotFoundError")]
    status = fleet.status(manager, RUN)
    assert (status.stored, status.failed, status.is_done) == (8, 2, True)
    assert status.errors == {"UnsupportedFormatError": 1, "SourceNotFoundError": 1}
    assert share(manager) == []
    before, given = stored(manager), ids(manager)

    items[5].audio.write_bytes(mp3_bytes(2000))
    assert fleet.retry(manager, RUN) == fleet.retry(manager, RUN) == 2
    assert not fleet.status(manager, RUN).is_done
    again = share(manager)

    assert sorted((each.number, each.items, each.stored) for each in again) == [
        (1, 1, 1),
        (2, 1, 0),
    ]
    assert ids(manager) == given
    assert before.items() < stored(manager).items()
    status = fleet.status(manager, RUN)
    assert (status.stored, status.failed, dict(status.errors), status.is_done) == (
        9,
        1,
        {"SourceNotFoundError": 1},
        True,
    )
    items[9].audio.write_bytes(mp3_bytes(2100))
    assert fleet.retry(manager, RUN) == 1
    share(manager)
    assert fleet.status(manager, RUN).failed == fleet.retry(manager, RUN) == 0
    assert [each.status for each in fleet.results(manager, RUN)] == ["stored"] * 10


@STORES
def test_where_a_disk_is_not_mounted_nothing_is_recorded(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 3)
    planned(manager, items)
    (tmp_path / "in").rename(tmp_path / "elsewhere")

    (chunk,) = fleet.work_share(manager, RUN)
    assert isinstance(chunk.error, SourceNotFoundError)
    assert (chunk.unfinished, chunk.failures) == (3, ())
    assert fleet.status(manager, RUN).chunks_begun == 1

    (tmp_path / "elsewhere").rename(tmp_path / "in")
    assert [each.stored for each in share(manager)] == [3]


@STORES
def test_files_that_were_missing_before_are_missing_for_good(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 2, has_cover=False)
    planned(manager, items)
    items[1].audio.unlink()
    assert [len(each.failures) for each in share(manager)] == [1]
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert fleet.retry(manager, RUN) == 1
    assert [len(each.failures) for each in share(manager)] == [1]
    assert fleet.status(manager, RUN).is_done


def test_what_fails_for_now_is_not_recorded(
    server: StrictServer, bucket: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 4)
    planned(bucket, items)
    once = AudioStorageManager(store=gcs(server), retry_config=replace(QUICK, max_attempts=1))
    server.fault(faults.upload_of("audio.mp3"), faults.respond(503), after=1)

    (chunk,) = fleet.work_share(once, RUN, concurrency=1)

    assert (chunk.stored, chunk.unfinished) == (3, 1)
    assert not fleet.status(bucket, RUN).is_done
    assert [each.stored for each in share(bucket)] == [4]
    assert len(stored(bucket)) == 8


def test_which_errors_are_for_now() -> None:
    assert is_for_now(StoreTimeoutError())
    assert is_for_now(OSError(5, "Input/output error"))
    assert not is_for_now(PermissionError(13, "Permission denied"))
    assert not is_for_now(AssetConflictError())
    assert not is_for_now(ValueError())


@STORES
def test_a_chunk_with_results_is_not_worked_on_again_whatever_the_store_has(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    items = make(tmp_path / "in", 4)
    items[0].audio.write_bytes(b"")
    planned(manager, items)
    first = work_on_chunk(manager, RUN, 0)
    for asset in list(manager.list()):
        manager.delete(asset.audio_id)

    again = work_on_chunk(manager, RUN, 0)

    assert again == replace(first, done_before=True)
    assert [each.index for each in again.failures] == [0]
    assert list(manager.list()) == []


def begin(manager: AudioStorageManager, chunk: int, by: str) -> None:
    """Mark a chunk as begun, as a worker does that is killed then."""
    assert create(manager.store, begun_name(RUN, chunk, 0), [{"by": by}], {"by": by})


@STORES
def test_workers_with_an_index_do_their_share_and_then_what_is_left(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    planned(manager, make(tmp_path / "in", 9, has_cover=False), chunk_items=1)
    now = datetime.now(UTC)

    def work(index: int, **options: Any) -> list[int]:
        chunks = share(manager, index=index, count=3, concurrency=1, **options)
        return [each.number for each in chunks]

    begin(manager, 0, "0/3")
    begin(manager, 4, "2/3")

    done = work(1)

    assert done[:2] == [1, 7]
    assert sorted(done) == [1, 2, 3, 5, 6, 7, 8]
    assert left_to_others(manager, index=1, count=3) == 2  # nobody has given them up yet
    assert work(2) == [4]  # its own
    assert left_to_others(manager, index=2, count=3) == 1
    assert work(2, now=lambda: now + timedelta(hours=1)) == [0]
    assert fleet.status(manager, RUN).is_done
    assert left_to_others(manager, index=2, count=3) == 0


@STORES
def test_a_chunk_that_was_taken_over_is_not_taken_by_the_next(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    planned(manager, make(tmp_path / "in", 1), chunk_items=1)
    begin(manager, 0, "0/3")
    later = datetime.now(UTC) + timedelta(hours=1)
    (tmp_path / "in").rename(tmp_path / "gone")  # what it takes over, it cannot store
    (chunk,) = fleet.work_share(manager, RUN, index=1, count=3, now=lambda: later)
    assert chunk.unfinished
    (tmp_path / "gone").rename(tmp_path / "in")
    assert left_to_others(manager, index=2, count=3, now=lambda: later) == 1
    assert [each.stored for each in share(manager, index=1, count=3, now=lambda: later)] == [1]


@STORES
def test_the_chunks_of_a_long_run_are_looked_at_in_batches(
    manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_LOOKED_AT", 2)
    planned(manager, make(tmp_path / "in", 7, has_cover=False), chunk_items=1)
    assert [each.number for each in chunk_states(manager.store, RUN, 7, first=5)] == [5, 6]
    assert len(share(manager)) == 7
    assert len(stored(manager)) == 7


@pytest.mark.parametrize("kind", ["local"])
def test_workers_share_the_limit_of_writes(
    manager: AudioStorageManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class Spy(RateLimiter):
        def __init__(self, rate: float, *args: Any) -> None:
            rates.append(rate)
            super().__init__(rate, *args)

    monkeypatch.setattr(engine, "RateLimiter", Spy)
    planned(manager, make(tmp_path / "in", 2))
    share(manager, index=1, count=4, max_writes_per_s=1000)
    assert rates == [250.0]


# -- what it costs -------------------------------------------------------------------------------


@pytest.mark.slow
def test_requests_per_asset(
    server: StrictServer, bucket: AudioStorageManager, tmp_path: Path
) -> None:
    planned(bucket, make(tmp_path / "in", 100), chunk_items=50)
    start = len(server.requests)

    def spent() -> Counter[str]:
        nonlocal start
        found = Counter(each.operation for each in server.requests[start:])
        start = len(server.requests)
        return found

    work_on_chunk(bucket, RUN, 0)
    # Two for each asset; the chunk's objects, its items; the mark and the results are uploads.
    assert spent() == {"list": 1, "download": 1, "upload": 100 + 2}

    work_on_chunk(bucket, RUN, 0)
    assert spent() == {"list": 1}

    bucket.store.delete(bucket.store.stat(f"fleet/{RUN}/000000/results-0.jsonl"))
    spent()
    work_on_chunk(bucket, RUN, 0)  # begun before: one request for what is stored
    assert spent() == {"list": 1 + 50, "download": 1, "upload": 2}

    share(bucket)
    found = spent()
    assert found["upload"] == 100 + 2
    assert found.total() <= 50 * 2.2


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="one process is used"
)
def test_a_worker_uses_all_cores_although_it_has_read_the_plan(
    server: StrictServer, bucket: AudioStorageManager, tmp_path: Path
) -> None:
    planned(bucket, make(tmp_path / "in", 8))
    program = (
        "from audiostore import AudioStorageManager, fleet\n"
        "from audiostore.bulk.executors import engine\n"
        "pools, pool = [], engine.ProcessPool\n"
        "engine.ProcessPool = lambda *a, **k: pools.append(pool(*a, **k)) or pools[-1]\n"
        "with AudioStorageManager('bucket') as manager:\n"
        f"    stored = sum(each.stored for each in fleet.work_share(manager, {RUN!r}))\n"
        "print(len(pools), stored)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "STORAGE_EMULATOR_HOST": server.url, "NO_GCE_CHECK": "true"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1 8\n", "")


def test_ids_that_were_given_are_looked_up_unless_said_to_be_new(
    server: StrictServer, bucket: AudioStorageManager, tmp_path: Path
) -> None:
    items = [replace(each, audio_id=str(uuid4())) for each in make(tmp_path / "in", 4)]
    bucket.upload_audio_file(make(tmp_path / "b", 9)[8].audio, audio_id=items[2].audio_id)
    plan = planned(bucket, items)
    (chunk,) = share(bucket)
    assert [(each.index, each.error_kind) for each in chunk.failures] == [(2, "AssetConflictError")]
    assert plan.options == {"check": "none", "artwork": "none"}


# -- what is damaged -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["local"])
@pytest.mark.parametrize("name", ["plan.json", "000000/plan.jsonl", "000000/results-0.jsonl"])
@pytest.mark.parametrize("data", [b"", b'{"a": 1}\n', b"\xff\n", b"[" * 100_000])
def test_damaged_objects_of_a_run_are_an_error(
    manager: AudioStorageManager, tmp_path: Path, name: str, data: bytes
) -> None:
    planned(manager, make(tmp_path / "in", 4))
    share(manager)
    blob = manager.store.stat(f"fleet/{RUN}/{name}")
    manager.store.put(
        BlobSpec(blob.name, "x/y"), BytesSource(data), if_generation_match=blob.generation
    )
    reads: list[Callable[[], object]] = [
        lambda: fleet.status(manager, RUN),
        lambda: list(fleet.results(manager, RUN)),
        lambda: fleet.retry(manager, RUN),
    ]
    if name == "000000/plan.jsonl":
        manager.store.delete(manager.store.stat(f"fleet/{RUN}/000000/results-0.jsonl"))
        reads = [lambda: share(manager)]
    for read in reads:
        with pytest.raises(IntegrityError):
            read()


@STORES
def test_a_chunk_that_was_deleted_is_an_error(manager: AudioStorageManager, tmp_path: Path) -> None:
    planned(manager, make(tmp_path / "in", 10))
    manager.store.delete(manager.store.stat(f"fleet/{RUN}/000001/plan.jsonl"))
    with pytest.raises(IntegrityError, match=r"000001/plan\.jsonl is missing"):
        fleet.status(manager, RUN)
    with pytest.raises(IntegrityError, match=r"000001/plan\.jsonl is missing"):
        share(manager)
    assert work_on_chunk(manager, RUN, 2).stored == 2


@pytest.mark.parametrize("kind", ["local"])
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("plan.json", "chunks", "3"),
        ("plan.json", "chunks", 0),
        ("plan.json", "options", {"nonsense": 1}),
        ("plan.json", "options", []),
        ("plan.json", "kind", "nonsense"),
        ("plan.json", "kind", ["store"]),
        ("000000/plan.jsonl", "id", ["x"]),
        ("000000/plan.jsonl", "n", "0"),
        ("000000/plan.jsonl", "audio", None),
        ("000000/plan.jsonl", "metadata", {"a": 1}),
        ("000000/results-0.jsonl", "index", "0"),
        ("000000/results-0.jsonl", "audio_id", 1),
        ("000000/results-0.jsonl", "nonsense", 1),
    ],
)
def test_values_of_another_kind_in_objects_of_a_run_are_an_error(
    manager: AudioStorageManager, tmp_path: Path, name: str, key: str, value: object
) -> None:
    planned(manager, make(tmp_path / "in", 1))
    share(manager)
    if name == "000000/plan.jsonl":
        manager.store.delete(manager.store.stat(f"fleet/{RUN}/000000/results-0.jsonl"))
    blob = manager.store.stat(f"fleet/{RUN}/{name}")
    *header, line = manager.store.open(blob).read(1 << 20).splitlines(keepends=True)
    data = b"".join([*header, json.dumps({**json.loads(line), key: value}).encode()])
    source = BytesSource(data)
    manager.store.put(spec_of(blob, blob.name), source, if_generation_match=blob.generation)
    with pytest.raises(IntegrityError, match="is not what this release of audiostore writes"):
        share(manager) if "plan" in name else list(fleet.results(manager, RUN))
