"""Files that arrive in a directory are stored once they have settled."""

import os
import shutil
from pathlib import Path

import pytest

from audiostore import UploadOptions
from audiostore.bulk.bad_covers import CoverCheck
from audiostore.bulk.sources import IgnoredPath, SearchOptions
from audiostore.bulk.watching import Watcher
from tests.assets import JPG


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def _write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def _look(watcher: Watcher, clock: Time, after_s: float = 5) -> list[str]:
    clock.now += after_s
    return [str(item.source_path) for item in watcher.look()]


def test_a_file_is_returned_once_when_it_no_longer_changes(inbox: Path, clock: Time) -> None:
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    assert _look(watcher, clock) == []
    for _ in range(3):  # it arrives in pieces
        _write(inbox / "a/song.mp3")
        assert _look(watcher, clock) == []
    assert _look(watcher, clock) == ["a/song.mp3"]
    assert [_look(watcher, clock) for _ in range(3)] == [[], [], []]
    _write(inbox / "a/song.mp3")  # another recording under its name, seen in a full look
    clock.now += 600
    assert [_look(watcher, clock) for _ in range(3)] == [[], ["a/song.mp3"], []]


def test_a_temporary_name_is_not_taken_and_a_renamed_file_is(inbox: Path, clock: Time) -> None:
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    for name in ("a.mp3.part", ".b.mp3.AbCdEf", "._c.mp3"):
        _write(inbox / name)
    assert [_look(watcher, clock) for _ in range(3)] == [[], [], []]
    (inbox / "a.mp3.part").rename(inbox / "a.mp3")
    (inbox / ".b.mp3.AbCdEf").rename(inbox / "b.mp3")
    assert [_look(watcher, clock) for _ in range(3)] == [[], ["a.mp3", "b.mp3"], []]


def test_the_tracks_of_an_album_wait_for_its_cover_but_not_forever(
    inbox: Path, clock: Time
) -> None:
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    for number in range(3):
        _write(inbox / f"Album/{number}.mp3")
        assert _look(watcher, clock) == []
    _write(inbox / "Album/cover.jpg")
    assert _look(watcher, clock) == []
    clock.now += 5
    items = watcher.look()
    assert [item.thumbnail for item in items] == [inbox / "Album/cover.jpg"] * 3
    # A recording that never ends holds nothing up for more than a minute.
    _write(inbox / "live/done.mp3")
    seen: list[str] = []
    for _ in range(14):
        _write(inbox / "live/recording.mp3")
        seen += _look(watcher, clock)
    assert seen == ["live/done.mp3"]


def test_only_directories_that_have_changed_are_read(
    inbox: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/1.mp3", "b/2.mp3", "b/c/3.mp3"):
        _write(inbox / name)
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    _look(watcher, clock)
    assert _look(watcher, clock) == ["a/1.mp3", "b/2.mp3", "b/c/3.mp3"]
    for _ in range(2):
        _look(watcher, clock)
    read: list[str] = []
    scandir = os.scandir

    def watched(path: Path) -> object:
        read.append(path.name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    _look(watcher, clock)
    assert read == []
    _write(inbox / "b/c/d/4.mp3")
    _look(watcher, clock)
    assert set(read) == {"c", "d"}
    clock.now += 600
    read.clear()
    _look(watcher, clock)
    assert set(read) == {"inbox", "a", "b", "c", "d"}


def test_a_directory_that_is_gone_for_a_while_is_reported_once_and_found_again(
    inbox: Path, clock: Time
) -> None:
    other = inbox.with_name("other")
    other.mkdir()
    ignored: list[IgnoredPath] = []
    watcher = Watcher([inbox, other], SearchOptions(), ignored.append, settle_s=5, clock=clock)
    _write(inbox / "a.mp3")
    _look(watcher, clock)
    assert _look(watcher, clock) == ["inbox/a.mp3"]
    away = inbox.rename(inbox.with_name("away"))
    _write(other / "b.mp3")
    assert [_look(watcher, clock) for _ in range(3)] == [[], ["other/b.mp3"], []]
    assert [(each.path, each.reason) for each in ignored] == [(inbox, "missing directories")]
    away.rename(inbox)
    _write(inbox / "c.mp3")
    assert [_look(watcher, clock) for _ in range(3)] == [[], ["inbox/c.mp3"], []]
    shutil.rmtree(inbox)
    _look(watcher, clock)
    assert len(ignored) == 2


def test_what_could_not_be_stored_is_returned_again(inbox: Path, clock: Time) -> None:
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    _write(inbox / "a.mp3")
    _look(watcher, clock)
    clock.now += 5
    (item,) = watcher.look()
    for _ in range(3):
        _look(watcher, clock)
    watcher.put_back(item)
    assert [_look(watcher, clock) for _ in range(3)] == [[], ["a.mp3"], []]


def test_what_was_cleaned_up_is_forgotten_and_found_if_it_comes_again(
    inbox: Path, clock: Time
) -> None:
    watcher = Watcher([inbox], SearchOptions(), settle_s=5, clock=clock)
    for _ in range(3):
        _write(inbox / "a.mp3")
        os.utime(inbox / "a.mp3", (1, 1))
        assert [_look(watcher, clock) for _ in range(2)] == [[], ["a.mp3"]]
        (inbox / "a.mp3").unlink()
        assert _look(watcher, clock) == []
    assert not watcher._taken


def test_a_cover_that_is_still_arriving_is_judged_again(inbox: Path, clock: Time) -> None:
    bad: list[Path] = []
    check = CoverCheck(UploadOptions(), lambda path, _: bad.append(path))
    watcher = Watcher([inbox], SearchOptions(is_usable_cover=check), settle_s=5, clock=clock)
    _write(inbox / "a.mp3")
    data = JPG.read_bytes()
    _write(inbox / "cover.jpg", data[:500])
    assert _look(watcher, clock) == []
    _write(inbox / "cover.jpg", data[500:])
    assert _look(watcher, clock) == []
    clock.now += 5
    (item,) = watcher.look()
    assert item.thumbnail == inbox / "cover.jpg"
    assert bad == [inbox / "cover.jpg"]
