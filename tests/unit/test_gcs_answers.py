"""Responses that cannot be understood, and requests that HTTP does not allow."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import google.oauth2.credentials
import pytest

from audiostore import AudioStoreError, ConfigurationError, StoreConnectionError
from audiostore.errors import InvalidRequestError
from audiostore.retry import retry_after_s
from audiostore.sources import BytesSource
from audiostore.stores import put_checked
from audiostore.stores.gcs import GcsStore
from audiostore.stores.gcs.messages import Request
from audiostore.stores.gcs.upload import ONE_REQUEST_BYTES
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob
from tests.assets import SOFT_DELETE
from tests.gcs_server import StrictServer, faults

SPEC = BlobSpec("audio/x/audio.mp3", "audio/mpeg", {"key": "value"})
SMALL = BytesSource(b"some bytes")
LARGE = BytesSource(bytes(ONE_REQUEST_BYTES + 1))


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket", bucket_settings=SOFT_DELETE) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore("bucket", emulator=server.url)) as store:
        yield store


Verb = Callable[[GcsStore, BlobInfo, DeletedBlob], object]
VERBS: dict[str, Verb] = {
    "stat": lambda s, blob, _: s.stat(blob.name),
    "list": lambda s, *_: list(s.list("audio/")),
    "list_deleted": lambda s, *_: list(s.list_deleted("audio/")),
    "put": lambda s, *_: s.put(BlobSpec("audio/new", "audio/mpeg"), SMALL),
    "put in a session": lambda s, *_: s.put(BlobSpec("audio/large", "audio/mpeg"), LARGE),
    "copy": lambda s, blob, _: s.copy(blob, "audio/copy"),
    "restore": lambda s, _, deleted: s.restore(deleted),
    "settings": lambda s, *_: s.settings(),
    "granted": lambda s, *_: s.granted(["storage.objects.get"]),
}


def _prepared(store: GcsStore) -> tuple[BlobInfo, DeletedBlob]:
    store.delete(store.put(replace(SPEC, name="audio/deleted"), SMALL))
    return store.put(SPEC, SMALL), next(store.list_deleted("audio/"))


NOT_JSON = {
    "empty": b"",
    "compressed": gzip.compress(b"{}"),
    "a login page": b"<!DOCTYPE html><title>Log in</title>",
    "cut": b'{"name": "au',
    "not UTF-8": b'{"name": "\xff"}',
    "half a surrogate pair": b'{"name": "audio/\\ud800"}',
    "not a number": b'{"size": NaN}',
    "endless digits": b'{"size": ' + b"9" * 10_000 + b"}",
    "endless nesting": b"[" * 200_000,
    "a list": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "empty object in vain": b'{"items": {}, "permissions": 7, "name": ["x"]}',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_a_response_without_sense_is_an_error_of_the_store_for_every_verb(
    server: StrictServer, store: GcsStore, body: bytes
) -> None:
    blob, deleted = _prepared(store)
    server.fault(faults.any_request, faults.respond(200, body=body), times=None)
    for name, verb in VERBS.items():
        with pytest.raises(StoreConnectionError) as raised:
            verb(store, blob, deleted)
        assert raised.value.status == 200 or "resource" in str(raised.value), name
        assert str(raised.value).isprintable()
    server.clear_faults()
    assert store.stat(SPEC.name) == blob


WRONG_FIELDS: dict[str, list[object]] = {
    "name": [None, 7, "", "audio/another", ["audio/x"], {}],
    "size": [None, "-1", "1e3", "٣", 1.5, True, "9" * 30, [], ""],
    "crc32c": [7, "AAAA", "AAAAAA==\n", "AAAAAA=" * 50, {}],
    "md5Hash": [7, "x"],
    "generation": [None, "-1", " 7", {}],
    "metageneration": [None, "x"],
    "timeCreated": [None, 7, "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"],
    "metadata": [[], "x", {"key": 7}, {"key": None}],
    "temporaryHold": ["true", 1, None],
    "customTime": ["soon", 7, "2026-01-01"],
    "contentType": [7, None],
    "storageClass": [{}],
    "cacheControl": [7],
    "contentDisposition": [[]],
}


@pytest.mark.parametrize("field", WRONG_FIELDS)
def test_a_field_of_another_type_or_out_of_range_is_an_error_of_the_store(
    server: StrictServer, store: GcsStore, field: str
) -> None:
    blob = store.put(SPEC, SMALL)
    for value in WRONG_FIELDS[field]:

        def mangled(
            status: int, headers: dict[str, str], body: bytes, value: object = value
        ) -> tuple[int, dict[str, str], bytes]:
            page = json.loads(body)
            for resource in page.get("items", [page]):
                resource[field] = value
            return status, headers, json.dumps(page).encode()

        rule = server.fault(faults.stat | faults.listing, faults.mangle(mangled), times=None)
        with pytest.raises(StoreConnectionError):
            store.stat(blob.name)
        if value != "audio/another":
            with pytest.raises(StoreConnectionError):
                list(store.list("audio/"))
        rule.cancel()


@pytest.mark.parametrize(
    "wrong",
    [
        {"billing": 7},
        {"encryption": []},
        {"encryption": {"defaultKmsKeyName": 7}},
        {"iamConfiguration": "x"},
        {"iamConfiguration": {"publicAccessPrevention": {}}},
        {"locationType": {}},
        {"location": None},
        {"cors": [7]},
        {"cors": [{"origin": 7, "method": {}}], "metageneration": "-1"},
        {"lifecycle": {"rule": {}}},
        {"softDeletePolicy": {"retentionDurationSeconds": "long"}},
        {"versioning": {"enabled": "true"}},
        {"retentionPolicy": {"retentionPeriod": 1.5}},
    ],
)
def test_settings_of_another_type_are_a_failed_finding(
    server: StrictServer, store: GcsStore, wrong: dict[str, object]
) -> None:
    def mangled(
        status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        return status, headers, json.dumps({**json.loads(body), **wrong}).encode()

    server.fault(faults.operation("bucket_get"), faults.mangle(mangled), times=None)
    failed = [finding for finding in store.diagnose() if not finding.ok]
    assert [finding.subject for finding in failed] == ["settings"]
    assert "is not a bucket resource" in failed[0].detail


@pytest.mark.parametrize(
    "value", ["Thu, 99999999999999999999 Jan 2026 00:00:00 GMT", "9" * 400, "²"]
)
def test_a_retry_after_without_sense_is_an_error_of_the_store(
    server: StrictServer, store: GcsStore, value: str
) -> None:
    server.fault(faults.stat, faults.respond(503, {"Retry-After": value}))
    with pytest.raises(AudioStoreError) as raised:
        store.stat("x")
    assert retry_after_s(raised.value) in (0, float("inf"))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": {"a": "b"}, "errors": {}}}, "HTTP status 403"),
        ({"error": {"message": None, "errors": [7, {"reason": []}, None]}}, "HTTP status 403"),
        ({"error": ["x"]}, "HTTP status 403"),
        ({"error": "plain"}, "plain"),
        (b"[" * 200_000, r"\["),
        ({"error": {"message": "red \x1b[31m\u202e\r\nX: y" + "z" * 10_000}}, r"red \\x1b"),
    ],
)
def test_an_error_with_a_message_of_any_kind_is_the_error_of_its_status(
    server: StrictServer, store: GcsStore, body: Any, text: str
) -> None:
    server.fault(faults.any_request, faults.respond(403, body=body), times=None)
    calls: list[Callable[[], object]] = [lambda: store.stat("x"), lambda: store.put(SPEC, LARGE)]
    for call in calls:
        with pytest.raises(AudioStoreError, match=text) as raised:
            call()
        assert raised.value.status == 403
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 1000


# --- writes: was it stored? -----------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 200_000, b'{"name": "another"}'])
@pytest.mark.parametrize("source", [SMALL, LARGE], ids=["small", "large"])
def test_a_write_whose_response_has_no_sense_is_looked_up(
    server: StrictServer, store: GcsStore, source: BytesSource, body: bytes
) -> None:
    last = faults.simple_upload | faults.last_chunk
    server.fault(last, faults.replace_body(body))
    written = put_checked(store, SPEC, source, is_ours=lambda _: True)
    assert written.created
    assert written.blob == store.stat(SPEC.name)
    assert len(server.generations("bucket", SPEC.name)) == 1


@pytest.mark.parametrize("source", [SMALL, LARGE], ids=["small", "large"])
def test_a_write_that_is_not_there_is_an_error_whatever_the_response_says(
    server: StrictServer, store: GcsStore, source: BytesSource
) -> None:
    rule = server.fault(faults.any_upload, faults.respond(200, body=b"<html>"), times=None)
    with pytest.raises(StoreConnectionError, match=r"not JSON|no valid URL") as raised:
        store.put(SPEC, source)
    assert raised.value.status == 200
    rule.cancel()
    other = store.put(SPEC, BytesSource(b"other bytes"))
    server.fault(faults.simple_upload, faults.respond(200, body=b"<html>"))
    with pytest.raises(StoreConnectionError, match="not JSON"):
        store.put(SPEC, SMALL)  # what is there is something else
    assert store.stat(SPEC.name) == other


def test_a_finished_session_whose_state_has_no_sense_is_not_asked_for_ever(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.last_chunk, faults.lose_response())
    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    server.fault(faults.status_query, faults.replace_body(b"<html>"), times=None)
    assert store.put(SPEC, LARGE) == store.stat(SPEC.name)
    assert len(server.sessions()) == 1


@pytest.mark.parametrize("field", ["crc32c", "size"])
def test_a_write_whose_response_tells_of_other_bytes_is_looked_up_before_it_is_removed(
    server: StrictServer, store: GcsStore, field: str
) -> None:
    def mangled(
        status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        wrong = {"crc32c": "AAAAAA==", "size": "11"}
        return status, headers, json.dumps({**json.loads(body), field: wrong[field]}).encode()

    server.fault(faults.simple_upload, faults.mangle(mangled))
    written = put_checked(store, SPEC, SMALL, is_ours=lambda _: True)
    assert written.blob == store.stat(SPEC.name)
    assert server.read("bucket", SPEC.name) == SMALL.data
    assert not [request for request in server.requests if request.operation == "delete"]


def test_a_session_that_claims_to_be_finished_and_is_not_is_begun_anew(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.session_chunk, faults.reset(10))
    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    server.fault(faults.status_query, faults.respond(200, body=b"<html>"), times=None)
    with pytest.raises(StoreConnectionError, match="web page"):
        store.put(SPEC, LARGE)
    assert store.put(SPEC, LARGE) == store.stat(SPEC.name)


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    ["", "nonsense", "/upload?upload_id=1", "http://[::1", "http://a b/", "http://host:99999/x",
     "ftp://127.0.0.1/", "http://", "http://127.0.0.1\\@evil/", "http://x/\ty"],
)  # fmt: skip
def test_a_session_whose_location_is_not_a_url_is_an_error(
    server: StrictServer, store: GcsStore, location: str
) -> None:
    server.fault(faults.session_start, faults.respond(200, {"Location": location}))
    with pytest.raises(StoreConnectionError, match="no valid URL"):
        store.put(SPEC, LARGE)
    assert store.put(SPEC, LARGE).size_bytes == LARGE.size_bytes  # the I/O thread lives


@pytest.mark.slow
def test_nothing_is_sent_to_a_session_on_another_server() -> None:
    seen: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            seen.append(str(self.rfile.readline()))
            self.close_connection = True

    with (
        StrictServer("bucket", tokens={"good"}) as server,
        HTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere,
        closing(
            GcsStore(
                "bucket",
                emulator=server.url,
                credentials=google.oauth2.credentials.Credentials("good"),
            )
        ) as store,
    ):
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        port = elsewhere.server_port
        for location in (
            f"http://127.0.0.1:{port}/upload/storage/v1/b/bucket/o?upload_id=1",
            f"http://{server.host}@127.0.0.1:{port}/",
            f"http://localhost:{server.port}/",
            f"https://{server.host}/",
        ):
            server.fault(faults.session_start, faults.respond(200, {"Location": location}))
            with pytest.raises(StoreConnectionError, match="on another server"):
                store.put(SPEC, LARGE)
        elsewhere.shutdown()
    assert seen == []


def test_a_redirect_is_not_followed(server: StrictServer, store: GcsStore) -> None:
    server.fault(faults.stat, faults.respond(307, {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(AudioStoreError) as raised:
        store.stat("x")
    assert raised.value.status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "range_",
    [f"bytes=0-{LARGE.size_bytes}", "bytes=0-٣", "bytes=5-9", "x", "bytes=0-" + "9" * 5000],
)
@pytest.mark.parametrize("when", [faults.session_chunk, faults.status_query], ids=["chunk", "ask"])
def test_a_session_that_has_what_cannot_be_is_given_up_and_begun_anew(
    server: StrictServer, store: GcsStore, when: faults.Matcher, range_: str
) -> None:
    if when is faults.status_query:
        server.fault(faults.session_chunk, faults.reset(10))
        with pytest.raises(StoreConnectionError):
            store.put(SPEC, LARGE)
    if not range_.isascii():
        range_ = range_.encode().decode("iso-8859-1")
    server.fault(when, faults.respond(308, {"Range": range_}))
    with pytest.raises(StoreConnectionError, match="says that it has"):
        store.put(SPEC, LARGE)
    assert store.put(SPEC, LARGE).size_bytes == LARGE.size_bytes
    assert len(server.sessions()) == 2


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 1-5/10"},
        {"Content-Range": "bytes 2-5/11"},
        {"Content-Range": "bytes */10"},
        {"Content-Range": "٣"},
        {},
    ],
)
def test_a_range_that_was_not_asked_for_is_an_error(
    server: StrictServer, store: GcsStore, headers: dict[str, str]
) -> None:
    blob = store.put(SPEC, SMALL)
    sent = {name: value.encode().decode("iso-8859-1") for name, value in headers.items()}
    server.fault(faults.download, faults.respond(206, sent, body=SMALL.data[2:6]))
    with pytest.raises(StoreConnectionError, match="has the range"):
        store.open(blob, start=2, stop=6)
    with closing(store.open(blob, start=2, stop=6)) as reader:
        assert reader.read(10) == SMALL.data[2:6]


@pytest.mark.parametrize(("status", "size"), [(206, 10), (204, 0), (200, 9), (200, 11), (203, 10)])
def test_a_whole_object_of_another_size_or_status_is_an_error(
    server: StrictServer, store: GcsStore, status: int, size: int
) -> None:
    blob = store.put(SPEC, SMALL)
    server.fault(faults.download, faults.respond(status, body=bytes(size)))
    with pytest.raises(StoreConnectionError, match=r"has status|bytes, not 10"):
        store.open(blob)


# --- listings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    "pages",
    [
        [{"nextPageToken": "a"}] * 3,
        [{"nextPageToken": "a"}, {"nextPageToken": "b"}, {"nextPageToken": "a"}],
        [{"nextPageToken": 7}],
        [{"nextPageToken": ["a"]}],
        [{"items": {"a": 1}}],
        [{"items": [[]]}],
    ],
)
def test_a_listing_that_would_never_end_or_is_none_is_an_error(
    server: StrictServer, store: GcsStore, pages: list[object], deleted: bool
) -> None:
    for page in pages:
        server.fault(faults.listing, faults.respond(200, body=json.dumps(page)))
    with pytest.raises(StoreConnectionError):
        list(store.list_deleted("audio/") if deleted else store.list("audio/"))
    assert len(server.requests) <= len(pages)


def test_a_listing_without_end_of_empty_pages_is_an_error(
    server: StrictServer, store: GcsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.stores.gcs.objects._MAX_EMPTY_PAGES", 5)
    for number in range(10):
        server.fault(faults.listing, faults.respond(200, body={"nextPageToken": str(number)}))
    with pytest.raises(StoreConnectionError, match="never ends"):
        list(store.list("audio/"))


def test_a_listing_out_of_order_or_of_another_prefix_is_an_error(
    server: StrictServer, store: GcsStore
) -> None:
    for name in ("audio/a", "audio/b"):
        store.put(replace(SPEC, name=name), SMALL)

    def reversed_(
        status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        page = json.loads(body)
        page["items"].reverse()
        return status, headers, json.dumps(page).encode()

    server.fault(faults.listing, faults.mangle(reversed_))
    with pytest.raises(StoreConnectionError, match="out of order"):
        list(store.list("audio/"))
    server.fault(faults.listing, faults.mangle(lambda s, h, b: (s, h, b.replace(b"audio/", b"x/"))))
    with pytest.raises(StoreConnectionError, match="out of order"):
        list(store.list("audio/"))
    server.fault(faults.listing, faults.mangle(reversed_))
    with pytest.raises(StoreConnectionError, match="out of order"):
        store.names_after("audio/", "")


def test_a_copy_that_never_ends_is_an_error(
    store: GcsStore, server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.stores.gcs.rewrites._MAX_IDLE_CALLS", 5)
    blob = store.put(SPEC, SMALL)
    state = {"done": False, "rewriteToken": "again", "totalBytesRewritten": "0"}
    server.fault(faults.rewrite, faults.respond(200, body=state), times=None)
    with pytest.raises(StoreConnectionError, match="never ends"):
        store.copy(blob, "audio/copy")


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"[" * 200_000, b'{"access_token": 7}', b'{"error": 7}',
     b'{"access_token": "t", "expires_in": "soon"}', b'{"access_token": "t", "expires_in": 1e999}',
     b'{"access_token": "t", "expires_in": []}', b'{"access_token": "a\\r\\nX: y"}', b"\xff"],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 400])
def test_a_token_server_that_makes_no_sense_is_an_error_of_the_store(
    server: StrictServer, body: bytes, status: int
) -> None:
    server.fault(faults.token, faults.respond(status, body=body), times=None)
    server.fault(faults.stat, faults.respond(404))
    credentials = google.oauth2.credentials.Credentials(
        token=None,
        refresh_token="the-refresh-secret",
        token_uri=f"{server.url}/token",
        client_id="client",
        client_secret="the-client-secret",
    )
    with closing(GcsStore("bucket", emulator=server.url, credentials=credentials)) as store:
        with pytest.raises(AudioStoreError) as raised:
            store.stat("x")
        assert "-secret" not in str(raised.value)


# --- requests -------------------------------------------------------------------------------------

NOT_IN_A_VALUE = ["a\rb", "a\nb", "a\r\nX: y", "a\0b", " a", "a ", "\ta", "a\x7f", "\x1ba", "ä"]


@pytest.mark.parametrize("value", NOT_IN_A_VALUE)
def test_a_header_that_http_does_not_allow_is_never_sent(
    server: StrictServer, store: GcsStore, value: str
) -> None:
    with pytest.raises(InvalidRequestError):
        Request("GET", "http://host/", {"X-Header": value})
    for source in (SMALL, LARGE):
        with pytest.raises(InvalidRequestError):
            store.put(replace(SPEC, content_type=value), source)
    with pytest.raises(InvalidRequestError):
        Request("GET", "http://host/", {value: "x"})
    with pytest.raises(InvalidRequestError):
        Request(value, "http://host/")
    with pytest.raises(InvalidRequestError):
        Request("GET", f"http://host/{value}")
    assert server.requests == []


def test_a_secret_that_cannot_be_sent_is_not_shown() -> None:
    for headers in ({"Authorization": "Bearer TOKEN\n"}, {"x-goog-encryption-key": "TOKEN\n"}):
        with pytest.raises(InvalidRequestError) as raised:
            Request("GET", "http://host/", headers)
        assert "TOKEN" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a;", "(a)", "a@b"])
def test_a_header_without_a_proper_name_is_never_sent(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        Request("GET", "http://host/", {name: "x"})


@pytest.mark.parametrize("text", ["\r\nHost: evil\r\n\r\n", "\0", "a b&c=d#?%41/ü\\", "\ud7ff"])
def test_a_text_of_a_store_stays_within_its_place_in_a_request(
    server: StrictServer, store: GcsStore, text: str
) -> None:
    blob = store.put(SPEC, SMALL)
    evil = replace(blob, name=f"audio/{text}", generation=7, metadata={text: text})
    for call in (
        lambda: store.stat(evil.name),
        lambda: store.open(evil),
        lambda: store.delete(evil),
        lambda: store.update(evil, {text: text}),
        lambda: store.copy(evil, evil.name, if_generation_match=7),
        lambda: list(store.list(text, start_after=text)),
    ):
        before = len(server.requests)
        try:
            call()
        except AudioStoreError as error:
            assert not isinstance(error, InvalidRequestError), error  # noqa: PT017
        sent = server.requests[before:]
        assert sent
        assert {request.headers.get("host") for request in sent} == {server.host}


@pytest.mark.parametrize(
    "url", ["http://", "http://a b", "localhost:4443", "ftp://x", "http://x\r\ny"]
)
def test_an_emulator_without_a_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not the URL of an emulator"):
        GcsStore("bucket", emulator=url)


def test_the_password_of_an_emulator_is_not_shown(server: StrictServer) -> None:
    url = server.url.replace("://", "://user:pass@word@")
    server.close()
    with closing(GcsStore("bucket", emulator=url)) as store:
        shown = "".join(f"{finding.detail} {finding.hint}" for finding in store.diagnose())
    assert "127.0.0.1" in shown
    assert "pass" not in shown
    assert "word" not in shown
