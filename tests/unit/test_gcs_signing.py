"""Signed URLs of the bucket's store: the published vectors, and a server that checks them."""

import base64
import http.client
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import google.auth.credentials
import google.oauth2.credentials
import google.oauth2.service_account
import pytest
from google.api_core import exceptions
from google.auth import impersonated_credentials

from audiostore.errors import CredentialsError, StoreConnectionError
from audiostore.sources import BytesSource
from audiostore.stores.gcs.signing import UrlRequest
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

SIGNER = "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"
ROBOT = "robot@project.iam.gserviceaccount.com"
NAME = "audio/x/Grüße & mehr+?#.mp3"
DATA = bytes(range(256)) * 10
PUBLIC = "https://storage.googleapis.com"


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket") as server:
        yield server


@pytest.fixture
def blob(server: StrictServer) -> BlobInfo:
    store = GcsStore("bucket", emulator=server.url)
    spec = BlobSpec(NAME, "audio/mpeg", content_disposition="inline")
    stored = store.put(spec, BytesSource(DATA))
    store.close()
    return stored


def keyed(server: StrictServer) -> google.oauth2.service_account.Credentials:
    account = server.service_account(ROBOT)
    info = account.key_file(f"{server.url}/token")
    credentials: google.oauth2.service_account.Credentials = (
        google.oauth2.service_account.Credentials.from_service_account_info(info)
    )
    return credentials


def impersonated(token: str, **more: Any) -> google.auth.credentials.Credentials:
    source = google.oauth2.credentials.Credentials(token)
    return impersonated_credentials.Credentials(source, ROBOT, ["scope"], **more)


def gcs(server: StrictServer, credentials: Any, **more: Any) -> GcsStore:
    options = {"iam_endpoint": server.url, "now": server.now, **more}
    return GcsStore("bucket", emulator=server.url, credentials=credentials, **options)


def ask(
    url: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    line.request(method, f"{parts.path}?{parts.query}", headers=headers or {})
    response = line.getresponse()
    body = response.read()
    line.close()
    return response, body


# --- the published vectors ------------------------------------------------------------------------


def vector(
    timestamp: str = "2019-02-01T09:00:00+00:00",
    *,
    endpoint: str = PUBLIC,
    bucket: str = "test-bucket",
    name: str = "test-object",
    method: str = "GET",
    expires_s: int = 10,
    query: dict[str, str] | None = None,
) -> UrlRequest:
    signed_at = datetime.fromisoformat(timestamp)
    return UrlRequest(method, endpoint, bucket, name, SIGNER, signed_at, expires_s, query or {})


@pytest.mark.parametrize(
    ("request_", "digest"),
    [
        pytest.param(
            vector(),
            "00e2fb794ea93d7adb703edaebdd509821fcc7d4f1a79ac5c8d2b394df109320",
            id="Simple GET",
        ),
        pytest.param(
            vector("2019-03-01T09:00:00+00:00", expires_s=20),
            "779f19fdb6fd381390e2d5af04947cf21750277ee3c20e0c97b7e46a1dff8907",
            id="Vary expiration and timestamp",
        ),
        pytest.param(
            vector(bucket="test-bucket2", name="test-object2"),
            "a139afbf35ac30e9864f63197f79609731ab1b0ca166e2a456dba156fcd3f9ce",
            id="Vary bucket and object",
        ),
        pytest.param(
            vector(name="/path/with/slashes/under_score/amper&sand/file.ext"),
            "63c601ecd6ccfec84f1113fc906609cbdf7651395f4300cecd96ddd2c35164f8",
            id="Forward Slashes should not be stripped",
        ),
        pytest.param(
            vector(query={"aA0é/=%-_.~": "~ ._-%=/é0Aa"}),
            "448f96c23dafa8210900554e138b2b5fd55bc53ef53b8637cecc3edec45a8fcf",
            id="Query Parameter Encoding",
        ),
        pytest.param(
            vector(query={"prefix": "/foo", "X-Goog-Meta-Foo": "bar"}),
            "4dafe74ad142f32b7c25fc4e6b38fd3b8a6339d7f112247573fb0066f637db6c",
            id="Query Parameter Ordering",
        ),
        pytest.param(
            vector(endpoint="https://xyz.googleapis.com"),
            "4f6f519cc03e25d19fcd476d7a45bffcccdba33d10e00214a0f2debc204e2386",
            id="Emulator host",
        ),
    ],
)
def test_what_is_signed_is_as_published(request_: UrlRequest, digest: str) -> None:
    timestamp = request_.timestamp
    expected = f"GOOG4-RSA-SHA256\n{timestamp}\n{timestamp[:8]}/auto/storage/goog4_request\n"
    assert request_.string_to_sign == expected + digest


def test_a_canonical_request_is_as_published() -> None:
    assert vector().canonical_request == (
        "GET\n/test-bucket/test-object\n"
        "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=test-iam-credentials%40dummy-project-"
        "id.iam.gserviceaccount.com%2F20190201%2Fauto%2Fstorage%2Fgoog4_request"
        "&X-Goog-Date=20190201T090000Z&X-Goog-Expires=10&X-Goog-SignedHeaders=host\n"
        "host:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD"
    )


def test_the_signature_comes_last_in_lower_case_hexadecimals() -> None:
    request_ = vector()
    assert request_.url(b"\xab\x01") == (
        f"{PUBLIC}/test-bucket/test-object?{request_.canonical_query}&X-Goog-Signature=ab01"
    )


def test_a_clock_in_another_zone_signs_in_utc() -> None:
    assert vector("2019-02-01T10:00:00+01:00").string_to_sign == vector().string_to_sign


# --- by a key -------------------------------------------------------------------------------------


def test_anyone_can_read_with_the_url_until_it_expires(
    server: StrictServer, blob: BlobInfo
) -> None:
    store = gcs(server, keyed(server))
    before = len(server.requests)
    url = store.signed_url(blob, expires_s=60)
    assert len(server.requests) == before  # a key signs without a request

    response, body = ask(url)
    assert (response.status, body) == (200, DATA)
    assert response.headers["Content-Disposition"] == "inline"
    part, piece = ask(url, headers={"Range": "bytes=5-9"})
    assert (part.status, piece) == (206, DATA[5:10])

    server.advance(61)
    late, reason = ask(url)
    assert late.status == 400
    assert b"ExpiredToken" in reason
    store.close()


def test_a_url_for_a_look_is_for_no_more(server: StrictServer, blob: BlobInfo) -> None:
    store = gcs(server, keyed(server))
    url = store.signed_url(blob, expires_s=60, method="HEAD")
    assert ask(url, "HEAD")[0].headers["Content-Length"] == str(len(DATA))
    assert ask(url)[0].status == 403
    store.close()


def test_a_url_is_of_one_generation(server: StrictServer, blob: BlobInfo) -> None:
    store = gcs(server, keyed(server))
    url = store.signed_url(blob, expires_s=60)
    server.put("bucket", NAME, b"other")
    assert ask(url)[0].status == 404
    store.close()


def test_a_browser_saves_under_the_name_that_was_asked_for(
    server: StrictServer, blob: BlobInfo
) -> None:
    store = gcs(server, keyed(server))
    url = store.signed_url(blob, expires_s=60, download_as='Für "Elise".mp3')
    assert ask(url)[0].headers["Content-Disposition"] == (
        "attachment; filename=\"F_r _Elise_.mp3\"; filename*=UTF-8''F%C3%BCr%20%22Elise%22.mp3"
    )
    store.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [("generation=", "generation=1"), ("Expires=60", "Expires=61"), ("elise.mp3", "virus.exe")],
)
def test_nothing_in_a_url_can_be_changed(
    server: StrictServer, blob: BlobInfo, old: str, new: str
) -> None:
    store = gcs(server, keyed(server))
    url = store.signed_url(blob, expires_s=60, download_as="elise.mp3")
    assert old in url
    assert ask(url)[0].status == 200
    assert ask(url.replace(old, new))[0].status == 403
    store.close()


@pytest.mark.parametrize("expires_s", [-1, 0, 604_801])
def test_a_url_lasts_a_second_to_a_week(
    server: StrictServer, blob: BlobInfo, expires_s: int
) -> None:
    store = gcs(server, keyed(server))
    with pytest.raises(ValueError, match="seven days"):
        store.signed_url(blob, expires_s=expires_s)
    server.stop_clock()
    for lasts_s in (1, 604_800):
        url = store.signed_url(blob, expires_s=lasts_s)
        assert ask(url)[0].status == 200
        server.advance(lasts_s + 0.001)
        assert ask(url)[0].status == 400
    store.close()


def test_a_url_is_dated_by_the_clock_that_is_given(server: StrictServer, blob: BlobInfo) -> None:
    moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    store = gcs(server, keyed(server), now=lambda: moment)
    assert "X-Goog-Date=20310506T070809Z" in store.signed_url(blob, expires_s=1)
    store.close()


def test_the_payer_is_part_of_the_url(server: StrictServer, blob: BlobInfo) -> None:
    store = gcs(server, keyed(server), project="payer")
    url = store.signed_url(blob, expires_s=60)
    assert "&userProject=payer&" in url
    assert ask(url)[0].status == 200
    store.close()


# --- through IAM ----------------------------------------------------------------------------------


def test_iam_signs_for_an_account_without_a_local_key() -> None:
    with StrictServer("bucket", tokens={"caller"}) as guarded:
        guarded.service_account(ROBOT)
        plain = GcsStore(
            "bucket",
            emulator=guarded.url,
            credentials=google.oauth2.credentials.Credentials("caller"),
        )
        blob = plain.put(BlobSpec(NAME, "audio/mpeg"), BytesSource(DATA))
        plain.close()

        store = gcs(guarded, impersonated("caller"))
        url = store.signed_url(blob, expires_s=60)
        store.close()
        asked = guarded.requests[-1]
        assert asked.path == f"/v1/projects/-/serviceAccounts/{ROBOT}:signBlob"
        assert asked.headers["authorization"] == "Bearer caller"
        assert ask(url)[1] == DATA


@pytest.mark.slow
def test_delegates_lead_from_the_caller_to_the_account(
    server: StrictServer, blob: BlobInfo
) -> None:
    sent: list[dict[str, Any]] = []

    class Iam(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            response = json.dumps({"signedBlob": base64.b64encode(b"\x73\x01").decode()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Iam) as iam:
        threading.Thread(target=iam.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{iam.server_port}"
        credentials = impersonated("caller", delegates=["other@example.com"])
        store = gcs(server, credentials, iam_endpoint=endpoint)
        url = store.signed_url(blob, expires_s=60)
        store.close()
        iam.shutdown()

    assert url.endswith("&X-Goog-Signature=7301")
    assert sent[0]["delegates"] == ["projects/-/serviceAccounts/other@example.com"]
    assert base64.b64decode(sent[0]["payload"]).startswith(b"GOOG4-RSA-SHA256\n")


def test_a_machines_own_account_is_asked_for_with_its_token(
    server: StrictServer, blob: BlobInfo
) -> None:
    server.service_account(ROBOT)
    machine = Machine()
    store = gcs(server, machine)
    assert ask(store.signed_url(blob, expires_s=60))[1] == DATA
    assert machine.asked_for == [("https://www.googleapis.com/auth/iam",)]
    assert {r.headers.get("authorization") for r in server.requests if ":signBlob" in r.path} == {
        "Bearer of the machine"
    }
    store.close()


def test_an_account_that_iam_does_not_sign_for_says_what_to_do(
    server: StrictServer, blob: BlobInfo
) -> None:
    store = gcs(server, impersonated("caller"))
    with pytest.raises(CredentialsError, match=ROBOT):  # the account does not exist
        store.signed_url(blob, expires_s=60)
    server.service_account(ROBOT)
    server.denied.add("iam.serviceAccounts.signBlob")
    with pytest.raises(CredentialsError, match=r"roles/iam\.serviceAccountTokenCreator"):
        store.signed_url(blob, expires_s=60)
    store.close()


def test_what_may_pass_at_iam_is_googles_error_and_one_request(
    server: StrictServer, blob: BlobInfo
) -> None:
    server.service_account(ROBOT)
    before = len(server.requests)
    server.fault(faults.operation("sign_blob"), faults.respond(503))
    store = gcs(server, impersonated("caller"))
    with pytest.raises(exceptions.ServiceUnavailable):
        store.signed_url(blob, expires_s=60)
    assert len(server.requests) == before + 1
    assert ask(store.signed_url(blob, expires_s=60))[0].status == 200
    store.close()


def test_a_response_of_iam_without_a_signature_is_a_broken_connection(
    server: StrictServer, blob: BlobInfo
) -> None:
    server.fault(faults.operation("sign_blob"), faults.respond(200, body=b"{}"))
    store = gcs(server, impersonated("caller"))
    with pytest.raises(StoreConnectionError, match="not a signature"):
        store.signed_url(blob, expires_s=60)
    store.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,  # an emulator, no credentials
        lambda: google.oauth2.credentials.Credentials("bare"),
        lambda: google.oauth2.credentials.Credentials(
            None, refresh_token="r", token_uri="http://127.0.0.1:9", client_id="i"
        ),
        google.auth.credentials.AnonymousCredentials,
    ],
)
def test_credentials_that_cannot_sign_say_what_to_do(
    server: StrictServer, blob: BlobInfo, make: Callable[[], Any]
) -> None:
    store = gcs(server, make())
    with pytest.raises(CredentialsError) as raised:
        store.signed_url(blob, expires_s=60)
    for remedy in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "roles/iam.serviceAccountTokenCreator",
        "--impersonate-service-account",
    ):
        assert remedy in str(raised.value)
    store.close()


class Machine(google.auth.credentials.Scoped, google.auth.credentials.Credentials):
    """Credentials of a machine: the account's address is known with the first token."""

    def __init__(self, asked_for: list[tuple[str, ...]] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.service_account_email = "default"
        self.asked_for: list[tuple[str, ...]] = [] if asked_for is None else asked_for

    def refresh(self, request: object) -> None:
        del request
        self.token = "of the machine"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
        self.service_account_email = ROBOT

    @property
    def requires_scopes(self) -> bool:
        return False

    def with_scopes(self, scopes: tuple[str, ...], default_scopes: object = None) -> "Machine":
        del default_scopes
        self.asked_for.append(tuple(scopes))
        return Machine(self.asked_for)
