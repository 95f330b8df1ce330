"""The bucket's settings and permissions, and what the doctor makes of them."""

from collections.abc import Iterator
from typing import Any

import google.oauth2.credentials
import google.oauth2.service_account
import pytest
from google.api_core import exceptions

from audiostore.errors import PreconditionFailedError, StoreConnectionError
from audiostore.stores.capabilities import Finding
from audiostore.stores.gcs import advice
from audiostore.stores.gcs.bucket import settings_of
from audiostore.stores.gcs.store import GcsStore
from tests.gcs_server import AS_NEW, StrictServer, faults

DAY_S = 24 * 3600
RULE = {"action": {"type": "Delete"}, "condition": {"age": 30}}
FIRST = ["store", "credentials", "list", "write"]


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket", bucket_settings=AS_NEW) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    store = GcsStore("bucket", emulator=server.url)
    yield store
    store.close()


# --- settings -------------------------------------------------------------------------------------


def test_the_settings_are_the_buckets(server: StrictServer, store: GcsStore) -> None:
    cors = [{"origin": ["*"], "method": ["GET"]}]
    server.configure(
        "bucket",
        versioning={"enabled": True},
        retentionPolicy={"retentionPeriod": "60"},
        cors=cors,
        lifecycle={"rule": [RULE]},
        storageClass="NEARLINE",
    )
    settings = store.settings()
    assert settings.location == "US"
    assert settings.storage_class == "NEARLINE"
    assert settings.soft_delete_s == 7 * DAY_S
    assert settings.versioning
    assert settings.uniform_access
    assert (settings.retention_s, settings.retention_is_locked) == (60, False)
    assert settings.cors == tuple(cors)
    assert settings.lifecycle_rules == (RULE,)


def test_a_bucket_that_says_little_keeps_nothing() -> None:
    settings = settings_of({"metageneration": "3", "location": "EU", "storageClass": "STANDARD"})
    assert settings.metageneration == 3
    assert (settings.soft_delete_s, settings.retention_s) == (0, 0)
    assert not settings.versioning
    assert not settings.uniform_access


def test_a_response_that_is_not_a_bucket_is_a_broken_connection(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.operation("bucket_get"), faults.respond(200, body=b"{}"))
    with pytest.raises(StoreConnectionError, match="not a bucket resource"):
        store.settings()


def test_one_setting_is_changed_and_the_others_stay(server: StrictServer, store: GcsStore) -> None:
    present = store.settings()
    ruled = store.change_settings(present, lifecycle_rules=(RULE,))
    assert ruled.lifecycle_rules == (RULE,)
    assert ruled.metageneration == present.metageneration + 1
    assert ruled.soft_delete_s == present.soft_delete_s

    kept = store.change_settings(ruled, soft_delete_s=90 * DAY_S, retention_s=60)
    assert (kept.soft_delete_s, kept.retention_s) == (90 * DAY_S, 60)
    assert kept.lifecycle_rules == (RULE,)

    bare = store.change_settings(kept, lifecycle_rules=(), soft_delete_s=0, retention_s=0)
    assert (bare.lifecycle_rules, bare.soft_delete_s, bare.retention_s) == ((), 0, 0)
    assert store.settings() == bare


def test_settings_changed_by_another_process_are_not_overwritten(
    server: StrictServer, store: GcsStore
) -> None:
    present = store.settings()
    server.configure("bucket", versioning={"enabled": True})
    with pytest.raises(PreconditionFailedError):
        store.change_settings(present, soft_delete_s=0)
    assert store.settings().soft_delete_s == 7 * DAY_S


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"soft_delete_s": 1}, "7 to 90 days"),
        ({"soft_delete_s": 91 * DAY_S}, "7 to 90 days"),
        ({"soft_delete_s": -1}, "7 to 90 days"),
        ({"retention_s": -1}, "retention_s is -1"),
        ({"retention_s": 3_155_760_001}, "retention_s"),
    ],
)
def test_what_no_bucket_takes_is_refused_before_it_is_asked(
    server: StrictServer, store: GcsStore, changes: dict[str, int], reason: str
) -> None:
    present = store.settings()
    before = len(server.requests)
    with pytest.raises(ValueError, match=reason):
        store.change_settings(present, **changes)  # type: ignore[arg-type]
    assert len(server.requests) == before


def test_a_locked_time_to_keep_never_shrinks(server: StrictServer, store: GcsStore) -> None:
    locked = settings_of(
        {
            "metageneration": "1",
            "location": "EU",
            "storageClass": "STANDARD",
            "retentionPolicy": {"retentionPeriod": "60", "isLocked": True},
        }
    )
    for shorter in (0, 59):
        with pytest.raises(ValueError, match="locked"):
            store.change_settings(locked, retention_s=shorter)
    assert server.requests == []


def test_a_rule_that_the_bucket_refuses_is_a_value_error(store: GcsStore) -> None:
    present = store.settings()
    with pytest.raises(ValueError, match="settings of gs://bucket") as raised:
        store.change_settings(present, lifecycle_rules=({"action": {"type": "Explode"}},))
    assert isinstance(raised.value, exceptions.BadRequest)
    assert store.settings() == present


def test_a_refusal_names_the_permission_that_is_missing(
    server: StrictServer, store: GcsStore
) -> None:
    present = store.settings()
    server.denied.add("storage.buckets.update")
    with pytest.raises(exceptions.Forbidden, match=r"storage\.buckets\.update") as changing:
        store.change_settings(present, soft_delete_s=0)
    assert "storage.buckets.update on the bucket" in "".join(changing.value.__notes__)
    server.denied.add("storage.buckets.get")
    with pytest.raises(exceptions.Forbidden, match=r"storage\.buckets\.get") as looking:
        store.settings()
    assert "storage.buckets.get on the bucket" in "".join(looking.value.__notes__)


def test_permissions_are_those_of_the_caller(server: StrictServer, store: GcsStore) -> None:
    asked = ["storage.objects.get", "storage.objects.delete", "storage.buckets.update"]
    assert store.granted(asked) == frozenset(asked)
    server.permissions = {"storage.objects.get", "storage.objects.list"}
    assert store.granted(asked) == {"storage.objects.get"}
    assert store.granted(asked[1:]) == frozenset()
    assert store.granted([]) == frozenset()


# --- the doctor -----------------------------------------------------------------------------------


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_the_doctor_looks_at_everything_and_writes_nothing(
    server: StrictServer, store: GcsStore
) -> None:
    findings = list(store.diagnose())
    assert [f.subject for f in findings] == [
        *FIRST,
        "permissions",
        "location",
        "soft delete",
        "versioning",
        "access",
        "public access",
        "cors",
        "links",
    ]
    assert all(f.ok for f in findings)
    assert server.objects("bucket") == []
    assert server.bucket("bucket")["metageneration"] == "1"


@pytest.mark.parametrize(
    ("denied", "failing"), [("storage.objects.list", "list"), ("storage.objects.create", "write")]
)
def test_the_doctor_stops_at_what_is_needed_first_and_names_all_that_is_missing(
    denied: str, failing: str
) -> None:
    missing = {denied, "storage.objects.delete"}
    with StrictServer("bucket", tokens={"good"}, denied=missing) as server:
        credentials = google.oauth2.credentials.Credentials("good")
        store = GcsStore("bucket", emulator=server.url, credentials=credentials)
        last = list(store.diagnose())[-1]
        store.close()
    assert (last.subject, last.ok) == (failing, False)
    assert last.hint.startswith("grant the account roles/storage.objectUser")
    assert all(permission in last.hint for permission in missing)


def test_the_doctor_says_what_a_missing_permission_is_needed_for(
    server: StrictServer, store: GcsStore
) -> None:
    server.denied.update({"storage.objects.delete", "storage.buckets.update"})
    findings = [f for f in store.diagnose() if f.subject == "permissions"]
    assert [f.ok for f in findings] == [True, False, True]
    assert "delete and replace: storage.objects.delete" in findings[1].detail
    assert findings[1].hint.startswith("gcloud storage buckets add-iam-policy-binding gs://bucket")
    assert findings[1].hint.endswith("--role=roles/storage.objectUser")
    assert "change settings: storage.buckets.update" in findings[2].detail


def test_settings_that_cannot_be_seen_are_a_finding(server: StrictServer, store: GcsStore) -> None:
    server.denied.add("storage.buckets.get")
    found = by_subject(list(store.diagnose()))
    assert found["settings"].ok
    assert "storage.buckets.get" in found["settings"].detail
    assert found["settings"].hint.endswith("--role=roles/storage.legacyBucketReader")
    assert found["soft delete"].detail == (
        "deleted objects can be restored; for how long cannot be seen"
    )
    assert found["location"].detail == "US, the storage class of new objects cannot be seen"
    assert "unknown are its versioning" in found["settings"].detail
    assert "versioning" not in found
    assert "links" in found
    server.configure("bucket", softDeletePolicy={"retentionDurationSeconds": "0"})
    off = by_subject(list(store.diagnose()))["soft delete"]
    assert off.detail == "off: deleted objects cannot be restored"
    assert "--soft-delete-duration=7d" in off.hint


def test_the_doctor_recognises_a_hierarchical_namespace() -> None:
    settings = {**AS_NEW, "hierarchicalNamespace": {"enabled": True}}
    with StrictServer("bucket", bucket_settings=settings) as server:
        store = GcsStore("bucket", emulator=server.url)
        found = by_subject(list(store.diagnose()))["namespace"]
        assert found.detail == "hierarchical: the folder of an asset is deleted with it"
        server.denied.add("storage.folders.delete")
        found = by_subject(list(store.diagnose()))["namespace"]
        assert "the folders of deleted assets stay, empty (storage.folders.delete" in found.detail
        assert "--role=roles/storage.objectUser" in found.hint
        store.close()


@pytest.mark.parametrize("operation", ["permissions", "bucket_get"])
def test_the_doctor_continues_after_a_failure(
    server: StrictServer, store: GcsStore, operation: str
) -> None:
    server.fault(faults.operation(operation), faults.respond(503), times=None)
    findings = list(store.diagnose())
    assert [f.subject for f in findings if not f.ok] == [
        {"permissions": "permissions", "bucket_get": "settings"}[operation]
    ]
    assert findings[-1].subject == "links"


@pytest.mark.parametrize("status", [404, 501])
def test_what_an_emulator_does_not_implement_is_not_a_failure(
    server: StrictServer, store: GcsStore, status: int
) -> None:
    unknown = faults.operation("permissions", "bucket_get")
    server.fault(unknown, faults.respond(status), times=None)
    findings = list(store.diagnose())
    assert [f.subject for f in findings] == [*FIRST, "permissions", "settings", "links"]
    assert all(f.ok for f in findings)


RESOURCE: dict[str, Any] = {
    "metageneration": "1",
    "location": "EUROPE-WEST3",
    "locationType": "region",
    "storageClass": "STANDARD",
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "iamConfiguration": {
        "uniformBucketLevelAccess": {"enabled": True},
        "publicAccessPrevention": "enforced",
    },
    "cors": [
        {
            "origin": ["https://radio.example"],
            "method": ["GET", "HEAD"],
            "responseHeader": ["Range", "Content-Range"],
        }
    ],
}


def test_a_bucket_that_is_as_it_should_be_needs_no_advice() -> None:
    findings = list(advice.settings("gs://b", RESOURCE))
    assert [f.hint for f in findings] == [""] * len(findings)
    found = by_subject(findings)
    assert found["location"].detail == "EUROPE-WEST3 (region), new objects are STANDARD"
    assert "7 days" in found["soft delete"].detail
    assert "https://radio.example" in found["cors"].detail


@pytest.mark.parametrize(
    ("subject", "change", "command"),
    [
        ("soft delete", {"softDeletePolicy": {}}, "--soft-delete-duration=7d"),
        ("storage class", {"storageClass": "ARCHIVE"}, "--default-storage-class=STANDARD"),
        ("versioning", {"versioning": {"enabled": True}}, "--no-versioning"),
        ("access", {"iamConfiguration": {}}, "--uniform-bucket-level-access"),
        ("public access", {"iamConfiguration": {}}, "--public-access-prevention"),
        ("retention", {"retentionPolicy": {"retentionPeriod": "90"}}, "--clear-retention-period"),
        ("holds", {"defaultEventBasedHold": True}, "--no-default-event-based-hold"),
        ("cors", {"cors": []}, "--cors-file=cors.json"),
        ("cors", {"cors": [{"origin": ["*"], "method": ["PUT"]}]}, "--cors-file=cors.json"),
        (
            "cors",
            {"cors": [{"origin": ["*"], "method": ["GET"], "responseHeader": ["ETag"]}]},
            "--cors-file=cors.json",
        ),
    ],
)
def test_advice_says_what_to_type(subject: str, change: dict[str, Any], command: str) -> None:
    finding = by_subject(list(advice.settings("gs://b", {**RESOURCE, **change})))[subject]
    assert finding.ok
    assert f"gcloud storage buckets update gs://b {command}" in finding.hint


def test_the_doctor_says_how_urls_are_signed(server: StrictServer, store: GcsStore) -> None:
    alone = list(store.diagnose())[-1]
    assert alone.ok
    assert alone.detail == "URLs cannot be signed"
    assert "--impersonate-service-account" in alone.hint


def test_the_doctor_names_the_key_that_signs(server: StrictServer) -> None:
    account = server.service_account("robot@project.iam.gserviceaccount.com")
    info = account.key_file(f"{server.url}/token")
    # Of another universe, lest google-auth look up the account's regions at Google.
    info["universe_domain"] = "example.com"
    credentials = google.oauth2.service_account.Credentials.from_service_account_info(info)
    store = GcsStore("bucket", emulator=server.url, credentials=credentials)
    last = list(store.diagnose())[-1]
    store.close()
    assert last.detail == f"URLs are signed with the key of {account.email}, on this machine"
    assert last.hint == ""
