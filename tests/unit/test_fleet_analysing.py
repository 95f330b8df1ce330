"""A store is analysed by many workers, each asset once, and failures are recorded."""

from pathlib import Path

import pytest

from audiostore import AudioStorageManager, InvalidRunError, LocalStore, Query, StoreTimeoutError
from audiostore.fleet import analyses, plan_analysis, plan_list, status, work_share
from tests.assets import MP3, OGG
from tests.audio_samples import sample
from tests.cli.conftest import FLAC

pytestmark = pytest.mark.slow
RUN = "loud"


@pytest.fixture
def manager(tmp_path: Path) -> AudioStorageManager:
    return AudioStorageManager(store=LocalStore(tmp_path / "store"))


def work(manager: AudioStorageManager) -> None:
    for chunk in work_share(manager, RUN):
        assert chunk.error is None


def test_each_asset_is_analysed_and_what_fails_is_recorded(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    good = [manager.upload_audio_file(path).audio_id for path in (MP3, FLAC)]
    broken = b"fLaC" + (34).to_bytes(4, "big") + bytes(34) + bytes(5_000)
    bad = manager.upload_audio_file(broken, filename="song.flac", check="none").audio_id
    assert plan_analysis(manager, run=RUN, chunks=3).chunks == 3
    work(manager)
    assert status(manager, RUN).is_done
    found = {each.audio_id: each for each in analyses(manager, RUN)}
    assert found.keys() == {*good, bad}
    for audio_id in good:
        loudness = manager.get(audio_id).loudness
        assert loudness is not None
        assert found[audio_id].integrated_lufs == loudness.integrated_lufs
        assert found[audio_id].error is None
    assert found[bad].error_kind == "UnplayableAudioError"
    assert "cannot analyse" in (found[bad].error or "")


def test_options_choose_the_assets_and_the_true_peak(manager: AudioStorageManager) -> None:
    first = manager.upload_audio_file(MP3).audio_id
    other = manager.upload_audio_file(OGG).audio_id
    query = Query(formats=frozenset({"mp3"}))
    plan_analysis(manager, query, run=RUN, chunks=2, true_peak=True)
    work(manager)
    assert [each.audio_id for each in analyses(manager, RUN)] == [first]
    loudness = manager.get(first).loudness
    assert loudness is not None
    assert loudness.true_peak_dbtp is not None
    assert manager.get(other).loudness is None


def test_previews_are_made_by_the_same_run(manager: AudioStorageManager) -> None:
    played = manager.upload_audio_file(MP3).audio_id
    refused = manager.upload_audio_file(sample("aiff"), filename="song.aiff").audio_id
    with pytest.raises(ValueError, match="preview_kbps is 100"):
        plan_analysis(manager, run=RUN, preview=True, preview_kbps=100)
    plan_analysis(manager, run=RUN, chunks=2, preview=True, preview_kbps=192)
    work(manager)
    assert manager.get(played).derived.keys() == {"waveform"}
    preview = manager.get(refused).derived["preview"]
    assert preview.metadata["bitrate_bps"] == "96000"  # mono


def test_a_store_that_fails_for_now_leaves_the_part_to_be_worked_on_again(
    manager: AudioStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio_id = manager.upload_audio_file(MP3).audio_id
    plan_analysis(manager, run=RUN, chunks=1)

    def fail(*_: object, **__: object) -> None:
        raise StoreTimeoutError("later")

    with monkeypatch.context() as patched:
        patched.setattr(AudioStorageManager, "analyse", fail)
        list(work_share(manager, RUN))
    assert not status(manager, RUN).is_done
    assert list(analyses(manager, RUN)) == []
    work(manager)
    assert status(manager, RUN).is_done
    assert [each.audio_id for each in analyses(manager, RUN)] == [audio_id]


def test_another_kind_of_run_has_no_analyses(manager: AudioStorageManager) -> None:
    plan_list(manager, run=RUN, chunks=1)
    with pytest.raises(InvalidRunError, match="is planned to list assets, not to analyse assets"):
        list(analyses(manager, RUN))
