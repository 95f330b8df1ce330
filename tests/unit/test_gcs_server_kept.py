"""What the strict server keeps: soft-deleted and noncurrent generations, held objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gcs_server import AS_NEW, QUANTUM, StrictServer
from tests.gcs_server.client import OBJECTS, Answer, B, Client, path_of

DAY_S = 86_400
VERSIONED = {"versioning": {"enabled": True}}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B, bucket_settings=AS_NEW) as made:
        yield made


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.line.close()


def listed(client: Client, **query: Any) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while True:
        page = client("GET", OBJECTS, **query)
        assert page.status == 200, page
        found += [(item["name"], int(item["generation"])) for item in page.json.get("items", [])]
        if "nextPageToken" not in page.json:
            return found
        query["pageToken"] = page.json["nextPageToken"]


def restore(client: Client, name: str, generation: int, **query: Any) -> Answer:
    return client("POST", f"{path_of(name)}/restore", b"", generation=generation, **query)


# -- soft delete -----------------------------------------------------------------------------------


def test_deleted_and_overwritten_generations_are_kept(server: StrictServer, client: Client) -> None:
    first = server.put(B, "a/1", b"one", metadata={"k": "v"}).generation
    second = server.put(B, "a/1", b"two").generation
    assert client("DELETE", path_of("a/1")).status == 204
    server.put(B, "b", b"live")
    assert listed(client) == [("b", server.generations(B, "b")[0])]
    for limit in (1, 1000):
        found = listed(client, softDeleted="true", maxResults=limit)
        assert found == [("a/1", first), ("a/1", second)]
    assert listed(client, softDeleted="true", prefix="b") == []
    item = client("GET", OBJECTS, softDeleted="true").json["items"][0]
    assert item["softDeleteTime"][:10] == server.now().date().isoformat()
    assert item["hardDeleteTime"] > item["softDeleteTime"]
    got = client("GET", path_of("a/1"), softDeleted="true", generation=first).json
    assert (got, got["metadata"], got["size"]) == (item, {"k": "v"}, "3")
    assert client("GET", path_of("a/1"), generation=first).status == 404
    assert client("GET", path_of("a/1")).status == 404
    assert client("GET", path_of("a/1"), softDeleted="true").status == 400
    assert client("GET", path_of("a/1"), softDeleted="true", generation=1).status == 404
    media: dict[str, Any] = {"softDeleted": "true", "alt": "media", "generation": first}
    assert client("GET", path_of("a/1"), **media).status == 400
    assert client("DELETE", path_of("a/1"), generation=first).status == 404
    patched = client.json("PATCH", path_of("a/1"), {"metadata": {"k": "w"}}, generation=first)
    assert patched.status == 404
    both = client("GET", OBJECTS, softDeleted="true", versions="true")
    assert (both.status, both.reason) == (400, "invalid")


def test_restore_makes_a_new_generation(server: StrictServer, client: Client) -> None:
    data = b"data" * QUANTUM
    old = server.put(
        B, "x", data, contentType="audio/flac", metadata={"k": "v"}, storageClass="COLDLINE"
    )
    client.json("PATCH", path_of("x"), {"cacheControl": "no-cache"})
    client("DELETE", path_of("x"))
    server.advance(DAY_S)
    made = restore(client, "x", old.generation, ifGenerationMatch=0)
    assert made.status == 200
    got = made.json
    assert int(got["generation"]) > old.generation
    assert (got["metageneration"], got["metadata"], got["cacheControl"]) == (
        "1",
        {"k": "v"},
        "no-cache",
    )
    assert (got["storageClass"], got["contentType"]) == ("COLDLINE", "audio/flac")
    assert got["timeCreated"] > old.time_created
    assert not {"softDeleteTime", "hardDeleteTime"} & got.keys()
    assert server.read(B, "x") == data
    assert [r.generation for r in server.soft_deleted(B, "x")] == [old.generation]
    server.advance(7 * DAY_S)
    assert listed(client, softDeleted="true") == []
    assert server.read(B, "x") == data


def test_restore_is_judged_by_the_live_object(server: StrictServer, client: Client) -> None:
    old = server.put(B, "x", b"old").generation
    live = server.put(B, "x", b"live").generation
    assert restore(client, "x", old, ifGenerationMatch=0).status == 412
    assert restore(client, "x", old, ifGenerationMatch=old).status == 412
    assert restore(client, "x", old, ifMetagenerationMatch=2).status == 412
    assert server.read(B, "x") == b"live"
    assert restore(client, "x", old, ifGenerationMatch=live).status == 200
    assert server.read(B, "x") == b"old"
    assert [r.generation for r in server.soft_deleted(B, "x")] == [old, live]
    assert client("POST", f"{path_of('x')}/restore", b"").status == 400
    assert restore(client, "x", 1).status == 404
    assert restore(client, "none", old).status == 404
    assert restore(client, "x", server.generations(B, "x")[-1]).reason == "objectNotSoftDeleted"
    assert restore(client, "x", old, copySourceAcl="true").status == 400
    server.denied.add("storage.objects.delete")
    assert restore(client, "x", old).status == 403
    held = client.json("PATCH", path_of("x"), {"temporaryHold": True})
    assert held.status == 200
    server.denied.clear()
    assert restore(client, "x", old).status == 403
    assert server.read(B, "x") == b"old"


def test_what_is_kept_long_enough_is_gone(server: StrictServer, client: Client) -> None:
    generation = server.put(B, "x", b"d" * 100_000).generation
    client("DELETE", path_of("x"))
    server.configure(B, softDeletePolicy={"retentionDurationSeconds": 30 * DAY_S})
    server.advance(7 * DAY_S - 60)
    assert len(list(Path(server.state.directory).iterdir())) == 1
    assert listed(client, softDeleted="true") == [("x", generation)]
    server.advance(61)
    assert listed(client, softDeleted="true") == []
    assert client("GET", path_of("x"), softDeleted="true", generation=generation).status == 404
    assert restore(client, "x", generation).status == 404
    assert list(Path(server.state.directory).iterdir()) == []
    with pytest.raises(ValueError, match="back"):
        server.advance(-1)


def test_without_a_policy_nothing_is_kept(server: StrictServer, client: Client) -> None:
    server.configure(B, softDeletePolicy={"retentionDurationSeconds": 0})
    generation = server.put(B, "x", b"data").generation
    client("DELETE", path_of("x"))
    for answer in (
        client("GET", OBJECTS, softDeleted="true"),
        client("GET", path_of("x"), softDeleted="true", generation=generation),
        restore(client, "x", generation),
    ):
        assert answer.status == 400
        assert "Soft delete policy is required" in answer.json["error"]["message"]
    assert server.soft_deleted(B, "x") == []


# -- noncurrent versions ---------------------------------------------------------------------------


def test_versioning_keeps_noncurrent_generations(server: StrictServer, client: Client) -> None:
    server.configure(B, **VERSIONED)
    one = server.put(B, "x", b"one").generation
    two = server.put(B, "x", b"two").generation
    three = server.put(B, "y", b"three").generation
    assert listed(client) == [("x", two), ("y", three)]
    for limit in (1, 1000):
        assert listed(client, versions="true", maxResults=limit) == [
            ("x", one),
            ("x", two),
            ("y", three),
        ]
    items = client("GET", OBJECTS, versions="true").json["items"]
    assert ["timeDeleted" in item for item in items] == [True, False, False]
    assert client("GET", path_of("x"), generation=one, alt="media").body == b"one"
    assert client.json("PATCH", path_of("x"), {"cacheControl": "z"}, generation=one).status == 200
    assert server.noncurrent(B, "x")[0].cache_control == "z"
    assert client("DELETE", path_of("x")).status == 204
    assert client("GET", path_of("x")).status == 404
    assert [r.generation for r in server.noncurrent(B, "x")] == [one, two]
    assert server.soft_deleted(B, "x") == []
    assert client("DELETE", path_of("x"), generation=one).status == 204
    assert client("DELETE", path_of("x"), generation=one).status == 404
    assert client("DELETE", path_of("y"), generation=three).status == 204
    assert listed(client, versions="true") == [("x", two)]
    assert listed(client, softDeleted="true") == [("x", one), ("y", three)]
    assert restore(client, "x", one).status == 200
    assert server.read(B, "x") == b"one"


# -- holds, retention, customTime ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hold", "kind"), [("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")]
)
def test_a_held_object_stays(server: StrictServer, client: Client, hold: str, kind: str) -> None:
    generation = server.put(B, "x", b"data").generation
    server.put(B, "y", b"other")
    held = client.json("PATCH", path_of("x"), {hold: True}).json
    assert (held[hold], held["metageneration"], held["generation"]) == (True, "2", str(generation))
    rewrite = f"/rewriteTo/b/{B}/o/x"
    session = client.start("x")
    for refused in (
        client("DELETE", path_of("x")),
        client("DELETE", path_of("x"), generation=generation),
        client.multipart("x", b"more"),
        client.chunk(session, b"more", 0, 4),
        client("POST", path_of("y") + rewrite, b""),
        client.json("POST", path_of("x") + rewrite, {"storageClass": "NEARLINE"}),
    ):
        assert (refused.status, refused.reason) == (403, "forbidden")
        assert refused.json["error"]["message"] == (
            f"Object '{B}/x' is under active {kind} hold and cannot be deleted, overwritten or "
            "archived until hold is removed."
        )
    assert client("DELETE", path_of("x"), ifGenerationMatch=1).status == 412
    assert client.json("PATCH", path_of("x"), {"contentType": "a/b"}).json["contentType"] == "a/b"
    server.state.hold_reason = "objectUnderActiveHold"
    assert client("DELETE", path_of("x")).reason == "objectUnderActiveHold"
    assert client.json("PATCH", path_of("x"), {hold: "no"}).status == 400
    assert client.json("PATCH", path_of("x"), {hold: False}).json[hold] is False
    assert client("DELETE", path_of("x")).status == 204


def test_a_retention_policy_keeps_objects(server: StrictServer, client: Client) -> None:
    server.put(B, "x", b"data")
    server.configure(B, retentionPolicy={"retentionPeriod": 3600})
    got = client("GET", path_of("x")).json
    assert got["retentionExpirationTime"][:13] != got["timeCreated"][:13]
    refused = client("DELETE", path_of("x"))
    assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet")
    assert "cannot be deleted or overwritten until" in refused.json["error"]["message"]
    assert client.multipart("x", b"more").status == 403
    server.configure(B, versioning={"enabled": True})
    assert client.multipart("x", b"more").status == 200  # the first becomes noncurrent, and stays
    (first,) = server.noncurrent(B, "x")
    assert client("DELETE", path_of("x"), generation=first.generation).status == 403
    server.configure(B, versioning={"enabled": False})
    client.json("PATCH", path_of("x"), {"eventBasedHold": True})
    assert "retentionExpirationTime" not in client("GET", path_of("x")).json
    server.advance(3000)
    client.json("PATCH", path_of("x"), {"eventBasedHold": False})
    server.advance(3000)
    assert client("DELETE", path_of("x")).status == 403
    server.advance(601)
    assert client("DELETE", path_of("x")).status == 204


def test_an_object_with_a_retention_of_its_own(server: StrictServer, client: Client) -> None:
    until = server.now().replace(year=server.now().year + 1).isoformat()
    retention = {"mode": "Unlocked", "retainUntilTime": until}
    assert client.multipart("x", b"", {"retention": retention}).status == 200
    assert client("DELETE", path_of("x")).reason == "retentionPolicyNotMet"
    assert client.multipart("y", b"", {"retention": {"mode": "Soft"}}).status == 400


def test_custom_time_moves_later_only(server: StrictServer, client: Client) -> None:
    server.put(B, "x", b"data")

    def patch(value: Any) -> Answer:
        return client.json("PATCH", path_of("x"), {"customTime": value})

    for bad in ("tomorrow", "2030-01-01", "2030-01-01T00:00:00", 5):
        assert patch(bad).status == 400, bad
    assert patch("2030-01-01T02:00:00.5+01:00").json["customTime"] == "2030-01-01T01:00:00.500Z"
    assert patch("2030-01-01T00:59:59Z").status == 400
    assert patch(None).json["customTime"] == "2030-01-01T01:00:00.500Z"
    assert patch("2030-01-01T01:00:00.500Z").status == 200
    assert patch("2031-01-01T00:00:00Z").json["customTime"] == "2031-01-01T00:00:00Z"
    made = client.multipart("y", b"", {"customTime": "2030-01-01T00:00:00Z"}).json
    assert made["customTime"] == "2030-01-01T00:00:00Z"


def test_what_a_patch_may_set(server: StrictServer, client: Client) -> None:
    server.put(B, "x", b"data")
    fields = {
        "contentType": "audio/ogg",
        "cacheControl": "no-store",
        "contentDisposition": "attachment",
        "contentLanguage": "de",
    }
    got = client.json("PATCH", path_of("x"), fields).json
    assert {key: got[key] for key in fields} == fields
    assert got["timeStorageClassUpdated"] == got["timeCreated"]
    assert client.json("PATCH", path_of("x"), {"storageClass": "NEARLINE"}).status == 400
    assert (
        "contentLanguage" not in client.json("PATCH", path_of("x"), {"contentLanguage": None}).json
    )


# -- rewrite onto itself ---------------------------------------------------------------------------


def test_a_rewrite_onto_itself_changes_the_class(server: StrictServer, client: Client) -> None:
    data = bytes(3_000_000)
    old = server.put(B, "x", data, metadata={"k": "v"}, contentType="audio/flac")
    path = f"{path_of('x')}/rewriteTo/b/{B}/o/x"
    server.settings.rewrite_step = 1_000_000
    server.advance(60)
    query: dict[str, Any] = {
        "ifGenerationMatch": old.generation,
        "ifSourceGenerationMatch": old.generation,
    }
    body = {"storageClass": "COLDLINE", "contentType": "audio/flac", "metadata": {"k": "v"}}
    answers = [client.json("POST", path, body, **query)]
    while not answers[-1].json["done"]:
        record = server.object(B, "x")
        assert record == old
        token = answers[-1].json["rewriteToken"]
        answers.append(client.json("POST", path, body, rewriteToken=token, **query))
    assert [a.json["totalBytesRewritten"] for a in answers] == ["1000000", "2000000", "3000000"]
    made = answers[-1].json["resource"]
    assert (made["storageClass"], made["metadata"]) == ("COLDLINE", {"k": "v"})
    assert int(made["generation"]) > old.generation
    assert made["timeStorageClassUpdated"] == made["timeCreated"] > old.time_created
    assert [r.generation for r in server.soft_deleted(B, "x")] == [old.generation]
    assert server.read(B, "x") == data
    assert client.json("POST", path, body, **query).status == 412


def test_a_rewrite_is_judged_again_at_its_end(server: StrictServer, client: Client) -> None:
    old = server.put(B, "x", bytes(2_000_000))
    path = f"{path_of('x')}/rewriteTo/b/{B}/o/x"
    server.settings.rewrite_step = 1_000_000
    query: dict[str, Any] = {"ifSourceMetagenerationMatch": 1}
    begun = client.json("POST", path, {"storageClass": "ARCHIVE"}, **query).json
    client.json("PATCH", path_of("x"), {"cacheControl": "no-store"})
    query["rewriteToken"] = begun["rewriteToken"]
    assert client.json("POST", path, {"storageClass": "ARCHIVE"}, **query).status == 412
    record = server.object(B, "x")
    assert record is not None
    assert (record.generation, record.storage_class) == (old.generation, "STANDARD")


def test_a_body_replaces_the_metadata_and_none_copies_it(
    server: StrictServer, client: Client
) -> None:
    server.put(B, "x", b"d", metadata={"k": "v"}, storageClass="ARCHIVE", temporaryHold=True)
    path = f"{path_of('x')}/rewriteTo/b/{B}/o"
    copied = client("POST", f"{path}/y", b"").json["resource"]
    assert (copied["metadata"], copied["storageClass"]) == ({"k": "v"}, "STANDARD")
    assert "temporaryHold" not in copied
    replaced = client.json("POST", f"{path}/z", {"contentType": "a/b"}).json["resource"]
    assert (replaced["contentType"], "metadata" in replaced) == ("a/b", False)
