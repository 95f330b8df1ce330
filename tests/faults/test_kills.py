"""Rows 25, 30, 32: SIGKILL at every request and at every file operation, then the same again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.assets import BUCKET, OTHER_JPG, PNG
from tests.faults.child import Nursery
from tests.faults.kills import (
    BucketPlace,
    DirectoryPlace,
    Place,
    Scenario,
    When,
    look,
    run_killed_at_request,
    upload_scenario,
)
from tests.faults.reader import Truth, agree, check
from tests.faults.rig import AUDIO, COVER, ID, Files, make_files
from tests.gcs_server import StrictServer

MOST_POINTS = 400
BUCKETS = pytest.mark.parametrize("way", ["one request", "session"])
WHEN = pytest.mark.parametrize("when", ["before", "after"])
STORES = pytest.mark.parametrize("store", ["bucket", "directory"])


def options_of(way: str) -> dict[str, object]:
    return {"one_request_bytes": 64 << 10} if way == "session" else {}


@contextmanager
def fresh(store: str, folder: Path) -> Iterator[Place]:
    """Make an empty store for one point."""
    if store == "directory":
        yield DirectoryPlace(folder / "store")
        return
    with StrictServer(BUCKET, directory=folder) as server:
        yield BucketPlace(server)


Run = Callable[[Place, Scenario, int], dict[str, Any]]
Prepare = Callable[[Place, Files], Scenario]
Finish = Callable[[Place, Scenario, Files, dict[str, Any]], None]


def matrix(
    folder: Path,
    store: str,
    prepare: Prepare,
    run: Run,
    finish: Finish,
    nursery: Nursery,
    audio_bytes: int = 700_001,
) -> int:
    """Kill at the first step, the second, … until the call comes through; return how many."""
    files = make_files(folder / "local", audio_bytes=audio_bytes)
    for number in range(1, MOST_POINTS):
        point = folder / str(number)
        point.mkdir()
        files.restore()
        with fresh(store, point) as place:
            scenario = prepare(place, files)
            answer = run(place, scenario, number)
            look(place, scenario)
            if not answer["killed"]:
                assert "error" not in answer, answer
                finish(place, scenario, files, answer)
                return number - 1
            again = nursery.run(scenario.call)
            assert not again["killed"]
            finish(place, scenario, files, again)
    raise AssertionError("the call never came to its end")


def at_request(nursery: Nursery, when: When) -> Run:
    def run(place: Place, scenario: Scenario, number: int) -> dict[str, Any]:
        assert isinstance(place, BucketPlace)
        return run_killed_at_request(nursery, place.server, scenario.call, number, when)

    return run


def at_file_operation(nursery: Nursery, when: When) -> Run:
    def run(_place: Place, scenario: Scenario, number: int) -> dict[str, Any]:
        return nursery.run({**scenario.call, "die_at": number, "die": when})

    return run


# -- storing an asset --------------------------------------------------------------------------


def stored_whole(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: two objects, one generation each, local files gone, the result right."""
    things = place.reader.things()
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    assets = check(things, {ID: truth}, scenario.local)
    assert sorted(things) == [AUDIO, COVER]
    for name in things:
        assert place.generations(name) in (None, [things[name].generation])
    with place.manager() as manager:
        agree(manager, assets)
    if "error" in answer:
        # Killed while it deleted the local files: what is gone cannot be named again, and is
        # stored. Nothing else may fail.
        assert answer["error"].startswith("SourceNotFoundError"), answer
        assert not (files.audio.exists() and files.cover.exists())
        return
    assert not files.audio.exists()
    assert not files.cover.exists()
    assert answer["value"]["audio"] == things[AUDIO].generation
    assert answer["value"]["thumbnail"] == things[COVER].generation
    assert answer["value"]["warnings"] == []


@pytest.mark.row(25)
@BUCKETS
@WHEN
def test_upload_killed_at_every_request(
    tmp_path: Path,
    nursery: Nursery,
    way: str,
    when: When,
    count_points: Callable[[int], None],
) -> None:
    points = matrix(
        tmp_path,
        "bucket",
        lambda place, files: upload_scenario(files, place, **options_of(way)),
        at_request(nursery, when),
        stored_whole,
        nursery,
    )

    assert points >= 4 + 3 * (way == "session")
    count_points(points)


@pytest.mark.row(25)
@BUCKETS
@WHEN
def test_upload_killed_at_every_file_operation(
    tmp_path: Path,
    nursery: Nursery,
    way: str,
    when: When,
    count_points: Callable[[int], None],
) -> None:
    points = matrix(
        tmp_path,
        "bucket",
        lambda place, files: upload_scenario(files, place, **options_of(way)),
        at_file_operation(nursery, when),
        stored_whole,
        nursery,
    )

    assert points > 20
    count_points(points)


@pytest.mark.row(25, "new ids")
@BUCKETS
@WHEN
def test_upload_under_a_new_id_killed_at_every_request(
    tmp_path: Path,
    nursery: Nursery,
    way: str,
    when: When,
    count_points: Callable[[int], None],
) -> None:
    points = matrix(
        tmp_path,
        "bucket",
        lambda place, files: upload_scenario(files, place, id_is_new=True, **options_of(way)),
        at_request(nursery, when),
        stored_whole,
        nursery,
    )

    assert points >= 3 + 3 * (way == "session")
    count_points(points)


@pytest.mark.row(25, 32, "new ids")
def test_upload_under_a_new_id_to_a_directory_killed_at_every_file_operation(
    tmp_path: Path, nursery: Nursery, count_points: Callable[[int], None]
) -> None:
    points = matrix(
        tmp_path,
        "directory",
        lambda place, files: upload_scenario(files, place, id_is_new=True),
        at_file_operation(nursery, "after"),
        stored_whole,
        nursery,
        audio_bytes=1668,
    )

    assert points > 60
    count_points(points)


@pytest.mark.row(25, 32)
@WHEN
def test_upload_to_a_directory_killed_at_every_file_operation(
    tmp_path: Path, nursery: Nursery, when: When, count_points: Callable[[int], None]
) -> None:
    points = matrix(
        tmp_path,
        "directory",
        lambda place, files: upload_scenario(files, place),
        at_file_operation(nursery, when),
        stored_whole,
        nursery,
    )

    assert points > 60
    count_points(points)


@pytest.mark.row(25)
@STORES
def test_a_kill_while_local_files_are_deleted_leaves_no_hidden_copies(
    tmp_path: Path, nursery: Nursery, store: str
) -> None:
    def finish(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
        del place, scenario, answer
        left = [path.name for path in files.audio.parent.iterdir()]
        assert set(left) <= {files.audio.name, files.cover.name}, left

    matrix(
        tmp_path,
        store,
        lambda place, files: upload_scenario(files, place),
        at_file_operation(nursery, "before"),
        finish,
        nursery,
        audio_bytes=1668,
    )


@pytest.mark.row(25)
def test_a_kill_while_local_files_are_deleted_lets_the_same_call_end_well(
    tmp_path: Path, nursery: Nursery
) -> None:
    def finish(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
        del place, scenario
        if files.audio.exists():
            assert "error" not in answer, answer

    matrix(
        tmp_path,
        "directory",
        lambda place, files: upload_scenario(files, place),
        at_file_operation(nursery, "before"),
        finish,
        nursery,
        audio_bytes=1668,
    )


# -- artwork -----------------------------------------------------------------------------------


def attach_scenario(place: Place, files: Files, cover: str) -> Scenario:
    """Replace the artwork of an asset that is there."""
    with place.manager() as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    other = {"jpg": OTHER_JPG, "png": PNG}[cover]
    path = files.audio.parent / f"other.{cover}"
    path.write_bytes(other.read_bytes())
    call = {"do": "attach", **place.where, "cover": str(path), "id": ID, "cleanup": True}
    truth = Truth(files.audio_bytes, (files.cover_bytes, path.read_bytes()), must_be_there=True)
    return Scenario(call, {ID: truth}, {path: path.read_bytes()})


def replaced(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: the new artwork, and nothing of the old."""
    things = place.reader.things()
    (cover,) = scenario.local.values()
    truth = Truth(files.audio_bytes, (cover,), must_be_there=True)
    assets = check(things, {ID: truth}, scenario.local)
    assert len(things) == 2, sorted(things)
    with place.manager() as manager:
        agree(manager, assets)
    if "error" in answer:
        assert answer["error"].startswith("SourceNotFoundError"), answer
    assert not next(iter(scenario.local)).exists()


@pytest.mark.row(25)
@WHEN
@pytest.mark.parametrize("cover", ["jpg", "png"])
def test_replacing_artwork_killed_at_every_request_always_shows_one(
    tmp_path: Path,
    nursery: Nursery,
    when: When,
    cover: str,
    count_points: Callable[[int], None],
) -> None:
    points = matrix(
        tmp_path,
        "bucket",
        lambda place, files: attach_scenario(place, files, cover),
        at_request(nursery, when),
        replaced,
        nursery,
    )

    assert points >= 3
    count_points(points)


@pytest.mark.row(25, 32)
@pytest.mark.parametrize("cover", ["jpg", "png"])
def test_replacing_artwork_in_a_directory_killed_at_every_operation_always_shows_one(
    tmp_path: Path, nursery: Nursery, cover: str, count_points: Callable[[int], None]
) -> None:
    points = matrix(
        tmp_path,
        "directory",
        lambda place, files: attach_scenario(place, files, cover),
        at_file_operation(nursery, "before"),
        replaced,
        nursery,
        audio_bytes=1668,
    )

    assert points > 30
    count_points(points)


def ahead_scenario(place: Place, files: Files) -> Scenario:
    """Store artwork before its audio."""
    call = {"do": "attach", **place.where, "cover": str(files.cover), "id": ID, "cleanup": False}
    return Scenario(call, {}, {files.cover: files.cover_bytes})


def waits(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: the artwork waits, and audio that comes takes it."""
    assert "error" not in answer, answer
    assert sorted(place.reader.things()) == [COVER]
    with place.manager() as manager:
        manager.upload_audio_file(files.audio, audio_id=ID)
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    check(place.reader.things(), {ID: truth}, scenario.local)


@pytest.mark.row(25)
@WHEN
def test_artwork_ahead_of_its_audio_killed_at_every_request_shows_nothing(
    tmp_path: Path, nursery: Nursery, when: When, count_points: Callable[[int], None]
) -> None:
    run = at_request(nursery, when)
    count_points(matrix(tmp_path, "bucket", ahead_scenario, run, waits, nursery))


@pytest.mark.row(25, 32)
def test_artwork_ahead_of_its_audio_killed_at_every_file_operation_shows_nothing(
    tmp_path: Path, nursery: Nursery, count_points: Callable[[int], None]
) -> None:
    run = at_file_operation(nursery, "before")
    points = matrix(tmp_path, "directory", ahead_scenario, run, waits, nursery, audio_bytes=1668)
    count_points(points)


def audio_after_cover_scenario(place: Place, files: Files) -> Scenario:
    """Store audio for which artwork waits."""
    with place.manager() as manager:
        manager.upload_thumbnail_file(files.cover, ID)
    call = {
        "do": "upload",
        **place.where,
        "audio": str(files.audio),
        "id": ID,
        "cleanup": True,
    }
    return Scenario(call, files.truth, {files.audio: files.audio_bytes})


def adopted(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: the asset has the artwork that had waited."""
    things = place.reader.things()
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    check(things, {ID: truth}, scenario.local)
    assert sorted(things) == [AUDIO, COVER]
    if "error" in answer:
        assert answer["error"].startswith("SourceNotFoundError"), answer
    assert not files.audio.exists()


@pytest.mark.row(25)
@WHEN
def test_audio_after_its_artwork_killed_at_every_request(
    tmp_path: Path, nursery: Nursery, when: When, count_points: Callable[[int], None]
) -> None:
    run = at_request(nursery, when)
    count_points(matrix(tmp_path, "bucket", audio_after_cover_scenario, run, adopted, nursery))


# -- deleting ----------------------------------------------------------------------------------


def delete_scenario(place: Place, files: Files) -> Scenario:
    """Delete an asset."""
    with place.manager() as manager:
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
    return Scenario({"do": "delete", **place.where, "id": ID}, files.truth, files.originals)


def gone(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: nothing is left, in the store and of the local files everything."""
    del scenario
    assert place.reader.things() == {}
    assert files.both_kept()
    if "error" in answer:  # it had been deleted completely
        assert answer["error"].startswith("AssetNotFoundError"), answer


def nothing_left(place: Place, scenario: Scenario, files: Files, answer: dict[str, Any]) -> None:
    """After the re-run: no metadata of the deleted objects lies about either."""
    del scenario, files, answer
    assert isinstance(place, DirectoryPlace)
    left = [path for path in place.root.rglob("*") if ".audiostore" not in path.parts]
    assert [path.name for path in left if path.is_file()] == []


@pytest.mark.row(30, 32)
def test_a_killed_delete_in_a_directory_leaves_no_metadata(
    tmp_path: Path, nursery: Nursery
) -> None:
    run = at_file_operation(nursery, "before")
    matrix(tmp_path, "directory", delete_scenario, run, nothing_left, nursery, audio_bytes=1668)


@pytest.mark.row(30)
@WHEN
def test_delete_killed_at_every_request_never_serves_artwork_without_audio(
    tmp_path: Path, nursery: Nursery, when: When, count_points: Callable[[int], None]
) -> None:
    run = at_request(nursery, when)
    points = matrix(tmp_path, "bucket", delete_scenario, run, gone, nursery)

    assert points >= 3
    count_points(points)


@pytest.mark.row(30, 32)
@WHEN
def test_delete_in_a_directory_killed_at_every_file_operation(
    tmp_path: Path, nursery: Nursery, when: When, count_points: Callable[[int], None]
) -> None:
    run = at_file_operation(nursery, when)
    points = matrix(tmp_path, "directory", delete_scenario, run, gone, nursery, audio_bytes=1668)

    assert points > 15
    count_points(points)
