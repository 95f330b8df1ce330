"""Deleting local files, once they are safely stored."""

import os
from pathlib import Path

import pytest

from audiostore.events import CleanedUp, CleanupFailed, Event
from audiostore.ingest import UploadOptions
from audiostore.ingest.cleanup import clean_up
from audiostore.localfiles import LocalFile
from audiostore.notify import Notifier


def make(path: Path, data: bytes = b"data") -> LocalFile:
    path.write_bytes(data)
    return LocalFile.snapshot(path)


@pytest.mark.parametrize("value", [True, False, "always"])
def test_the_three_ways_are_accepted(value: object) -> None:
    UploadOptions(cleanup=value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cleanup is"):
        UploadOptions(cleanup=[value])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 0, 1, "yes", "Always", "", "never"])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="it must be False, True or 'always'"):
        UploadOptions(cleanup=value)  # type: ignore[arg-type]


def test_files_are_deleted_and_reported_in_order(tmp_path: Path) -> None:
    files = [make(tmp_path / "cover.jpg"), make(tmp_path / "song.mp3")]
    events: list[Event] = []
    assert clean_up(files, Notifier(events.append)) == ()
    assert events == [CleanedUp(file.path) for file in files]
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_kept_with_a_warning_and_the_others_go(tmp_path: Path) -> None:
    files = [make(tmp_path / "cover.jpg"), make(tmp_path / "song.mp3")]
    files[0].path.write_bytes(b"new cover")
    events: list[Event] = []
    (warning,) = clean_up(files, Notifier(events.append))
    assert "cover.jpg" in warning
    assert "kept" in warning
    assert isinstance(events[0], CleanupFailed)
    assert events[0].path == files[0].path
    assert events[1:] == [CleanedUp(files[1].path)]
    assert [p.name for p in tmp_path.iterdir()] == ["cover.jpg"]


def test_a_file_that_no_longer_exists_is_not_a_failure(tmp_path: Path) -> None:
    file = make(tmp_path / "song.mp3")
    file.path.unlink()
    events: list[Event] = []
    assert clean_up([file], Notifier(events.append)) == ()
    assert events == []


def test_a_file_that_cannot_be_deleted_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make(tmp_path / "song.mp3")

    def refuse(source: object, target: object, **_: int) -> None:
        raise PermissionError(13, f"cannot move {source} to {target}")

    monkeypatch.setattr(os, "rename", refuse)
    (warning,) = clean_up([file], Notifier())
    assert "cannot move" in warning
    assert file.path.read_bytes() == b"data"


def test_a_listener_that_fails_does_not_stop_the_cleanup(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event)

    assert clean_up([make(tmp_path / "a"), make(tmp_path / "b")], Notifier(fail)) == ()
    assert list(tmp_path.iterdir()) == []
    assert "listener" in caplog.text


def test_a_file_emptied_at_the_last_moment_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make(tmp_path / "song.mp3")
    real = os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        os.truncate(file.path, 0)
        real(source, target, **folders)

    monkeypatch.setattr(os, "rename", rename)
    (warning,) = clean_up([file], Notifier())
    assert "kept" in warning
