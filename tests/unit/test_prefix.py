"""A store under a prefix in a bucket: everything stays within it."""

import pickle
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import google.oauth2.service_account
import pytest

from audiostore import AudioStorageManager, BulkItem, Policy, Query, RetryConfig, fleet
from audiostore.audit.checking import Checker
from audiostore.errors import (
    AssetNotFoundError,
    BlobNotFoundError,
    ConfigurationError,
    StoreConnectionError,
    UnsupportedByStoreError,
    affects_all,
)
from audiostore.lifecycle import deletes_on_custom_time
from audiostore.lifecycle.rules import rules_of
from audiostore.sources import BytesSource
from audiostore.stores.gcs import GcsStore, upload
from audiostore.stores.protocol import BlobSpec
from tests.assets import BUCKET, JPG, MP3, OGG, OTHER_JPG
from tests.gcs_server import AS_NEW, StrictServer, faults
from tests.prefixes import put_neighbours, require_within

PREFIX = "music/prod"
ONCE = RetryConfig(max_attempts=1)
WHOLE_BUCKET_RULE = {"action": {"type": "Delete"}, "condition": {"age": 9999}}
WIDER_RULE = {"action": {"type": "Delete"}, "condition": {"age": 8000, "matchesPrefix": ["music/"]}}
POLICY = Policy(nearline_after_days=30, expire_on_custom_time=True, abort_uploads_after_days=7)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    hierarchical = {**AS_NEW, "hierarchicalNamespace": {"enabled": True}}
    with StrictServer(BUCKET, directory=tmp_path, bucket_settings=hierarchical) as running:
        put_neighbours(running, BUCKET)
        yield running


def store_at(server: StrictServer, prefix: str, **options: object) -> GcsStore:
    return GcsStore(BUCKET, prefix=prefix, emulator=server.url, **options)  # type: ignore[arg-type]


def managed(server: StrictServer, prefix: str) -> AudioStorageManager:
    return AudioStorageManager(store=store_at(server, prefix), retry_config=ONCE)


@pytest.fixture
def manager(server: StrictServer) -> Iterator[AudioStorageManager]:
    with managed(server, PREFIX) as manager:
        yield manager


@pytest.mark.slow
def test_no_request_leaves_the_prefix(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all that the library can do; names that are not below the prefix fail the test."""
    account = server.service_account("robot@project.iam.gserviceaccount.com")
    credentials = google.oauth2.service_account.Credentials.from_service_account_info(
        account.key_file(f"{server.url}/token")
    )
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)
    store = store_at(server, PREFIX, credentials=credentials, now=server.now)
    with AudioStorageManager(store=store, retry_config=ONCE) as manager:
        assert manager.url == f"gs://{BUCKET}/{PREFIX}"
        one = manager.upload_audio_with_thumbnail(MP3, JPG, metadata={"mood": "calm"})
        two = manager.upload_audio_file(OGG, artwork="none")
        assert one.audio_path == f"gs://{BUCKET}/{PREFIX}/audio/{one.audio_id}/audio.mp3"
        record = server.object(BUCKET, f"{PREFIX}/audio/{one.audio_id}/audio.mp3")
        assert record is not None
        # Names in the record are those below the prefix, so that objects can be moved.
        assert f"audio/{one.audio_id}/thumbnail.jpg" in record.metadata.values()
        assert {a.audio_id for a in manager.list()} == {one.audio_id, two.audio_id}
        assert len(list(manager.catalog.find(Query(equal={"mood": "calm"})))) == 1
        first, second = sorted((one.audio_id, two.audio_id))
        assert [a.audio_id for a in manager.catalog.find(after=first)] == [second]
        assert manager.catalog.resolve(second[:8]) == second
        assert manager.catalog.statistics().total.assets == 2
        with pytest.raises(BlobNotFoundError):
            manager.store.stat("audio/none")
        manager.download(one.audio_id, tmp_path / "copy.mp3")
        assert (tmp_path / "copy.mp3").read_bytes() == MP3.read_bytes()
        with manager.open(one.audio_id) as stream:
            assert stream.read(3) == MP3.read_bytes()[:3]
        url = manager.signed_url(one.audio_id)
        assert f"/{BUCKET}/{PREFIX}/audio/{one.audio_id}/audio.mp3?" in unquote(url)
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read() == MP3.read_bytes()
        manager.update_metadata(one.audio_id, {"mood": "loud"})
        manager.upload_thumbnail_file(OTHER_JPG, one.audio_id)
        manager.hold(two.audio_id)
        manager.release(two.audio_id)
        manager.set_class(two.audio_id, "NEARLINE")
        manager.expire(two.audio_id, datetime(2040, 1, 1, tzinfo=UTC))
        manager.delete(one.audio_id)
        assert [each.audio_id for each in manager.trash.list()] == [one.audio_id]
        manager.restore(one.audio_id)
        manager.delete(two.audio_id)
        with pytest.raises(UnsupportedByStoreError, match=f"gs://{BUCKET}/{PREFIX}/audio/"):
            manager.trash.purge(two.audio_id)
        with pytest.raises(AssetNotFoundError, match=f"gs://{BUCKET}/{PREFIX}"):
            manager.get(two.audio_id)
        fleet.plan(manager, [BulkItem(MP3)], run="nov", check="none")
        assert [each.stored for each in fleet.work_share(manager, "nov")] == [1]
        assert [each.status for each in fleet.results(manager, "nov")] == ["stored"]
        server.state.bucket(BUCKET).make_folders(f"{PREFIX}/audio/0/1/", server.now().isoformat())
        server.state.bucket(BUCKET).make_folders("music/q/audio/0/", server.now().isoformat())
        later = datetime.now(UTC) + timedelta(days=3)
        problems = list(Checker(manager, now=lambda: later, sleep=lambda _: None).run())
        assert {(p.kind, p.name) for p in problems} == {
            ("foreign-file", "audio/0"),
            ("foreign-file", "audio/0/1"),
        }
        for problem in problems:
            assert manager.audit.repair(problem, now=later) == "done"
        manager.lifecycle.apply(manager.lifecycle.plan(POLICY))
        assert all(finding.ok for finding in manager.admin.diagnose())
    seen = require_within(server, BUCKET, PREFIX)
    assert seen >= {
        *("session_start", "session_chunk", "stat", "download", "patch", "delete", "rewrite"),
        *("restore", "xml", "list", "folder_list", "folder_delete", "layout"),
        *("bucket_get", "bucket_patch", "permissions"),
    }
    assert "music/q/audio/0/" in server.folders(BUCKET)


def test_prefixes_of_one_bucket_are_different_stores(server: StrictServer) -> None:
    with managed(server, PREFIX) as prod, managed(server, "music/dev") as dev:
        with managed(server, "") as whole:
            stored = prod.upload_audio_with_thumbnail(MP3, JPG)
            assert [outcome.error for outcome in prod.bulk.copy(dev)] == [None]
            assert dev.get(stored.audio_id).thumbnail is not None
            prod.delete(stored.audio_id)
            assert dev.get(stored.audio_id).audio is not None
            assert not list(dev.trash.list())
            assert not list(whole.list())
            assert not list(whole.trash.list())
        with managed(server, PREFIX) as same, pytest.raises(ValueError, match="the same store"):
            list(prod.bulk.copy(same))


def test_a_session_is_resumed_in_its_own_prefix_alone(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)
    folder = tmp_path / "sessions"
    server.fault(faults.session_chunk, faults.respond(503))
    spec, source = BlobSpec("audio/x", "audio/mpeg"), BytesSource(bytes(2000))
    stores = [store_at(server, each, session_folder=folder) for each in (PREFIX, "dev", PREFIX)]
    with pytest.raises(Exception, match="503"):
        stores[0].put(spec, source)
    assert [store.put(spec, source).name for store in stores[1:]] == ["audio/x", "audio/x"]
    starts = [r.name for r in server.requests if r.operation == "session_start"]
    assert starts == [f"{PREFIX}/audio/x", "dev/audio/x"]
    for store in stores:
        store.close()


def test_the_rules_of_other_prefixes_are_left_alone(server: StrictServer) -> None:
    others = (*rules_of(POLICY, "music/dev/"), *rules_of(POLICY), WHOLE_BUCKET_RULE, WIDER_RULE)
    server.configure(
        BUCKET, lifecycle={"rule": list(others)}, retentionPolicy={"retentionPeriod": "60"}
    )
    with managed(server, PREFIX) as prod, managed(server, "music/dev") as dev:
        plan = prod.lifecycle.plan(POLICY)
        assert {step.kind for step in plan.steps} == {"add"}
        assert plan.foreign_rules == 2
        (warning,) = plan.warnings  # the rules of the whole bucket reach it
        assert f"under {PREFIX}/fleet/" in warning
        settings = prod.lifecycle.apply(plan)
        ours = rules_of(POLICY, f"{PREFIX}/")
        assert ours[0]["condition"]["matchesPrefix"] == [f"{PREFIX}/audio/"]  # type: ignore[index]
        assert settings.lifecycle_rules == (*others, *ours)
        assert [rule.is_ours for rule in prod.lifecycle.rules()] == [
            False,
            False,
            *(True for _ in ours),
        ]
        assert prod.lifecycle.plan(POLICY).changes_nothing
        assert dev.lifecycle.plan(POLICY).changes_nothing
        # Taking all of them away takes no other's.
        prod.lifecycle.apply(prod.lifecycle.plan(Policy()))
        assert prod.admin.settings().lifecycle_rules == others
        assert prod.admin.settings().retention_s == 60
        with pytest.raises(UnsupportedByStoreError, match="keep_days = 1 is a retention period"):
            prod.lifecycle.plan(Policy(keep_days=1))
    assert deletes_on_custom_time(ours, f"{PREFIX}/audio/x/audio.mp3")
    assert not deletes_on_custom_time(ours, "audio/x/audio.mp3")


def test_names_outside_of_the_prefix_are_not_believed(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    stored = manager.upload_audio_file(MP3, artwork="none")
    name = f"{PREFIX}/audio/{stored.audio_id}"
    for other in ("audio", "music/prod-2/audio", "music/deve/audio", "music/prod/", ""):
        server.fault(
            faults.operation("list", "stat", "folder_list"),
            faults.mangle(
                lambda status, headers, body, other=other: (  # type: ignore[misc]
                    status,
                    headers,
                    body.replace(name.encode(), f"{other}/{stored.audio_id}".encode()),
                )
            ),
            times=None,
        )
        with pytest.raises(StoreConnectionError, match=r"its name is|out of order"):
            manager.get(stored.audio_id)
        with pytest.raises(StoreConnectionError, match="name"):
            manager.store.stat(f"audio/{stored.audio_id}/audio.mp3")
        with pytest.raises(StoreConnectionError, match=r"not under|out of order|its name is"):
            list(manager.store.foreign_files("audio/"))
        server.clear_faults()


def test_an_account_with_access_to_its_prefix_alone_passes_the_doctor(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    server.fault(faults.operation("permissions"), faults.respond(200, body="{}"), times=None)
    server.fault(faults.operation("bucket_get"), faults.respond(403), times=None)
    findings = {finding.subject: finding for finding in manager.admin.diagnose()}
    assert all(finding.ok for finding in findings.values())
    assert f"the prefix gs://{BUCKET}/{PREFIX}, in the bucket gs://{BUCKET} at" in (
        findings["store"].detail
    )
    assert "granted on the prefix alone cannot be seen" in findings["permissions"].detail
    assert f"add-iam-policy-binding gs://{BUCKET} " in findings["settings"].hint
    # Nor does one refusal end a run over many: others under the prefix may be granted.
    server.put(BUCKET, f"{PREFIX}/audio/x", b"x")
    server.fault(faults.operation("stat"), faults.respond(403), times=1)
    with pytest.raises(Exception, match="403") as refused:
        manager.store.stat("audio/x")
    assert not affects_all(refused.value)
    server.fault(faults.operation("list"), faults.respond(403), times=None)
    *_, failed = manager.admin.diagnose()
    assert not failed.ok
    assert f"add-iam-policy-binding gs://{BUCKET}/{PREFIX} --member" in failed.hint


def test_a_store_keeps_its_prefix_in_another_process(server: StrictServer) -> None:
    store = store_at(server, f"{PREFIX}/")
    again = pickle.loads(pickle.dumps(store))
    with closing(store), closing(again):
        assert again.url == store.url == f"gs://{BUCKET}/{PREFIX}"
        assert again.uri("audio/x") == f"{store.url}/audio/x"
    with pytest.raises(ConfigurationError, match="not a valid prefix"):
        store_at(server, "a//b")


def test_a_url_names_the_prefix(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    monkeypatch.setenv("GCS_BUCKET_NAME", f"gs://{BUCKET}/{PREFIX}/")
    with AudioStorageManager(retry_config=ONCE) as manager:
        stored = manager.upload_audio_file(MP3, artwork="none")
    with AudioStorageManager(f"gs://{BUCKET}/{PREFIX}", retry_config=ONCE) as manager:
        assert manager.url == f"gs://{BUCKET}/{PREFIX}"
        assert manager.get(stored.audio_id).audio_path == stored.audio_path
    require_within(server, BUCKET, PREFIX)
