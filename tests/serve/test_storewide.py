"""The whole store over HTTP: statistics, the trash, a check, health."""

import json
from pathlib import Path

import pytest

from audiostore import GcsStore
from audiostore.testing import cover
from tests.assets import BUCKET, tone
from tests.gcs_server import Fault, StrictServer, faults
from tests.serve.conftest import Running, serving


def test_statistics_count_what_matches(service: Running) -> None:
    for seconds in (1.0, 2.0):
        service.store(tone(seconds))
    assert service("GET", "/v1/stats").json["duration_s"] == 3.0
    found = service("GET", "/v1/stats?min_duration_s=1.5").json
    assert (found["assets"], found["duration_s"]) == (1, 2.0)
    assert found["audio_bytes"] == found["by_format"]["wav"]["audio_bytes"] == len(tone(2.0))
    assert service("GET", "/v1/stats?sort=title").status == 400


def test_what_a_bucket_holds_has_a_price_and_a_directory_has_none(service: Running) -> None:
    service.store(tone())
    cost = service("GET", "/v1/stats").json["cost"]
    if service.manager.url.startswith("gs://"):
        assert cost["currency"] == "USD"
        assert cost["total"] >= 0
    else:
        assert cost is None


def lines(service: Running) -> list[dict[str, object]]:
    answer = service("GET", "/v1/check")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.mark.slow
def test_a_check_names_each_problem_and_sums_up(local: Running, tmp_path: Path) -> None:
    audio_id = local.store(tone())
    assert lines(local) == [{"problems": 0}]
    local("PUT", f"/v1/assets/{audio_id}/thumbnail", cover(), content_type="image/png")
    for path in tmp_path.rglob("thumbnail.*"):
        path.unlink()
    *problems, last = lines(local)
    assert problems
    assert {each["audio_id"] for each in problems} == {audio_id}
    assert all(each["kind"] and each["message"] and each["hint"] for each in problems)
    assert last == {"problems": len(problems)}


def test_a_check_that_fails_says_so_in_its_last_line(bucket: StrictServer) -> None:
    store = GcsStore(BUCKET, emulator=bucket.url)
    with serving(store) as service:
        bucket.fault(faults.listing, Fault(status=500), times=None)
        (last,) = lines(service)
        assert isinstance(last["error"], dict)
        assert last["error"]["status"] == 502
    store.close()


@pytest.mark.slow
def test_a_service_is_ready_as_long_as_its_store_can_be_read(bucket: StrictServer) -> None:
    store = GcsStore(BUCKET, emulator=bucket.url)
    with serving(store) as service:
        bucket.fault(faults.listing, Fault(status=500), times=None)
        answer = service("GET", "/readyz", token=None)
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        assert service("GET", "/healthz", token=None).json == {"status": "ok"}
    store.close()
    with serving(GcsStore(BUCKET, emulator=bucket.url)) as service:
        bucket.clear_faults()
        assert service("GET", "/readyz", token=None).json == {"status": "ready"}


def test_a_method_that_a_path_does_not_have_is_refused(local: Running) -> None:
    answer = local("DELETE", "/v1/assets")
    assert (answer.status, answer.problem) == (405, "MethodNotAllowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert local("GET", "/v2").problem == "NotFound"
    assert local("HEAD", "/v1/assets").status == local("GET", "/v1/assets").status == 200


def test_every_response_has_the_headers_of_safety(local: Running) -> None:
    for path in ("/healthz", "/v1/assets", "/nothing"):
        headers = local("GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
