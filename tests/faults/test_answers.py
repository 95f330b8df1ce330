"""Rows answers and hostile: responses that make no sense, and stores that lie."""

import gzip
import json
from contextlib import ExitStack
from typing import Any

import pytest

from audiostore import AudioStorageManager, GcsStore, StoreConnectionError
from tests.assets import JPG, MP3
from tests.faults.rig import (
    ID,
    Files,
    assert_nothing,
    assert_whole,
    in_sessions,
    managing,
)
from tests.gcs_server import StrictServer, faults

NONSENSE = {
    "empty": b"",
    "compressed": gzip.compress(b"{}"),
    "a login page": b"<!DOCTYPE html><title>Log in</title>",
    "endless nesting": b"[" * 100_000,
    "of another type": b'{"name": [], "size": "-1", "items": {}, "generation": null}',
}
SMUGGLED = (
    "audio/mpeg\r\nContent-Length: 0\r\n\r\n"
    "DELETE /storage/v1/b/bucket/o/precious HTTP/1.1\r\nHost: evil\r\n\r\n"
)


@pytest.fixture(params=["one request", "session"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How objects are written."""
    if request.param == "session":
        in_sessions(monkeypatch)
    return str(request.param)


@pytest.mark.row("answers")
@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("handled", [True, False], ids=["stored", "not stored"])
def test_an_upload_outlasts_responses_without_sense(
    server: StrictServer, files: Files, way: str, body: bytes, handled: bool
) -> None:
    del way
    fault = faults.replace_body(body) if handled else faults.respond(200, body=body)
    starts = faults.simple_upload | faults.session_start
    ends = faults.simple_upload | faults.last_chunk
    for when in (
        (ends if handled else starts) & faults.named("thumbnail"),
        (ends if handled else starts) & faults.named("audio."),
        faults.listing,
    ):
        server.fault(when, fault)
    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
    assert_whole(server, files)
    assert not files.audio.exists()


@pytest.mark.row("answers")
@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_nothing_but_nonsense_ends_in_an_error_and_keeps_the_files(
    server: StrictServer, files: Files, body: bytes
) -> None:
    server.fault(faults.any_request, faults.respond(200, body=body), times=None)
    with managing(server) as manager, pytest.raises(StoreConnectionError, match="the response"):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
    assert_nothing(server, files)


@pytest.mark.row("hostile")
@pytest.mark.parametrize("field", ["contentType", "name", "metadata", "cacheControl"])
def test_a_hostile_bucket_sends_no_request_of_its_choice_to_another(field: str) -> None:
    with StrictServer("theirs") as hostile, StrictServer("bucket") as own, ExitStack() as stack:
        own.put("bucket", "precious", b"x")
        source, target = (
            stack.enter_context(AudioStorageManager(store=GcsStore(name, emulator=server.url)))
            for name, server in (("theirs", hostile), ("bucket", own))
        )
        audio_id = source.upload_audio_with_thumbnail(MP3, JPG).audio_id

        def lie(
            status: int, headers: dict[str, str], body: bytes
        ) -> tuple[int, dict[str, str], bytes]:
            page: dict[str, Any] = json.loads(body)
            for item in page.get("items", [page]):
                if field == "metadata":
                    item["metadata"] |= {SMUGGLED: "x", "title": SMUGGLED}
                elif field == "name":
                    item["name"] += SMUGGLED
                else:
                    item[field] = SMUGGLED
            return status, headers, json.dumps(page).encode()

        hostile.fault(faults.listing | faults.stat, faults.mangle(lie), times=None)
        list(source.bulk.copy(target))
        assert own.object("bucket", "precious") is not None
        assert {request.operation for request in own.requests} <= {"list", "stat", "upload"}
        for stored in own.objects("bucket"):
            if stored.name != "precious":
                assert stored.content_type in ("audio/mpeg", "image/jpeg")
                assert stored.name.startswith(f"audio/{audio_id}/")
