"""A file that is stored is examined when more is asked of it than before, and only then."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    ConfigurationError,
    LocalStore,
    UnplayableAudioError,
    UploadOptions,
)
from audiostore.bulk import Planned, UploadOutcome, plan_items
from audiostore.bulk.asked import asked_of
from tests.assets import JPG, MP3
from tests.audio_samples import sample

FLAC = MP3.parent / "Lied für Ümläute.flac"
AIFF = sample("aiff")
ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[AudioStorageManager]:
    with AudioStorageManager(store=LocalStore(tmp_path / "store")) as manager:
        yield manager


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return _written(tmp_path / "good.mp3", MP3.read_bytes())


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A file whose damage only decoding finds."""
    data = bytearray(FLAC.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4_000] = b"\x55" * 4_000
    return _written(tmp_path / "bad.flac", bytes(data))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _put(
    manager: AudioStorageManager,
    path: Path,
    options: UploadOptions | None = None,
    *,
    update: bool = False,
) -> UploadOutcome:
    journal = path.with_name("journal")
    (outcome,) = manager.bulk.upload(
        [BulkItem(path)], journal=journal, update=update, options=options
    )
    return outcome


def _planned(manager: AudioStorageManager, path: Path, options: UploadOptions) -> Planned:
    journal = path.with_name("journal")
    (planned,) = plan_items(manager, [BulkItem(path)], options, journal=journal)
    return planned


FULL = UploadOptions(check="full")


def test_what_is_asked() -> None:
    assert asked_of(UploadOptions(check="none")) == set()
    assert asked_of(UploadOptions()) == {"quick"}
    assert asked_of(FULL) > asked_of(UploadOptions())
    peak = asked_of(UploadOptions(analyse="true-peak", preview="all"))
    assert peak > asked_of(UploadOptions(analyse=True, preview=True))


@pytest.mark.slow
def test_a_full_check_is_made_of_what_was_stored_without(
    manager: AudioStorageManager, bad: Path
) -> None:
    stored = _put(manager, bad)
    assert _planned(manager, bad, UploadOptions()).status == "stored before"
    assert _planned(manager, bad, FULL).status == "failed"
    for _ in range(2):  # what failed is not recorded as done
        refused = _put(manager, bad, FULL)
        assert (refused.status, refused.audio_id) == ("failed", stored.audio_id)
        assert isinstance(refused.error, UnplayableAudioError)
        assert f"it stays stored as {stored.audio_id}" in refused.error.__notes__
    assert _put(manager, bad).status == "stored before"
    assert [asset.audio_id for asset in manager.list()] == [stored.audio_id]


@pytest.mark.slow
def test_no_local_file_is_deleted_that_fails_the_check(
    manager: AudioStorageManager, bad: Path
) -> None:
    _put(manager, bad)
    assert _put(manager, bad, UploadOptions(check="full", cleanup=True)).status == "failed"
    assert bad.exists()
    assert _put(manager, bad, UploadOptions(cleanup=True)).status == "stored before"
    assert not bad.exists()


@pytest.mark.slow
def test_what_was_done_is_not_done_again(
    manager: AudioStorageManager, good: Path, request: pytest.FixtureRequest
) -> None:
    options = UploadOptions(check="full", analyse=True, preview="all")
    stored = _put(manager, good)
    examined = _put(manager, good, options)
    assert (examined.status, examined.audio_id) == ("stored before", stored.audio_id)
    assert examined.result is not None
    assert examined.result.loudness is not None
    assert examined.result.derived.keys() == {"waveform", "preview"}
    assert list(manager.audit.check()) == []
    request.getfixturevalue("without_ffmpeg")
    assert _put(manager, good, options).status == "stored before"
    assert _put(manager, good, FULL).status == "stored before"


@pytest.mark.slow
def test_what_a_first_upload_did_is_not_done_again(
    manager: AudioStorageManager, good: Path, request: pytest.FixtureRequest
) -> None:
    _put(manager, good, FULL)
    request.getfixturevalue("without_ffmpeg")
    assert _put(manager, good, FULL).status == "stored before"


@pytest.mark.usefixtures("without_ffmpeg")
@pytest.mark.parametrize("asked", [{"check": "full"}, {"analyse": True}, {"preview": "all"}])
def test_what_is_missing_is_said_of_what_is_stored_too(
    manager: AudioStorageManager, good: Path, asked: dict[str, object]
) -> None:
    _put(manager, good)
    options = UploadOptions(**asked)  # type: ignore[arg-type]
    for put in (_planned, _put):
        with pytest.raises(ConfigurationError, match=r"audiostore\[ffmpeg\]"):
            put(manager, good, options)


def test_a_quick_check_is_made_of_what_was_stored_unexamined(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    cut = _written(tmp_path / "cut.mp3", MP3.read_bytes()[:-5_000])
    _put(manager, cut, UploadOptions(check="none"))
    assert isinstance(_put(manager, cut).error, UnplayableAudioError)
    assert _put(manager, cut, UploadOptions(check="none")).status == "stored before"


@pytest.mark.slow
def test_a_file_whose_bytes_have_changed_unnoticed_gets_a_warning(
    manager: AudioStorageManager, tmp_path: Path
) -> None:
    path = _written(tmp_path / "song.aiff", AIFF)
    stored = _put(manager, path)
    before = path.stat()
    with path.open("r+b") as file:  # the same file, size and time
        file.seek(-40, os.SEEK_END)
        file.write(bytes(20))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    examined = _put(manager, path, UploadOptions(check="full", analyse=True))
    assert (examined.status, examined.audio_id) == ("stored before", stored.audio_id)
    assert examined.result is not None
    assert "its sound has changed since it was stored" in examined.result.warnings[0]
    assert examined.result.loudness is None  # that of other sound


@pytest.mark.slow
def test_a_replaced_cover_is_no_conflict(manager: AudioStorageManager, good: Path) -> None:
    item = BulkItem(good, _written(good.with_suffix(".jpg"), JPG.read_bytes()), ID)
    journal = good.with_name("journal")
    (stored,) = manager.bulk.upload([item], journal=journal)
    assert stored.error is None
    manager.upload_thumbnail_file(MP3.parent / "Lied für Ümläute.png", ID)
    manager.update_metadata(ID, {"mood": "calm"})
    (planned,) = plan_items(manager, [item], FULL, journal=journal)
    assert (planned.error, planned.status) == (None, "stored before")
    (examined,) = manager.bulk.upload([item], journal=journal, options=FULL)
    assert (examined.error, examined.status) == (None, "stored before")


@pytest.mark.slow
def test_an_update_examines_a_file_that_was_touched(
    manager: AudioStorageManager, bad: Path
) -> None:
    stored = _put(manager, bad)
    os.utime(bad, (1, 1))
    assert _put(manager, bad, FULL, update=True).status == "failed"
    assert _put(manager, bad, update=True).audio_id == stored.audio_id


@pytest.mark.slow
def test_the_same_id_is_analysed_if_it_is_asked_for_later(
    manager: AudioStorageManager, good: Path
) -> None:
    manager.upload_audio_file(good, audio_id=ID)
    again = manager.upload_audio_file(good, audio_id=ID, analyse=True, preview="all")
    assert not again.created
    assert again.loudness is not None
    assert manager.get(ID).derived.keys() == {"waveform", "preview"}
    generation = again.derived["waveform"].generation
    third = manager.upload_audio_file(good, audio_id=ID, analyse=True)
    assert third.derived["waveform"].generation == generation
