"""Rows 1-4, 19: many uploads in one thread, each disturbed in its turn.

Threads of this process do what a pool's worker gives to its threads.
"""

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from audiostore import AudioStorageManager, BulkItem, Event, Retried, UploadOutcome
from audiostore.bulk import interleaving
from audiostore.bulk.decisions import Decider, DecisionOptions
from audiostore.bulk.interleaving import InterleavedUploads
from audiostore.bulk.journal import ItemSnapshot, UnjournaledRun
from audiostore.bulk.performing import DecidedItem, Performer
from audiostore.bulk.storeview import StoreView
from audiostore.errors import (
    AudioStoreError,
    SourceChangedError,
    SourceNotFoundError,
    UnplayableAudioError,
)
from audiostore.ingest import UploadOptions
from tests.assets import BUCKET, JPG, MP3, mp3_bytes
from tests.faults.reader import Truth, check
from tests.faults.rig import managing, reader_of, settled
from tests.gcs_server import StrictServer, faults

ITEMS = 6
CRC32C = re.compile(rb'"[A-Za-z0-9+/]{6}=="')
pytestmark = pytest.mark.row(1)


class Interleaved:
    """Stores items as a worker does, all that may at once."""

    def __init__(self, manager: AudioStorageManager, **options: Any) -> None:
        self.performer = Performer(manager, UploadOptions(**options), None)
        writes = manager.store.concurrent_writes()
        assert writes is not None
        self.uploads = InterleavedUploads(self.performer, writes)
        self.by_thread: list[int] = []
        """The numbers of the items that a thread had to store."""
        self.most = 0

    def decided(self, items: list[BulkItem]) -> list[DecidedItem]:
        snapshots = [ItemSnapshot.of(item) for item in items]
        with StoreView(self.performer.manager) as view:
            decisions = Decider(UnjournaledRun(), view, DecisionOptions()).decide(snapshots)
        pairs = zip(snapshots, decisions, strict=True)
        return [DecidedItem(number, *each) for number, each in enumerate(pairs)]

    def store(self, decided: list[DecidedItem]) -> list[UploadOutcome]:
        """Return the outcomes, in the order of the items."""
        assert all(map(self.uploads.accepts, decided))
        outcomes: dict[int, UploadOutcome] = {}
        for each in decided:
            self.uploads.begin(each.index, each)
        self.most = self.uploads.active
        with ThreadPoolExecutor() as threads:
            again: dict[int, Future[UploadOutcome]] = {}
            while len(outcomes) + len(again) < len(decided):
                for ended in self.uploads.turn(10.0):
                    if ended.outcome is not None:
                        outcomes[ended.number] = ended.outcome
                    else:
                        again[ended.number] = threads.submit(self.performer, ended.payload)
        self.by_thread = sorted(again)
        outcomes |= {number: future.result() for number, future in again.items()}
        return [outcomes[number] for number in sorted(outcomes)]


class Items(list[BulkItem]):
    """Items, and what their audio held at first."""

    def __init__(self, folder: Path, count: int = ITEMS) -> None:
        self.audio: list[bytes] = []
        for number in range(count):
            audio, cover = folder / f"{number}.mp3", folder / f"{number}.jpg"
            self.audio.append(mp3_bytes(20_000 + number))
            audio.write_bytes(self.audio[-1])
            cover.write_bytes(JPG.read_bytes())
            self.append(BulkItem(audio, cover))


def assert_stored(server: StrictServer, items: Items, outcomes: list[UploadOutcome]) -> None:
    """See that each item is there once, complete and right."""
    settled(server)
    server.clear_faults()
    truths = {}
    for audio, outcome in zip(items.audio, outcomes, strict=True):
        assert outcome.error is None
        assert outcome.audio_id is not None
        truths[outcome.audio_id] = Truth(audio, (JPG.read_bytes(),), must_be_there=True)
    things = reader_of(server).things()
    assert len(check(things, truths, {})) == len(items)
    assert len(things) == 2 * len(items)
    assert all(len(server.generations(BUCKET, name)) == 1 for name in things)


def test_new_assets_take_two_requests_each_and_no_other_thread(
    server: StrictServer, tmp_path: Path
) -> None:
    items = Items(tmp_path)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        outcomes = interleaved.store(interleaved.decided(items))
        assert manager._single_store._client.transport._thread is None  # type: ignore[attr-defined]

    assert [r.operation for r in server.requests] == ["upload"] * 2 * ITEMS
    assert interleaved.most == ITEMS
    assert interleaved.by_thread == []
    assert [outcome.status for outcome in outcomes] == ["stored"] * ITEMS
    assert all(o.result is not None and o.result.created and o.has_artwork for o in outcomes)
    assert_stored(server, items, outcomes)


FAULTS: dict[str, faults.Fault] = {
    "429": faults.respond(429),
    "503": faults.respond(503),
    "500 before the body": faults.respond(500, read_body=False),
    "401": faults.respond(401),
    "408": faults.respond(408),
    "reset": faults.reset(),
    "reset within": faults.reset(5_000),
    "response lost": faults.lose_response(),
    "closed": faults.lose_response("close"),
    "cut short": faults.truncate_response(40),
    "no JSON": faults.replace_body(b"<html>login</html>"),
    "another object": faults.replace_body(b'{"name": "x", "generation": "1", "size": "1"}'),
    "flipped on its way": faults.flip_request(9_000),
    "wrong checksum": faults.mangle(
        lambda status, headers, body: (status, headers, CRC32C.sub(b'"AAAAAA=="', body))
    ),
}


@pytest.mark.parametrize("part", ["audio.", "thumbnail"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("cleanup", [False, True], ids=["keeps", "cleans up"])
def test_what_is_disturbed_is_stored_by_a_thread(
    server: StrictServer, tmp_path: Path, part: str, fault: faults.Fault, cleanup: bool
) -> None:
    items = Items(tmp_path)
    rule = server.fault(faults.upload_of(part), fault, times=2, after=1)
    with managing(server) as manager:
        interleaved = Interleaved(manager, cleanup=cleanup)
        outcomes = interleaved.store(interleaved.decided(items))

    assert rule.fired == 2
    assert interleaved.by_thread
    assert_stored(server, items, outcomes)
    assert [item.audio.exists() for item in items] == [not cleanup] * ITEMS


@pytest.mark.parametrize("part", ["audio.", "thumbnail"])
def test_one_that_stalls_does_not_hold_up_the_others(
    server: StrictServer, tmp_path: Path, part: str
) -> None:
    items = Items(tmp_path)
    server.fault(faults.upload_of(part), faults.stall(5.0))
    with managing(server, stall_timeout_s=1.0) as manager:
        interleaved = Interleaved(manager)
        outcomes = interleaved.store(interleaved.decided(items))

    assert len(interleaved.by_thread) == 1
    assert_stored(server, items, outcomes)


def test_an_overload_is_reported_and_threads_take_over(
    server: StrictServer, tmp_path: Path
) -> None:
    events: list[Event] = []
    items = Items(tmp_path, 1)
    server.fault(faults.any_upload, faults.respond(429))
    with managing(server, on_event=events.append) as manager:
        interleaved = Interleaved(manager)
        rested = [interleaved.uploads.is_resting]
        interleaved.store(interleaved.decided(items))
        rested.append(interleaved.uploads.is_resting)
    assert rested == [False, True]
    assert [event.error for event in events if isinstance(event, Retried)]


def test_an_id_that_is_not_new_is_looked_at_by_a_thread(
    server: StrictServer, tmp_path: Path
) -> None:
    items = Items(tmp_path)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        decided = interleaved.decided(items)
        first = manager.upload_audio_with_thumbnail(
            items[0].audio, items[0].thumbnail, audio_id=decided[0].decision.claim.audio_id
        )
        other = manager.upload_audio_with_thumbnail(
            MP3, audio_id=decided[1].decision.claim.audio_id
        )
        outcomes = interleaved.store(decided)
        assert not interleaved.uploads.is_resting

        assert interleaved.by_thread == [0, 1]
        assert outcomes[0].result == replace(first, created=False)
        assert isinstance(outcomes[1].error, AudioStoreError)
        assert manager.get(other.audio_id).audio == other.audio
        assert [each.error for each in outcomes[2:]] == [None] * (ITEMS - 2)


def test_a_refusal_is_the_error_of_each(server: StrictServer, tmp_path: Path) -> None:
    items = Items(tmp_path)
    server.fault(faults.any_upload, faults.respond(403), times=None)
    with managing(server) as manager:
        interleaved = Interleaved(manager, cleanup=True)
        outcomes = interleaved.store(interleaved.decided(items))
    assert all(isinstance(each.error, exceptions.Forbidden) for each in outcomes)
    assert all(item.audio.exists() and item.thumbnail for item in items)
    server.clear_faults()
    assert reader_of(server).things() == {}


def _truncate(item: BulkItem) -> None:
    os.truncate(item.audio, 9_000)


def _replace(item: BulkItem) -> None:
    item.audio.write_bytes(mp3_bytes(30_000))


def _delete(item: BulkItem) -> None:
    item.audio.unlink()


@pytest.mark.parametrize(
    ("befalls", "error"),
    [
        (_truncate, (SourceChangedError, UnplayableAudioError)),
        (_replace, SourceChangedError),
        (_delete, SourceNotFoundError),
    ],
)
def test_a_file_that_changes_is_an_error_of_its_own(
    server: StrictServer,
    tmp_path: Path,
    befalls: Callable[[BulkItem], None],
    error: type[Exception] | tuple[type[Exception], ...],
) -> None:
    items = Items(tmp_path)
    with managing(server) as manager:
        interleaved = Interleaved(manager, cleanup=True)
        decided = interleaved.decided(items)
        claim = replace(decided[2].decision.claim, audio_state=decided[2].snapshot.audio.state)
        decided[2] = replace(decided[2], decision=replace(decided[2].decision, claim=claim))
        befalls(items[2])
        outcomes = interleaved.store(decided)
    assert isinstance(outcomes.pop(2).error, error)
    assert [each.error for each in outcomes] == [None] * (ITEMS - 1)
    assert items[2].thumbnail is not None
    assert Path(items[2].thumbnail).exists()
    assert len(reader_of(server).things()) == 2 * (ITEMS - 1)


def test_a_file_that_is_overwritten_while_it_is_sent_is_not_committed(
    server: StrictServer, tmp_path: Path
) -> None:
    items = Items(tmp_path, 1)
    with managing(server) as manager:
        interleaved = Interleaved(manager, cleanup=True)
        (decided,) = interleaved.decided(items)
        interleaved.uploads.begin(0, decided)  # the cover is on its way
        items[0].audio.write_bytes(items.audio[0][::-1])
        ended = _until_it_ends(interleaved.uploads)
        assert ended.outcome is None
        outcome = interleaved.performer(decided)
    assert outcome.error is not None
    assert items[0].audio.exists()
    assert not [name for name in reader_of(server).things() if "audio." in name]


def test_a_cover_that_is_gone_is_looked_for_by_a_thread(
    server: StrictServer, tmp_path: Path
) -> None:
    items = Items(tmp_path, 1)
    with managing(server) as manager:
        interleaved = Interleaved(manager, cleanup=True)
        (decided,) = interleaved.decided(items)
        (tmp_path / "0.jpg").unlink()  # by an earlier run that was killed then, perhaps
        interleaved.uploads.begin(0, decided)
        assert _until_it_ends(interleaved.uploads).outcome is None
        assert server.requests == []  # a look would wait for what this thread should send
        assert isinstance(interleaved.performer(decided).error, SourceNotFoundError)
    assert items[0].audio.exists()


def _until_it_ends(uploads: InterleavedUploads) -> Any:
    while True:
        for ended in uploads.turn(10.0):
            return ended


def test_a_bucket_that_shows_no_checksum_is_left_to_threads(
    server: StrictServer, tmp_path: Path
) -> None:
    def without_checksum(
        status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        return status, headers, body.replace(b'"crc32c"', b'"crc32d"')

    items = Items(tmp_path)
    server.fault(faults.any_upload, faults.mangle(without_checksum), times=None)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        outcomes = interleaved.store(interleaved.decided(items))
    assert_stored(server, items, outcomes)


def test_if_it_can_go_on_no_longer_threads_do_everything(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = Items(tmp_path)

    def fail(_: float) -> Any:
        raise OSError(24, "too many open files")

    with managing(server) as manager:
        interleaved = Interleaved(manager)
        monkeypatch.setattr(interleaved.uploads._writes, "turn", fail)
        outcomes = interleaved.store(interleaved.decided(items))
        assert interleaved.by_thread == list(range(ITEMS))
        assert interleaved.uploads.is_resting
        assert interleaved.uploads.turn(0.0) == []
    assert_stored(server, items, outcomes)


def test_a_file_that_has_grown_is_left_to_a_thread(server: StrictServer, tmp_path: Path) -> None:
    items = Items(tmp_path)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        decided = interleaved.decided(items)
        items.audio[1] = mp3_bytes(9 << 20)
        items[1].audio.write_bytes(items.audio[1])
        outcomes = interleaved.store(decided)
    assert interleaved.by_thread == [1]
    assert_stored(server, items, outcomes)


@pytest.fixture
def slow_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let opening a file wait, as on a network."""
    opened = os.open

    def slow(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith((".mp3", ".jpg")):
            for _ in range(5):
                time.sleep(0.002)
        return opened(path, *args, **options)

    monkeypatch.setattr(os, "open", slow)


@pytest.mark.usefixtures("slow_files")
def test_files_that_are_slow_to_read_are_left_to_threads(
    server: StrictServer, tmp_path: Path
) -> None:
    items = Items(tmp_path, 32)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        outcomes = interleaved.store(interleaved.decided(items))
        assert interleaved.uploads.is_resting
    assert [each.error for each in outcomes] == [None] * 32


@pytest.mark.usefixtures("slow_files")
def test_one_file_that_takes_long_is_enough(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = Items(tmp_path, 2)
    with managing(server) as manager:
        interleaved = Interleaved(manager)
        first, second = interleaved.decided(items)
        interleaved.store([first])
        rested = [interleaved.uploads.is_resting]
        monkeypatch.setattr(interleaving, "_STUCK_S", 0.005)
        interleaved.store([second])
        rested.append(interleaved.uploads.is_resting)
    assert rested == [False, True]
