"""The strict server carries lifecycle rules out when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.gcs_server import AS_NEW, StrictServer, Verdict
from tests.gcs_server.client import B, Client, path_of

DAY_S = 86_400
DELETE = {"type": "Delete"}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B) as made:
        yield made


def to(storage_class: str) -> dict[str, str]:
    return {"type": "SetStorageClass", "storageClass": storage_class}


def rules(server: StrictServer, *pairs: tuple[dict[str, str], dict[str, Any]]) -> None:
    made = [{"action": action, "condition": condition} for action, condition in pairs]
    server.configure(B, lifecycle={"rule": made})


def names(server: StrictServer) -> list[str]:
    return [record.name for record in server.objects(B)]


def test_age_counts_from_the_creation(server: StrictServer) -> None:
    rules(server, (DELETE, {"age": 10}))
    record = server.put(B, "x", b"data")
    server.advance(10 * DAY_S - 60)
    server.put(B, "y", b"data")
    assert server.run_lifecycle() == []
    server.advance(60)
    assert server.run_lifecycle(B) == [(record, Verdict("Delete"))]
    assert names(server) == ["y"]
    assert server.run_lifecycle() == []


def test_a_change_of_class_keeps_the_generation(server: StrictServer) -> None:
    rules(server, (to("NEARLINE"), {"age": 1}), (to("COLDLINE"), {"age": 1}))
    old = server.put(B, "x", b"data", metadata={"k": "v"})
    server.advance(DAY_S)
    ((record, done),) = server.run_lifecycle()
    assert done == Verdict("SetStorageClass", "COLDLINE")
    assert record == server.object(B, "x")
    assert (record.generation, record.storage_class) == (old.generation, "COLDLINE")
    assert (record.time_created, record.metadata) == (old.time_created, {"k": "v"})
    assert record.updated == record.time_storage_class_updated > old.updated
    assert server.run_lifecycle() == []


def test_a_class_never_gets_warmer(server: StrictServer) -> None:
    rules(server, (to("NEARLINE"), {"age": 0}))
    server.put(B, "x", b"data", storageClass="ARCHIVE")
    assert server.run_lifecycle() == []


def test_deletion_wins(server: StrictServer) -> None:
    rules(server, (to("ARCHIVE"), {"age": 1}), (DELETE, {"age": 1}))
    server.put(B, "x", b"data")
    server.advance(DAY_S)
    assert [done.action for _, done in server.run_lifecycle()] == ["Delete"]


@pytest.mark.parametrize(
    ("condition", "gone"),
    [
        ({"matchesPrefix": ["a/", "c"]}, ["a/1.mp3", "c.flac"]),
        ({"matchesSuffix": [".flac"]}, ["b.flac", "c.flac"]),
        ({"matchesStorageClass": ["NEARLINE", "ARCHIVE"]}, ["b.flac"]),
        ({"matchesPrefix": ["b"], "matchesSuffix": [".mp3"]}, []),
        ({"isLive": True}, ["a/1.mp3", "b.flac", "c.flac"]),
        ({"isLive": False}, []),
        ({"numNewerVersions": 0}, ["a/1.mp3", "b.flac", "c.flac"]),
        ({"numNewerVersions": 1}, []),
        ({"daysSinceNoncurrentTime": 0}, []),
        ({"createdBefore": "2020-01-01"}, []),
        ({"createdBefore": "2999-01-01"}, ["a/1.mp3", "b.flac", "c.flac"]),
        ({"daysSinceCustomTime": 0}, ["c.flac"]),
        ({"daysSinceCustomTime": 40_000}, []),
        ({"customTimeBefore": "2020-05-05"}, []),
        ({"customTimeBefore": "2020-05-06"}, ["c.flac"]),
    ],
)
def test_conditions(server: StrictServer, condition: dict[str, Any], gone: list[str]) -> None:
    server.put(B, "a/1.mp3", b"")
    server.put(B, "b.flac", b"", storageClass="NEARLINE")
    server.put(B, "c.flac", b"", customTime="2020-05-05T00:00:00Z")
    rules(server, (DELETE, condition))
    assert sorted(record.name for record, _ in server.run_lifecycle()) == gone
    assert sorted(names(server) + gone) == ["a/1.mp3", "b.flac", "c.flac"]


def test_custom_time_expires_an_object_on_its_day(server: StrictServer) -> None:
    rules(server, (DELETE, {"daysSinceCustomTime": 0}))
    on = server.now() + timedelta(days=3)
    server.put(B, "x", b"", customTime=on.isoformat())
    server.put(B, "y", b"")
    server.advance(3 * DAY_S - 60)
    assert server.run_lifecycle() == []
    server.advance(61)
    assert len(server.run_lifecycle()) == 1
    assert names(server) == ["y"]


@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
def test_what_is_held_is_not_deleted_but_changes_its_class(server: StrictServer, hold: str) -> None:
    rules(server, (DELETE, {"age": 1}))
    server.put(B, "x", b"data", **{hold: True})
    server.advance(DAY_S)
    assert server.run_lifecycle() == []
    assert names(server) == ["x"]
    rules(server, (to("COLDLINE"), {"age": 1}))
    assert len(server.run_lifecycle()) == 1
    rules(server, (DELETE, {"age": 1}))
    client = Client(server)
    client.json("PATCH", path_of("x"), {hold: False})
    client.line.close()
    server.configure(B, retentionPolicy={"retentionPeriod": 10 * DAY_S})
    assert server.run_lifecycle() == []
    server.advance(10 * DAY_S)
    assert len(server.run_lifecycle()) == 1


def test_deletions_are_soft_where_the_bucket_says_so() -> None:
    with StrictServer(B, bucket_settings=AS_NEW) as server:
        rules(server, (DELETE, {"age": 1}))
        generation = server.put(B, "x", b"data").generation
        server.advance(DAY_S)
        server.run_lifecycle()
        assert [r.generation for r in server.soft_deleted(B, "x")] == [generation]
        server.advance(DAY_S)
        assert server.run_lifecycle() == []


def test_old_generations_are_cleared_away(server: StrictServer) -> None:
    server.configure(B, versioning={"enabled": True})
    made = [server.put(B, "x", bytes([n])).generation for n in range(4)]
    rules(server, (DELETE, {"isLive": False, "numNewerVersions": 2}))
    assert [record.generation for record, _ in server.run_lifecycle()] == [made[1], made[0]]
    assert [r.generation for r in server.noncurrent(B, "x")] == [made[2]]
    rules(server, (DELETE, {"daysSinceNoncurrentTime": 7}))
    server.advance(7 * DAY_S - 60)
    assert server.run_lifecycle() == []
    server.advance(60)
    assert [record.generation for record, _ in server.run_lifecycle()] == [made[2]]
    rules(server, (DELETE, {"age": 1}))
    assert [record.generation for record, _ in server.run_lifecycle()] == [made[3]]
    assert names(server) == []
    assert [r.generation for r in server.noncurrent(B, "x")] == [made[3]]
    rules(server, (DELETE, {"numNewerVersions": 1}))
    assert server.run_lifecycle() == []
    rules(server, (to("ARCHIVE"), {"noncurrentTimeBefore": "2999-01-01"}))
    server.run_lifecycle()
    assert [r.storage_class for r in server.noncurrent(B, "x")] == ["ARCHIVE"]
