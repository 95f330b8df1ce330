"""A local file on its way in."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audiostore.asset import PreparedFile
from audiostore.errors import (
    AudioStoreError,
    InvalidSourceError,
    SourceChangedError,
    SourceNotFoundError,
    UnsupportedFormatError,
)
from audiostore.ingest import UploadOptions, prepare, prepare_audio, prepare_image
from audiostore.localfiles import LocalFile
from audiostore.media import InspectedAudio, inspect_audio
from tests.assets import JPG, mp3_bytes
from tests.timing import PATIENCE_S

MP3 = mp3_bytes(1668)
TRUSTING = UploadOptions(check="none")


def _audio(path: object) -> PreparedFile:
    with prepare_audio(path, TRUSTING) as item:  # type: ignore[arg-type]
        return item


def _image(path: str | Path) -> PreparedFile:
    with prepare_image(path, TRUSTING) as item:
        return item


def _path(item: PreparedFile) -> Path:
    assert item.file is not None
    return item.file.path


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "Süß song.MP3"
    path.write_bytes(MP3)
    for given in (path, str(path)):
        item = _audio(given)
        assert item.filename == "Süß song.MP3"
        assert item.format_name == "MP3"
        assert _path(item) == path
        assert item.source.size_bytes == len(MP3)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    assert _path(_image("a.png")) == tmp_path / "a.png"


def test_a_name_that_is_not_utf8_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9t\xe9.mp3")
    path.write_bytes(MP3)
    item = _audio(path)
    assert item.filename == "\ufffdt\ufffd.mp3"
    item.filename.encode()
    assert _path(item) == path


def test_only_regular_files_are_accepted(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        _audio(tmp_path / "a.mp3")
    assert f"while reading {str(tmp_path / 'a.mp3')!r}" in caught.value.__notes__
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "empty.mp3").touch()
    os.mkfifo(tmp_path / "pipe.mp3")
    for name in ("folder.mp3", "empty.mp3", "pipe.mp3", "a\0b.mp3"):
        with pytest.raises(InvalidSourceError):
            _audio(tmp_path / name)
    for nothing in ("", ".", "/"):
        with pytest.raises(InvalidSourceError):
            _audio(nothing)


@pytest.mark.parametrize("given", [None, 3, b"a.mp3", ["a.mp3"], object()])
def test_what_is_not_a_path_is_refused(given: object) -> None:
    with pytest.raises(InvalidSourceError, match="not a path"):
        _audio(given)


def test_content_that_contradicts_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"<html>Not found</html>")
    with pytest.raises(UnsupportedFormatError, match="a web page"):
        _audio(tmp_path / "a.mp3")


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(AudioStoreError):
        _audio("a\ud800.mp3")


def test_the_file_that_was_recognised_is_the_one_that_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(MP3)

    def replace_then_inspect(*args: Any, **options: Any) -> InspectedAudio:
        other = tmp_path / "other"
        other.write_bytes(b"<html>replaced</html>")
        other.replace(path)
        return inspect_audio(*args, **options)

    monkeypatch.setattr(prepare, "inspect_audio", replace_then_inspect)
    with prepare_audio(path, UploadOptions()) as item:
        assert item.facts["duration_s"]
        with closing(item.source.open()) as reader:
            assert reader.read(len(MP3)) == MP3


@pytest.mark.slow
def test_neither_pillow_nor_ffmpeg_is_loaded_to_look_quickly() -> None:
    script = (
        "import sys\n"
        "from audiostore.ingest import UploadOptions, prepare_audio, prepare_image\n"
        "with prepare_audio(sys.argv[1], UploadOptions()) as item: assert item.artwork\n"
        "with prepare_image(sys.argv[2], UploadOptions()): pass\n"
        "assert not {'PIL', 'av'} & set(sys.modules)"
    )
    song, cover = JPG.with_suffix(".mp3"), JPG
    done = subprocess.run(
        [sys.executable, "-c", script, str(song), str(cover)], check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "keeps_time"), [("a.jpg", False), ("a.jpg", True), ("a.mp3", False)]
)
def test_a_file_that_changes_between_its_inspection_and_its_snapshot_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, keeps_time: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(JPG.with_suffix(path.suffix).read_bytes())

    def change_then_snapshot(path: Path, descriptor: int, on_piece: Any = None) -> LocalFile:
        before = path.stat()
        with path.open("r+b") as stream:
            stream.seek(200)
            stream.write(b"changed")
        if keeps_time:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return of_open(path, descriptor, on_piece)

    of_open = LocalFile.of_open
    monkeypatch.setattr(LocalFile, "of_open", change_then_snapshot)
    prepare_it = _audio if name == "a.mp3" else _image
    with pytest.raises(SourceChangedError):
        prepare_it(path)
