"""What the bucket's store sends, and how it reads the responses."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
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
from audiostore.errors import HeldError, SourceChangedError, UnsupportedByStoreError
from audiostore.localfiles import LocalFile
from audiostore.sources import BytesSource
from audiostore.stores.capabilities import ForeignFile, complete
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.download import Download, Pipe
from audiostore.stores.gcs.messages import Request, Response
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.gcs.transfers import Transfer
from audiostore.stores.gcs.transport import Transport
from audiostore.stores.gcs.upload import IN_MEMORY_BYTES
from audiostore.stores.protocol import BlobSpec, Transferred
from tests.assets import JPG, MP3
from tests.gcs_server import Request as Served, StrictServer, faults
from tests.timing import PATIENCE_S

SPEC = BlobSpec("audio/x/audio.mp3", "audio/mpeg", {"key": "Wert ☀"})
SMALL = BytesSource(b"some bytes")
LARGE = BytesSource(os.urandom(9 << 20))


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket") as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    store = GcsStore(
        "bucket", emulator=server.url, connections=ConnectionOptions(stall_timeout_s=60)
    )
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


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("user_project", [None, "pay/er"])
def test_whatever_its_name_and_size_an_object_is_stored_under_it(
    server: StrictServer, more: int, user_project: str | None
) -> None:
    name = "a b&c=d+e%41/ü#?.mp3"
    source = BytesSource(os.urandom(IN_MEMORY_BYTES + more))
    transfers: list[Transferred] = []
    with closing(GcsStore("bucket", emulator=server.url, project=user_project)) as store:
        blob = store.put(BlobSpec(name, "a/b"), source, on_transfer=transfers.append)
    assert blob.name == name
    assert server.read("bucket", name) == source.data
    assert server.requests[0].query.get("userProject") == user_project
    assert transfers[-2:] == [
        Transferred(source.size_bytes, 0),
        Transferred(source.size_bytes, source.size_bytes),
    ]


def test_a_small_file_that_was_changed_is_not_sent(
    server: StrictServer, store: GcsStore, tmp_path: Path
) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"some bytes")
    file = LocalFile.snapshot(path)
    path.write_bytes(b"byte some!")
    with pytest.raises(SourceChangedError):
        store.put(SPEC, file)
    assert server.requests == []


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


def test_a_second_attempt_resumes_the_session(server: StrictServer) -> None:
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


def test_a_finished_session_whose_response_was_lost_is_recognised(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.last_chunk, faults.lose_response())

    with pytest.raises(StoreConnectionError):
        store.put(SPEC, LARGE)
    blob = store.put(SPEC, LARGE)

    assert server.generations("bucket", SPEC.name) == [blob.generation]


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_no_longer_exists_is_replaced(
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


@pytest.mark.slow
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
    assert len(server.requests) == 4 + (status == 403)  # may it read nothing, or not this one?


def test_a_response_that_is_not_json_is_a_broken_connection(
    server: StrictServer, store: GcsStore
) -> None:
    server.fault(faults.stat, faults.respond(200, body=b"<html>a proxy</html>"), times=None)
    with pytest.raises(StoreConnectionError, match="not JSON"):
        store.stat("x")


def impatient(server: StrictServer) -> GcsStore:
    return GcsStore(
        "bucket", emulator=server.url, connections=ConnectionOptions(stall_timeout_s=0.4)
    )


@pytest.mark.slow
def test_a_stalled_transfer_is_noticed(server: StrictServer) -> None:
    server.fault(faults.any_upload, faults.stall(20))
    with closing(impatient(server)) as store, pytest.raises(StoreTimeoutError):
        store.put(SPEC, SMALL)


def test_a_refused_connection_is_a_connection_error() -> None:
    store = GcsStore("bucket", emulator="http://127.0.0.1:9")
    with pytest.raises(StoreConnectionError, match=r"127\.0\.0\.1:9"):
        store.stat("x")
    store.close()


@pytest.mark.slow
def test_a_slow_reader_does_not_break_a_download(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, BytesSource(bytes(range(256)) * (20 << 12)))
    connections = ConnectionOptions(stall_timeout_s=2)
    with closing(GcsStore("bucket", emulator=server.url, connections=connections)) as slow:
        reader = slow.open(blob)
        first = reader.read(10)
        time.sleep(2.5)  # longer than the stall time-out: the transfer is paused meanwhile
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


def test_requester_pays_projects_are_billed(server: StrictServer) -> None:
    store = GcsStore("bucket", emulator=server.url, project="payer")
    store.put(SPEC, SMALL)
    list(store.list(""))
    store.close()
    assert {r.query["userProject"] for r in server.requests} == {"payer"}


# --- ranges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 5, "bytes=0-4"),
        (5, 6, "bytes=5-5"),
        (7, None, "bytes=7-9"),
        (7, 99, "bytes=7-9"),
        (0, 10, None),
        (0, 99, None),
    ],
)
def test_a_part_is_asked_for_by_its_bounds(
    server: StrictServer, store: GcsStore, start: int, stop: int | None, expected: str | None
) -> None:
    blob = store.put(SPEC, SMALL)
    with closing(store.open(blob, start=start, stop=stop)) as reader:
        assert reader.read(100) == SMALL.data[start:stop]
        assert reader.read(100) == b""
    assert server.requests[-1].headers.get("range") == expected


@pytest.mark.parametrize(("start", "stop"), [(10, None), (99, None), (3, 3), (5, 2)])
def test_a_part_without_bytes_is_of_the_generation_still(
    store: GcsStore, start: int, stop: int | None
) -> None:
    blob = store.put(SPEC, SMALL)
    with closing(store.open(blob, start=start, stop=stop)) as reader:
        assert reader.read(1) == b""
    store.delete(blob)
    with pytest.raises(BlobNotFoundError):
        store.open(blob, start=start, stop=stop)


def test_parts_that_are_read_to_their_end_share_a_connection(
    server: StrictServer, store: GcsStore
) -> None:
    blob = store.put(SPEC, LARGE)
    for number in range(50):
        start = number * 100_000
        with closing(store.open(blob, start=start, stop=start + 70_000)) as reader:
            left = 70_000
            while left:  # not a byte more: who reads by ranges knows how many there are
                left -= len(reader.read(left))
    assert server.connections == 1


def test_closing_after_the_last_byte_lets_the_transfer_end_and_keeps_its_connection() -> None:
    transport = Transport(ConnectionOptions())
    transfer = Transfer(transport, Request("GET", "http://127.0.0.1:9"))
    transfer.response = Response(200, {"content-length": "3"})
    pipe = Pipe()
    pipe.write(b"abc")
    reader = Download(transfer, pipe, 3)
    assert reader.read(3) == b"abc"

    closing_ = threading.Thread(target=reader.close)
    closing_.start()
    closing_.join(0.05)
    assert closing_.is_alive()
    transfer.future.resolve(transfer.response)
    closing_.join(5)
    assert not closing_.is_alive()
    transport.close()


def test_closing_before_the_last_byte_or_without_knowing_it_gives_the_transfer_up() -> None:
    transport = Transport(ConnectionOptions())
    for headers, size_bytes in (({"content-length": "3"}, 2), ({}, 3)):
        transfer = Transfer(transport, Request("GET", "http://127.0.0.1:9"))
        transfer.response = Response(200, headers)
        pipe = Pipe()
        pipe.write(b"abc"[:size_bytes])
        reader = Download(transfer, pipe, size_bytes)
        reader.read(3)
        reader.close()
        assert isinstance(transfer.future.exception(), StoreConnectionError)
    transport.close()


def test_a_server_that_ignores_the_range_is_noticed(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, SMALL)
    server.fault(faults.download, faults.respond(200, body=SMALL.data))
    with pytest.raises(StoreConnectionError, match="ignored the range"):
        store.open(blob, stop=3)


# --- holds, times, classes ------------------------------------------------------------------------

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("source", [SMALL, LARGE])
def test_a_custom_time_is_stored_with_the_object(
    server: StrictServer, store: GcsStore, source: BytesSource
) -> None:
    local = MOMENT.astimezone(timezone(timedelta(hours=2)))
    blob = store.put(replace(SPEC, custom_time=local), source)
    assert blob.custom_time == MOMENT
    assert store.stat(SPEC.name) == blob
    stored = server.object("bucket", SPEC.name)
    assert stored is not None
    assert stored.fields["customTime"] == "2030-01-02T03:04:05Z"


def test_a_custom_time_without_a_zone_is_refused(server: StrictServer, store: GcsStore) -> None:
    naive = MOMENT.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        store.put(replace(SPEC, custom_time=naive), SMALL)
    assert server.requests == []
    blob = store.put(SPEC, SMALL)
    with pytest.raises(ValueError, match="time zone"):
        store.update(blob, {}, custom_time=naive)
    assert store.stat(SPEC.name) == blob


def test_an_update_changes_what_it_names_and_nothing_else(store: GcsStore) -> None:
    spec = replace(SPEC, cache_control="private", content_disposition="inline")
    blob = store.put(spec, SMALL)
    held = store.update(blob, {}, temporary_hold=True)
    assert held == replace(blob, metageneration=2, temporary_hold=True)
    assert store.stat(SPEC.name) == held
    timed = store.update(held, {"more": "x", "key": None}, custom_time=MOMENT)
    assert timed == replace(held, metageneration=3, metadata={"more": "x"}, custom_time=MOMENT)
    typed = store.update(timed, {}, content_type="audio/wav", temporary_hold=False)
    assert typed == replace(timed, metageneration=4, content_type="audio/wav", temporary_hold=False)
    assert store.stat(SPEC.name) == typed
    assert list(store.list("")) == [typed]


def test_a_custom_time_never_moves_earlier(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(replace(SPEC, custom_time=MOMENT), SMALL)
    before = len(server.requests)
    with pytest.raises(ValueError, match="never earlier"):
        store.update(blob, {}, custom_time=MOMENT - timedelta(seconds=1))
    assert len(server.requests) == before
    later = store.update(blob, {}, custom_time=MOMENT + timedelta(seconds=1))
    assert later.custom_time == MOMENT + timedelta(seconds=1)


@pytest.mark.parametrize("reason", ["forbidden", "objectUnderActiveHold"])
@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
def test_a_held_object_is_neither_deleted_nor_overwritten(
    server: StrictServer, store: GcsStore, hold: str, reason: str
) -> None:
    server.state.hold_reason = reason
    server.put("bucket", SPEC.name, b"held", **{hold: True})
    other = store.put(BlobSpec("other", "a/b"), SMALL)
    blob = store.stat(SPEC.name)
    replaced = blob.generation
    for attempt in (
        lambda: store.delete(blob),
        lambda: store.put(SPEC, SMALL, if_generation_match=replaced),
        lambda: store.put(SPEC, LARGE, if_generation_match=replaced),
        lambda: store.copy(other, SPEC.name, if_generation_match=replaced),
        lambda: store.copy(blob, SPEC.name, if_generation_match=replaced, storage_class="ARCHIVE"),
    ):
        with pytest.raises(HeldError) as raised:
            attempt()
        assert isinstance(raised.value, exceptions.Forbidden)
        assert not RetryConfig().is_retryable(raised.value)
    assert server.read("bucket", SPEC.name) == b"held"


@pytest.mark.parametrize("reason", ["objectUnderActiveHold", "retentionPolicyNotMet"])
def test_a_documented_reason_is_a_hold_whatever_the_words(
    server: StrictServer, store: GcsStore, reason: str
) -> None:
    blob = store.put(SPEC, SMALL)
    body = {"error": {"message": "No.", "errors": [{"reason": reason, "message": "No."}]}}
    server.fault(faults.delete, faults.respond(403, body=json.dumps(body).encode()))
    with pytest.raises(HeldError, match=r"No\.") as raised:
        store.delete(blob)
    assert "release" in "".join(raised.value.__notes__)


def test_a_missing_permission_is_not_a_hold(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, SMALL)
    server.denied.add("storage.objects.delete")
    with pytest.raises(exceptions.Forbidden) as raised:
        store.delete(blob)
    assert not isinstance(raised.value, HeldError)


def test_what_is_too_young_to_go_is_held(server: StrictServer, store: GcsStore) -> None:
    server.configure("bucket", retentionPolicy={"retentionPeriod": "60"})
    blob = store.put(SPEC, SMALL)
    with pytest.raises(HeldError):
        store.delete(blob)
    server.advance(61)
    store.delete(blob)


def test_a_class_is_changed_by_a_copy_onto_itself(server: StrictServer, store: GcsStore) -> None:
    spec = replace(SPEC, cache_control="private", content_disposition="inline", custom_time=MOMENT)
    blob = store.put(spec, SMALL)
    held = store.update(blob, {}, content_type="audio/wav")
    colder = store.copy(
        blob, SPEC.name, if_generation_match=blob.generation, storage_class="COLDLINE"
    )
    assert colder == replace(
        held,
        generation=colder.generation,
        metageneration=1,
        created_at=colder.created_at,
        storage_class="COLDLINE",
    )
    assert colder.generation > blob.generation
    assert store.stat(SPEC.name) == colder

    elsewhere = store.copy(colder, "elsewhere")  # not in the bucket's own class
    assert elsewhere.storage_class == "COLDLINE"


def test_a_copy_has_all_current_metadata_even_fields_that_we_never_set(
    server: StrictServer, store: GcsStore
) -> None:
    server.put("bucket", "foreign", b"x", contentEncoding="gzip", contentLanguage="de")
    blob = store.stat("foreign")
    store.update(blob, {"later": "yes"})
    copied = store.copy(blob, "copy")
    stored = server.object("bucket", "copy")
    assert stored is not None
    assert copied.metadata == {"later": "yes"}
    assert stored.fields["contentEncoding"] == "gzip"
    assert stored.fields["contentLanguage"] == "de"


def test_no_hold_goes_with_a_copy(store: GcsStore) -> None:
    held = store.update(store.put(SPEC, SMALL), {}, temporary_hold=True)
    assert not store.copy(held, "copy").temporary_hold


def test_a_large_copy_takes_several_requests() -> None:
    with StrictServer("bucket", rewrite_step=4 << 20) as server:
        store = GcsStore("bucket", emulator=server.url)
        blob = store.put(replace(SPEC, custom_time=MOMENT), LARGE)
        copied = store.copy(blob, "copy", storage_class="ARCHIVE")
        store.close()
        rewrites = [r for r in server.requests if r.operation == "rewrite"]
        assert len(rewrites) == 3
        assert {r.query["ifGenerationMatch"] for r in rewrites} == {"0"}
        assert {r.query["sourceGeneration"] for r in rewrites} == {str(blob.generation)}
        assert (copied.crc32c, copied.storage_class) == (blob.crc32c, "ARCHIVE")
        assert (copied.metadata, copied.custom_time) == (blob.metadata, MOMENT)


def test_metadata_that_changes_during_a_copy_is_not_lost(server: StrictServer) -> None:
    store = GcsStore("bucket", emulator=server.url)
    blob = store.put(SPEC, SMALL)

    def interfere(request: Served) -> None:
        if request.operation == "rewrite":
            server.on_request = None
            other = GcsStore("bucket", emulator=server.url)
            other.update(blob, {"meanwhile": "yes"})
            other.close()

    server.on_request = interfere
    with pytest.raises(PreconditionFailedError):
        store.copy(blob, "copy")
    assert store.copy(blob, "copy").metadata["meanwhile"] == "yes"
    store.close()


@pytest.mark.parametrize("keeps_versions", [False, True])
def test_a_copy_has_the_bytes_of_the_generation_that_was_asked_for(
    server: StrictServer, store: GcsStore, *, keeps_versions: bool
) -> None:
    server.configure("bucket", versioning={"enabled": keeps_versions})
    old = store.put(SPEC, SMALL)
    store.put(SPEC, LARGE, if_generation_match=old.generation)
    if keeps_versions:  # the old one still exists, as a noncurrent version
        assert store.copy(old, "copy").crc32c == old.crc32c
    else:
        with pytest.raises(BlobNotFoundError):
            store.copy(old, "copy")


def test_a_class_that_a_rule_changed_says_when(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, SMALL)
    assert blob.class_changed_at is None
    rule = {
        "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
        "condition": {"age": 30},
    }
    store.change_settings(store.settings(), lifecycle_rules=(rule,))
    server.advance(31 * 24 * 3600)
    server.run_lifecycle("bucket")

    aged = store.stat(SPEC.name)
    assert (aged.storage_class, aged.generation) == ("NEARLINE", blob.generation)
    assert aged.class_changed_at is not None
    assert abs(aged.class_changed_at - server.now()) < timedelta(minutes=1)


def test_only_the_bucket_changes_a_class_in_place(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, SMALL)
    before = len(server.requests)
    with pytest.raises(UnsupportedByStoreError, match="in place"):
        complete(store).reclass(blob, "ARCHIVE")
    assert len(server.requests) == before


def test_everything_in_a_bucket_is_an_object(server: StrictServer, store: GcsStore) -> None:
    server.put("bucket", "audio/whatever", b"x")
    assert list(complete(store).foreign_files("")) == []
    with pytest.raises(BlobNotFoundError):
        complete(store).remove_foreign_file(
            ForeignFile("audio/whatever", "a file", is_removable=True, changed_at=MOMENT)
        )
    assert server.read("bucket", "audio/whatever") == b"x"


# --- the whole program ----------------------------------------------------------------------------


@pytest.mark.slow
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
        timeout=PATIENCE_S,
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


def test_a_store_is_made_without_what_only_its_errors_need() -> None:
    script = (
        "import sys, audiostore.stores.gcs.store;"
        "heavy = 'google.api_core', 'google.auth', 'logging', 'uuid', 'platform', 'random';"
        "sys.exit(any(m.startswith(heavy) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_pickled_store_opens_the_same_bucket_with_the_same_credentials(
    server: StrictServer, tmp_path: Path
) -> None:
    credentials = google.oauth2.credentials.Credentials("token")
    made = GcsStore("bucket", emulator=server.url, session_folder=tmp_path, project="payer")
    blob = made.put(SPEC, SMALL)
    with closing(made), closing(pickle.loads(pickle.dumps(made))) as copy:
        assert copy.stat(blob.name) == blob
        assert server.requests[-1].query["userProject"] == "payer"
    with closing(GcsStore("bucket", credentials=credentials, emulator=server.url)) as made:
        copy = pickle.loads(pickle.dumps(made))
        assert "google.oauth2.credentials" in copy._client.authentication.describe()
        copy.close()
