"""Buckets whose requests are billed to the requester."""

from collections.abc import Iterator
from contextlib import closing

import google.oauth2.credentials
import pytest
from google.api_core import exceptions

from audiostore import AudioStorageManager, ConfigurationError
from audiostore.stores import BlobSpec, complete, open_store
from audiostore.stores.gcs.store import GcsStore
from tests.gcs_server import AS_NEW, StrictServer
from tests.gcs_server.client import OBJECTS, B, Client, path_of
from tests.unit.test_gcs_signing import ask, keyed
from tests.unit.test_gcs_store import LARGE, SMALL

SPEC = BlobSpec("audio/x/audio.mp3", "audio/mpeg")
PAYS = {**AS_NEW, "billing": {"requesterPays": True}}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B, bucket_settings=PAYS) as server:
        server.billing.payers = {"payer"}
        yield server


def test_the_server_demands_a_project_it_may_bill(server: StrictServer) -> None:
    client = Client(server)
    server.put(B, "x", b"data")
    refused = client("GET", OBJECTS)
    assert (refused.status, refused.reason) == (400, "required")
    media = client("GET", path_of("x"), alt="media")
    assert (media.status, media.body[:6]) == (400, b"Bucket")  # no JSON, no reason
    assert client("GET", OBJECTS, userProject="payer").status == 200
    assert client("GET", OBJECTS, headers={"x-goog-user-project": "payer"}).status == 200
    assert client("GET", OBJECTS, userProject="other").status == 403
    server.configure(B, billing={"requesterPays": False})
    assert client("GET", OBJECTS).status == 200
    assert client("GET", OBJECTS, userProject="other").status == 403
    client.line.close()


def test_every_request_names_the_project(server: StrictServer) -> None:
    with closing(
        GcsStore(B, emulator=server.url, credentials=keyed(server), project="payer")
    ) as store:
        blob = store.put(SPEC, SMALL)
        with closing(store.open(blob)) as reader:
            reader.read(1)
        with closing(store.open(blob, start=9, stop=9)) as reader:  # nothing
            reader.read(1)
        blob = store.update(blob, {"key": "value"})
        blob = store.copy(
            blob, blob.name, if_generation_match=blob.generation, storage_class="NEARLINE"
        )
        store.put(SPEC, LARGE, if_generation_match=blob.generation)  # a session
        store.delete(store.stat(SPEC.name))
        store.restore(next(store.list_deleted("")))
        assert all(finding.ok for finding in store.diagnose())
        store.change_settings(store.settings(), soft_delete_s=0)
        (blob,) = store.list("")
        assert ask(store.signed_url(blob, expires_s=60))[0].status == 200
    assert {request.status for request in server.requests} <= {200, 204, 206, 308, 499}


@pytest.mark.parametrize("reason", ["required", "UserProjectMissing"])
def test_without_a_project_the_error_says_what_to_do(server: StrictServer, reason: str) -> None:
    server.billing.reason = reason
    with closing(GcsStore(B, emulator=server.url)) as store:
        manager = AudioStorageManager(store=store)
        with pytest.raises(ConfigurationError) as caught:
            next(manager.list(), None)
        with pytest.raises(exceptions.BadRequest):
            store.put(SPEC, SMALL)
    assert len(server.requests) == 2  # neither was repeated
    assert caught.value.status == 400
    assert any("GCS_BILLING_PROJECT" in note for note in caught.value.__notes__)


def test_the_project_may_come_from_the_environment(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    monkeypatch.setenv("GCS_BILLING_PROJECT", "payer")
    with AudioStorageManager(B) as manager:
        assert list(manager.list()) == []
    with AudioStorageManager(B, project="other") as manager, pytest.raises(exceptions.Forbidden):
        next(manager.list(), None)


def test_the_quota_project_of_credentials_pays_as_well(server: StrictServer) -> None:
    """google-auth sends it as a header, which users often do not know of."""
    for project, is_allowed in (("payer", True), ("other", False)):
        user = google.oauth2.credentials.Credentials("token", quota_project_id=project)
        with closing(GcsStore(B, emulator=server.url, credentials=user)) as store:
            if is_allowed:
                assert list(store.list("")) == []
                continue
            with pytest.raises(exceptions.Forbidden) as caught:
                list(store.list(""))
            assert "on the project other" in caught.value.__notes__[-1]


def test_the_doctor_says_who_pays(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    with closing(open_store(B)) as store:
        found = list(complete(store).diagnose())
    assert not found[-1].ok
    assert "GCS_BILLING_PROJECT" in found[-1].hint
    with closing(open_store(B, project="payer")) as store:
        said = {finding.subject: finding.detail for finding in complete(store).diagnose()}
    assert said["billing"] == "the requester pays: requests are billed to the project payer"
    with closing(open_store(B, project="other")) as store:
        found = list(complete(store).diagnose())
    assert "roles/serviceusage.serviceUsageConsumer on the project other" in found[-1].hint
