"""What the bucket's store sends, and what it makes of the answers."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import google.auth.credentials
import google.oauth2.credentials
import pytest
from google.api_core import exceptions

from audiostore import (
    AudioStorageManager,
    BlobNotFoundError,
    ConfigurationError,
    CredentialsError,
    PreconditionFailedError,
    RetryConfig,
    StoreConnectionError,
    StoreTimeoutError,
)
from audiostore.source import BytesSource
from audiostore.store import BlobSpec, Transferred
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.gcs.transport import Options
from tests.assets import JPG, MP3
from tests.gcs_server import StrictServer, faults

SPEC = BlobSpec("audio/x/audio.mp3", "audio/mpeg", {"key": "Wert ☀"})
SMALL = BytesSource(b"some bytes")
LARGE = BytesSource(os.urandom(9 << 20))


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket") as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    store = GcsStore("bucket", emulator=server.url, options=Options(stall_timeout_s=0.4))
    yield store
    store.close()


def test_a_small_object_takes_one_request(server: StrictServer, store: GcsStore) -> None:
    store.put(SPEC, SMALL)

    (request,) = server.requests
    assert request.query["uploadType"] == "multipart"
    assert request.query["ifGenerationMatch"] == "0"
    assert "expect" not in request.headers
    assert "authorization" not in request.headers
    stored = server.object("bucket", SPEC.name)
    assert stored is not None
    assert stored.metadata == {"key": "Wert ☀"}
    assert stored.content_type == "audio/mpeg"


def test_up_to_eight_mebibytes_is_small(server: StrictServer, store: GcsStore) -> None:
    store.put(SPEC, BytesSource(bytes(8 << 20)))
    store.put(BlobSpec("larger", "audio/mpeg"), BytesSource(bytes((8 << 20) + 1)))

    assert [r.query["uploadType"] for r in server.requests if r.method == "POST"] == [
        "multipart",
        "resumable",
    ]


def test_a_large_object_goes_in_chunks_through_a_session(server: StrictServer) -> None:
    store = GcsStore("bucket", emulator=server.url, chunk_bytes=4 << 20)
    seen: list[Transferred] = []

    blob = store.put(SPEC, LARGE, on_transfer=seen.append)
    store.close()

    start, *chunks = server.requests
    assert start.headers["x-upload-content-length"] == str(9 << 20)
    assert [c.headers["content-range"] for c in chunks] == [
        f"bytes 0-{(4 << 20) - 1}/{9 << 20}",
        f"bytes {4 << 20}-{(8 << 20) - 1}/{9 << 20}",
        f"bytes {8 << 20}-{(9 << 20) - 1}/{9 << 20}",
    ]
    assert server.read("bucket", SPEC.name) == LARGE.data
    assert blob.crc32c == LARGE.crc32c
    assert [t.sent_bytes for t in seen] == sorted(t.sent_bytes for t in seen)
    assert {t.accepted_bytes for t in seen} == {0, 4 << 20, 8 << 20, 9 << 20}


def test_a_second_attempt_goes_on_where_the_session_stands(server: StrictServer) -> None:
    store = GcsStore("bucket", emulator=server.url, chunk_bytes=4 << 20)
    server.fault(faults.session_chunk, faults.reset(after=1 << 20), after=1)

    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    blob = store.put(SPEC, LARGE)
    store.close()

    assert blob.crc32c == LARGE.crc32c
    assert sum(server.bytes_received.values()) <= (9 << 20) + (1 << 20)
    assert len(server.sessions()) == 1
    assert server.generations("bucket", SPEC.name) == [blob.generation]


def test_a_finished_session_whose_answer_was_lost_is_recognised(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.last_chunk, faults.lose_response())

    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    blob = store.put(SPEC, LARGE)

    assert server.generations("bucket", SPEC.name) == [blob.generation]


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_is_started_anew(
    server: StrictServer, store: GcsStore, status: int
) -> None:
    server.fault(faults.session_chunk, faults.reset(after=1 << 20))
    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    server.expire_sessions(status)

    assert store.put(SPEC, LARGE).crc32c == LARGE.crc32c


def test_a_precondition_that_fails_is_both_ours_and_googles(
    server: StrictServer, store: GcsStore
) -> None:
    server.put("bucket", SPEC.name, b"other")
    for source in (SMALL, LARGE):
        with pytest.raises(PreconditionFailedError) as raised:
            store.put(SPEC, source)
        assert isinstance(raised.value, exceptions.PreconditionFailed)
    assert server.read("bucket", SPEC.name) == b"other"


def test_a_missing_object_is_both_ours_and_googles(store: GcsStore) -> None:
    with pytest.raises(BlobNotFoundError) as raised:
        store.stat("nothing")
    assert isinstance(raised.value, exceptions.NotFound)


def test_a_missing_bucket_is_not_a_missing_object(server: StrictServer) -> None:
    store = GcsStore("nowhere", emulator=server.url)
    for call in (
        lambda: store.stat("x"),
        lambda: store.put(SPEC, SMALL),
        lambda: store.put(SPEC, LARGE),
        lambda: list(store.list("")),
    ):
        with pytest.raises(exceptions.NotFound, match="bucket does not exist") as raised:
            call()
        assert not isinstance(raised.value, BlobNotFoundError)
        assert "create the bucket" in "".join(raised.value.__notes__)
    store.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, exceptions.BadRequest),
        (403, exceptions.Forbidden),
        (408, TimeoutError),
        (429, exceptions.TooManyRequests),
        (500, exceptions.InternalServerError),
        (502, exceptions.BadGateway),
        (503, exceptions.ServiceUnavailable),
        (504, exceptions.GatewayTimeout),
    ],
)
def test_a_failure_is_googles_error_of_its_status(
    server: StrictServer, store: GcsStore, status: int, kind: type[Exception]
) -> None:
    server.fault(faults.any_request, faults.respond(status, {"Retry-After": "7"}), times=None)

    for call in (
        lambda: store.put(SPEC, SMALL),
        lambda: store.put(SPEC, LARGE),
        lambda: store.stat("x"),
        lambda: list(store.list("")),
    ):
        with pytest.raises(kind) as raised:
            call()
        assert raised.value.code == status  # type: ignore[attr-defined]
        assert raised.value.response.headers["retry-after"] == "7"  # type: ignore[attr-defined]
    assert len(server.requests) == 4


def test_an_answer_that_is_no_json_is_a_broken_connection(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.stat, faults.respond(200, body=b"<html>a proxy</html>"), times=None)
    with pytest.raises(StoreConnectionError, match="not JSON"):
        store.stat("x")


def test_a_stalled_transfer_is_noticed(server: StrictServer, store: GcsStore) -> None:
    server.fault(faults.any_upload, faults.stall(20))
    with pytest.raises(StoreTimeoutError):
        store.put(SPEC, SMALL)


def test_nobody_listening_is_a_connection_error() -> None:
    store = GcsStore("bucket", emulator="http://127.0.0.1:9")
    with pytest.raises(StoreConnectionError, match=r"127\.0\.0\.1:9"):
        store.stat("x")
    store.close()


def test_a_slow_reader_does_not_break_a_download(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, BytesSource(bytes(range(256)) * (20 << 12)))
    reader = store.open(blob)
    first = reader.read(10)
    threading.Event().wait(1.0)  # longer than the stall time-out: the transfer is paused meanwhile
    rest = b"".join(iter(lambda: reader.read(1 << 20), b""))
    reader.close()

    assert first + rest == server.read("bucket", SPEC.name)


def test_closing_a_reader_early_frees_its_connection(store: GcsStore) -> None:
    blob = store.put(SPEC, LARGE)
    for _ in range(5):
        reader = store.open(blob)
        assert reader.read(10) == LARGE.data[:10]
        reader.close()
    assert store.stat(SPEC.name) == blob


def test_a_closed_store_says_so(store: GcsStore) -> None:
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.stat("x")


def test_many_requests_share_few_connections(server: StrictServer, store: GcsStore) -> None:
    for number in range(20):
        store.put(BlobSpec(f"object {number}", "a/b"), SMALL)
    assert server.connections == 1


# --- credentials ----------------------------------------------------------------------------------


def user_credentials(
    server: StrictServer, token: str | None
) -> google.oauth2.credentials.Credentials:
    return google.oauth2.credentials.Credentials(
        token,
        refresh_token="refresh",
        token_uri=f"{server.url}/token",
        client_id="id",
        client_secret="secret",
    )


def test_a_refused_token_is_renewed_and_the_request_repeated() -> None:
    with StrictServer("bucket", tokens={"good"}) as server:
        store = GcsStore("bucket", emulator=server.url, credentials=user_credentials(server, "old"))
        blob = store.put(SPEC, SMALL)
        assert server.read("bucket", SPEC.name) == SMALL.data

        server.tokens = set()
        reader = store.open(blob)
        assert reader.read(100) == SMALL.data
        reader.close()
        store.close()


def test_a_bare_token_that_is_refused_is_one_attempt() -> None:
    with StrictServer("bucket", tokens={"good"}) as server:
        bare = google.oauth2.credentials.Credentials("old")
        manager = AudioStorageManager(
            store=GcsStore("bucket", emulator=server.url, credentials=bare)
        )
        with pytest.raises((exceptions.Unauthorized, CredentialsError)):
            manager.upload_audio_file(MP3)
        manager.close()
        assert len([r for r in server.requests if r.method == "POST"]) == 1


def test_a_refresh_that_fails_says_what_to_do() -> None:
    with StrictServer("bucket", tokens={"good"}) as server:
        server.auth.token_error = "invalid_grant"
        manager = AudioStorageManager(
            store=GcsStore(
                "bucket", emulator=server.url, credentials=user_credentials(server, None)
            )
        )
        with pytest.raises(CredentialsError, match="gcloud auth application-default login"):
            manager.upload_audio_file(MP3)
        manager.close()
        assert server.objects("bucket") == []


def test_no_credentials_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with (
        AudioStorageManager("some-bucket") as manager,
        pytest.raises(CredentialsError, match="GOOGLE_APPLICATION_CREDENTIALS"),
    ):
        manager.upload_audio_file(MP3)


def test_anonymous_credentials_are_refused_for_a_real_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    anonymous = google.auth.credentials.AnonymousCredentials()
    with pytest.raises(ConfigurationError, match="STORAGE_EMULATOR_HOST"):
        AudioStorageManager("bucket", credentials=anonymous)


def test_a_token_goes_to_no_other_host_than_the_buckets() -> None:
    seen: list[dict[str, str]] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            seen.append({k.lower(): v for k, v in self.headers.items()})
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with (
        StrictServer("bucket", tokens={"good"}) as server,
        http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere,
    ):
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        location = f"http://127.0.0.1:{elsewhere.server_port}/session"
        server.fault(faults.session_start, faults.respond(200, {"Location": location}))
        credentials = google.oauth2.credentials.Credentials("good")
        store = GcsStore("bucket", emulator=server.url, credentials=credentials)
        with pytest.raises(exceptions.ServiceUnavailable):
            store.put(SPEC, LARGE)
        store.close()
        elsewhere.shutdown()

    assert len(seen) == 1
    assert "authorization" not in seen[0]


def test_requester_pays_projects_are_billed(server: StrictServer) -> None:
    store = GcsStore("bucket", emulator=server.url, project="payer")
    store.put(SPEC, SMALL)
    list(store.list(""))
    store.close()
    assert {r.query["userProject"] for r in server.requests} == {"payer"}


# --- doctor ---------------------------------------------------------------------------------------


def test_diagnose_writes_no_object(server: StrictServer, store: GcsStore) -> None:
    findings = list(store.diagnose())
    assert [f.subject for f in findings] == ["store", "credentials", "list", "write"]
    assert all(f.ok for f in findings)
    assert server.objects("bucket") == []


@pytest.mark.parametrize(
    ("denied", "failing"), [("storage.objects.list", "list"), ("storage.objects.create", "write")]
)
def test_diagnose_says_what_is_not_permitted(denied: str, failing: str) -> None:
    with StrictServer("bucket", tokens={"good"}, denied={denied}) as server:
        credentials = google.oauth2.credentials.Credentials("good")
        store = GcsStore("bucket", emulator=server.url, credentials=credentials)
        last = list(store.diagnose())[-1]
        store.close()
    assert (last.subject, last.ok) == (failing, False)
    assert "roles/storage.objectUser" in last.remedy


# --- the whole program ----------------------------------------------------------------------------


def test_an_unclosed_manager_keeps_no_finished_program_alive(server: StrictServer) -> None:
    program = (
        "import audiostore, sys\n"
        "m = audiostore.AudioStorageManager('bucket')\n"
        "print(m.upload_audio_with_thumbnail(sys.argv[1], sys.argv[2]).audio_id)\n"
    )
    environment = {**os.environ, "STORAGE_EMULATOR_HOST": server.url, "NO_GCE_CHECK": "true"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(MP3), str(JPG)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert server.object("bucket", f"audio/{done.stdout.strip()}/audio.mp3") is not None
    assert done.stderr == ""


def test_a_host_without_a_scheme_is_an_emulator(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.host)
    with AudioStorageManager("gs://bucket", retry_config=RetryConfig(1)) as manager:
        result = manager.upload_audio_file(MP3)
    assert result.audio_path == f"gs://bucket/{server.objects('bucket')[0].name}"
