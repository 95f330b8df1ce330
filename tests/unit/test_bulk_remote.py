"""Bulk uploads of files that are in buckets or on web servers: fetched, verified, stored once."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, BulkItem, LocalStore, UploadOutcome, fleet
from audiostore.bulk import plan_items
from audiostore.errors import (
    AudioStoreError,
    IntegrityError,
    InvalidSourceError,
    SourceNotFoundError,
    UnsupportedFormatError,
)
from audiostore.events import Retried, RetriesEnded
from audiostore.ingest import UploadOptions
from audiostore.retry import RetryConfig
from tests.assets import JPG, MP3
from tests.audio_samples import encode
from tests.faults.test_tls import signed
from tests.gcs_server import StrictServer, faults
from tests.webserver import ETAG, Web, refuse, rest, serving, whole

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
AUDIO, COVER = MP3.read_bytes(), JPG.read_bytes()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    with StrictServer("old", "new") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.put("old", "music/A song.mp3", AUDIO)
        server.put("old", "music/cover.jpg", COVER)
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def web(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    authority = signed(folder / "authority.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.path))
    with serving(signed(folder / "server.pem", authority), authority.path) as web:
        yield web


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AudioStorageManager]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    retries = RetryConfig(max_attempts=3, initial_delay=0.001, max_delay=0.001)
    store = LocalStore(tmp_path / "store")
    with AudioStorageManager(store=store, retry_config=retries) as manager:
        yield manager
    assert list(temporary.iterdir()) == []


def upload(
    manager: AudioStorageManager, items: Sequence[BulkItem], **options: Any
) -> list[UploadOutcome]:
    return list(manager.bulk.upload(items, in_order=True, **options))


def test_files_of_a_bucket_and_of_a_web_server_are_stored(
    server: StrictServer, web: Web, manager: AudioStorageManager, tmp_path: Path
) -> None:
    web.serve("/x/song.mp3", whole(ETAG, AUDIO, cut=5_000), rest(ETAG, AUDIO))
    web.serve("/x/cover.jpg", whole(data=COVER))
    items = [
        BulkItem.of("gs://old/music/A song.mp3", "gs://old/music/cover.jpg", audio_id=ID),
        BulkItem.of(web.url("/x/song.mp3?sig=1"), web.url("/x/cover.jpg"), metadata={"a": "b"}),
        BulkItem.of(MP3, web.url("/x/cover.jpg")),
    ]
    journal = tmp_path / "journal"
    outcomes = upload(manager, items, journal=journal)
    assert [outcome.error for outcome in outcomes] == [None] * 3
    results = [manager.get(outcome.audio_id or "") for outcome in outcomes]
    assert results[0].audio_id == ID
    assert [result.original_filename for result in results] == [
        "A song.mp3",
        "song.mp3",
        MP3.name,
    ]
    assert [result.source_path for result in results] == ["A song.mp3", "song.mp3", None]
    assert results[1].custom == {"a": "b"}
    for result in results:
        assert result.audio is not None
        assert result.thumbnail is not None
        assert (result.audio.size_bytes, result.thumbnail.size_bytes) == (len(AUDIO), len(COVER))
    requests = len(server.requests), len(web.handler.seen)
    again = upload(manager, items, journal=journal)
    assert [outcome.status for outcome in again] == ["stored before"] * 3
    assert [outcome.audio_id for outcome in again] == [each.audio_id for each in outcomes]
    assert (len(server.requests), len(web.handler.seen)) == requests  # nothing was asked for
    assert b"sig=1" not in journal.read_bytes()


def test_what_failed_is_stored_later_under_the_same_id(
    server: StrictServer, web: Web, manager: AudioStorageManager, tmp_path: Path
) -> None:
    web.serve("/song.mp3", refuse(404))
    items = [
        BulkItem.of("gs://old/late.mp3", "gs://old/late.jpg"),
        BulkItem.of(web.url("/song.mp3"), web.url("/cover.jpg")),
    ]
    journal = tmp_path / "journal"
    failed = upload(manager, items, journal=journal)
    assert [outcome.status for outcome in failed] == ["failed"] * 2
    server.put("old", "late.mp3", AUDIO)
    server.put("old", "late.jpg", COVER)
    web.serve("/song.mp3", whole(data=AUDIO))
    web.serve("/cover.jpg", whole(data=COVER))
    stored = upload(manager, items, journal=journal)
    assert [(each.status, each.reason) for each in stored] == [("stored", "resumed")] * 2
    assert [each.audio_id for each in stored] == [each.audio_id for each in failed]
    assert [each.has_artwork for each in stored] == [True, True]


def test_retries_are_reported_until_they_end(
    server: StrictServer, web: Web, tmp_path: Path
) -> None:
    web.serve("/song.mp3", refuse(503), whole(data=AUDIO))
    server.fault(faults.stat & faults.named("A song"), faults.respond(503), times=1)
    events: list[object] = []
    retries = RetryConfig(max_attempts=3, initial_delay=0.001, max_delay=0.001)
    with AudioStorageManager(
        store=LocalStore(tmp_path / "store"), retry_config=retries, on_event=events.append
    ) as manager:
        items = [BulkItem.of("gs://old/music/A song.mp3"), BulkItem.of(web.url("/song.mp3"))]
        assert [each.status for each in upload(manager, items)] == ["stored"] * 2
    retried = [each.operation for each in events if isinstance(each, Retried)]
    ended = [each.operation for each in events if isinstance(each, RetriesEnded)]
    assert sorted(retried) == sorted(ended)
    assert f"fetch {web.url('/song.mp3')}" in ended
    assert len(ended) == 2


def test_no_bucket_affects_the_items_of_others(
    server: StrictServer, web: Web, manager: AudioStorageManager
) -> None:
    server.put("old", "empty.mp3", b"")
    server.put("old", "text.mp3", b"no audio at all " * 100)
    web.serve("/gone.mp3", refuse(404))
    web.serve("/secret.mp3", refuse(403))
    outcomes = upload(
        manager,
        [
            BulkItem.of("gs://nobody/song.mp3"),
            BulkItem.of("gs://old/gone.mp3"),
            BulkItem.of("gs://old/empty.mp3"),
            BulkItem.of("gs://old/text.mp3"),
            BulkItem.of(web.url("/gone.mp3")),
            BulkItem.of(web.url("/secret.mp3")),
            BulkItem.of("gs://old/music/A song.mp3", "gs://old/no.jpg"),
            BulkItem.of("gs://old/music/A song.mp3"),
        ],
    )
    kinds: list[type[Exception] | None] = [
        AudioStoreError,
        SourceNotFoundError,
        InvalidSourceError,
        UnsupportedFormatError,
        SourceNotFoundError,
        InvalidSourceError,
        SourceNotFoundError,
    ]
    assert [o.status for o in outcomes] == ["failed"] * 7 + ["stored"]
    for outcome, kind in zip(outcomes, kinds, strict=False):
        assert kind is not None
        assert isinstance(outcome.error, kind), outcome.error
    assert "gs://old/gone.mp3" in str(outcomes[1].error)
    assert sum(1 for _ in manager.list()) == 1


def test_a_broken_read_of_a_bucket_resumes_and_wrong_bytes_are_not_stored(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    is_read = faults.download
    server.fault(is_read, faults.truncate_response(20_000), times=1)
    item = BulkItem.of("gs://old/music/A song.mp3")
    assert [o.status for o in upload(manager, [item])] == ["stored"]
    server.fault(is_read, faults.flip_response(30_000), times=9)
    (outcome,) = upload(manager, [item])
    assert isinstance(outcome.error, IntegrityError)
    server.clear_faults()
    (outcome,) = upload(manager, [item], max_size_bytes=1000)
    assert "the limit is 1,000" in str(outcome.error)


def test_what_is_for_local_files_refuses_remote_ones(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    item = BulkItem.of("gs://old/music/A song.mp3")
    for option, value in (("cleanup", True), ("update", True)):
        (outcome,) = upload(manager, [item], **{option: value})
        assert isinstance(outcome.error, InvalidSourceError)
        assert "is for local files" in str(outcome.error)
    assert server.requests == []


def test_the_same_audio_is_skipped_wherever_it_comes_from(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    stored = manager.upload_audio_file(MP3)
    (outcome,) = upload(manager, [BulkItem.of("gs://old/music/A song.mp3")], skip_stored=True)
    assert (outcome.status, outcome.audio_id) == ("skipped", stored.audio_id)


def test_a_dry_run_inspects_what_it_fetches(
    server: StrictServer, manager: AudioStorageManager
) -> None:
    item = BulkItem.of("gs://old/music/A song.mp3", "gs://old/music/cover.jpg")
    (plan,) = plan_items(manager, [item], UploadOptions())
    assert (plan.error, plan.cover, plan.size_bytes) == (None, "given", len(AUDIO) + len(COVER))
    assert plan.to_dict()["audio"] == "gs://old/music/A song.mp3"
    assert plan.to_dict()["thumbnail"] == "gs://old/music/cover.jpg"
    assert list(manager.list()) == []


def test_a_fleet_run_fetches(server: StrictServer, web: Web, manager: AudioStorageManager) -> None:
    web.serve("/song.mp3", whole(data=AUDIO))
    web.serve("/gone.mp3", refuse(404))
    items = [
        BulkItem.of(web.url("/song.mp3?sig=1"), "gs://old/music/cover.jpg"),
        BulkItem.of(web.url("/gone.mp3")),
    ]
    fleet.plan(manager, items, run="nov")
    assert fleet.plan(manager, items, run="nov").items == 2  # the same list, the same plan
    (chunk,) = fleet.work_share(manager, "nov")
    assert (chunk.error, chunk.stored) == (None, 1)
    stored, failed = fleet.results(manager, "nov")
    assert (stored.audio, failed.audio) == (web.url("/song.mp3"), web.url("/gone.mp3"))
    assert (stored.status, failed.error_kind) == ("stored", "SourceNotFoundError")
    assert {each["path"] for each in web.handler.seen} == {"/song.mp3?sig=1", "/gone.mp3"}
    assert manager.get(stored.audio_id).has_thumbnail


@pytest.mark.slow
def test_a_server_that_is_down_keeps_no_chunk_of_a_fleet_run_undone(
    web: Web, manager: AudioStorageManager
) -> None:
    web.serve("/song.mp3", whole(data=AUDIO))
    web.serve("/busy.mp3", refuse(503))
    dead = [f"https://127.0.0.1:9/{name}.mp3" for name in "ab"]
    items = [BulkItem.of(each) for each in (web.url("/song.mp3"), *dead, web.url("/busy.mp3"))]
    items = [replace(item, origin=f"line {n}") for n, item in enumerate(items)]
    fleet.plan(manager, items[1:3], run="down")
    (chunk,) = fleet.work_share(manager, "down")
    assert (chunk.unfinished, chunk.failures) == (2, ())  # it may be the network
    found = sorted((each.origin, each.audio) for each in chunk.failures_for_now)
    assert found == [("line 1", dead[0]), ("line 2", dead[1])]
    assert all("curl" in (each.error or "") for each in chunk.failures_for_now)

    fleet.plan(manager, items, run="nov")
    for _ in range(2):
        (chunk,) = fleet.work_share(manager, "nov")
        assert (chunk.error, chunk.unfinished) == (None, 0)
        assert [each.index for each in chunk.failures] == [1, 2, 3]
        assert fleet.status(manager, "nov").is_done
        assert fleet.retry(manager, "nov") == 3  # where they are alone, and fail again
    web.serve("/busy.mp3", whole(data=AUDIO))
    list(fleet.work_share(manager, "nov"))
    states = [each.status for each in fleet.results(manager, "nov")]
    assert states == ["stored", "failed", "failed", "stored"]


def test_what_was_opened_is_closed_with_the_manager(server: StrictServer, web: Web) -> None:
    def clients() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "audiostore-io"}

    before = clients()
    web.serve("/song.mp3", whole(data=AUDIO))
    with AudioStorageManager("gs://new") as manager:
        items = [BulkItem.of("gs://old/music/A song.mp3"), BulkItem.of(web.url("/song.mp3"))]
        assert [outcome.status for outcome in upload(manager, items)] == ["stored"] * 2
        assert len(clients() - before) == 3
    assert clients() <= before


@pytest.fixture
def beside(server: StrictServer) -> Iterator[AudioStorageManager]:
    """Open a bucket of the same service."""
    with AudioStorageManager("gs://new") as manager:
        yield manager


def made(server: StrictServer, *names: str) -> Counter[str]:
    """Return how often each of these was asked for."""
    return Counter(each.operation for each in server.requests if each.operation in names)


PAIR = ("gs://old/music/A song.mp3", "gs://old/music/cover.jpg")
WRITES = ("rewrite", "upload", "session_start")


def test_files_of_the_same_service_are_copied_by_it(
    server: StrictServer, beside: AudioStorageManager, tmp_path: Path
) -> None:
    large = encode("wav", "pcm_s16le", seconds=20)
    server.put("old", "long.wav", large)
    items = [BulkItem.of(*PAIR, metadata={"a": "b"}), BulkItem.of("gs://old/long.wav")]
    (planned, _) = plan_items(beside, items, UploadOptions())
    assert (planned.error, planned.cover) == (None, "given")
    journal = tmp_path / "journal"
    outcomes = upload(beside, items, journal=journal)
    assert [outcome.status for outcome in outcomes] == ["stored"] * 2
    assert made(server, *WRITES) == {"rewrite": 3}
    spans = [
        each.headers["range"].removeprefix("bytes=").split("-")
        for each in server.requests
        if each.operation == "download" and "long" in each.path
    ]
    assert sum(int(last) - int(first) + 1 for first, last in spans) < len(large)  # in both runs
    first, second = (beside.get(outcome.audio_id or "") for outcome in outcomes)
    assert (first.custom, first.original_filename, first.source_path) == (
        {"a": "b"},
        "A song.mp3",
        "A song.mp3",
    )
    assert first.title == beside.upload_audio_file(MP3).title
    assert first.thumbnail is not None
    assert "embedded" not in first.thumbnail.metadata
    assert second.duration_s == pytest.approx(20)
    assert list(beside.audit.check(deep=True)) == []
    again = upload(beside, items, journal=journal)
    assert [outcome.status for outcome in again] == ["stored before"] * 2
    (same,) = upload(beside, [BulkItem.of("gs://old/long.wav")], skip_stored=True)
    assert (same.status, same.audio_id) == ("skipped", second.audio_id)


def test_what_takes_all_bytes_is_fetched(server: StrictServer, beside: AudioStorageManager) -> None:
    options: list[dict[str, Any]] = [{"check": "full"}, {"faststart": True}]
    for number, option in enumerate(options, 1):
        (outcome,) = upload(beside, [BulkItem.of(*PAIR)], **option)
        assert outcome.status == "stored"
        assert made(server, *WRITES) == {"upload": 2 * number}


def test_files_that_the_service_does_not_copy_are_fetched(
    server: StrictServer, beside: AudioStorageManager
) -> None:
    server.fault(faults.rewrite & faults.named("audio.mp3"), faults.respond(403), times=None)
    (outcome,) = upload(beside, [BulkItem.of(*PAIR)])
    assert (outcome.status, outcome.has_artwork) == ("stored", True)
    assert made(server, *WRITES) == {"rewrite": 2, "upload": 2}
    assert len(server.objects("new")) == 2
    assert list(beside.audit.check()) == []


def test_errors_of_sources_are_as_if_they_were_fetched(
    server: StrictServer, beside: AudioStorageManager
) -> None:
    server.put("old", "text.mp3", b"no audio at all " * 100)
    server.put("old", "empty.mp3", b"")
    outcomes = upload(
        beside,
        [
            BulkItem.of("gs://nobody/song.mp3"),
            BulkItem.of("gs://old/gone.mp3"),
            BulkItem.of("gs://old/empty.mp3"),
            BulkItem.of("gs://old/text.mp3"),
            BulkItem.of(*PAIR),
        ],
        max_size_bytes=len(AUDIO),
    )
    kinds = [AudioStoreError, SourceNotFoundError, InvalidSourceError, UnsupportedFormatError]
    for outcome, kind in zip(outcomes, kinds, strict=False):
        assert isinstance(outcome.error, kind), outcome.error
    assert outcomes[-1].status == "stored"
    (large,) = upload(beside, [BulkItem.of(*PAIR)], max_size_bytes=1000)
    assert "the limit is 1,000" in str(large.error)


def test_a_fleet_run_has_the_service_copy(
    server: StrictServer, beside: AudioStorageManager
) -> None:
    fleet.plan(beside, [BulkItem.of(*PAIR)] * 3, run="nov")
    chunk = fleet.work("gs://new", "nov", 0)
    assert (chunk.error, chunk.stored) == (None, 3)
    assert made(server, "rewrite") == {"rewrite": 6}
