"""Rows 1-4, 19, 20, outage: what the server answers instead of doing it."""

import time
from pathlib import Path

import pytest
from google.api_core import exceptions

from audiostore import (
    AudioStorageManager,
    BulkItem,
    Event,
    Retried,
    RetriesEnded,
    RetryConfig,
    UploadOutcome,
)
from audiostore.stores.gcs.store import GcsStore
from tests.assets import BUCKET
from tests.faults.rig import (
    AUDIO,
    ID,
    ONCE,
    Files,
    assert_nothing,
    assert_whole,
    gcs,
    in_sessions,
    make_files,
    managing,
    uploads,
)
from tests.gcs_server import Request, StrictServer, faults
from tests.timing import SimulatedTime

WAYS = pytest.mark.parametrize("way", ["one request", "session"])


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "session":
        in_sessions(monkeypatch)


@pytest.mark.row(1)
@WAYS
@pytest.mark.parametrize(
    "when",
    [faults.any_upload, faults.upload_of("audio."), faults.upload_of("thumbnail"), faults.listing],
    ids=["any upload", "audio", "thumbnail", "listing"],
)
def test_an_upload_outlasts_503_three_times(
    server: StrictServer, files: Files, when: faults.Matcher, way: str
) -> None:
    rule = server.fault(when, faults.respond(503), times=3)

    with managing(server) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert rule.fired == 3
    assert result.created
    assert_whole(server, files, result)
    assert not files.audio.exists()
    assert not files.cover.exists()


@pytest.mark.row(1)
@pytest.mark.parametrize("which", range(3))
def test_each_chunk_of_a_session_outlasts_503_three_times(
    server: StrictServer, files: Files, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    server.fault(faults.session_chunk, faults.respond(503), times=3, after=which)

    with managing(server) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_whole(server, files, result)


@pytest.mark.row(2)
@WAYS
@pytest.mark.parametrize("part", ["audio.", "thumbnail"])
def test_503_forever_ends_in_an_error_and_keeps_the_files(
    server: StrictServer, files: Files, part: str, way: str, simulated: SimulatedTime
) -> None:
    rule = server.fault(faults.upload_of(part), faults.respond(503), times=None)

    with managing(server) as manager, pytest.raises(exceptions.ServiceUnavailable) as raised:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert simulated.clock() == pytest.approx(120)  # as long as the configuration says
    assert f"attempt {rule.fired}" in "".join(raised.value.__notes__)
    assert_nothing(server, files)


@pytest.mark.row(2)
def test_the_librarys_default_for_one_asset_makes_three_attempts(
    server: StrictServer, files: Files
) -> None:
    rule = server.fault(faults.any_upload, faults.respond(503), times=None)
    with (
        AudioStorageManager(store=gcs(server)) as manager,
        pytest.raises(exceptions.ServiceUnavailable),
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
    assert rule.fired == 3
    assert_nothing(server, files)


@pytest.mark.row("outage")
@pytest.mark.parametrize("outage_s", [12, 60, 119])
def test_an_outage_shorter_than_the_deadline_is_survived(
    server: StrictServer, files: Files, simulated: SimulatedTime, outage_s: int
) -> None:
    def fail(_request: Request) -> None:
        if simulated.clock() < outage_s:
            raise ConnectionAbortedError("the server is down")

    server.on_request = fail
    with managing(server) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert outage_s <= simulated.clock() <= outage_s + 12  # its end is soon noticed
    assert_whole(server, files, result)


@pytest.mark.row("outage")
def test_a_bulk_upload_to_a_dead_store_ends_in_bounded_time(
    server: StrictServer, tmp_path: Path, simulated: SimulatedTime
) -> None:
    songs = [make_files(tmp_path / f"{n:02}", audio_bytes=5000).audio for n in range(40)]
    seen: list[Event] = []
    rule = server.fault(faults.any_request, faults.respond(503), times=None)
    with AudioStorageManager(store=gcs(server), on_event=seen.append) as manager:
        items = [BulkItem(song) for song in songs]
        outcomes: list[UploadOutcome] = []
        with pytest.raises(exceptions.ServiceUnavailable):
            outcomes.extend(manager.bulk.upload(items, concurrency=2, check="none"))
        assert outcomes == []
        assert simulated.clock() < 2 * (120 + 12)

        server.clear_faults()
        simulated.sleep(8)  # once in so many seconds one finds out
        again = list(manager.bulk.upload(items, concurrency=2, check="none"))
    assert [each.error for each in again] == [None] * 40
    ended = [each.operation for each in seen if isinstance(each, RetriesEnded)]
    assert set(ended) == {each.operation for each in seen if isinstance(each, Retried)}
    assert rule.fired < 100


@pytest.mark.row("outage")
def test_retries_that_are_chosen_are_those_of_bulk_calls_too(
    server: StrictServer, tmp_path: Path
) -> None:
    rule = server.fault(faults.any_request, faults.respond(503), times=None)
    with managing(server, retry=ONCE) as manager:
        (outcome,) = manager.bulk.download([ID], tmp_path)
    assert outcome.error is not None
    assert rule.fired == 1


@pytest.mark.row("outage")
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_retry_after_beyond_the_deadline_is_reported_at_once(
    server: StrictServer, files: Files, simulated: SimulatedTime, form: str
) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600))
    value = "3600" if form == "seconds" else date
    rule = server.fault(faults.any_upload, faults.respond(503, {"Retry-After": value}), times=None)
    with managing(server) as manager, pytest.raises(exceptions.ServiceUnavailable) as raised:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    assert (rule.fired, simulated.slept) == (1, [])
    assert "asks to wait 3" in "".join(raised.value.__notes__)
    assert_nothing(server, files)


@pytest.mark.row(2)
def test_attempts_do_not_multiply_when_chunks_fail_forever(
    server: StrictServer,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    simulated: SimulatedTime,
) -> None:
    in_sessions(monkeypatch)
    server.fault(
        faults.session_chunk | faults.status_query, faults.respond(503), times=None, after=1
    )

    with managing(server) as manager, pytest.raises(exceptions.ServiceUnavailable):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    # One chunk is taken; then each attempt sends one request, a chunk or a status query.
    failed = uploads(server).count("session_chunk") + uploads(server).count("session_status") - 1
    assert failed == len(simulated.slept) + 1
    assert simulated.clock() == pytest.approx(120)
    assert_nothing(server, files)


@pytest.mark.row(3)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(
    server: StrictServer, files: Files, status: int, form: str, simulated: SimulatedTime
) -> None:
    times: list[float] = []

    def refuse_the_first(request: Request) -> None:
        if request.name != AUDIO:
            return
        if not times:
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
            answer = faults.respond(status, {"Retry-After": "30" if form == "seconds" else date})
            server.fault(faults.upload_of("audio."), answer)
        times.append(simulated.clock())

    server.on_request = refuse_the_first

    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert len(times) == 2
    assert 30 <= times[1] - times[0] <= 60
    assert_whole(server, files)


@pytest.mark.row(4)
@WAYS
@pytest.mark.parametrize("status", [408, 429, 500, 502, 504])
def test_a_transient_status_is_retried(
    server: StrictServer, files: Files, status: int, way: str
) -> None:
    seen: list[Retried] = []
    server.fault(faults.any_upload, faults.respond(status), times=2, after=1)

    with managing(
        server, on_event=lambda e: seen.append(e) if isinstance(e, Retried) else None
    ) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert len(seen) == 2
    assert_whole(server, files, result)


@pytest.mark.row(19)
@WAYS
def test_403_is_raised_at_once_with_what_to_do(
    server: StrictServer, files: Files, way: str
) -> None:
    server.denied.add("storage.objects.create")

    with managing(server) as manager, pytest.raises(exceptions.Forbidden) as raised:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert len(uploads(server)) == 1
    assert "roles/storage.objectUser" in "".join(raised.value.__notes__)
    assert "storage.objects.create" in str(raised.value)
    assert_nothing(server, files)


@pytest.mark.row(19)
def test_403_in_the_middle_of_a_session_is_raised_at_once(
    server: StrictServer, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    rule = server.fault(faults.session_chunk, faults.respond(403), times=None, after=1)

    with managing(server) as manager, pytest.raises(exceptions.Forbidden) as raised:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    assert rule.fired == 1
    assert "roles/storage.objectUser" in "".join(raised.value.__notes__)
    assert_nothing(server, files)


@pytest.mark.row(20)
@pytest.mark.parametrize("explicit", [True, False], ids=["explicit id", "new id"])
def test_a_bucket_that_does_not_exist_is_an_error_at_once(
    server: StrictServer, files: Files, explicit: bool
) -> None:
    store = GcsStore("nowhere", emulator=server.url)
    with (
        AudioStorageManager(store=store, retry_config=RetryConfig(5, 0.01, 0.02)) as manager,
        pytest.raises(exceptions.NotFound) as raised,
    ):
        manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID if explicit else None, cleanup=True
        )

    assert len(server.requests) == 1
    assert "create the bucket" in "".join(raised.value.__notes__)
    assert files.both_kept()


@pytest.mark.row(2)
@pytest.mark.parametrize("kind", ["upload", "list"])
def test_one_attempt_means_one_request(
    server: StrictServer, files: Files, kind: str, tmp_path: Path
) -> None:
    matcher = faults.listing if kind == "list" else faults.any_upload
    rule = server.fault(matcher, faults.respond(503), times=None)

    with managing(server, retry=ONCE) as manager, pytest.raises(exceptions.ServiceUnavailable):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert rule.fired == 1
    assert server.objects(BUCKET) == []
