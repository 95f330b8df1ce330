"""Uploads in steps: announced, sent to the bucket or to the service, resumed, completed once."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any, cast
from urllib.parse import urlsplit

import google_crc32c
import pytest

from audiostore import AudioStorageManager, GcsStore, MemoryStore
from audiostore.audit.checking import Checker
from audiostore.audit.problems import GRACE
from audiostore.audit.repairing import repair
from audiostore.serve import Limits
from audiostore.serve.staging import Announced, Staging
from audiostore.sources import BytesSource, encode_crc32c
from audiostore.stores import BlobSpec, ObjectStore
from tests.assets import BUCKET, tone
from tests.gcs_server import StrictServer
from tests.serve.conftest import ONCE, TOKEN, Answer, Running, read, serving
from tests.timing import PATIENCE_S, wait_until

SONG = tone(3.0, title="A song")
NOT_AUDIO = b"<html>" * 1000


def crc32c(data: bytes) -> str:
    return encode_crc32c(google_crc32c.value(data))


def begin(service: Running, data: bytes = SONG, **more: Any) -> dict[str, str]:
    announced = {"filename": "a song.wav", "size_bytes": len(data), **more}
    answer = service("POST", "/v1/uploads", announced, origin=own(service))
    assert answer.status == 201, answer
    found: dict[str, str] = answer.json
    return found


def own(service: Running) -> str:
    return f"http://127.0.0.1:{service.port}"


def put(service: Running, url: str, data: bytes, span: str | None, length: int = -1) -> Answer:
    """Send bytes to a session, wherever it is; fewer than announced, if `length` says more."""
    place = urlsplit(url)
    connection = HTTPConnection("127.0.0.1", place.port or service.port, timeout=PATIENCE_S)
    connection.putrequest("PUT", f"{place.path}?{place.query}" if place.query else place.path)
    if not place.port:
        connection.putheader("Authorization", f"Bearer {TOKEN}")
    if span is not None:
        connection.putheader("Content-Range", span)
    connection.putheader("Content-Length", str(len(data) if length < 0 else length))
    connection.endheaders(data)
    if length > len(data):
        connection.close()
        return Answer(0, {}, b"")
    try:
        return read(connection.getresponse())
    finally:
        connection.close()


def send(service: Running, upload: dict[str, str], data: bytes = SONG) -> Answer:
    return put(service, upload["session_url"], data, f"bytes 0-{len(data) - 1}/{len(data)}")


def staged_names(manager: AudioStorageManager) -> list[str]:
    return [blob.name for blob in manager.store.list("incoming/")]


def assets(manager: AudioStorageManager) -> list[str]:
    return [blob.name for blob in manager.store.list("audio/")]


def test_what_is_sent_becomes_an_asset_and_nothing_else_is_left(service: Running) -> None:
    upload = begin(service, crc32c=crc32c(SONG), metadata={"mood": "calm"})
    assert send(service, upload).status == 200
    assert assets(service.manager) == []
    answer = service("POST", upload["complete_url"])
    assert answer.status == 201, answer.body
    asset = answer.json
    assert asset["audio_id"] == upload["upload_id"]
    assert (asset["title"], asset["original_filename"]) == ("A song", "a song.wav")
    assert asset["custom"] == {"mood": "calm"}
    assert service.manager.read_bytes(asset["audio_id"]) == SONG
    assert staged_names(service.manager) == []
    assert list(service.manager.audit.check()) == []
    if service.manager.url.startswith("file:"):
        assert list(service.manager.store.list_deleted("incoming/")) == []


def test_an_upload_goes_on_where_the_connection_broke(service: Running) -> None:
    upload = begin(service)
    size = len(SONG)
    cut = (size // 2) // (256 << 10) * (256 << 10) or size // 2
    put(service, upload["session_url"], SONG[:cut], f"bytes 0-{size - 1}/{size}", size)
    heard: list[Answer] = []

    def has_some() -> bool:
        heard.append(put(service, upload["session_url"], b"", f"bytes */{size}"))
        return "range" in heard[-1].headers or not upload["session_url"].startswith("/")

    wait_until(has_some)
    assert heard[-1].status == 308
    text = heard[-1].headers.get("range", "bytes=0--1")
    arrived = int(text.removeprefix("bytes=0-")) + 1
    assert arrived <= cut
    if upload["session_url"].startswith("/"):
        assert arrived == cut  # every byte that came is kept
    early = service("POST", upload["complete_url"])
    assert (early.status, early.problem) == (409, "UploadIncomplete")
    rest = SONG[arrived:]
    answer = put(service, upload["session_url"], rest, f"bytes {arrived}-{size - 1}/{size}")
    assert answer.status == 200, answer.body
    assert service("POST", upload["complete_url"]).status == 201
    assert service.manager.read_bytes(upload["upload_id"]) == SONG


def test_what_is_sent_twice_is_kept_once(local: Running) -> None:
    upload, size = begin(local), len(SONG)
    put(local, upload["session_url"], SONG[:1000], f"bytes 0-999/{size}")
    again = put(local, upload["session_url"], SONG[:3000], f"bytes 0-2999/{size}")
    assert (again.status, again.headers["range"]) == (308, "bytes=0-2999")
    late = put(local, upload["session_url"], b"x", f"bytes 5000-5000/{size}")
    assert (late.status, late.problem) == (409, "UploadIncomplete")
    put(local, upload["session_url"], SONG[3000:], f"bytes 3000-{size - 1}/{size}")
    assert local("POST", upload["complete_url"]).status == 201
    assert local.manager.read_bytes(upload["upload_id"]) == SONG


def test_a_large_upload_is_kept_piece_by_piece(
    local: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.serve.routes.direct.PIECE_BYTES", 100_000)
    upload = begin(local, crc32c=crc32c(SONG))
    assert send(local, upload).status == 200
    assert len(staged_names(local.manager)) >= 3
    assert local("POST", upload["complete_url"]).status == 201
    assert local.manager.read_bytes(upload["upload_id"]) == SONG


@pytest.mark.parametrize(
    "span", ["bytes 0-1/2", "bytes 5-1/{}", "bytes 0-{}/{}", "bytes */7", "bits 0-1/{}"]
)
def test_ranges_that_are_not_of_the_upload_are_refused(local: Running, span: str) -> None:
    upload = begin(local)
    answer = put(local, upload["session_url"], b"", span.replace("{}", str(len(SONG))))
    assert answer.status == 400
    assert len(staged_names(local.manager)) == 1


def test_other_bytes_than_announced_are_not_stored(service: Running) -> None:
    upload = begin(service, crc32c=crc32c(b"other bytes"))
    assert 400 <= send(service, upload).status < 500
    assert service("POST", upload["complete_url"]).status in (404, 409)
    assert assets(service.manager) == []


def test_more_bytes_than_announced_are_not_stored(service: Running) -> None:
    upload = begin(service, SONG[:-5])
    assert 400 <= send(service, upload).status < 500
    assert service("POST", upload["complete_url"]).status == 409
    assert assets(service.manager) == []


@pytest.mark.parametrize(
    ("data", "status"), [(NOT_AUDIO, 415), (SONG[:40_000], 422)], ids=["no audio", "cut short"]
)
def test_what_is_refused_leaves_nothing(service: Running, data: bytes, status: int) -> None:
    upload = begin(service, data)
    assert send(service, upload, data).status == 200
    answer = service("POST", upload["complete_url"])
    assert answer.status == status, answer.body
    assert len(answer.json["detail"]) > 20
    assert assets(service.manager) == staged_names(service.manager) == []
    assert service("POST", upload["complete_url"]).status == 404


def test_completed_again_it_is_the_same_asset(service: Running) -> None:
    upload = begin(service)
    send(service, upload)
    first = service("POST", upload["complete_url"])
    again = service("POST", upload["complete_url"])
    assert (first.status, again.status) == (201, 200)
    assert again.json["etag"] == first.json["etag"]


def test_completed_by_many_at_once_it_is_stored_once(service: Running) -> None:
    upload = begin(service)
    send(service, upload)
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(service("POST", upload["complete_url"])))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    statuses = sorted(answer.status for answer in answers)
    assert statuses.count(201) <= 1, [answer.body for answer in answers]
    assert set(statuses) <= {200, 201}, [answer.body for answer in answers]
    assert len(statuses) == 6
    assert service.manager.read_bytes(upload["upload_id"]) == SONG
    assert staged_names(service.manager) == []


def test_an_upload_that_is_ended_is_gone(service: Running) -> None:
    upload = begin(service)
    send(service, upload)
    at = f"/v1/uploads/{upload['upload_id']}"
    assert service("DELETE", at).status == 204
    assert staged_names(service.manager) == []
    assert service("DELETE", at).status == 404
    assert service("POST", upload["complete_url"]).status == 404
    assert service("DELETE", "/v1/uploads/nonsense").status == 404


def test_an_upload_is_its_users_alone(service: Running) -> None:
    staging = Staging(service.manager)
    upload_id, _ = staging.begin(Announced("a.wav", len(SONG), owner="ann"), origin=None)
    for method, path in (("PUT", "/content"), ("POST", "/complete"), ("DELETE", "")):
        answer = service(method, f"/v1/uploads/{upload_id}{path}", SONG if path else None)
        assert answer.status == 404, answer
    assert staging.find(upload_id, "ann").received_bytes == 0


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"filename": "a.wav"}', b"null"])
def test_a_note_that_is_not_ours_is_no_upload(local: Running, note: bytes) -> None:
    upload = begin(local)
    (blob,) = local.manager.store.list("incoming/")
    spec = BlobSpec(blob.name, "application/json")
    local.manager.store.put(spec, BytesSource(note), if_generation_match=blob.generation)
    assert send(local, upload).status == 404
    assert local("POST", upload["complete_url"]).status == 404


@pytest.mark.parametrize(
    "announced",
    [
        {},
        {"filename": "a.wav"},
        {"filename": "a.wav", "size_bytes": 0},
        {"filename": "a.wav", "size_bytes": True},
        {"filename": "/", "size_bytes": 1},
        {"filename": "a.wav", "size_bytes": 1, "crc32c": "AAA"},
        {"filename": "a.wav", "size_bytes": 1, "content_type": "a\r\nb"},
        {"filename": "a.wav", "size_bytes": 1, "metadata": {"a": 1}},
        {"filename": "a.wav", "size_bytes": 1, "metadata": False},
        {"filename": "a.wav", "size_bytes": 1, "metadata": {"title\n": "x"}},
        {"filename": "a.wav", "size_bytes": 1, "fix_extension": "yes"},
        {"filename": "a.wav", "size_bytes": 1, "more": 1},
    ],
)
def test_what_cannot_be_announced_is_refused(local: Running, announced: dict[str, Any]) -> None:
    assert local("POST", "/v1/uploads", announced).status == 422
    assert staged_names(local.manager) == []


def test_a_file_over_the_limit_is_refused_before_it_is_sent() -> None:
    with serving(MemoryStore(), limits=Limits(upload_bytes=1000)) as service:
        announced = {"filename": "a.wav", "size_bytes": 1001}
        assert service("POST", "/v1/uploads", announced).status == 413


def test_a_page_of_the_origin_reads_every_answer_of_its_session(bucket: StrictServer) -> None:
    with closing(GcsStore(BUCKET, emulator=bucket.url)) as store, serving(store) as service:
        upload = begin(service)
        place = urlsplit(upload["session_url"])
        assert place.netloc == urlsplit(bucket.url).netloc
        connection = HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE_S)
        target = f"{place.path}?{place.query}"
        asked = {"Origin": own(service), "Access-Control-Request-Method": "PUT"}
        connection.request("OPTIONS", target, headers=asked)
        preflight = read(connection.getresponse())
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        for data, span in ((b"", f"bytes */{len(SONG)}"), (SONG, None)):
            headers = {"Origin": own(service)} | ({"Content-Range": span} if span else {})
            connection.request("PUT", target, data, headers)
            answer = read(connection.getresponse())
            assert answer.headers["access-control-allow-origin"] == own(service)
            assert "Range" in answer.headers["access-control-expose-headers"]
        assert answer.status == 200
        connection.close()


class KilledError(BaseException):
    """The process is gone."""


class Mortal:
    """A store that is used by a process, which is killed before its Nth request."""

    def __init__(self, store: ObjectStore, steps: int) -> None:
        self.left = steps
        for name in (each for each in dir(store) if not each.startswith("_")):
            value = getattr(store, name)
            setattr(self, name, self._counted(value) if callable(value) else value)

    def _counted(self, method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **keywords: object) -> object:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            return method(*args, **keywords)

        return call


@pytest.mark.slow
def test_killed_between_any_two_requests_it_completes(service: Running) -> None:
    for killed_at in range(60):
        upload = begin(service)
        assert send(service, upload).status == 200
        mortal = cast("ObjectStore", Mortal(service.manager.store, killed_at))
        staging = Staging(AudioStorageManager(store=mortal, retry_config=ONCE))
        try:
            staging.complete(upload["upload_id"], "owner")
        except KilledError:
            is_whole = service.manager.exists(upload["upload_id"])
        else:
            break
        answer = service("POST", upload["complete_url"])
        assert answer.status == (200 if is_whole else 201), (killed_at, answer.body)
        assert service.manager.read_bytes(upload["upload_id"]) == SONG
        assert staged_names(service.manager) == []
    assert 6 < killed_at < 59
    assert list(service.manager.audit.check()) == []


def test_uploads_that_nobody_completes_are_found_and_removed(service: Running) -> None:
    upload = begin(service)
    send(service, upload)
    manager, later = service.manager, datetime.now(UTC) + GRACE + timedelta(hours=1)
    assert list(manager.audit.check()) == []
    found = list(Checker(manager, now=lambda: later, sleep=lambda _: None).run())
    assert [problem.name for problem in found] == staged_names(manager) != []
    assert {problem.kind for problem in found} == {"stale-upload"}
    assert {repair(manager, problem) for problem in found} == {"too young"}
    assert {repair(manager, problem, now=later) for problem in found} == {"done"}
    assert staged_names(manager) == []
    assert service("POST", upload["complete_url"]).status == 404
