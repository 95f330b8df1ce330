"""A preview is stored next to audio that browsers do not play: at upload, and later."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, PreviewChoice, RetryConfig, UploadOptions
from audiostore.asset import is_current
from audiostore.ingest import lacks_preview
from audiostore.media import PreviewInfo, needs_preview
from audiostore.media.preview import check_preview
from audiostore.media.sandbox import pool
from audiostore.values import BlobInfo
from tests.assets import STORES, Store, opened
from tests.audio_samples import encode, sample
from tests.faults.managing import KilledError, Steps, stepped

pytestmark = pytest.mark.slow
ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
ONCE = RetryConfig(max_attempts=1)
TAGS = {"title": "Be My Husband", "artist": "Nina Simone"}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def aiff(tmp_path: Path) -> Path:
    path = tmp_path / "song.aiff"
    path.write_bytes(
        encode("aiff", "pcm_s16be", layout="stereo", options={"write_id3v2": "1"}, tags=TAGS)
    )
    return path


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(sample("mp3"))
    return path


def preview_in(manager: AudioStorageManager) -> BlobInfo | None:
    return manager.get(ID).derived.get("preview")


def uploaded(
    store: Store, path: Path, *, preview: PreviewChoice, kbps: int = 128
) -> tuple[AudioStorageManager, tuple[str, ...]]:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    result = manager.upload_audio_file(path, audio_id=ID, preview=preview, preview_kbps=kbps)
    return manager, result.warnings


def test_an_upload_stores_a_preview_that_plays(store: Store, aiff: Path) -> None:
    manager, warnings = uploaded(store, aiff, preview=True)
    asset, preview = manager.get(ID), preview_in(manager)
    assert not warnings
    assert preview is not None
    assert asset.audio is not None
    assert is_current(preview, asset.audio, "preview/1")
    assert preview.name == f"audio/{ID}/preview.mp3"
    assert preview.content_type == "audio/mpeg"
    assert preview.metadata["bitrate_bps"] == "128000"
    assert preview.content_disposition == 'inline; filename="song.mp3"'
    data = manager.read_bytes(ID, part="preview")
    assert data.startswith(b"ID3")
    probed = manager.upload_audio_file(data, filename="preview.mp3")
    assert probed.duration_s == asset.duration_s == 2.0
    assert (probed.title, probed.artist) == ("Be My Husband", "Nina Simone")
    assert asset.loudness is None


def test_what_browsers_play_gets_one_only_on_request(store: Store, mp3: Path) -> None:
    manager, warnings = uploaded(store, mp3, preview=True)
    assert (preview_in(manager), warnings) == (None, ())
    manager.analyse(ID, preview=True)
    assert preview_in(manager) is None
    manager.analyse(ID, preview="all", preview_kbps=64)
    preview = preview_in(manager)
    assert preview is not None
    assert preview.metadata["bitrate_bps"] == "32000"  # mono


def test_one_decode_gives_everything(store: Store, aiff: Path) -> None:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    result = manager.upload_audio_file(
        aiff, audio_id=ID, preview=True, analyse=True, check="full", preview_kbps=320
    )
    assert result.loudness is not None
    assert set(manager.get(ID).derived) == {"waveform", "preview"}
    preview = preview_in(manager)
    assert preview is not None
    assert preview.metadata["bitrate_bps"] == "320000"


def test_stored_audio_gets_a_preview_once(store: Store, aiff: Path) -> None:
    manager, _ = uploaded(store, aiff, preview=False)
    assert preview_in(manager) is None
    assert manager.analyse(ID).created
    assert preview_in(manager) is None
    assert manager.analyse(ID, preview=True).created
    preview = preview_in(manager)
    assert preview is not None
    assert not manager.analyse(ID, preview=True).created
    assert preview_in(manager) == preview
    assert manager.analyse(ID, preview=True, preview_kbps=192).created
    other = preview_in(manager)
    assert other is not None
    assert other.metadata["bitrate_bps"] == "192000"
    assert other.generation != preview.generation


def test_a_kill_at_any_step_leaves_what_a_second_run_completes(store: Store, aiff: Path) -> None:
    uploaded(store, aiff, preview=False)
    manager, at = AudioStorageManager(store=store, retry_config=ONCE), 0
    while True:
        at += 1
        steps = Steps(at=at)
        disturbed = AudioStorageManager(store=stepped(store, steps), retry_config=ONCE)
        try:
            disturbed.analyse(ID, preview=True)
        except KilledError:
            preview, audio = preview_in(manager), manager.get(ID).audio
            assert audio is not None
            assert preview is None or not lacks_preview(audio, preview, kbps=128)
            assert manager.analyse(ID, preview=True).created
        assert set(manager.get(ID).derived) == {"waveform", "preview"}
        assert list(manager.audit.check()) == []
        if not steps.reached:
            break
        manager.delete(ID)
        uploaded(store, aiff, preview=False)
    assert at > 6


def test_what_cannot_be_encoded_is_stored_with_a_warning(
    aiff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PREVIEW_CPU_FACTOR", 1e-9)  # more than a worker may compute
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        result = manager.upload_audio_file(aiff, audio_id=ID, preview=True)
        assert preview_in(manager) is None
        (warning,) = result.warnings
        assert "has no preview" in warning


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [
        ("MP3", "mp3", False),
        ("MP3", "mp2", True),
        ("MP4", "aac", False),
        ("MP4", "alac", True),
        ("WAV", "pcm_s24le", False),
        ("WAV", "adpcm_ms", True),
        ("AIFF", "pcm_s16be", True),
        ("WMA", "wmav2", True),
        ("Ogg", "speex", True),
        ("FLAC", None, True),
    ],
)
def test_what_browsers_refuse_needs_a_preview(name: str, codec: str | None, expected: bool) -> None:
    assert needs_preview(name, codec) is expected


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="preview is 'some': it must be"):
        UploadOptions(preview="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="preview_kbps is 100: it must be one of 64, 96"):
        UploadOptions(preview_kbps=100)
    with pytest.raises(ValueError, match="check='quick'"):
        UploadOptions(preview=True, check="none")


@pytest.mark.parametrize(
    ("data", "made", "problem"),
    [
        ("mp3", PreviewInfo(2.0, 48_000, 1, 64_000), ""),
        ("mp3", PreviewInfo(2.1, 48_000, 1, 64_000), "it lasts 2.00 s, and the sound 2.10 s"),
        ("mp3", PreviewInfo(2.0, 44_100, 1, 64_000), "it is mp3 of 48,000 Hz"),
        ("mp2", PreviewInfo(2.04, 48_000, 1, 64_000), "it is mp2"),
        ("wav", PreviewInfo(2.0, 48_000, 1, 64_000), "it is WAV audio"),
    ],
)
def test_a_preview_is_looked_at_like_any_file(
    data: str, made: PreviewInfo, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "preview"
    path.write_bytes(sample(data))
    with path.open("rb", buffering=0) as stream:
        found = check_preview(path, stream, made)
    assert found.startswith(problem) if problem else not found


def test_what_is_no_audio_is_no_preview(tmp_path: Path) -> None:
    path = tmp_path / "preview"
    for data in (b"", b"<html>", sample("mp3")[:3000]):
        path.write_bytes(data)
        with path.open("rb", buffering=0) as stream:
            assert check_preview(path, stream, PreviewInfo(2.0, 48_000, 1, 64_000))
