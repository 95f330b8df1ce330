"""SIGKILL at every step of `put FILE --cleanup`, then the same again: stored once, never lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager
from tests.assets import mp3_bytes
from tests.faults.child import Nursery

pytestmark = [pytest.mark.row("bulk"), pytest.mark.slow]
MOST_POINTS = 400
DATA = mp3_bytes(30_000)


@dataclass(frozen=True)
class Point:
    """A new file, and an empty store, for one kill."""

    folder: Path
    nursery: Nursery

    def put(self, **how: object) -> dict[str, Any]:
        """Run the command."""
        return self.nursery.run(
            {
                "do": "put",
                "root": str(self.folder / "store"),
                "state": str(self.folder / "state"),
                "audio": str(self.folder / "song.mp3"),
                "options": ["--cleanup"],
                **how,
            }
        )

    @contextmanager
    def manager(self) -> Iterator[AudioStorageManager]:
        """Open the store."""
        with AudioStorageManager((self.folder / "store").as_uri()) as manager:
            yield manager

    def stored(self) -> dict[str, bytes]:
        """Return the audio of all assets."""
        with self.manager() as manager:
            return {each.audio_id: manager.open(each.audio_id).read() for each in manager.list()}

    def is_local(self) -> bool:
        """Say whether the file is there: while it is deleted, under another name."""
        return any(path.read_bytes() == DATA for path in self.folder.iterdir() if path.is_file())


def points(folder: Path, nursery: Nursery, first: int = 1) -> Iterator[Point]:
    """Yield a point for each step, after the kill."""
    for number in range(first, MOST_POINTS):
        point = Point(folder / str(number), nursery)
        point.folder.mkdir(parents=True)
        (point.folder / "song.mp3").write_bytes(DATA)
        if not point.put(die_at=number)["killed"]:
            assert number > 50
            return
        yield point
    raise AssertionError("the command never came to its end")


def test_one_file_is_stored_once_whenever_it_is_killed(tmp_path: Path) -> None:
    seen = set()
    with Nursery(tmp_path / "home") as nursery:
        for point in points(tmp_path, nursery):
            stored = point.stored()
            assert point.is_local() or DATA in stored.values()
            again = point.put()
            audio_id = again["out"][:36]
            assert (again["value"], point.stored()) == (0, {audio_id: DATA}), again
            assert stored.keys() <= {audio_id}
            assert not point.is_local()
            seen.add(bool(stored))
    assert seen == {False, True}


def test_no_file_is_lost_if_the_asset_is_deleted_after_the_kill(tmp_path: Path) -> None:
    seen = set()
    with Nursery(tmp_path / "home") as nursery:
        for point in points(tmp_path, nursery, first=60):
            was_local, ids = point.is_local(), list(point.stored())
            if ids:  # at the first points nothing is stored yet: see the test above
                with point.manager() as manager:
                    for audio_id in ids:
                        manager.delete(audio_id, permanent=True)
                again = point.put()
                assert (again["value"] == 0) is (DATA in point.stored().values()) is was_local
            seen.add((was_local, bool(ids)))
    assert seen == {(True, False), (True, True), (False, True)}
