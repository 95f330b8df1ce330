"""Rows 30 and 31: reading, and deleting, when the wire fails."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from google.api_core import exceptions

from audiostore import (
    AssetNotFoundError,
    AudioStorageManager,
    Event,
    IntegrityError,
    LocalStore,
    Progress,
    Retried,
    RetriesEnded,
)
from tests.assets import BUCKET, OTHER_JPG
from tests.faults.proxy import Proxy, Trouble
from tests.faults.rig import (
    AUDIO,
    COVER,
    ID,
    Files,
    make_files,
    managing,
    reader_of,
    settled,
)
from tests.gcs_server import StrictServer, faults
from tests.timing import SimulatedTime


@pytest.fixture
def stored(server: StrictServer, files: Files) -> Files:
    with managing(server) as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    return files


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    return path


@pytest.mark.row(31)
@pytest.mark.parametrize("existing", [True, False], ids=["over a file", "new file"])
def test_a_corrupted_download_leaves_no_file(
    server: StrictServer, stored: Files, folder: Path, existing: bool
) -> None:
    server.fault(faults.download, faults.flip_response(200_000), times=None)
    if existing:
        (folder / "song.mp3").write_bytes(b"what was here before")

    with managing(server) as manager, pytest.raises(IntegrityError):
        manager.download(ID, folder / "song.mp3")

    assert left_in(folder) == (["song.mp3"] if existing else [])
    if existing:
        assert (folder / "song.mp3").read_bytes() == b"what was here before"


def _download(manager: AudioStorageManager, folder: Path) -> Path:
    return manager.download(ID, folder / "song.mp3")


def _bulk_download(manager: AudioStorageManager, folder: Path) -> Path:
    (outcome,) = manager.bulk.download([ID], folder)
    if outcome.error is not None:
        raise outcome.error
    return cast(Path, outcome.path)


def _copy(manager: AudioStorageManager, folder: Path) -> Path:
    with AudioStorageManager(store=LocalStore(folder)) as target:
        (outcome,) = manager.bulk.copy(target)
    if outcome.error is not None:
        raise outcome.error
    return folder / AUDIO


def _check_deep(manager: AudioStorageManager, folder: Path) -> None:
    # What is stored here does not play: that is another finding.
    if "damaged-bytes" in [problem.kind for problem in manager.audit.check(deep=True)]:
        raise IntegrityError


Way = Callable[[AudioStorageManager, Path], Path | None]
OF_AUDIO = faults.download & faults.named("audio.")


@pytest.mark.row(31)
@pytest.mark.parametrize(
    ("way", "offset"),
    [
        (_download, 0),
        (_download, 700_000),
        (_bulk_download, 350_000),
        (_copy, 350_000),
        (_check_deep, 350_000),
    ],
)
def test_a_download_damaged_in_transit_is_repeated(
    server: StrictServer, stored: Files, folder: Path, way: Way, offset: int
) -> None:
    rule = server.fault(OF_AUDIO, faults.flip_response(offset), times=2)

    with managing(server) as manager:
        path = way(manager, folder)

    assert rule.fired == 2
    assert path is None or path.read_bytes() == stored.audio_bytes
    downloads = [r for r in server.requests if r.operation == "download" and r.name == AUDIO]
    assert len(downloads) == 3
    pinned = server.generations(BUCKET, AUDIO)[-1]
    assert {r.query["generation"] for r in downloads} == {str(pinned)}


@pytest.mark.row(31)
@pytest.mark.parametrize("way", [_download, _copy, _check_deep])
def test_a_download_that_is_always_damaged_is_given_up(
    server: StrictServer, stored: Files, folder: Path, way: Way
) -> None:
    rule = server.fault(OF_AUDIO, faults.flip_response(200_000), times=None)

    with managing(server) as manager, pytest.raises(IntegrityError):
        way(manager, folder)

    assert rule.fired == 3
    assert not [path for path in folder.rglob("*.mp3") if path.is_file()]


@pytest.mark.row(31)
def test_a_download_damaged_and_cut_short_is_repeated(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    # Cut, damaged in what follows, cut again, and then the rest of it.
    server.fault(OF_AUDIO, faults.truncate_response(300_000))
    server.fault(OF_AUDIO, faults.flip_response(10))
    server.fault(OF_AUDIO, faults.truncate_response(1))

    with managing(server) as manager:
        path = manager.download(ID, folder)

    assert path.read_bytes() == stored.audio_bytes


@pytest.mark.row(31)
def test_progress_goes_back_only_after_a_report(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    server.fault(OF_AUDIO, faults.flip_response(0), times=2)
    seen: list[Event] = []
    with managing(server, on_event=seen.append) as manager:
        manager.download(ID, folder)

    done_bytes = 0
    for event in seen:
        match event:
            case Retried():
                done_bytes = 0
            case Progress():
                assert event.done_bytes >= done_bytes
                done_bytes = event.done_bytes
    assert sum(isinstance(event, Retried) for event in seen) == 2
    assert sum(isinstance(event, RetriesEnded) for event in seen) == 1


@pytest.mark.row(31)
@pytest.mark.parametrize("after", [0, 1, 100_000, 700_000])
def test_a_download_cut_short_continues_by_range(
    server: StrictServer, stored: Files, folder: Path, after: int
) -> None:
    server.fault(faults.download, faults.truncate_response(after), times=3)

    with managing(server) as manager:
        path = manager.download(ID, folder)

    assert path.read_bytes() == stored.audio_bytes
    downloads = [r for r in server.requests if r.operation == "download"]
    assert len(downloads) == (4 if after < 700_000 else 2)
    pinned = server.generations(BUCKET, AUDIO)
    assert {r.query["generation"] for r in downloads} == {str(pinned[0])}
    if after > 1:
        assert "range" in downloads[-1].headers


@pytest.mark.row(31)
@pytest.mark.parametrize("kind", ["rst", "cut"])
@pytest.mark.parametrize("after", [500, 2_000, 300_000])
def test_a_download_whose_connection_breaks_continues_by_range(
    server: StrictServer, stored: Files, folder: Path, kind: str, after: int
) -> None:
    trouble = Trouble(kind, after, "down")  # type: ignore[arg-type]
    with Proxy(server.port, *[trouble] * 4) as proxy, managing(proxy.url) as manager:
        path = manager.download(ID, folder)

    assert proxy.met
    assert path.read_bytes() == stored.audio_bytes
    assert left_in(folder) == ["audio.mp3"]


@pytest.mark.row(31)
def test_a_download_that_stalls_continues_by_range(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    seen: list[Event] = []
    with (
        Proxy(server.port, None, Trouble("stall", 300_000, "down")) as proxy,
        managing(proxy.url, stall_timeout_s=1, on_event=seen.append) as manager,
    ):
        proxy._troubles[:] = [Trouble("stall", 300_000, "down")]
        path = manager.download(ID, folder)

    assert path.read_bytes() == stored.audio_bytes
    assert [e for e in seen if isinstance(e, Retried)]


@pytest.mark.row(31)
@pytest.mark.parametrize("after", [0, 10_000])
def test_artwork_replaced_while_it_downloads_comes_whole(
    server: StrictServer, stored: Files, folder: Path, after: int
) -> None:
    def replace(request: object) -> None:
        if getattr(request, "operation", "") == "download":
            server.on_response = None
            with managing(server) as other:
                other.upload_thumbnail_file(OTHER_JPG, ID)

    server.fault(faults.download, faults.truncate_response(after))
    server.on_response = replace
    with managing(server) as manager:
        path = manager.download(ID, folder, part="thumbnail")

    assert path.read_bytes() == OTHER_JPG.read_bytes()
    assert left_in(folder) == ["thumbnail.jpg"]


@pytest.mark.row(31)
def test_artwork_replaced_during_a_download_is_never_mixed(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    def replace(request: object) -> None:
        if getattr(request, "operation", "") == "download":
            server.on_response = None
            server.put(BUCKET, COVER, OTHER_JPG.read_bytes())

    server.fault(faults.download, faults.truncate_response(10_000))
    server.on_response = replace
    with managing(server) as manager, pytest.raises(AssetNotFoundError):
        manager.download(ID, folder, part="thumbnail")

    assert left_in(folder) == []


@pytest.mark.row(31)
def test_an_asset_deleted_while_it_downloads_leaves_no_file(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    def delete(request: object) -> None:
        if getattr(request, "operation", "") == "download":
            server.on_response = None
            with managing(server) as other:
                other.delete(ID)

    server.fault(faults.download, faults.truncate_response(10_000))
    server.on_response = delete
    with managing(server) as manager, pytest.raises(AssetNotFoundError):
        manager.download(ID, folder)

    assert left_in(folder) == []


@pytest.mark.row(31)
def test_a_server_that_ignores_the_range_is_not_trusted(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    server.fault(faults.download, faults.truncate_response(100_000))
    whole = faults.respond(200, body=b"\xff" * len(stored.audio_bytes))
    server.fault(faults.download, whole, times=None)

    with managing(server) as manager, pytest.raises((ConnectionError, IntegrityError)):
        manager.download(ID, folder)

    assert left_in(folder) == []


@pytest.mark.row(31)
def test_a_server_that_ignores_the_range_once_costs_one_attempt(
    server: StrictServer, stored: Files, folder: Path
) -> None:
    server.fault(faults.download, faults.truncate_response(100_000))
    server.fault(faults.download, faults.respond(200, body=stored.audio_bytes))

    with managing(server) as manager:
        path = manager.download(ID, folder)

    assert path.read_bytes() == stored.audio_bytes


@pytest.mark.row(31)
def test_a_download_that_never_ends_well_is_given_up(
    server: StrictServer, stored: Files, folder: Path, simulated: SimulatedTime
) -> None:
    server.fault(faults.download, faults.respond(503), times=None)

    with managing(server) as manager, pytest.raises(exceptions.ServiceUnavailable):
        manager.download(ID, folder)

    assert simulated.clock() == pytest.approx(120)
    assert left_in(folder) == []


@pytest.mark.row(31)
def test_a_disk_that_is_full_while_downloading_leaves_no_file(
    server: StrictServer, stored: Files, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os  # noqa: PLC0415

    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(folder):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with managing(server) as manager:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as raised:
            manager.download(ID, folder)
        monkeypatch.undo()

    assert "while downloading" in "".join(raised.value.__notes__)
    assert left_in(folder) == []


# -- 30 ----------------------------------------------------------------------------------------


@pytest.mark.row(30)
@pytest.mark.parametrize("nth", range(2))
@pytest.mark.parametrize("how", ["rst", "close"])
def test_a_delete_whose_response_is_lost_succeeds(
    server: StrictServer, stored: Files, nth: int, how: str
) -> None:
    server.fault(faults.delete, faults.lose_response(how), after=nth)  # type: ignore[arg-type]

    with managing(server) as manager:
        manager.delete(ID)

    settled(server)
    assert reader_of(server).things() == {}


@pytest.mark.row(30)
@pytest.mark.parametrize("nth", range(2))
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_delete_that_fails_temporarily_succeeds(
    server: StrictServer, stored: Files, nth: int, status: int
) -> None:
    server.fault(faults.delete, faults.respond(status), after=nth, times=3)

    with managing(server) as manager:
        manager.delete(ID)

    assert reader_of(server).things() == {}


@pytest.mark.row(30)
def test_a_delete_that_fails_half_way_shows_no_asset_and_a_re_run_finishes(
    server: StrictServer, stored: Files, simulated: SimulatedTime
) -> None:
    server.fault(faults.delete, faults.respond(503), after=1, times=None)

    with managing(server) as manager:
        with pytest.raises(exceptions.ServiceUnavailable):
            manager.delete(ID)
        with pytest.raises(AssetNotFoundError):
            manager.get(ID)
        with pytest.raises(AssetNotFoundError):
            manager.download(ID, "/nowhere", part="thumbnail")
        assert list(manager.list()) == []
        server.clear_faults()
        simulated.sleep(8)
        manager.delete(ID)

    assert reader_of(server).things() == {}


@pytest.mark.row(30)
def test_an_asset_stored_again_while_it_is_deleted_is_not_harmed(
    server: StrictServer, stored: Files, tmp_path: Path
) -> None:
    again = make_files(tmp_path / "again")

    def store_again(request: object) -> None:
        if getattr(request, "operation", "") == "delete" and AUDIO in getattr(request, "name", ""):
            server.on_response = None
            server.fault(faults.delete, faults.lose_response(), times=0)
            server.remove(BUCKET, COVER)
            with managing(server) as other:
                other.upload_audio_with_thumbnail(again.audio, again.cover, audio_id=ID)

    server.on_response = store_again
    with managing(server) as manager:
        manager.delete(ID)

    # Whoever comes last decides; what must not be is half of it.
    things = reader_of(server).things()
    from tests.faults.reader import Truth, check  # noqa: PLC0415

    check(things, {ID: Truth(again.audio_bytes, (again.cover_bytes,))}, {})
