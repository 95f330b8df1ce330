"""Rows 5-12 and slow links: what happens to connections and answers on the way."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import Event, Progress, Retried
from audiostore.stores.gcs.connections import ConnectionOptions
from tests.assets import BUCKET
from tests.faults.proxy import Proxy, Trouble
from tests.faults.rig import (
    AUDIO,
    CHUNK,
    COVER,
    ID,
    Files,
    assert_whole,
    in_sessions,
    make_files,
    managing,
    uploads,
)
from tests.gcs_server import StrictServer, faults
from tests.timing import wait_until, within

WAYS = pytest.mark.parametrize("way", ["one request", "session"])
HOW = pytest.mark.parametrize("how", ["rst", "close"])


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "session":
        in_sessions(monkeypatch)


@pytest.fixture
def seen() -> Iterator[list[Event]]:
    events: list[Event] = []
    yield events
    assert_progress_is_honest(events)


def assert_progress_is_honest(events: list[Event]) -> None:
    """See that progress goes backwards only behind a Retried."""
    last: dict[str, int] = {}
    for event in events:
        if isinstance(event, Retried):
            last.clear()
        elif isinstance(event, Progress):
            assert event.done_bytes >= last.get(event.name, 0), "progress went backwards silently"
            last[event.name] = event.done_bytes


@pytest.mark.row(5)
@WAYS
@pytest.mark.parametrize("part", ["thumbnail", "audio."])
def test_a_reset_before_the_body_is_survived(
    server: StrictServer, files: Files, part: str, way: str, seen: list[Event]
) -> None:
    rule = server.fault(faults.upload_of(part), faults.reset(0), times=2)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert rule.fired == 2
    assert result.created
    assert_whole(server, files, result)


@pytest.mark.row(6)
@WAYS
@pytest.mark.parametrize("after", [1, 5_000, 200_000])
def test_a_reset_in_the_middle_of_the_body_is_survived(
    server: StrictServer, files: Files, after: int, way: str, seen: list[Event]
) -> None:
    carries = faults.operation("upload", "session_chunk") & faults.named("audio.")
    rule = server.fault(carries, faults.reset(after), times=2)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert rule.fired == 2
    assert_whole(server, files, result)


@pytest.mark.row(5, 6)
@WAYS
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("kind", ["rst", "cut"])
@pytest.mark.parametrize("after", [0, 40, 700, 60_000, 400_000])
def test_a_connection_that_breaks_anywhere_loses_nothing(
    server: StrictServer,
    files: Files,
    after: int,
    kind: str,
    direction: str,
    way: str,
    seen: list[Event],
) -> None:
    trouble = Trouble(kind, after, direction)  # type: ignore[arg-type]
    with Proxy(server.port, trouble, trouble) as proxy:
        with managing(proxy.url, on_event=seen.append) as manager:
            result = manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            )
        assert proxy.met or direction == "down"

    assert_whole(server, files, result)


@pytest.mark.row(6)
def test_a_full_size_session_continues_from_what_the_server_has(
    server: StrictServer, tmp_path: Path, seen: list[Event]
) -> None:
    files = make_files(tmp_path / "large", audio_bytes=(9 << 20) + 17)
    server.fault(faults.session_chunk, faults.reset(3 << 20), times=2)

    with managing(server, chunk_bytes=4 << 20, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    # Each break loses less than one unit of 256 KiB, and what stood in buffers on the way.
    (received,) = server.bytes_received.values()
    assert received <= len(files.audio_bytes) + 2 * CHUNK
    assert_whole(server, files, result)


@pytest.mark.row(7)
@HOW
def test_a_lost_response_to_the_thumbnail_is_recognised(
    server: StrictServer, files: Files, how: str, seen: list[Event]
) -> None:
    server.fault(faults.upload_of("thumbnail"), faults.lose_response(how))  # type: ignore[arg-type]

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert result.created
    assert_whole(server, files, result)


@pytest.mark.row(8)
@HOW
def test_a_lost_response_to_the_audio_is_recognised_and_reported(
    server: StrictServer, files: Files, how: str, seen: list[Event]
) -> None:
    server.fault(faults.upload_of("audio."), faults.lose_response(how))  # type: ignore[arg-type]

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert not result.created  # it was there when the second attempt came
    assert_whole(server, files, result)
    assert not files.audio.exists()


@pytest.mark.row(9)
@HOW
def test_a_lost_response_to_the_last_chunk_is_recognised(
    server: StrictServer,
    files: Files,
    how: str,
    seen: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_sessions(monkeypatch)
    server.fault(faults.last_chunk, faults.lose_response(how))  # type: ignore[arg-type]

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert_whole(server, files, result)
    assert uploads(server)[-1] == "session_status"


@pytest.mark.row(7, 8, 9)
@WAYS
@pytest.mark.parametrize("nth", range(6))
def test_any_single_response_may_be_lost(
    server: StrictServer, files: Files, nth: int, way: str, seen: list[Event]
) -> None:
    server.fault(faults.any_request, faults.lose_response(), after=nth)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert_whole(server, files, result)


@pytest.mark.row(10, 11)
@WAYS
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_stall_times_out_and_the_upload_succeeds(
    server: StrictServer, files: Files, moment: str, way: str, seen: list[Event]
) -> None:
    fault = faults.stall(30) if moment == "before" else faults.stall_after(30)
    carries = faults.operation("upload", "session_chunk") & faults.named("audio.")
    server.fault(carries, fault, after=2 if way == "session" else 0)
    started = time.monotonic()

    with managing(server, stall_timeout_s=1, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert 0.9 < time.monotonic() - started < 25
    assert any(isinstance(e, Retried) and isinstance(e.error, TimeoutError) for e in seen)
    wait_until(lambda: sum(not r.done for r in server.requests) <= 1)  # the one that stalls
    objects = {thing.name: thing for thing in server.objects(BUCKET)}
    assert sorted(objects) == [AUDIO, COVER]
    assert [len(server.generations(BUCKET, name)) for name in objects] == [1, 1]
    assert server.read(BUCKET, AUDIO) == files.audio_bytes
    assert result.audio is not None
    assert result.audio.generation == objects[AUDIO].generation


@pytest.mark.row(10, 11)
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_that_stalls_times_out(
    server: StrictServer, files: Files, direction: str, seen: list[Event]
) -> None:
    with Proxy(server.port, Trouble("stall", 100, direction)) as proxy:  # type: ignore[arg-type]
        with managing(proxy.url, stall_timeout_s=1, on_event=seen.append) as manager:
            result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        assert proxy.met

    assert any(isinstance(e, Retried) and isinstance(e.error, TimeoutError) for e in seen)
    assert_whole(server, files, result)


@pytest.mark.row(12)
@WAYS
@pytest.mark.parametrize("after", [0, 1, 100])
@pytest.mark.parametrize(
    "when",
    [
        faults.simple_upload,
        faults.session_start,
        faults.last_chunk,
        faults.listing,
    ],
    ids=["upload", "session start", "last chunk", "listing"],
)
def test_a_truncated_response_is_not_trusted(
    server: StrictServer,
    files: Files,
    when: faults.Matcher,
    after: int,
    way: str,
    seen: list[Event],
) -> None:
    server.fault(when, faults.truncate_response(after), times=2)

    with managing(server, on_event=seen.append) as manager:
        result = manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_whole(server, files, result)


@pytest.mark.row("time-outs")
def test_a_slow_link_is_not_a_stall(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    files = make_files(tmp_path / "slow", audio_bytes=3 << 19)
    seen: list[Event] = []

    with (
        Proxy(server.port, bytes_per_second=512 << 10) as proxy,
        managing(proxy.url, stall_timeout_s=2, on_event=seen.append) as manager,
    ):
        started = time.monotonic()
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert time.monotonic() - started > 2.5  # longer than the time-out for stalls
    assert not [e for e in seen if isinstance(e, Retried)]
    assert_whole(server, files)


@pytest.mark.row("time-outs")
def test_a_server_that_cannot_be_reached_is_given_up_in_time(files: Files) -> None:
    # 198.51.100.0/24 is for documentation only; here a full backlog stands for it, so that no
    # packet leaves this machine.
    import socket  # noqa: PLC0415

    from audiostore import RetryConfig, StoreConnectionError, StoreTimeoutError  # noqa: PLC0415

    with socket.socket() as listener, socket.socket() as filler, socket.socket() as another:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for sock in (filler, another):
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            within(3),
            managing(
                url,
                retry=RetryConfig(1),
                connections=ConnectionOptions(stall_timeout_s=1, connect_timeout_s=0.3),
            ) as manager,
            pytest.raises((StoreConnectionError, StoreTimeoutError)),
        ):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert files.both_kept()
