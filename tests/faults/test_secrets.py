"""Tokens and session URIs never appear in logs, errors or repr."""

import json
import logging
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import google.oauth2.credentials
import pytest

from audiostore import (
    AudioStorageManager,
    AudioStoreError,
    BulkItem,
    CredentialsError,
    Event,
    RetryConfig,
)
from audiostore.stores.gcs.messages import Request, Response
from tests.assets import BUCKET
from tests.faults.rig import ID, gcs, in_sessions, make_files
from tests.gcs_server import StrictServer, faults

pytestmark = pytest.mark.row("secrets")

FAULTS = {
    "none": None,
    "503 to chunks": (faults.session_chunk, faults.respond(503)),
    "403 to chunks": (faults.session_chunk, faults.respond(403)),
    "resets": (faults.session_chunk, faults.reset(10)),
    "gone": (faults.session_chunk, faults.expire(410)),
    "garbage": (faults.last_chunk, faults.respond(200, body=b"no json")),
    "cut short": (faults.last_chunk, faults.truncate_response(30)),
    "nothing taken": (faults.session_chunk, faults.accept_only(0)),
    "401": (faults.session_chunk, faults.respond(401)),
    "flipped": (faults.session_chunk, faults.flip_request(100)),
    "token": (faults.token, faults.respond(400, body={"error": "invalid_grant"})),
    "stall": (faults.session_chunk, faults.stall(1.2)),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_secret_is_shown_when_something_fails(
    server: StrictServer,
    tmp_path: Path,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_sessions(monkeypatch)
    caplog.set_level(logging.DEBUG)
    server.tokens = set()
    credentials = google.oauth2.credentials.Credentials(
        token=None,
        refresh_token="the-refresh-secret",
        token_uri=f"{server.url}/token",
        client_id="client",
        client_secret="the-client-secret",
    )
    files = make_files(tmp_path / "local", audio_bytes=300_000)
    rule = FAULTS[fault]
    if rule:
        server.fault(*rule, times=None)
    events: list[Event] = []
    store = gcs(server, credentials=credentials, stall_timeout_s=1 if fault == "stall" else 60)
    told: list[str] = []
    with AudioStorageManager(
        store=store, retry_config=RetryConfig(2, 0.01, 0.02), on_event=events.append
    ) as manager:
        try:
            result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
            told += [repr(result), str(result.to_dict())]
        except Exception as error:  # noqa: BLE001
            told += traceback.format_exception(error)
            told += [repr(error), str(error), *getattr(error, "__notes__", ())]
        told += [repr(manager), repr(store), str(manager), str(store._client.authentication)]
        told += [repr(vars(manager)), repr(vars(store)), store._client.authentication.describe()]
    told += [repr(event) for event in events]
    told += [record.getMessage() for record in caplog.records]
    told += [caplog.text]
    secrets = {s.upload_id for s in server.sessions()} | {"the-refresh-secret", "the-client-secret"}
    secrets |= server.tokens or set()

    text = "\n".join(told)
    assert [secret for secret in secrets if secret in text] == []
    assert len(secrets) > 2 or fault == "token"
    assert BUCKET in text


@pytest.mark.parametrize("form", ["plain", "json", "bare", "cut", "location"])
def test_a_secret_that_a_server_repeats_is_not_shown(
    server: StrictServer, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the error, its causes and notes, nor by the journal of a run."""
    in_sessions(monkeypatch)
    server.tokens = {"the-access-token"}
    credentials = google.oauth2.credentials.Credentials("the-access-token")
    secrets = {"the-access-token"}

    def repeat(_status: int, headers: dict[str, str], _body: bytes) -> tuple[int, Any, bytes]:
        upload_id = server.sessions()[-1].upload_id
        secrets.add(upload_id)
        url = f"{server.url}/o?upload_id={upload_id}"
        match form:
            case "plain":
                body = f"<html>no {url}, Authorization: Bearer the-access-token"
            case "json":
                body = json.dumps({"error": {"message": f"no {url}", "errors": [{"reason": url}]}})
            case "bare":
                body = f"no session {upload_id} for the-access-token"
            case "cut":
                body = "x" * 470 + f" {upload_id}"  # the text that is shown ends within it
            case _:
                return 301, {**headers, "Location": url, "X-GUploader-UploadID": upload_id}, b""
        return 403, headers, body.encode()

    server.fault(faults.session_chunk, faults.mangle(repeat), times=None)
    files = make_files(tmp_path / "local", audio_bytes=300_000)
    journal = tmp_path / "journal"
    with AudioStorageManager(
        store=gcs(server, credentials=credentials), retry_config=RetryConfig(2, 0.01, 0.02)
    ) as manager:
        error: BaseException | None
        try:
            [outcome] = manager.bulk.upload([BulkItem(files.audio)], journal=journal)
            error = outcome.error
        except AudioStoreError as refused:  # 403 ends a run: it would refuse every other file, too
            error = refused
    told = []
    while error is not None:
        response = getattr(error, "response", None)
        told += [repr(error.args), str(error), repr(vars(error)), *getattr(error, "__notes__", ())]
        told += [str(dict(response.headers))] if response else []
        error = error.__cause__ or error.__context__
    text = "\n".join(told) + journal.read_bytes().decode("latin-1")
    assert len(secrets) >= 2
    assert told
    assert [secret for secret in secrets if secret[:12] in text] == []


def test_a_token_server_that_repeats_the_request_reveals_nothing(server: StrictServer) -> None:
    said = "bad the-refresh-secret of the-client-secret, Bearer the-access-token"
    body = {"error": "invalid_grant", "error_description": said, "access_token": "the-access-token"}
    server.fault(faults.token, faults.respond(400, body=body), times=None)
    credentials = google.oauth2.credentials.Credentials(
        token=None,
        refresh_token="the-refresh-secret",
        token_uri=f"{server.url}/token",
        client_id="client",
        client_secret="the-client-secret",
    )
    with closing(gcs(server, credentials=credentials)) as store:
        with pytest.raises(CredentialsError, match="bad") as raised:
            store.stat("x")
        text = f"{raised.value} {raised.value.__cause__!r} {vars(raised.value)}"
    assert "-secret" not in text
    assert "access-token" not in text


@pytest.mark.parametrize("kind", ["request", "answer"])
def test_repr_of_a_message_shows_no_session(kind: str) -> None:
    url = "https://storage.googleapis.com/upload/storage/v1/b/b/o?upload_id=SECRET"
    message = (
        Request("PUT", url, {"Authorization": "Bearer SECRET"})
        if kind == "request"
        else Response(200, {"location": url}, b"")
    )

    assert "SECRET" not in repr(message)
