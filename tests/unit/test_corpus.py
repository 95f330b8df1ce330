"""The comparison with independent judges finds a difference where there is one, and only there."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.flac import FLAC, Picture
from PIL import Image

from audiostore.media.info import AudioInfo, Chapter
from audiostore.media.inspection import inspect_audio
from tests.audio_samples import sample
from tests.corpus.__main__ import main, text
from tests.corpus.differences import description, differences, report
from tests.corpus.judges import Decoded, decoded, tags
from tests.corpus.names import comparable


def picture(kind: int, side: int) -> Picture:
    written = io.BytesIO()
    Image.new("RGB", (side, side)).save(written, "PNG")
    made = Picture()
    made.type, made.mime, made.data = kind, "image/png", written.getvalue()
    return made


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "song.flac"
    path.write_bytes(sample("flac"))
    file = FLAC(path)
    file["title"], file["artist"], file["tracknumber"] = "A song", ["One", "Two"], "03"
    file.add_picture(picture(4, 4))
    file.add_picture(picture(3, 5))
    file.save()
    return path


@pytest.fixture(scope="module")
def info(song: Path) -> AudioInfo:
    with song.open("rb", buffering=0) as stream:
        found = inspect_audio(song, stream, song.name).info
    assert found
    return found


@pytest.mark.slow
def test_a_file_that_all_agree_on_has_no_difference(song: Path) -> None:
    found = report(song)
    assert (found.format_name, found.refused, found.differences) == ("FLAC", "", [])


@pytest.mark.slow
def test_each_fact_that_is_wrong_is_a_difference_of_its_own_kind(
    song: Path, info: AudioInfo
) -> None:
    judged, tagged = decoded(song), tags(song)

    def kinds(**changed: object) -> list[str]:
        return [kind for kind, _ in differences(replace(info, **changed), judged, tagged)]  # type: ignore[arg-type]

    assert kinds() == []
    assert kinds(chapters=(Chapter(0, 1, "not judged"),)) == []
    assert kinds(duration_s=info.duration_s + 0.01) == ["duration, stated as exact: FLAC"]
    assert kinds(codec="vorbis") == ["codec"]
    assert kinds(sample_rate_hz=11_025) == ["sample rate or channels"]
    assert kinds(tags={**info.tags, "title": "B"}) == ["tag differs: title (FLAC)"]
    assert kinds(tags={"title": "A song", "track": "3"}) == ["tag missing: artist (FLAC)"]
    assert kinds(artwork=None) == ["cover missing (FLAC)"]
    assert info.artwork
    assert kinds(artwork=replace(info.artwork, data=picture(4, 4).data)) == [
        "cover of another format or size",
        "cover of a lower rank (FLAC)",
    ]


@pytest.mark.slow
def test_what_is_refused_though_it_decodes_is_shown_with_its_file(
    song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(sample("mp3")[:-100])
    half = sample("wav")  # mutagen agrees that sound is missing
    (tmp_path / "half.wav").write_bytes(half[: len(half) // 2])
    (tmp_path / "text.mp3").write_text("no sound")
    (tmp_path / "speech.opus").write_bytes(sample("ogg opus"))
    assert main(["--jobs", "1", str(tmp_path), str(song)]) == 1
    shown = capsys.readouterr().out
    assert "refused, though it decodes: … is cut short" in shown
    assert f"  {cut}: judge: mp3, mp3, " in shown
    assert "| MP3 | 1 | 0 | 0 | 1 | 0 | 1 |" in shown
    assert "| FLAC | 1 | 1 | 1 | 0 | 0 | 0 |" in shown
    assert "| Ogg | 1 | 1 | 1 | 0 | 0 | 0 |" in shown
    assert "| WAV | 1 | 0 | 0 | 1 | 0 | 0 |" in shown
    assert "| not stored | 1 | 0 | 0 | 1 | 0 | 0 |" in shown
    assert "| all | 5 | 2 | 2 | 3 | 0 | 1 |" in shown


@pytest.mark.slow
def test_what_headers_say_otherwise_than_ffmpeg_is_a_difference(info: AudioInfo) -> None:
    other = replace(info, channels=2, tags={})
    assert [*description(info, info)] == []
    assert [kind.rpartition(", ")[2] for kind, _ in description(other, info)] == [
        "channels",
        "tags",
    ]
    ((kind, why),) = description(info, "it holds no sound")
    assert (kind, why) == ("described by headers, though FFmpeg refuses it", "it holds no sound")


@pytest.mark.slow
def test_nothing_that_decodes_is_a_difference_of_what_is_accepted(info: AudioInfo) -> None:
    ((kind, _),) = differences(replace(info, artwork=None), "no stream of sound", None)
    assert kind == "accepted, though nothing decodes"


@pytest.mark.slow
def test_an_estimate_is_told_from_what_is_stated_as_exact(info: AudioInfo) -> None:
    judged = Decoded("flac", "flac", info.sample_rate_hz, info.channels, 100.0, 0, False, True)
    guessed = replace(info, artwork=None, duration_is_exact=False)
    ((kind, _),) = differences(guessed, judged, None)
    assert kind == "duration, an estimate: FLAC"


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("artist", ["A", "B"], ["A; B"]),
        ("artist", ["A\0B"], ["A", "B"]),
        ("track", ["03/12"], ["3"]),
        ("date", ["2004-05-06"], ["2004"]),
        ("compilation", ["True"], ["1"]),
        ("comment", ["two\r\nlines"], ["two lines"]),
    ],
)
def test_what_readers_write_in_different_ways_is_no_difference(
    name: str, one: list[str], other: list[str]
) -> None:
    assert comparable(name, one) == comparable(name, other) != ()


def test_without_reports_there_is_only_an_empty_table() -> None:
    assert "| all | 0 | 0 | 0 | 0 | 0 | 0 |" in list(text([]))
