"""What is stored is analysed: once, whatever happens meanwhile, and never for other audio."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    AudioStoreError,
    BytesSource,
    HeldError,
    IntegrityError,
    InvalidMetadataError,
    RetryConfig,
    UnplayableAudioError,
)
from audiostore.asset import MarkedFile, require_part
from audiostore.ingest import analyses, has_analysis
from tests.assets import MP3, OGG, STORES, Store, opened
from tests.faults.managing import KilledError, Steps, stepped

pytestmark = pytest.mark.slow
ONCE = RetryConfig(max_attempts=1)
ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


@pytest.fixture
def manager(store: Store) -> AudioStorageManager:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    upload(manager)
    return manager


def upload(manager: AudioStorageManager, path: Path = MP3) -> None:
    manager.upload_audio_file(path, audio_id=ID)


def disturbed(
    store: Store, at: int | None = None, act: Callable[[], object] | None = None
) -> tuple[AudioStorageManager, Steps]:
    """Return a manager, and the steps that it takes; before the nth, something happens."""
    steps = Steps(act, at)
    return AudioStorageManager(store=stepped(store, steps), retry_config=ONCE), steps


def is_whole(manager: AudioStorageManager) -> bool:
    asset = manager.get(ID)
    assert asset.audio is not None
    return has_analysis(asset.audio, asset.derived.get("waveform"))


def test_stored_audio_gets_what_an_upload_gives(
    store: Store, manager: AudioStorageManager, tmp_path: Path
) -> None:
    assert not is_whole(manager)
    found = manager.analyse(ID)
    assert found.created
    assert found.warnings == ()
    assert is_whole(manager)
    assert manager.get(ID).loudness == found.loudness
    other = tmp_path / "other.mp3"
    other.write_bytes(MP3.read_bytes())
    uploaded = manager.upload_audio_file(other, analyse=True)
    assert (uploaded.loudness, uploaded.overview) == (found.loudness, found.overview)
    assert manager.waveform(uploaded.audio_id) == manager.waveform(ID)
    assert list(manager.audit.check()) == []


def test_what_is_analysed_takes_one_look(store: Store, manager: AudioStorageManager) -> None:
    manager.analyse(ID)
    again, steps = disturbed(store)
    assert not again.analyse(ID).created
    assert steps.count == 1
    assert again.analyse(ID, again=True).created
    assert again.analyse(ID, true_peak=True).created
    loudness = manager.get(ID).loudness
    assert loudness is not None
    assert loudness.true_peak_dbtp is not None
    assert not again.analyse(ID, true_peak=True).created
    assert not again.analyse(ID).created


def test_a_kill_anywhere_leaves_what_a_second_run_completes(store: Store, tmp_path: Path) -> None:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    upload(manager)
    at = 0
    while True:
        at += 1
        manager._changes._store.update(
            manager._store.stat(f"audio/{ID}/audio.mp3"),
            dict.fromkeys(("analysis", "overview", "loudness_lufs"), None),
        )
        if "waveform" in manager.get(ID).derived:
            manager.detach(ID, "waveform")

        def kill() -> None:
            raise KilledError

        killed, steps = disturbed(store, at, kill)
        try:
            killed.analyse(ID)
        except KilledError:
            found = manager.get(ID)
            assert found.loudness is None or "waveform" in found.derived
            assert manager.analyse(ID).created
        else:
            assert not steps.reached
            break
        assert is_whole(manager)
        assert list(manager.audit.check()) == []
    assert at > 4


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_an_analysis_of_other_audio_is_never_believed(
    store: Store, manager: AudioStorageManager
) -> None:
    def replace_audio() -> None:
        manager.delete(ID)
        upload(manager, OGG)

    at, conflicts = 0, 0
    while True:
        at += 1
        slow, steps = disturbed(store, at, replace_audio)
        try:
            slow.analyse(ID)
        except (AssetConflictError, AssetNotFoundError, IntegrityError):
            conflicts += 1
            asset = manager.get(ID)
            assert (asset.loudness, asset.derived, asset.stale) == (None, {}, ())
        if not steps.reached:
            break
        asset = manager.get(ID)
        assert asset.format == "ogg"
        found = asset.loudness
        manager.analyse(ID, again=True)
        assert found in (None, manager.get(ID).loudness)
        manager.delete(ID)
        upload(manager)
    assert conflicts > 2


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_nothing_is_left_of_an_asset_that_is_deleted_meanwhile(
    store: Store, manager: AudioStorageManager
) -> None:
    at = 1
    while True:
        at += 1
        slow, steps = disturbed(store, at, lambda: manager.delete(ID))
        try:
            slow.analyse(ID)
        except (AssetNotFoundError, AudioStoreError):
            assert list(store.list("audio/")) == []
        else:
            break
        manager.restore(ID)
        assert manager.get(ID).loudness is None
        if manager.get(ID).derived:  # deleted with its asset
            manager.detach(ID, "waveform")
    assert not steps.reached


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_metadata_that_others_set_meanwhile_stays(
    store: Store, manager: AudioStorageManager
) -> None:
    at = 1
    while True:
        at += 1
        value = str(at)

        def set_mood(value: str = value) -> None:
            manager.update_metadata(ID, {"mood": value})

        slow, steps = disturbed(store, at, set_mood)
        slow.analyse(ID, again=True)
        if not steps.reached:
            break
        assert manager.get(ID).custom == {"mood": value}
        assert is_whole(manager)


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_several_at_once_end_in_one_analysis(store: Store, manager: AudioStorageManager) -> None:
    barrier = threading.Barrier(3)

    def analyse(_: int) -> bool:
        barrier.wait()
        return AudioStorageManager(store=store, retry_config=ONCE).analyse(ID).created

    outcomes = list(manager.bulk.apply(analyse, range(3), concurrency=3))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert is_whole(manager)
    assert list(manager.audit.check()) == []


def test_a_stale_waveform_is_made_again(store: Store, manager: AudioStorageManager) -> None:
    manager.analyse(ID)
    old = MarkedFile(require_part("waveform"), BytesSource(b"old"), ".dat", maker="waveform/0")
    manager._marked.store(ID, old)
    assert not is_whole(manager)
    with pytest.raises(AudioStoreError, match=r"is not a waveform of audiostore .*analyse"):
        manager.waveform(ID)
    assert manager.analyse(ID).created
    assert is_whole(manager)
    assert manager.waveform(ID).length > 100


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_what_is_held_is_analysed_but_not_replaced(
    store: Store, manager: AudioStorageManager
) -> None:
    manager.hold(ID)
    assert manager.analyse(ID).created
    assert all(blob.temporary_hold for blob in manager.get(ID).parts.values())
    with pytest.raises(HeldError):
        manager._marked.remove(ID, require_part("waveform"))


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_metadata_without_room_is_an_error_that_says_so(
    store: Store, manager: AudioStorageManager
) -> None:
    manager.update_metadata(ID, {"notes": "x" * 7_400})
    with pytest.raises(InvalidMetadataError, match="shorten"):
        manager.analyse(ID)
    assert manager.get(ID).loudness is None


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_what_does_not_decode_is_an_error_about_the_asset(store: Store) -> None:
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    data = b"fLaC" + (34).to_bytes(4, "big") + bytes(34) + bytes(5_000)
    manager.upload_audio_file(data, filename="song.flac", audio_id=ID, check="none")
    with pytest.raises(UnplayableAudioError, match=f"cannot analyse .*{ID}"):
        manager.analyse(ID)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_few_are_fetched_at_once(
    store: Store, manager: AudioStorageManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, now, lock = [0], [0], threading.Lock()
    wait = threading.Event()

    def measured(*_: object, **__: object) -> object:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        wait.wait(0.05)
        with lock:
            now[0] -= 1
        raise UnplayableAudioError("stop")

    monkeypatch.setattr(analyses.Analyses, "_measured", measured)
    outcomes = list(manager.bulk.apply(manager.analyse, [ID] * 64, concurrency=32))
    assert all(isinstance(outcome.error, UnplayableAudioError) for outcome in outcomes)
    assert 1 <= most[0] <= analyses._MOST_AT_ONCE
