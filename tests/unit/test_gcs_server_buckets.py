"""The strict server's buckets: their settings, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gcs_server import AS_NEW, StrictServer
from tests.gcs_server.client import OBJECTS, UPLOAD, B, Client, path_of

BUCKET = f"/storage/v1/b/{B}"
DAY_S = 86_400


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B) as made:
        yield made


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.line.close()


def rule(action: dict[str, Any], **condition: Any) -> dict[str, Any]:
    return {"action": action, "condition": condition}


DELETE = {"type": "Delete"}
ABORT = {"type": "AbortIncompleteMultipartUpload"}
COLD = {"type": "SetStorageClass", "storageClass": "COLDLINE"}


def test_a_patch_merges_and_raises_the_metageneration(client: Client) -> None:
    before = client("GET", BUCKET).json
    assert (before["metageneration"], before["storageClass"]) == ("1", "STANDARD")
    assert not {"softDeletePolicy", "lifecycle", "versioning"} & before.keys()
    rules = {"rule": [rule(DELETE, age=30)]}
    after = client.json("PATCH", BUCKET, {"lifecycle": rules, "labels": {"a": "1", "b": "2"}}).json
    assert (after["metageneration"], after["lifecycle"]) == ("2", rules)
    assert after["etag"] != before["etag"]
    assert after["timeCreated"] == before["timeCreated"] <= after["updated"]
    iam = {"publicAccessPrevention": "enforced"}
    after = client.json("PATCH", BUCKET, {"labels": {"a": None}, "iamConfiguration": iam}).json
    assert (after["lifecycle"], after["labels"]) == (rules, {"b": "2"})
    assert after["iamConfiguration"] == {**before["iamConfiguration"], **iam}
    deeper = {"uniformBucketLevelAccess": {"lockedTime": "2030-01-01T00:00:00Z"}}
    after = client.json("PATCH", BUCKET, {"iamConfiguration": deeper}).json
    assert after["iamConfiguration"]["uniformBucketLevelAccess"] == {
        "enabled": True,
        **deeper["uniformBucketLevelAccess"],
    }
    assert "lifecycle" not in client.json("PATCH", BUCKET, {"lifecycle": None}).json
    assert client("GET", BUCKET).json["metageneration"] == "5"
    assert client("GET", BUCKET, fields="name,iamConfiguration/publicAccessPrevention").json == {
        "name": B,
        "iamConfiguration": iam,
    }
    assert client("GET", BUCKET, fields="colour").status == 400
    assert client("GET", BUCKET, projection="full").status == 200
    assert client("GET", BUCKET, projection="half").status == 400


def test_a_patch_is_judged_by_the_metageneration(server: StrictServer, client: Client) -> None:
    labels = {"labels": {"a": "1"}}
    stale = client.json("PATCH", BUCKET, labels, ifMetagenerationMatch=2)
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    assert client.json("PATCH", BUCKET, labels, ifMetagenerationNotMatch=1).status == 412
    assert server.bucket(B)["metageneration"] == "1"
    assert client.json("PATCH", BUCKET, labels, ifMetagenerationMatch=1).status == 200
    assert client("GET", BUCKET, ifMetagenerationMatch=1).status == 412
    assert client("GET", BUCKET, ifMetagenerationNotMatch=2).status == 304
    assert client.json("PATCH", "/storage/v1/b/none", labels).status == 404
    assert client("PATCH", BUCKET, b"{}", {"Content-Type": "text/plain"}).status == 400


@pytest.mark.parametrize(
    "settings",
    [
        {"softDeletePolicy": {"retentionDurationSeconds": "604799"}},
        {"softDeletePolicy": {"retentionDurationSeconds": 7_776_001}},
        {"softDeletePolicy": {"retentionDurationSeconds": "7d"}},
        {"softDeletePolicy": []},
        {"versioning": {"enabled": "true"}},
        {"versioning": {"on": True}},
        {"retentionPolicy": {"retentionPeriod": "0"}},
        {"retentionPolicy": {"retentionPeriod": "3155760001"}},
        {"cors": {"origin": ["*"]}},
        {"cors": [{"origin": "*"}]},
        {"cors": [{"maxAgeSeconds": "3600"}]},
        {"iamConfiguration": {"publicAccessPrevention": "none"}},
        {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": 1}}},
        {"storageClass": "WARM"},
        {"location": "EU"},
        {"labels": {"a": 1}},
        {"defaultEventBasedHold": "yes"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_be_are_refused(
    server: StrictServer, client: Client, settings: dict[str, Any]
) -> None:
    assert client.json("PATCH", BUCKET, {"labels": {"a": "1"}, **settings}).status == 400
    assert server.bucket(B)["metageneration"] == "1"
    assert "labels" not in server.bucket(B)


@pytest.mark.parametrize(
    "refused",
    [
        rule({"type": "Expire"}, age=1),
        rule({"type": "SetStorageClass"}, age=1),
        rule({"type": "SetStorageClass", "storageClass": "WARM"}, age=1),
        rule({"type": "Delete", "storageClass": "ARCHIVE"}, age=1),
        rule(DELETE),
        {"action": DELETE},
        {"action": DELETE, "condition": {"age": 1}, "id": "mine"},
        rule(DELETE, age="30"),
        rule(DELETE, age=-1),
        rule(DELETE, age=True),
        rule(DELETE, ageDays=1),
        rule(DELETE, createdBefore="2024-02-30"),
        rule(DELETE, customTimeBefore="2024-02-03T00:00:00Z"),
        rule(DELETE, isLive="true"),
        rule(DELETE, matchesPrefix="audio/"),
        rule(DELETE, matchesPrefix=[]),
        rule(DELETE, matchesSuffix=["x"] * 1001),
        rule(DELETE, matchesStorageClass=["WARM"]),
        rule(DELETE, numNewerVersions="1"),
        rule(ABORT, age=1, isLive=True),
        rule(ABORT, age=1, createdBefore="2024-01-01"),
    ],
)
def test_lifecycle_rules_that_cannot_be_are_refused(
    server: StrictServer, client: Client, refused: dict[str, Any]
) -> None:
    fine = rule(DELETE, age=1)
    assert client.json("PATCH", BUCKET, {"lifecycle": {"rule": [fine, refused]}}).status == 400
    assert "lifecycle" not in server.bucket(B)


def test_a_bucket_takes_100_rules_of_every_kind(client: Client) -> None:
    rules = [
        rule(DELETE, age=0, isLive=False, numNewerVersions=3, daysSinceNoncurrentTime=7),
        rule(DELETE, daysSinceCustomTime=0, customTimeBefore="2024-02-29"),
        rule(COLD, createdBefore="2024-01-01", noncurrentTimeBefore="2024-01-01"),
        rule(COLD, matchesStorageClass=["STANDARD", "NEARLINE"], matchesSuffix=[".flac"]),
        rule(ABORT, age=7, matchesPrefix=["a"], matchesSuffix=["b"]),
    ] * 20
    assert client.json("PATCH", BUCKET, {"lifecycle": {"rule": rules}}).json["lifecycle"] == {
        "rule": rules
    }
    more = {"lifecycle": {"rule": [*rules, rules[0]]}}
    assert client.json("PATCH", BUCKET, more).status == 400
    none = client.json("PATCH", BUCKET, {"lifecycle": {"rule": []}, "cors": []}).json
    assert not {"lifecycle", "cors"} & none.keys()


def test_a_locked_retention_policy_only_grows(server: StrictServer, client: Client) -> None:
    lock = f"{BUCKET}/lockRetentionPolicy"
    assert client("POST", lock, b"").status == 400
    assert client("POST", lock, b"", ifMetagenerationMatch=1).status == 400
    server.configure(B, retentionPolicy={"retentionPeriod": "100", "isLocked": True})
    assert "isLocked" not in server.bucket(B)["retentionPolicy"]
    server.configure(B, retentionPolicy={"retentionPeriod": "90"})
    assert client("POST", lock, b"", ifMetagenerationMatch=2).status == 412
    locked = client("POST", lock, b"", ifMetagenerationMatch=3).json
    assert (locked["metageneration"], locked["retentionPolicy"]["isLocked"]) == ("4", True)
    for policy in (None, {"retentionPeriod": "89"}):
        refused = client.json("PATCH", BUCKET, {"retentionPolicy": policy})
        assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet"), policy
    assert "locked Retention Policy" in refused.json["error"]["message"]
    longer = client.json("PATCH", BUCKET, {"retentionPolicy": {"retentionPeriod": "91"}}).json
    assert (longer["metageneration"], longer["retentionPolicy"]["isLocked"]) == ("5", True)


def test_settings_given_at_start_or_changed_later(server: StrictServer) -> None:
    with StrictServer(B, bucket_settings={**AS_NEW, "location": "eu"}) as other:
        made = other.bucket(B)
        assert made["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
        assert made["softDeletePolicy"]["effectiveTime"] == made["timeCreated"]
        assert (made["location"], made["locationType"]) == ("EU", "multi-region")
        client = Client(other)
        created = client.json("POST", "/storage/v1/b", {"name": "new-one"}, project="p").json
        assert created["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
        given = {"name": "n2", "softDeletePolicy": {"retentionDurationSeconds": 0}}
        created = client.json("POST", "/storage/v1/b", {**given, "name": "new-2"}, project="p").json
        assert created["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
        client.line.close()
    server.configure(B, versioning={"enabled": True})
    assert server.bucket(B)["versioning"] == {"enabled": True}
    server.configure(B, softDeletePolicy={"retentionDurationSeconds": 0})
    assert server.bucket(B)["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
    server.configure(B, softDeletePolicy=None)
    assert server.bucket(B)["softDeletePolicy"]["retentionDurationSeconds"] == "604800"


def test_objects_take_the_defaults_of_their_bucket(server: StrictServer, client: Client) -> None:
    server.configure(B, storageClass="NEARLINE", defaultEventBasedHold=True)
    made = client.multipart("x", b"").json
    assert (made["storageClass"], made["eventBasedHold"]) == ("NEARLINE", True)
    made = client.multipart("y", b"", {"storageClass": "STANDARD", "eventBasedHold": False}).json
    assert (made["storageClass"], made["eventBasedHold"]) == ("STANDARD", False)


# -- who may ---------------------------------------------------------------------------------------


def test_only_the_permissions_given_are_granted() -> None:
    with StrictServer(B, permissions={"storage.objects.get", "storage.objects.list"}) as server:
        client = Client(server)
        server.put(B, "x", b"data")
        wanted = "permissions=storage.objects.get&permissions=storage.objects.delete"
        assert client("GET", f"{BUCKET}/iam/testPermissions?{wanted}").json["permissions"] == [
            "storage.objects.get"
        ]
        assert client("GET", OBJECTS).status == 200
        assert client("GET", path_of("x")).status == 200
        for method, path, permission in (
            ("DELETE", path_of("x"), "storage.objects.delete"),
            ("POST", f"{UPLOAD}?uploadType=media&name=y", "storage.objects.create"),
            ("GET", BUCKET, "storage.buckets.get"),
            ("POST", f"{path_of('x')}/restore?generation=1", "storage.objects.restore"),
        ):
            refused = client(method, path, b"" if method == "POST" else None)
            assert (refused.status, refused.reason) == (403, "forbidden"), path
            assert f"Permission '{permission}' denied" in refused.json["error"]["message"]
        assert client.json("PATCH", BUCKET, {}).status == 403
        server.permissions = {"storage.buckets.get"}
        assert "storage.buckets.update" in client.json("PATCH", BUCKET, {}).body.decode()
        server.permissions = None
        assert client.json("PATCH", BUCKET, {}).status == 200
        client.line.close()


@pytest.mark.parametrize("query", ["", "permissions=*", "permissions=storage.*"])
def test_permissions_to_test_must_be_named(client: Client, query: str) -> None:
    assert client("GET", f"{BUCKET}/iam/testPermissions?{query}").status == 400


@pytest.mark.parametrize(
    ("origin", "method", "allowed"),
    [
        ("https://app.example", "GET", "https://app.example"),
        ("https://app.example", "PUT", None),
        ("https://other.example", "GET", None),
        ("https://other.example", "HEAD", "*"),
    ],
)
def test_a_preflight_is_answered_by_the_cors_settings(
    server: StrictServer, client: Client, origin: str, method: str, allowed: str | None
) -> None:
    server.configure(
        B,
        cors=[
            {"origin": ["https://app.example"], "method": ["GET"]},
            {"origin": ["*"], "method": ["HEAD"], "responseHeader": ["Range"]},
        ],
    )
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    response = client("OPTIONS", f"/{B}/object", None, headers)
    assert response.status == 200
    assert response.headers.get("access-control-allow-origin") == allowed
    assert response.headers.get("access-control-allow-methods") == (method if allowed else None)
