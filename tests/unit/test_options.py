"""The options of an upload."""

import pickle
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, MemoryStore, UploadOptions
from audiostore.errors import InvalidAudioIdError, InvalidMetadataError
from tests.assets import JPG, MP3

INVALID = [
    ("metadata", {"audio_id": "x"}, InvalidMetadataError),
    ("cleanup", "never", ValueError),
    ("check", "loose", ValueError),
    ("artwork", "both", ValueError),
    ("thumbnail_max_px", 0, ValueError),
    ("thumbnail_max_px", True, ValueError),
    ("thumbnail_max_px", 1.5, ValueError),
    ("cache", "shared", ValueError),
    ("supersedes", "x", InvalidAudioIdError),
]


@pytest.fixture
def manager() -> AudioStorageManager:
    return AudioStorageManager(store=MemoryStore())


@pytest.mark.parametrize(("name", "value", "error"), INVALID)
def test_an_invalid_value_is_refused_when_the_options_are_made(
    name: str, value: object, error: type[ValueError]
) -> None:
    with pytest.raises(error, match=name if error is ValueError else None):
        UploadOptions(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value", "error"), INVALID)
def test_an_invalid_value_is_refused_before_the_file_is_read(
    manager: AudioStorageManager, name: str, value: object, error: type[ValueError]
) -> None:
    with pytest.raises(error):
        manager.upload_audio_file("missing.mp3", **{name: value})  # type: ignore[arg-type]


def test_keywords_override_the_options() -> None:
    options = UploadOptions(check="full", cleanup=True)
    assert UploadOptions.of(options, cleanup=False) == UploadOptions(check="full")
    assert UploadOptions.of(None, check="full", cleanup=True) == options
    assert UploadOptions.of(options) == options


def test_a_misspelt_keyword_is_named(manager: AudioStorageManager) -> None:
    with pytest.raises(TypeError, match="clenup"):
        manager.upload_audio_file(MP3, clenup=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="clenup"):
        manager.upload_thumbnail_file(JPG, "x", clenup=True)  # type: ignore[call-arg]


def test_a_keyword_that_concerns_audio_is_refused_for_artwork(manager: AudioStorageManager) -> None:
    with pytest.raises(TypeError, match="faststart"):
        manager.upload_thumbnail_file(JPG, "x", faststart=True)  # type: ignore[call-arg]


def test_options_say_how_each_upload_is_stored(manager: AudioStorageManager) -> None:
    options = UploadOptions(metadata={"isrc": "GBAYE6800023"}, cache="public", artwork="none")
    asset = manager.upload_audio_file(MP3, options=options)
    assert asset.audio is not None
    assert asset.audio.metadata["isrc"] == "GBAYE6800023"
    assert (asset.audio.cache_control or "").startswith("public")
    assert asset.thumbnail is None
    cover = manager.upload_thumbnail_file(JPG, asset.audio_id, options=options, cache="private")
    assert cover.thumbnail is not None
    assert cover.thumbnail.metadata["isrc"] == "GBAYE6800023"
    assert (cover.thumbnail.cache_control or "").startswith("private")


def test_options_keep_their_own_copy_of_the_metadata() -> None:
    metadata = {"a": "1"}
    options = UploadOptions(metadata=metadata)
    metadata["a"] = "2"
    assert options.metadata == {"a": "1"}


def test_options_can_be_pickled_and_hashed() -> None:
    options = UploadOptions(metadata={"a": "1"}, check="full")
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(options) == hash(UploadOptions(metadata={"a": "1"}, check="full"))


def test_bad_metadata_is_refused_whatever_the_file(manager: AudioStorageManager) -> None:
    with pytest.raises(InvalidMetadataError):
        manager.upload_audio_file(Path("missing"), metadata={"k": 1})  # type: ignore[dict-item]
