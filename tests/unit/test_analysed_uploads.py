"""An upload that analyses stores the figures with the audio and the waveform next to it."""

from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem, UploadOptions, Waveform
from audiostore.errors import UnplayableAudioError
from audiostore.fleet.items import options_fields, options_in
from audiostore.media.decoding import decode_all
from audiostore.media.info import AudioInfo
from audiostore.media.sandbox import pool
from audiostore.stores.memory import MemoryStore
from tests.audio_samples import encode

pytestmark = pytest.mark.slow


@pytest.fixture
def manager() -> AudioStorageManager:
    return AudioStorageManager(store=MemoryStore())


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.flac"
    path.write_bytes(encode("flac", "flac", layout="stereo", tags={"title": "Song"}))
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    data = bytearray(encode("flac", "flac", seconds=4.0))
    middle = len(data) // 2
    data[middle : middle + 3_000] = bytes(3_000)
    path = tmp_path / "damaged.flac"
    path.write_bytes(data)
    return path


def test_the_figures_are_with_the_audio_and_the_waveform_next_to_it(
    manager: AudioStorageManager, song: Path
) -> None:
    result = manager.upload_audio_file(song, analyse=True)
    assert result.warnings == ()
    for found in (result, manager.get(result.audio_id), next(manager.list())):
        assert found.loudness is not None
        assert found.loudness.integrated_lufs == pytest.approx(-13.9, abs=1)
        assert found.loudness.true_peak_dbtp is None
        assert found.overview is not None
        assert len(found.overview) == 200
        assert 10 < min(found.overview) <= max(found.overview) < 40
        assert found.derived.keys() == {"waveform"}
        assert found.title == "Song"
        assert found.custom == {}
    waveform = Waveform.from_dat(manager.read_bytes(result.audio_id, part="waveform"))
    assert waveform.duration_s == pytest.approx(2.0, abs=0.01)
    assert list(manager.audit.check()) == []


def test_without_asking_nothing_is_analysed(manager: AudioStorageManager, song: Path) -> None:
    result = manager.upload_audio_file(song)
    assert (result.loudness, result.overview, result.derived) == (None, None, {})


def test_the_true_peak_is_found_on_request(manager: AudioStorageManager, song: Path) -> None:
    loudness = manager.upload_audio_file(song, analyse="true-peak").loudness
    assert loudness is not None
    assert loudness.true_peak_dbtp is not None
    assert loudness.sample_peak_dbfs is not None
    assert loudness.true_peak_dbtp >= loudness.sample_peak_dbfs


def test_one_decode_checks_and_measures(
    manager: AudioStorageManager, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pool, "decode_audio")
    monkeypatch.setattr(pool, "decode_audio", None, raising=False)
    result = manager.upload_audio_file(song, check="full", analyse=True)
    assert result.loudness is not None
    assert result.duration_s == 2.0


def test_a_full_check_refuses_what_does_not_play(
    manager: AudioStorageManager, damaged: Path
) -> None:
    with pytest.raises(UnplayableAudioError, match="its sound "):
        manager.upload_audio_file(damaged, check="full", analyse=True)
    assert list(manager.list()) == []


def test_without_a_full_check_damage_is_a_warning(
    manager: AudioStorageManager, damaged: Path
) -> None:
    result = manager.upload_audio_file(damaged, analyse=True)
    [warning] = result.warnings
    assert warning.startswith("'damaged.flac': it has sound that ")
    assert warning.endswith("; the rest of it was analysed")
    assert result.loudness is not None


@pytest.mark.parametrize("check", ["quick", "full"])
def test_what_takes_too_much_to_analyse_is_stored_with_a_warning(
    manager: AudioStorageManager, song: Path, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {**pool.LIMITS, "analyse": pool.Limits(0.01, 256 << 20)}
    monkeypatch.setattr(pool, "LIMITS", limits)
    fresh = pool.SandboxPool()
    monkeypatch.setattr(pool, "_shared", lambda: fresh)
    long = song.with_name("long.flac")
    long.write_bytes(encode("flac", "flac", seconds=60.0))
    options = UploadOptions(check="full" if check == "full" else "quick", analyse=True)
    with fresh:
        result = manager.upload_audio_file(long, options=options)
    [warning] = result.warnings
    assert warning.startswith("'long.flac': it was not analysed: FFmpeg takes more than ")
    assert warning.endswith(": that is a limit, not a sign of damage")  # it is stored: no advice
    assert (result.loudness, result.derived) == (None, {})
    assert result.duration_s == 60.0


def test_an_estimated_duration_becomes_that_of_the_sound(song: Path) -> None:
    estimate = AudioInfo("FLAC", "flac", 1.7, False, 48_000, 2)
    with song.open("rb", buffering=0) as stream:
        info, analysis = decode_all(song, stream, estimate, checks=False, analyse=True)
    assert (info.duration_s, info.duration_is_exact) == (2.0, True)
    assert analysis is not None


def test_a_callers_metadata_goes_before_the_analysis(
    manager: AudioStorageManager, song: Path
) -> None:
    metadata = {"notes": "x" * 7_600}
    result = manager.upload_audio_file(song, analyse=True, metadata=metadata)
    assert result.custom == metadata
    assert result.loudness is None
    assert result.warnings == (
        "its analysis is left out, because an object cannot hold more metadata",
    )


def test_options_are_checked_and_survive_a_plan() -> None:
    with pytest.raises(ValueError, match="analyse is 'loud'"):
        UploadOptions(analyse="loud")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="analyse decodes the file, and check is 'none'"):
        UploadOptions(analyse=True, check="none")
    options = UploadOptions(analyse="true-peak")
    assert options_in(options_fields(options)) == options


def test_files_are_cleaned_up_after_an_analysis(manager: AudioStorageManager, song: Path) -> None:
    options = UploadOptions(analyse=True, cleanup=True)
    [outcome] = manager.bulk.upload([BulkItem(song)], options=options)
    assert outcome.error is None
    assert outcome.result is not None
    assert outcome.result.loudness is not None
    assert not song.exists()


def test_the_analysis_stays_with_its_audio(manager: AudioStorageManager, song: Path) -> None:
    result = manager.upload_audio_file(song, analyse=True)
    manager.update_metadata(result.audio_id, {"mood": "calm"})
    manager.delete(result.audio_id)
    manager.restore(result.audio_id)
    found = manager.get(result.audio_id)
    assert (found.loudness, found.overview) == (result.loudness, result.overview)
    assert found.derived.keys() == {"waveform"}


def test_a_worker_that_hangs_fails_no_upload(
    manager: AudioStorageManager, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise TimeoutError("the sandbox did not respond")

    monkeypatch.setattr(pool, "analyse_audio", hang)
    result = manager.upload_audio_file(song, analyse=True)
    assert result.warnings == ("'song.flac': it was not analysed: the sandbox did not respond",)


def test_tags_that_changed_bring_an_analysis_if_it_is_asked_for(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(encode("flac", "flac", tags={"title": "Old"}))
    options = UploadOptions(analyse=True)
    [stored] = manager.bulk.upload([BulkItem(path, source_path="song.flac")], update=True)
    assert stored.result is not None
    assert stored.result.loudness is None
    path.write_bytes(encode("flac", "flac", tags={"title": "New"}))
    again = [BulkItem(path, source_path="song.flac")]
    [changed] = manager.bulk.upload(again, update=True, options=options)
    assert changed.error is None
    assert changed.audio_id == stored.audio_id
    found = manager.get(stored.audio_id or "")
    assert found.title == "New"
    assert found.loudness is not None
    assert found.derived.keys() == {"waveform"}
    assert list(manager.audit.check()) == []
