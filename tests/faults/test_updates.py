"""A library that changes in every way, and `update` killed at any step: the next run is right."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, Query
from tests.assets import BUCKET, JPG, OTHER_JPG, mp3_bytes
from tests.faults.child import Nursery
from tests.faults.kills import BucketPlace, DirectoryPlace, Place, run_killed_at_request
from tests.gcs_server import StrictServer
from tests.retagging import titled

_AUDIO = [mp3_bytes((9 + number) * 417) for number in range(8)]
_EVERY = 17
"""Of so many steps, one is tried: all of them take minutes."""
_CHANGING = ("write", "pwrite", "link", "rename", "replace", "unlink", "remove", "mkdir", "rmdir")


def _write(library: Path, path: str, number: int, title: str = "") -> None:
    (library / path).parent.mkdir(exist_ok=True, parents=True)
    (library / path).write_bytes(titled(_AUDIO[number], title))


def _first(library: Path) -> None:
    for number, name in enumerate(("audio", "cover", "moved", "swap1", "swap2", "gone", "same")):
        _write(library, f"a/{name}.mp3", number)
    (library / "a/cover.jpg").write_bytes(JPG.read_bytes())


def _change(library: Path) -> None:
    _write(library, "a/audio.mp3", 7)
    (library / "a/cover.jpg").write_bytes(OTHER_JPG.read_bytes())
    (library / "a/moved.mp3").unlink()
    _write(library, "b/there.mp3", 2, "and retagged")
    (library / "a/swap1.mp3").rename(library / "x")
    (library / "a/swap2.mp3").rename(library / "a/swap1.mp3")
    (library / "x").rename(library / "a/swap2.mp3")
    (library / "a/gone.mp3").unlink()
    _write(library, "a/copy.mp3", 6)


_KEPT = {  # the path now, and before
    "a/cover.mp3": "a/cover.mp3",
    "b/there.mp3": "a/moved.mp3",
    "a/swap1.mp3": "a/swap2.mp3",
    "a/swap2.mp3": "a/swap1.mp3",
    "a/same.mp3": "a/same.mp3",
}
_NEW = {"a/audio.mp3", "a/copy.mp3"}


class _Stage:
    """A library that was stored, and has changed since."""

    def __init__(self, nursery: Nursery, folder: Path, place: Place) -> None:
        self._nursery = nursery
        self._place = place
        library = folder / "Music"
        self.call: Mapping[str, object] = {
            "do": "update",
            **place.where,
            "library": str(library),
            "journal": str(folder / "journal"),
        }
        _first(library)
        self.before = self.run()
        _change(library)

    def run(self) -> dict[str, list[str]]:
        done = self._nursery.run(self.call)
        value = done.get("value")
        assert isinstance(value, dict), done
        return value

    def require_right(self) -> None:
        """Run it again; require that the store is as the library is, and nothing is left."""
        self.run()
        with self._place.manager() as manager:
            self._require_current(manager)
        again = self.run()
        assert {reason for reason, _ in again.values()} == {"stored"}, again

    def _require_current(self, manager: AudioStorageManager) -> None:
        live = {a.source_path: a for a in manager.catalog.find(Query(superseded=False))}
        assert live.keys() == {*_KEPT, *_NEW, "a/gone.mp3"}
        for now, then in _KEPT.items():
            assert live[now].audio_id == self.before[then][1], now
        old = self.before["a/audio.mp3"][1]
        assert live["a/audio.mp3"].supersedes == old
        assert manager.get(old).superseded_by == live["a/audio.mp3"].audio_id
        for path in ("a/cover.mp3", "a/audio.mp3", "a/copy.mp3"):
            thumbnail = live[path].thumbnail
            assert thumbnail is not None
            assert thumbnail.size_bytes == OTHER_JPG.stat().st_size, path
        assert list(manager.audit.check()) == []


@pytest.mark.slow
def test_an_update_of_a_directory_may_be_killed_at_any_step(
    nursery: Nursery, tmp_path: Path
) -> None:
    def stage(name: object) -> _Stage:
        folder = tmp_path / str(name)
        folder.mkdir()
        return _Stage(nursery, folder, DirectoryPlace(folder / "store"))

    whole = stage("whole")
    operations = nursery.run({**whole.call, "die_at": 0})["operations"]
    whole.require_right()
    steps = [i for i, name in enumerate(operations, 1) if name in _CHANGING]
    assert len(steps) > 100
    for step in steps[::_EVERY]:
        each = stage(step)
        killed = nursery.run({**each.call, "die_at": step})["killed"]
        # Runs do not all read equally often: one may be over just before the last step.
        assert killed or step > steps[-_EVERY]
        each.require_right()
        shutil.rmtree(tmp_path / str(step))


@pytest.mark.slow
def test_an_update_of_a_bucket_may_be_killed_at_any_request(
    nursery: Nursery, tmp_path: Path
) -> None:
    for number in range(9, 70, 20):
        folder = tmp_path / str(number)
        folder.mkdir()
        with StrictServer(BUCKET) as server:
            stage = _Stage(nursery, folder, BucketPlace(server))
            run_killed_at_request(nursery, server, stage.call, number, "after")
            stage.require_right()
