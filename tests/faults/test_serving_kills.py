"""SIGKILL at file operations of an upload over HTTP, then the same again: stored once."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, LocalStore
from audiostore.serve.staging import Announced, Staging
from tests.assets import JPG, mp3_bytes
from tests.faults.child import Nursery
from tests.faults.reader import DirectoryReader, Thing, Truth, check

pytestmark = pytest.mark.slow
MOST_POINTS = 400
MOST_POINTS_OF_STEPS = 3_000
EVERY_SEVENTH = 7
ID = "11111111-1111-4111-8111-111111111111"
DATA = mp3_bytes(60_000)
TRUTH = Truth(DATA, (JPG.read_bytes(),))


@pytest.mark.row("service")
def test_an_upload_over_http_is_stored_once_whenever_the_service_is_killed(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(DATA)
    seen = set()
    with Nursery(tmp_path / "home") as nursery:
        for number in range(1, MOST_POINTS):
            root = tmp_path / str(number)
            call = {
                "do": "request",
                "root": str(root),
                "id": ID,
                "audio": str(tmp_path / "song.mp3"),
                "cover": str(JPG),
            }
            killed = nursery.run({**call, "die_at": number})
            if not killed["killed"]:
                assert killed["value"]["status"] == 201
                break
            reader = DirectoryReader(root)
            before = check(reader.things(), {ID: TRUTH}, {}) if root.exists() else {}
            again = nursery.run(call)
            assert again["value"]["status"] == (200 if before else 201), again
            things = reader.things()
            check(things, {ID: replace(TRUTH, must_be_there=True)}, {})
            assert len(things) == 2
            seen.add(bool(before))
        else:
            raise AssertionError("the upload never came to its end")
    assert number > 40
    assert seen == {False, True}


@pytest.mark.row("steps")
def test_an_upload_in_steps_goes_on_whenever_the_service_is_killed(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(DATA)
    truth = Truth(DATA, (None,))
    seen = set()
    with Nursery(tmp_path / "home") as nursery:
        for number in range(1, MOST_POINTS_OF_STEPS, EVERY_SEVENTH):
            root = tmp_path / str(number)
            with closing(LocalStore(root)) as store:
                staging = Staging(AudioStorageManager(store=store))
                upload_id, _ = staging.begin(Announced("song.mp3", len(DATA)), origin=None)
            call = {"do": "go on", "root": str(root), "id": upload_id, "audio": str(song)}
            killed = nursery.run({**call, "die_at": number})
            if not killed["killed"]:
                assert killed["value"]["status"] == 201
                break
            reader = DirectoryReader(root)
            before = check(assets(reader), {upload_id: truth}, {})
            again = nursery.run(call)
            assert again["value"]["status"] == (200 if before else 201), again
            check(assets(reader), {upload_id: replace(truth, must_be_there=True)}, {})
            assert reader.things().keys() == assets(reader).keys()
            seen.add(bool(before))
        else:
            raise AssertionError("the upload never came to its end")
    assert number > 40
    assert seen == {False, True}


def assets(reader: DirectoryReader) -> dict[str, Thing]:
    """Return what readers of assets see."""
    return {name: each for name, each in reader.things().items() if name.startswith("audio/")}
