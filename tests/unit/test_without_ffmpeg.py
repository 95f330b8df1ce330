"""Without the extra `ffmpeg`, most files are checked as ever, and the others say what they need."""

from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    ConfigurationError,
    InspectionLimitError,
    MemoryStore,
    UnplayableAudioError,
    UnsupportedFormatError,
)
from audiostore.media import InspectedAudio, inspect_audio
from audiostore.media.sandbox import early, pool

EXAMPLES = Path(__file__).parents[2] / "examples"
TRACKS = sorted(
    path
    for path in EXAMPLES.iterdir()
    if path.suffix in {".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}
)
UNDESCRIBED = EXAMPLES / "small-rain.aac"


def inspected(path: Path, artwork_max_px: int | None = None) -> InspectedAudio:
    with path.open("rb", buffering=0) as stream:
        return inspect_audio(path, stream, path.name, artwork_max_px=artwork_max_px)


def test_there_is_a_track_of_each_format_that_describes_itself() -> None:
    assert len(TRACKS) == 6


@pytest.mark.parametrize("artwork_max_px", [None, 64])
@pytest.mark.parametrize("track", TRACKS, ids=lambda path: path.suffix)
def test_a_file_that_describes_itself_is_found_to_be_the_same(
    track: Path, artwork_max_px: int | None, request: pytest.FixtureRequest
) -> None:
    with_ffmpeg = inspected(track, artwork_max_px)
    request.getfixturevalue("without_ffmpeg")
    assert inspected(track, artwork_max_px) == with_ffmpeg


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_file_that_is_cut_short_is_refused_all_the_same(tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp3"
    cut.write_bytes((EXAMPLES / "morning-in-c.mp3").read_bytes()[:-5000])
    with pytest.raises(UnplayableAudioError, match="cut short"):
        inspected(cut)


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_file_that_only_ffmpeg_can_read_is_refused_with_the_extra_to_install() -> None:
    with (
        AudioStorageManager(store=MemoryStore()) as manager,
        pytest.raises(InspectionLimitError) as caught,
    ):
        manager.upload_audio_file(UNDESCRIBED)
    message = str(caught.value)
    assert message.startswith("'small-rain.aac': only FFmpeg can tell what is in it")
    assert "pip install 'audiostore[ffmpeg]'; check=\"none\" stores it unexamined" in message


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_wrong_name_is_not_all_that_is_said_of_a_file_that_needs_ffmpeg(tmp_path: Path) -> None:
    misnamed = tmp_path / "rain.mp3"
    misnamed.write_bytes(UNDESCRIBED.read_bytes())
    with AudioStorageManager(store=MemoryStore()) as manager:
        with pytest.raises(UnsupportedFormatError) as caught:
            manager.upload_audio_file(misnamed)
        assert str(caught.value).startswith("'rain.mp3' is AAC audio: rename it to .aac, or pass")
        assert "; besides, only FFmpeg can tell what is in it" in str(caught.value)
        with pytest.raises(UnsupportedFormatError, match=r"pass fix_extension=True$"):
            manager.upload_audio_file(misnamed, check="none")  # which needs no FFmpeg
        misnamed.write_bytes(TRACKS[0].read_bytes())
        with pytest.raises(UnsupportedFormatError, match="besides, decoding audio needs FFmpeg"):
            manager.upload_audio_file(misnamed, check="full")


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_file_that_only_ffmpeg_can_read_stops_no_other() -> None:
    with AudioStorageManager(store=MemoryStore()) as manager:
        items = [BulkItem(UNDESCRIBED), *map(BulkItem, TRACKS)]
        errors = [type(each.error) for each in manager.bulk.upload(items)]
    assert sorted(errors, key=str) == [*[type(None)] * len(TRACKS), InspectionLimitError]


@pytest.mark.usefixtures("without_ffmpeg")
@pytest.mark.parametrize("options", [{"check": "full"}, {"analyse": True}, {"preview": "all"}])
def test_what_decodes_needs_the_extra_for_every_file(options: dict[str, object]) -> None:
    with AudioStorageManager(store=MemoryStore()) as manager:
        with pytest.raises(ConfigurationError, match=r"audiostore\[ffmpeg\]") as caught:
            manager.upload_audio_file(TRACKS[0], **options)  # type: ignore[arg-type]
        assert caught.value.affects_all
        assert list(manager.list()) == []


@pytest.mark.usefixtures("without_ffmpeg")
def test_artwork_is_scaled_without_ffmpeg() -> None:
    with AudioStorageManager(store=MemoryStore()) as manager:
        stored = manager.upload_audio_with_thumbnail(
            TRACKS[0], EXAMPLES / "harbour-lights.jpg", thumbnail_max_px=64
        )
        small = manager.read_bytes(stored.audio_id, part="thumbnail")
    assert len(small) < EXAMPLES.joinpath("harbour-lights.jpg").stat().st_size


@pytest.mark.usefixtures("without_ffmpeg")
def test_no_worker_is_started_early_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "_started", {})
    early.start_early(images=True)
    assert early._started == {}


@pytest.mark.usefixtures("without_ffmpeg")
def test_a_worker_that_is_started_for_images_loads_nothing_else() -> None:
    with pool.SandboxPool() as fresh:
        fresh.expect_images()
        fresh.start()
        assert [each.programs for each in fresh._workers] == [{"Pillow"}]
