"""Large uploads that survive their process."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, RetryConfig
from tests.assets import BUCKET
from tests.faults.child import Nursery
from tests.faults.kills import BucketPlace, Gate, Place, Scenario, When, gate
from tests.faults.reader import Truth, check
from tests.faults.rig import (
    AUDIO,
    ID,
    QUICK,
    Files,
    gcs,
    in_sessions,
    make_files,
    managing,
    reader_of,
    settled,
    uploads,
)
from tests.faults.test_conflicts import race_processes
from tests.faults.test_kills import WHEN, at_file_operation, at_request, matrix
from tests.gcs_server import Request, StrictServer, faults
from tests.timing import SimulatedTime

pytestmark = pytest.mark.row("resume")
IDS = pytest.mark.parametrize("audio_id", [ID, None], ids=["given id", "no id"])
MIB = 1 << 20


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def call_for(
    server: StrictServer, files: Files, state: Path, audio_id: str | None, **more: object
) -> dict[str, object]:
    return {
        "do": "upload",
        "url": server.url,
        "bucket": BUCKET,
        "state": str(state),
        "audio": str(files.audio),
        "cover": str(files.cover),
        "id": audio_id,
        "cleanup": False,
        **more,
    }


class Cut(Gate):
    """Kills a child once the connection of its session has broken."""

    def request(self, request: Request) -> None:
        if request.operation == "session_status":
            self._number = self._count + 1
        super().request(request)


def killed_half_way(
    nursery: Nursery, server: StrictServer, call: dict[str, object], after: int
) -> None:
    """Run the call; the process dies when the server has so many bytes of the audio."""
    rule = server.fault(faults.session_chunk, faults.reset(after), times=None)
    made = Cut(-1, "before")
    server.on_request = made.request
    child = nursery.start({**call, "stopped": True})
    made.child = child
    child.go_on()
    assert child.wait()["killed"]
    server.on_request = None
    rule.cancel()
    settled(server)


def only_asset(server: StrictServer, files: Files) -> str:
    """See that one asset is there, whole, each object stored once; return its id."""
    settled(server)
    things = reader_of(server).things()
    (audio,) = [name for name in things if "/audio." in name]
    audio_id = audio.split("/")[1]
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    check(things, {audio_id: truth}, {})
    assert len(things) == 2
    assert all(len(server.generations(BUCKET, name)) == 1 for name in things)
    return audio_id


def state_files(state: Path) -> list[Path]:
    return [path for path in state.rglob("*") if path.is_file()]


@IDS
def test_an_upload_killed_half_way_resumes_at_the_last_byte(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path, audio_id: str | None
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    call = call_for(server, files, state, audio_id)

    killed_half_way(nursery, server, call, 8 * MIB)
    before = sum(server.bytes_received.values())
    answer = nursery.run(call)

    assert "error" not in answer, answer
    assert len(server.sessions()) == 1
    sent_again = sum(server.bytes_received.values()) - before
    assert sent_again <= 4 * MIB + (256 << 10)
    only_asset(server, files)
    assert state_files(state) == []


@IDS
def test_an_upload_killed_again_and_again_sends_each_byte_about_once(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path, audio_id: str | None
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    call = call_for(server, files, state, audio_id)

    for _ in range(4):
        killed_half_way(nursery, server, call, 2 * MIB + 1000)
    answer = nursery.run(call)

    assert "error" not in answer, answer
    assert sum(server.bytes_received.values()) <= 12 * MIB + 4 * (256 << 10)
    only_asset(server, files)


@IDS
def test_a_network_that_is_lost_for_longer_than_the_budget_costs_no_bytes(
    server: StrictServer,
    tmp_path: Path,
    audio_id: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    server.fault(faults.session_chunk, faults.reset(8 * MIB))
    lost = server.fault(faults.status_query, faults.reset(0), times=None)

    with (
        AudioStorageManager(BUCKET, retry_config=RetryConfig(3, 0.01, 0.02)) as manager,
        pytest.raises(ConnectionError),
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=audio_id)
    lost.cancel()
    with AudioStorageManager(BUCKET, retry_config=QUICK) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=audio_id)

    assert sum(server.bytes_received.values()) <= 12 * MIB + (256 << 10)
    only_asset(server, files)


@IDS
@pytest.mark.parametrize("change", ["other bytes", "touched"])
def test_a_file_that_changed_since_is_not_mixed_with_what_was_sent(
    server: StrictServer,
    nursery: Nursery,
    tmp_path: Path,
    state: Path,
    audio_id: str | None,
    change: str,
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    call = call_for(server, files, state, audio_id)
    killed_half_way(nursery, server, call, 8 * MIB)
    if change == "other bytes":
        files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    else:
        os.utime(files.audio, (1, 1))

    answer = nursery.run(call)

    if change == "other bytes" and audio_id is not None:
        # The artwork that waits under this id was stored for the other audio.
        assert answer["error"].startswith("AssetConflictError")
        assert check(reader_of(server).things(), {}, files.originals) == {}
        return
    assert "error" not in answer, answer
    settled(server)
    things = reader_of(server).things()
    (audio,) = [name for name in things if "/audio." in name]
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    check(things, {audio.split("/")[1]: truth}, {})


def test_a_session_that_took_bytes_of_a_changed_file_is_dropped(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiostore import Progress, SourceChangedError  # noqa: PLC0415

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    once: list[int] = []

    def listen(event: object) -> None:
        if isinstance(event, Progress) and event.name.endswith("mp3") and event.done_bytes:
            if not once:
                with files.audio.open("r+b") as file:
                    file.seek(10 * MIB)
                    file.write(b"changed")
            once.append(1)

    with (
        AudioStorageManager(BUCKET, retry_config=QUICK, on_event=listen) as manager,
        pytest.raises(SourceChangedError),
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    files.restore()
    with AudioStorageManager(BUCKET, retry_config=QUICK) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    only_asset(server, files)


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_the_server_lost_is_started_again(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path, status: int
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    call = call_for(server, files, state, ID)
    killed_half_way(nursery, server, call, 8 * MIB)
    server.expire_sessions(status)

    answer = nursery.run(call)

    assert "error" not in answer, answer
    only_asset(server, files)
    assert state_files(state) == []


def test_a_session_of_last_week_is_not_asked_for(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    call = call_for(server, files, state, ID)
    killed_half_way(nursery, server, call, 8 * MIB)
    long_ago = time.time() - 8 * 24 * 3600
    for path in state_files(state):
        os.utime(path, (long_ago, long_ago))

    answer = nursery.run(call)

    assert "error" not in answer, answer
    assert uploads(server).count("session_start") == 2
    only_asset(server, files)


def test_what_is_remembered_is_for_the_user_alone(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=12 * MIB)
    previous = os.umask(0)
    try:
        with Nursery(tmp_path) as careless:  # it inherits a umask that forbids nothing
            call = call_for(server, files, state, None)
            killed_half_way(careless, server, call, 8 * MIB)
    finally:
        os.umask(previous)

    found = state_files(state)
    assert len(found) >= 2  # a session and an id
    secret = server.sessions()[0].upload_id
    assert any(secret in path.read_text() for path in found)
    for path in found:
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
        assert secret not in path.name


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"", id="empty"),
        pytest.param(b"no url", id="no url"),
        pytest.param(b"http://", id="half a url"),
        pytest.param(b"ftp://x/y", id="another protocol"),
        pytest.param(b"http://127.0.0.1:1/gone", id="another server"),
    ],
)
def test_a_damaged_state_file_does_no_harm(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path, content: bytes
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)
    call = call_for(server, files, state, ID)
    killed_half_way(nursery, server, call, 1 * MIB)
    for path in state_files(state):
        path.write_bytes(content)

    answer = nursery.run(call)

    assert "error" not in answer, answer
    only_asset(server, files)


def test_a_state_directory_that_cannot_be_written_does_no_harm(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    state.write_bytes(b"a file in its place")
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)

    for audio_id in (ID, None):
        answer = nursery.run(call_for(server, files, state, audio_id))
        assert "error" not in answer, answer


def test_uploads_without_an_id_at_the_same_time_stay_apart(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)
    call = call_for(server, files, state, None, stopped=True)
    with Nursery(tmp_path) as other:
        answers = race_processes([(nursery, call), (other, call)])

    assert not any("error" in answer for answer in answers), answers
    things = reader_of(server).things()
    assert len(things) == 4
    assert state_files(state) == []


def test_two_processes_with_one_id_do_not_spoil_each_others_session(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)
    call = call_for(server, files, state, ID, stopped=True)
    with Nursery(tmp_path) as other:
        answers = race_processes([(nursery, call), (other, call)])

    assert not any("error" in answer for answer in answers), answers
    only_asset(server, files)


@pytest.mark.row(27)
def test_of_two_managers_that_meet_in_one_session_one_creates(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)
    created: list[bool] = []

    def upload() -> None:
        with AudioStorageManager(BUCKET, retry_config=QUICK) as manager:
            result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        created.append(result.created)

    def meet(request: Request) -> None:
        if request.operation == "session_chunk":
            server.on_request = None
            upload()

    server.on_request = meet
    upload()

    only_asset(server, files)
    assert sorted(created) == [False, True]


# -- the matrix of kills, without a given id ---------------------------------------------------


@pytest.fixture
def state_of_point(tmp_path: Path) -> Callable[[Place], Path]:
    def of(place: Place) -> Path:
        assert isinstance(place, BucketPlace)
        return tmp_path / f"state-{place.server.port}"

    return of


class NoIdScenario:
    """An upload that names no id: whichever id is visible must hold the very asset."""

    def __init__(self, state_of_point: Callable[[Place], Path], size: int) -> None:
        self._state = state_of_point
        self._size = size

    def __call__(self, place: Place, files: Files) -> Scenario:
        assert isinstance(place, BucketPlace)
        call = call_for(
            place.server,
            files,
            self._state(place),
            None,
            cleanup=True,
            one_request_bytes=self._size,
        )
        return Scenario(call, AnyId(files), files.originals)


class AnyId(dict[str, Truth]):
    """Whatever the id is, this is what it must show."""

    def __init__(self, files: Files) -> None:
        super().__init__()
        self._truth = Truth(files.audio_bytes, (files.cover_bytes,))

    def get(self, key: str, default: Any = None) -> Any:
        del key, default
        return self._truth


def one_asset(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: one asset in all, under one id."""
    assert isinstance(place, BucketPlace)
    if "error" in answer:
        assert answer["error"].startswith("SourceNotFoundError"), answer
        assert not (files.audio.exists() and files.cover.exists())
    else:
        assert not files.audio.exists()
    only_asset(place.server, files)
    check(place.reader.things(), scenario.during, scenario.local)


@pytest.mark.row(25)
@WHEN
@pytest.mark.parametrize("size", [64 << 10, 8 * MIB], ids=["session", "one request"])
def test_upload_without_an_id_killed_at_every_request_makes_one_asset(
    tmp_path: Path,
    nursery: Nursery,
    when: When,
    size: int,
    state_of_point: Callable[[Place], Path],
    count_points: Callable[[int], None],
) -> None:
    count_points(
        matrix(
            tmp_path,
            "bucket",
            NoIdScenario(state_of_point, size),
            at_request(nursery, when),
            one_asset,
            nursery,
        )
    )


@pytest.mark.row(25)
@pytest.mark.parametrize("size", [64 << 10, 8 * MIB], ids=["session", "one request"])
def test_upload_without_an_id_killed_at_every_file_operation_makes_one_asset(
    tmp_path: Path,
    nursery: Nursery,
    size: int,
    state_of_point: Callable[[Place], Path],
    count_points: Callable[[int], None],
) -> None:
    count_points(
        matrix(
            tmp_path,
            "bucket",
            NoIdScenario(state_of_point, size),
            at_file_operation(nursery, "before"),
            one_asset,
            nursery,
        )
    )


# -- a session that had finished ---------------------------------------------------------------


def test_a_finished_session_is_not_trusted_once_its_object_is_deleted(
    server: StrictServer, nursery: Nursery, tmp_path: Path, state: Path
) -> None:
    """The object was stored, its writer died before it heard so, and then it was deleted."""
    files = make_files(tmp_path / "large", audio_bytes=9 * MIB)
    call = {**call_for(server, files, state, ID, cleanup=True), "cover": None}
    chunks = [0]

    with gate(server, -1, "after") as made:

        def at_last_chunk(request: Request) -> None:
            if request.operation == "session_chunk":
                chunks[0] += 1
                made.kill()

        server.on_response = at_last_chunk
        child = nursery.start({**call, "stopped": True})
        made.child = child
        child.go_on()
        assert child.wait()["killed"]
    settled(server)
    assert server.object(BUCKET, AUDIO) is not None
    with AudioStorageManager(store=gcs(server), retry_config=QUICK) as manager:
        manager.delete(ID)

    answer = nursery.run(call)

    assert "error" not in answer, answer
    truth = Truth(files.audio_bytes, (None,), must_be_there=True)
    check(reader_of(server).things(), {ID: truth}, {files.audio: files.audio_bytes})


def test_a_finished_session_in_memory_is_not_trusted_once_its_object_is_deleted(
    server: StrictServer,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    simulated: SimulatedTime,
) -> None:
    in_sessions(monkeypatch)
    lost = server.fault(faults.last_chunk, faults.lose_response(), times=None)
    unknown = server.fault(faults.status_query, faults.respond(503), times=None)

    with managing(server) as manager:
        with pytest.raises(Exception, match=r"503|curl"):
            manager.upload_audio_file(files.audio, audio_id=ID, cleanup=True)
        lost.cancel()
        unknown.cancel()
        manager.delete(ID)
        simulated.sleep(8)
        manager.upload_audio_file(files.audio, audio_id=ID, cleanup=True)

    truth = Truth(files.audio_bytes, (None,), must_be_there=True)
    check(reader_of(server).things(), {ID: truth}, {files.audio: files.audio_bytes})
