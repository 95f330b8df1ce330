"""One asset over HTTP: shown, changed, deleted, restored, linked to."""

from collections.abc import Callable, Iterator
from urllib.request import urlopen
from uuid import uuid4

import pytest
from google.oauth2.service_account import Credentials

from audiostore import GcsStore
from audiostore.testing import cover
from tests.assets import BUCKET, tone
from tests.gcs_server import Fault, StrictServer, faults
from tests.serve.conftest import Answer, Running, serving
from tests.timing import PATIENCE_S

MERGE = "application/merge-patch+json"


@pytest.fixture
def path(service: Running) -> str:
    return f"/v1/assets/{service.store(tone(title='Old'), **{'meta.mood': 'calm'})}"


def test_an_asset_is_shown_with_its_facts_and_where_its_parts_are(
    service: Running, path: str
) -> None:
    service("PUT", f"{path}/thumbnail", cover(), content_type="image/png")
    asset = service("GET", path).json
    assert asset["audio_id"] in path
    assert (asset["format"], asset["duration_s"], asset["title"]) == ("wav", 1.0, "Old")
    assert (asset["tags"], asset["custom"]) == ({"title": "Old"}, {"mood": "calm"})
    for part, data in (("audio", tone(title="Old")), ("thumbnail", cover())):
        assert service("GET", asset["links"][part]).body == data
    assert not {"audio_path", "thumbnail_path"} & asset.keys()


def test_an_entity_tag_changes_with_every_change(service: Running, path: str) -> None:
    seen = [service("GET", path).headers["etag"]]
    assert service("GET", path, if_none_match=seen[0]).status == 304
    changes: tuple[Callable[[], Answer], ...] = (
        lambda: service("PATCH", path, {"custom": {"mood": "loud"}}),
        lambda: service("PUT", f"{path}/thumbnail", cover(), content_type="image/png"),
        lambda: service("PUT", f"{path}/thumbnail", cover(2, 2), content_type="image/png"),
    )
    for change in changes:
        answer = change()
        assert answer.status == 200
        assert answer.headers["etag"] == answer.json["etag"] == service("GET", path).json["etag"]
        seen.append(answer.headers["etag"])
    assert len(set(seen)) == 4


def test_a_patch_sets_and_removes_metadata(service: Running, path: str) -> None:
    answer = service(
        "PATCH", path, {"custom": {"title": "New", "mood": None, "key": "C"}}, content_type=MERGE
    )
    assert answer.json["title"] == "New"
    assert answer.json["custom"] == {"title": "New", "key": "C"}
    assert service("GET", path).json == answer.json
    assert service("PATCH", path, {}).json["custom"] == {"title": "New", "key": "C"}


def test_a_patch_of_another_version_changes_nothing(service: Running, path: str) -> None:
    etag = service("GET", path).headers["etag"]
    first = service("PATCH", path, {"custom": {"mood": "first"}}, if_match=etag)
    assert first.status == 200
    for stale in (etag, '"other"', f"W/{first.headers['etag']}"):
        answer = service("PATCH", path, {"custom": {"mood": "second"}}, if_match=stale)
        assert (answer.status, answer.problem) == (412, "PreconditionFailed")
    assert service("DELETE", path, if_match=etag).status == 412
    assert service("GET", path).json["custom"] == {"mood": "first"}
    assert service("PATCH", path, {}, if_match="*").status == 200
    assert service("DELETE", path, if_match=service("GET", path).headers["etag"]).status == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[" * 50_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"title": "x"}', 422),
        (b'{"custom": null}', 422),
        (b'{"custom": {"a": 1}}', 422),
        (b'{"custom": {"a": {"b": "c"}}}', 422),
        (b'{"custom": {"crc32c": "x"}}', 422),
        (b'{"custom": {"a\\n": "x"}}', 422),
        (b'{"custom": {"a": "\\u0000"}}', 422),
        (b'{"custom": {"a": "\\ud800"}}', 422),
        (b'{"custom": {"a": "%s"}}' % (b"x" * 9000), 422),
        (b"x" * 70_000, 413),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(local: Running, body: bytes, status: int) -> None:
    path = f"/v1/assets/{local.store(tone())}"
    before = local("GET", path).json
    answer = local("PATCH", path, body, content_type=MERGE)
    assert answer.status == status, answer.body
    assert answer.problem
    assert local("GET", path).json == before


def test_a_patch_of_another_kind_is_refused(local: Running) -> None:
    path = f"/v1/assets/{local.store(tone())}"
    assert local("PATCH", path, b"{}", content_type="text/plain").status == 415


def test_a_deleted_asset_is_gone_until_it_is_restored(service: Running, path: str) -> None:
    before = service("GET", path).json
    assert service("DELETE", path).status == 204
    assert service("GET", path).status == service("DELETE", path).status == 404
    (deleted,) = service("GET", "/v1/trash").json["items"]
    assert deleted["audio_id"] in path
    restored = service("POST", f"{path}/restore")
    assert restored.status == 200
    assert service("GET", path).json["custom"] == before["custom"]
    assert service("GET", "/v1/trash").json == {"items": [], "is_complete": True}
    assert service("POST", f"/v1/assets/{uuid4()}/restore").status == 404


def test_what_is_held_is_kept(service: Running, path: str) -> None:
    service.manager.hold(path.rpartition("/")[2])
    answer = service("DELETE", path)
    assert (answer.status, answer.problem) == (423, "HeldError")
    assert service("GET", f"{path}/audio").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "share"}, 422),
        ({"part": "lyrics"}, 422),
        ({"expires_s": 0}, 422),
        ({"expires_s": 604_801}, 422),
        ({"expires_s": True}, 422),
        ({"expires_s": "3600"}, 422),
        ({"download_as": "a\nb"}, 422),
        ({"colour": "red"}, 422),
        ({}, 501),
    ],
)
def test_a_link_that_cannot_be_made_is_refused(
    local: Running, body: dict[str, object], status: int
) -> None:
    answer = local("POST", f"/v1/assets/{local.store(tone())}/links", body)
    assert answer.status == status


@pytest.fixture
def signing(bucket: StrictServer) -> Iterator[GcsStore]:
    """A bucket whose credentials can sign URLs."""
    account = bucket.service_account("robot@project.iam.gserviceaccount.com")
    credentials = Credentials.from_service_account_info(account.key_file(f"{bucket.url}/token"))
    store = GcsStore(BUCKET, emulator=bucket.url, credentials=credentials, now=bucket.now)
    yield store
    store.close()


def fetched(url: str) -> bytes:
    with urlopen(url, timeout=PATIENCE_S) as response:
        data: bytes = response.read()
        return data


def test_a_link_lets_anyone_read_a_part(signing: GcsStore) -> None:
    with serving(signing) as service:
        path = f"/v1/assets/{service.store(tone())}"
        answer = service("POST", f"{path}/links", {"expires_s": 60, "download_as": "a song.wav"})
        assert answer.status == 201
        assert fetched(answer.json["url"]) == tone()
        missing = service("POST", f"{path}/links", {"part": "thumbnail"})
        assert (missing.status, missing.problem) == (404, "AssetNotFoundError")


def test_audio_is_redirected_only_on_request(signing: GcsStore) -> None:
    with serving(signing, redirects=True) as service:
        path = f"/v1/assets/{service.store(tone())}/audio"
        answer = service("GET", path)
        assert (answer.status, answer.headers["cache-control"]) == (302, "no-store")
        assert fetched(answer.headers["location"]) == tone()


# --- failures of the bucket -----------------------------------------------------------------------


def test_a_bucket_that_fails_is_told_apart_from_an_asset_that_is_not_there(
    bucket: StrictServer,
) -> None:
    store = GcsStore(BUCKET, emulator=bucket.url)
    with serving(store) as service:
        path = f"/v1/assets/{service.store(tone())}"
        for status, expected in ((500, 502), (503, 503), (429, 503), (403, 502)):
            bucket.fault(faults.listing, Fault(status=status), times=None)
            answer = service("GET", path)
            assert answer.status == expected, (status, answer.body)
            assert ("retry-after" in answer.headers) == (expected == 503)
            bucket.clear_faults()
        assert service("GET", path).status == 200
    store.close()
