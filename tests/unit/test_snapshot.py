"""A snapshot that is taken while the file is inspected."""

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audiostore import localfiles
from audiostore.errors import SourceChangedError, UnplayableAudioError
from audiostore.ingest import UploadOptions, prepare, prepare_audio, snapshot
from audiostore.ingest.snapshot import Inspection
from audiostore.localfiles import FetchedFile
from audiostore.media import InspectedAudio, inspect_audio
from tests.assets import JPG, mp3_bytes

MP3 = mp3_bytes(1668)
QUICK, UNCHECKED = UploadOptions(), UploadOptions(check="none")
HUGE = UploadOptions(max_size_bytes=2 << 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(MP3)
    return path


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files that need not be large and old to be read by threads; none of these may be left."""
    monkeypatch.setattr(snapshot, "_LARGE_BYTES", 1)
    monkeypatch.setattr(snapshot, "_FRESH_NS", -(10**18))
    yield
    assert not [each for each in threading.enumerate() if "checksum" in each.name]


def huge_wav_of_an_unknown_codec(path: Path) -> Path:
    """Write a file of 1 TiB, most of it a hole; only FFmpeg knows its codec (TrueSpeech)."""
    header = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 0x22, 2, 44100, 176400, 4, 16, b"data", 0)
    path.write_bytes(b"RIFF" + bytes(4) + b"WAVE" + header)
    os.truncate(path, 1 << 40)
    return path


def test_a_change_within_a_tick_of_the_clock_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times of a file may not show a change that follows another one at once."""
    for module in (localfiles, snapshot):
        monkeypatch.setattr(module, "is_unchanged", lambda *_: True)
    monkeypatch.setattr(snapshot, "_LARGE_BYTES", 1)
    for age_ns, is_noticed in ((10**9, True), (10**10, False)):
        now_ns = path.stat().st_ctime_ns + age_ns
        with (
            path.open("rb") as stream,
            Inspection(path, stream.fileno(), now_ns=partial(int, now_ns)) as file,
        ):
            file.begin(None)
            path.write_bytes(path.read_bytes()[::-1])
            with pytest.raises(SourceChangedError) if is_noticed else nullcontext():
                file.finish()


def test_a_file_that_nobody_else_can_write_to_is_read_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, pread = [0], os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        read[0] += len(data := pread(descriptor, size, offset))
        return data

    monkeypatch.setattr(os, "pread", counted)
    with path.open("rb") as stream:
        for source, times in ((path, 2), (FetchedFile("song.mp3", stream), 1)):
            read[0] = 0
            with prepare_audio(source, UNCHECKED) as prepared:
                assert prepared.source.size_bytes == len(MP3)
            assert read[0] == times * len(MP3)


@pytest.mark.usefixtures("in_threads")
def test_a_large_file_is_read_by_a_thread_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    song = JPG.with_suffix(".mp3")
    with prepare_audio(song, QUICK) as threaded:
        pass
    monkeypatch.setattr(snapshot, "_LARGE_BYTES", 1 << 40)
    with prepare_audio(song, QUICK) as file:
        pass
    assert (threaded.file, threaded.facts) == (file.file, file.facts)


@pytest.mark.usefixtures("in_threads")
def test_a_large_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read, pread = huge_wav_of_an_unknown_codec(tmp_path / "huge.wav"), [0], os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        read[0] = max(read[0], offset + size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    with (
        pytest.raises(UnplayableAudioError, match="as truespeech"),
        prepare_audio(path, HUGE),
    ):
        pass
    assert read[0] < path.stat().st_size


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_no_thread_reads_on_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def inspect(*_: object, on_audio_data: Any, **__: object) -> InspectedAudio:
        on_audio_data(None)
        raise error

    path = huge_wav_of_an_unknown_codec(tmp_path / "huge.wav")
    monkeypatch.setattr(prepare, "inspect_audio", inspect)
    with pytest.raises(error), prepare_audio(path, HUGE):
        pass


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("has_read", [False, True])
def test_a_change_while_a_thread_reads_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch, has_read: bool
) -> None:
    begin = Inspection.begin

    def change(self: Inspection, on_piece: snapshot.OnPiece | None) -> None:
        begin(self, on_piece)
        if has_read:
            assert self._reading
            self._reading.result()
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")

    monkeypatch.setattr(Inspection, "begin", change)
    with (
        pytest.raises(SourceChangedError, match="changed while it was read"),
        prepare_audio(path, UploadOptions()),
    ):
        pass


@pytest.mark.usefixtures("in_threads")
def test_an_error_of_the_thread_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: int) -> bytes:
        raise OSError(5, "broken disk")

    def then_break(*args: Any, **options: Any) -> InspectedAudio:
        monkeypatch.setattr(os, "pread", broken)
        return inspect_audio(*args, **options)

    monkeypatch.setattr(prepare, "inspect_audio", then_break)
    with (
        pytest.raises(OSError, match="broken disk") as caught,
        prepare_audio(path, UploadOptions(check="none")),
    ):
        pass
    assert f"while reading {str(path)!r}" in caught.value.__notes__
