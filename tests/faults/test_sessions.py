"""Rows 15, 16: sessions that take less than they were sent, or are gone."""

from collections.abc import Iterator

import pytest

from audiostore import AudioStoreError, Event, StoreConnectionError
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from tests.assets import BUCKET
from tests.faults.rig import (
    AUDIO,
    CHUNK,
    ID,
    Files,
    assert_whole,
    gcs,
    in_sessions,
    managing,
    uploads,
)
from tests.faults.test_connections import assert_progress_is_honest
from tests.gcs_server import StrictServer, faults
from tests.timing import SimulatedTime

SIZE = 700_001


@pytest.fixture(autouse=True)
def _sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    in_sessions(monkeypatch)


@pytest.fixture
def seen() -> Iterator[list[Event]]:
    events: list[Event] = []
    yield events
    assert_progress_is_honest(events)


def ranges(server: StrictServer) -> list[str]:
    return [
        r.headers["content-range"].partition("/")[0]
        for r in server.requests
        if r.operation == "session_chunk"
    ]


@pytest.mark.row(15)
def test_a_partly_accepted_chunk_continues_from_the_accepted_byte(
    server: StrictServer, files: Files
) -> None:
    server.fault(faults.session_chunk, faults.accept_only(CHUNK))

    with managing(server, chunk_bytes=2 * CHUNK) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert ranges(server) == [
        f"bytes 0-{2 * CHUNK - 1}",
        f"bytes {CHUNK}-{SIZE - 1}",
    ]
    assert_whole(server, files, result)


@pytest.mark.row(15, 29)
def test_a_partly_accepted_chunk_does_not_move_progress_back_silently(
    server: StrictServer, files: Files
) -> None:
    seen: list[Event] = []
    server.fault(faults.session_chunk, faults.accept_only(CHUNK))

    with managing(server, chunk_bytes=2 * CHUNK, on_event=seen.append) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_progress_is_honest(seen)


@pytest.mark.row(15)
@pytest.mark.parametrize("which", [0, 1])
def test_a_chunk_that_was_not_accepted_is_sent_again(
    server: StrictServer, files: Files, which: int, seen: list[Event]
) -> None:
    server.fault(faults.session_chunk, faults.accept_only(0), times=3, after=which)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_whole(server, files, result)
    assert len(server.sessions()) == 1


@pytest.mark.row(15)
def test_a_server_that_never_takes_anything_is_given_up(
    server: StrictServer, files: Files, simulated: SimulatedTime
) -> None:
    rule = server.fault(faults.session_chunk, faults.accept_only(0), times=None)

    with managing(server) as manager, pytest.raises(StoreConnectionError, match="accepted nothing"):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert simulated.clock() == pytest.approx(120)
    assert rule.fired == len(simulated.slept) + 1
    assert files.both_kept()


@pytest.mark.row(15)
def test_each_accepted_chunk_renews_the_budget(
    server: StrictServer, files: Files, seen: list[Event]
) -> None:
    # Every chunk fails four times, of five attempts that the budget has.
    failures = {"left": 4}

    def fails(head: faults.Head) -> bool:
        if head.operation != "session_chunk":
            return False
        failures["left"] -= 1
        if failures["left"] < 0:
            failures["left"] = 4
            return False
        return True

    server.fault(fails, faults.reset(1), times=None)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert uploads(server).count("session_chunk") >= 3 * 5
    assert_whole(server, files, result)


@pytest.mark.row(16)
@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_session_that_is_gone_is_replaced_by_a_new_one(
    server: StrictServer, files: Files, status: int, which: int, seen: list[Event]
) -> None:
    server.fault(faults.session_chunk, faults.expire(status), after=which)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert uploads(server).count("session_start") == 2
    assert_whole(server, files, result)


@pytest.mark.row(16)
@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_when_asked_is_replaced_by_a_new_one(
    server: StrictServer, files: Files, status: int, seen: list[Event]
) -> None:
    server.fault(faults.session_chunk, faults.reset(1000), after=1)
    server.fault(faults.status_query, faults.expire(status))

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert uploads(server).count("session_start") == 2
    assert_whole(server, files, result)


@pytest.mark.row(15, 16)
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_session_whose_state_cannot_be_asked_for_a_moment_is_kept(
    server: StrictServer, files: Files, status: int, seen: list[Event]
) -> None:
    server.fault(faults.session_chunk, faults.reset(1000), after=2)
    server.fault(faults.status_query, faults.respond(status), times=2)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert len(server.sessions()) == 1  # two thirds of the file were not sent again
    assert_whole(server, files, result)


@pytest.mark.row(16)
def test_sessions_that_always_vanish_are_given_up(
    server: StrictServer, files: Files, simulated: SimulatedTime
) -> None:
    rule = server.fault(faults.session_chunk, faults.expire(410), times=None)

    with managing(server) as manager, pytest.raises(ConnectionError):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert simulated.clock() == pytest.approx(120)
    assert rule.fired == len(simulated.slept) + 1
    assert files.both_kept()
    assert server.object(BUCKET, AUDIO) is None


@pytest.mark.row(16, 24)
def test_an_object_that_appears_during_a_session_is_not_overwritten(
    server: StrictServer, files: Files
) -> None:
    done: list[int] = []

    def plant(_: object) -> None:
        if not done and uploads(server).count("session_chunk") == 1:
            done.append(1)
            server.put(BUCKET, AUDIO, b"another's")

    server.on_request = plant

    with managing(server) as manager, pytest.raises(FileExistsError):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert server.read(BUCKET, AUDIO) == b"another's"
    assert len(server.generations(BUCKET, AUDIO)) == 1
    assert files.both_kept()


@pytest.mark.row(15)
def test_a_session_that_lacks_one_byte_gets_that_byte(
    server: StrictServer,
) -> None:
    source = BytesSource(bytes(CHUNK + 1))
    last = server.fault(faults.last_chunk, faults.respond(503), times=None)
    store = gcs(server, chunk_bytes=CHUNK)
    spec = BlobSpec("one byte more", "audio/mpeg", {})
    with pytest.raises(AudioStoreError, match="503"):
        store.put(spec, source)
    last.cancel()

    store.put(spec, source)

    assert ranges(server)[-1] == f"bytes {CHUNK}-{CHUNK}"
    assert len(server.sessions()) == 1
