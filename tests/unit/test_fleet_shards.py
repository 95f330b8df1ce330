"""Runs over the parts of a store: put together, they find what one walk of the whole finds."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    BytesSource,
    Checked,
    FleetChunk,
    IntegrityError,
    InvalidRunError,
    Query,
    RunConflictError,
    Shard,
    Statistics,
    fleet,
)
from audiostore.audit import checking
from audiostore.catalog.export import write
from audiostore.fleet.jsonvalues import fields_of, value_in
from audiostore.stores.protocol import spec_of
from tests import damages
from tests.assets import MP3, OGG, SOFT_DELETE, opened
from tests.catalog_samples import audio_ids, put_asset
from tests.damages import DAMAGES, FOREIGN_FILES, Patient
from tests.faults.rig import QUICK

CHUNKS = 7


@pytest.fixture(params=["gcs", "local"])
def patient(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Patient]:
    monkeypatch.setattr(damages, "ID", "%02x000000-0000-4000-8000-000000000000")
    monkeypatch.setattr(checking, "_CHECK_AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(checking, "_TRANSIENT", frozenset())  # nothing is too young
    with opened(request.param, tmp_path) as store:
        seconds = int(SOFT_DELETE["softDeletePolicy"]["retentionDurationSeconds"])
        store.change_settings(store.settings(), soft_delete_s=seconds)
        manager = AudioStorageManager(store=store, retry_config=QUICK)
        made = Patient(store, manager, tmp_path / "store")
        monkeypatch.setattr(type(made), "new_id", lambda self: _spread(self))
        yield made


def _spread(patient: Patient) -> str:
    patient.made += 5  # over most of the first two hexadecimal digits
    return damages.ID % (patient.made % 256)


def filled(manager: AudioStorageManager, count: int = 60) -> None:
    for n, audio_id in enumerate(audio_ids(count)):
        facts = {"duration_s": f"{n * 0.1 + 0.001:.3f}", "codec": "mp3"}
        if n % 3 == 0:
            facts["duration_is_exact"] = "false"
        custom = {"artist": f"Zoé {n % 2}", "title": f"=1+{n}", "x-é": "\\"} if n % 4 else {}
        extension = ".flac" if n % 5 else ".mp3"
        put_asset(
            manager.store,
            audio_id,
            facts=facts,
            custom=custom,
            cover=n % 2 == 0,
            extension=extension,
        )


def worked(manager: AudioStorageManager, run: str) -> list[FleetChunk]:
    chunks = list(fleet.work_share(manager, run))
    assert not [each.error for each in chunks if each.error]
    return chunks


@pytest.mark.slow
@pytest.mark.parametrize("deep", [False, True], ids=["quick", "deep"])
def test_a_check_by_shards_finds_every_problem_of_the_whole(patient: Patient, deep: bool) -> None:
    manager = patient.manager
    for audio in (MP3, OGG):
        patient.asset(audio)
    for damage in DAMAGES:
        damage.make(patient)
    if patient.directory.exists():
        for damage in FOREIGN_FILES:
            damage.make(patient)
    seen: list[Checked] = []
    whole = list(manager.audit.check(deep=deep, on_progress=seen.append))
    assert len({each.kind for each in whole}) >= 20
    plan = fleet.plan_check(manager, run="c", chunks=CHUNKS, deep=deep)
    assert (plan.kind, plan.items, plan.chunks) == ("check", CHUNKS, CHUNKS)
    assert len(worked(manager, "c")) == CHUNKS
    counted: list[Checked] = []
    found = list(fleet.problems(manager, "c", on_progress=counted.append))
    # Not only what is printed: each can still be repaired.
    key: Callable[[Any], Any] = lambda problem: (problem.name, problem.kind)  # noqa: E731
    assert sorted(found, key=key) == sorted(whole, key=key)
    assert counted[-1] == seen[-1]
    assert len(counted) == CHUNKS
    repaired = next(each for each in found if each.kind == "wrong-content-type")
    assert manager.audit.repair(repaired, grace=repaired.changed_at - repaired.changed_at) == "done"  # type: ignore[operator]


@pytest.mark.parametrize("patient", ["local"], indirect=True)
@pytest.mark.parametrize("query", [Query(), Query(formats=frozenset({"flac"}), text="zoé")])
def test_lists_exports_and_statistics_by_shards_are_those_of_the_whole(
    patient: Patient, query: Query
) -> None:
    manager = patient.manager
    filled(manager)
    fleet.plan_list(manager, query, run="l", chunks=CHUNKS)
    fleet.plan_statistics(manager, query, run="s", chunks=CHUNKS)
    assert [each.done_before for each in worked(manager, "l")] == [False] * CHUNKS
    worked(manager, "s")
    whole = list(manager.catalog.find(query))
    assert list(fleet.assets(manager, "l")) == whole
    by_shards, at_once = io.BytesIO(), io.BytesIO()
    assert write(fleet.assets(manager, "l"), by_shards, "csv") == len(whole) > 5
    manager.catalog.export(at_once, "csv", query)
    assert by_shards.getvalue() == at_once.getvalue()
    assert fleet.statistics(manager, "s") == manager.catalog.statistics(query)
    parts = [Shard(n, CHUNKS) for n in range(1, CHUNKS + 1)]
    assert [each for p in parts for each in manager.catalog.find(query, shard=p)] == whole
    status = fleet.status(manager, "l")
    assert (status.kind, status.is_done, status.items, status.failed) == ("list", True, CHUNKS, 0)


@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_pages_and_shards_go_together(patient: Patient) -> None:
    manager = patient.manager
    filled(manager, 40)
    ids = [each.audio_id for each in manager.catalog.find()]
    shard = Shard(2, 3)
    inside = [each.audio_id for each in manager.catalog.find(shard=shard)]
    assert inside == [each for each in ids if shard.holds(f"audio/{each}/x")]
    for after in (ids[0], inside[0], inside[-1], ids[-1]):
        found = [each.audio_id for each in manager.catalog.find(shard=shard, after=after)]
        assert found == [each for each in inside if each > after]


@pytest.mark.parametrize("patient", ["local"], indirect=True)
def test_a_run_over_shards_is_planned_once_and_read_as_what_it_is(patient: Patient) -> None:
    manager = patient.manager
    query = Query(formats=frozenset({"mp3", "flac"}))
    plan = fleet.plan_list(manager, query, run="l", chunks=3)
    assert fleet.plan_list(manager, query, run="l", chunks=3) == plan
    others: list[Callable[[], object]] = [
        lambda: fleet.plan_list(manager, run="l", chunks=3),
        lambda: fleet.plan_list(manager, query, run="l", chunks=4),
        lambda: fleet.plan_statistics(manager, query, run="l", chunks=3),
    ]
    for other in others:
        with pytest.raises(RunConflictError):
            other()
    reads: list[Callable[[], object]] = [
        lambda: list(fleet.results(manager, "l")),
        lambda: list(fleet.problems(manager, "l")),
        lambda: fleet.statistics(manager, "l"),
    ]
    for read in reads:
        with pytest.raises(InvalidRunError, match="'l' is planned to list"):
            read()
    for chunks in (0, -1, 1_000_001):
        with pytest.raises(InvalidRunError):
            fleet.plan_check(manager, run="x", chunks=chunks)
    with pytest.raises(ValueError, match="sample"):
        fleet.plan_check(manager, run="x", sample=0.5)
    assert list(fleet.assets(manager, "l")) == []
    assert fleet.work(manager.store.url, "l", 1).stored == 1  # an empty shard


@pytest.mark.parametrize("patient", ["local"], indirect=True)
@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"is":"Query"}', b'{"is":"Statistics"}', b"\xff"])
def test_results_that_are_damaged_are_an_error(patient: Patient, line: bytes) -> None:
    manager = patient.manager
    fleet.plan_statistics(manager, run="s", chunks=1)
    worked(manager, "s")
    blob = manager.store.stat("fleet/s/000000/results-0.jsonl")
    spec = spec_of(blob, blob.name)
    manager.store.put(spec, BytesSource(line), if_generation_match=blob.generation)
    with pytest.raises(IntegrityError, match="is not what this release"):
        fleet.statistics(manager, "s")


def test_values_come_back_from_json_whole_and_only_as_their_own_types() -> None:
    query = Query(formats=frozenset({"mp3", "ogg"}), equal={"a": "é"}, min_size_bytes=1, held=False)
    assert value_in(Query, json.loads(json.dumps(fields_of(query)))) == query
    assert value_in(Statistics, fields_of(Statistics.of_parts([]))) == Statistics.of_parts([])
    for wrong in (
        {"held": 1},
        {"min_size_bytes": True},
        {"text": 1},
        {"formats": "mp3"},
        {"equal": {"a": 1}},
        {"created_from": "x"},
        {"nonsense": 1},
        {"is": "BlobSpec"},
        {"formats": ["x"]},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            value_in(Query, {"is": "Query", **wrong})
