"""What cannot be seen from outside: races, clocks, file systems."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audiostore import BlobInfo, StorageResult
from audiostore.cli import saving
from audiostore.cli.listing import facts_block
from audiostore.cli.output import escape, human_size
from audiostore.cli.progress import display
from audiostore.cli.progress.asset import AssetProgress
from audiostore.events import Progress

NAME = "audio/3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b/audio.mp3"


def test_a_file_that_appears_during_the_download_is_not_overwritten() -> None:
    def fetch(path: Path) -> None:
        path.write_text("theirs")
        Path("song.mp3").write_text("mine")

    with pytest.raises(FileExistsError, match="was not changed"):
        saving.save_new(fetch, Path("song.mp3"))
    assert Path("song.mp3").read_text() == "mine"
    assert [p.name for p in Path().iterdir()] == ["song.mp3"]


def test_nothing_is_downloaded_when_the_name_is_taken() -> None:
    Path("song.mp3").write_text("mine")
    with pytest.raises(FileExistsError):
        saving.save_new(lambda _: pytest.fail("fetched"), Path("song.mp3"))


def test_saving_works_on_a_file_system_without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    saving.save_new(lambda path: path.write_text("theirs"), Path("song.mp3"))
    assert Path("song.mp3").read_text() == "theirs"


def test_progress_is_drawn_at_most_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(display, "is_terminal", lambda _: True)
    with AssetProgress(clock=lambda: now) as progress:
        for step in range(1, 201):  # two seconds, an event every hundredth
            now = step / 100
            progress(Progress(NAME, step * 1024, 200 * 1024))
    err = capsys.readouterr().err
    assert 15 <= err.count("audio.mp3") <= 20
    assert "200.0 KiB of 200.0 KiB  100%" in err
    assert "100.0 KiB/s" in err
    assert err.endswith("\r\x1b[J")  # nothing of it is left


def test_show_lists_derived_parts_too() -> None:
    def blob(name: str) -> BlobInfo:
        return BlobInfo(
            name, 5, "x/y", "AAAAAA==", 1, 1, "STANDARD", datetime(2026, 1, 1, tzinfo=UTC)
        )

    derived = {"waveform": blob("audio/x/waveform.json")}
    asset = StorageResult("x", blob(NAME), None, "gs://b/a", None, derived=derived)
    lines = [line.split() for line in facts_block(asset).splitlines()]
    assert ["thumbnail", "none"] in lines
    assert ["waveform", "audio/x/waveform.json"] in lines
    assert lines.count(["size", "5", "B", "(5", "bytes)"]) == 2


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3000 * 1024**4, "3000.0 TiB"),
    ],
)
def test_sizes_are_printed_in_suitable_units(size_bytes: int, text: str) -> None:
    assert human_size(size_bytes) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Lied für 🎵 日本\u3000語", "Lied für 🎵 日本\u3000語"),
        ("👩\u200d🎤", "👩\u200d🎤"),
        ("a\nb\tc\x1b[1m\x7f\x9b", "a\\nb\\tc\\x1b[1m\\x7f\\x9b"),
        ("\u202e\u2028\ud800", "\\u202e\\u2028\\ud800"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown
