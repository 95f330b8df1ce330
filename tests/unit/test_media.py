"""The values that describe a file: JSON types, immutable."""

import json
import pickle
from dataclasses import FrozenInstanceError

import pytest

from audiostore.media import (
    AUDIO_FORMATS,
    IMAGE_FORMATS,
    Artwork,
    AudioInfo,
    Chapter,
    DecodedInfo,
    ImageInfo,
    InspectedAudio,
    InspectedImage,
)

IMAGE = ImageInfo("PNG", "image/png", 3, 2, 70)
INFO = AudioInfo(
    container="MP4",
    codec="aac",
    duration_s=1.5,
    duration_is_exact=True,
    sample_rate_hz=48_000,
    channels=2,
    tags={"title": "Tür"},
    chapters=(Chapter(0.0, 1.5, "all"),),
    artwork=Artwork(b"\x89PNG", IMAGE),
)


def test_all_but_the_bytes_of_the_artwork_is_ready_for_json() -> None:
    found = json.loads(json.dumps(INFO.to_dict()))
    assert found["artwork"] == {
        "format": "PNG",
        "content_type": "image/png",
        "width": 3,
        "height": 2,
        "size_bytes": 70,
    }
    assert found["chapters"] == [{"start_s": 0.0, "end_s": 1.5, "title": "all"}]
    assert found["tags"] == {"title": "Tür"}
    assert set(found) == set(AudioInfo.__slots__)


def test_values_are_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        INFO.codec = "mp3"  # type: ignore[misc]
    assert hash(INFO) == hash(INFO)
    assert "PNG" in repr(IMAGE)
    assert b"\x89PNG" not in repr(INFO).encode()


def test_no_tags_are_an_empty_mapping_that_stays_empty() -> None:
    bare = AudioInfo("WAV", "pcm_s16le", 1.0, True, 8000, 1)
    with pytest.raises(TypeError):
        bare.tags["title"] = "x"  # type: ignore[index]
    assert bare.to_dict()["artwork"] is None


IMAGE_FOUND = InspectedImage("PNG", ".png", "image/png", b"\x89PNG", None)


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        INFO,
        Artwork(b"\x89PNG", IMAGE),
        Chapter(0.0, 1.5, "all"),
        DecodedInfo(1.5, 72_000, 48_000, 2),
        IMAGE_FOUND,
        InspectedAudio("MP4", ".m4a", "audio/mp4", INFO, IMAGE_FOUND),
        *AUDIO_FORMATS,
        *IMAGE_FORMATS,
    ],
    ids=lambda value: getattr(value, "name", type(value).__name__),
)
def test_every_public_value_survives_a_pickle(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_the_tags_stay_read_only_after_a_pickle_and_belong_to_the_value() -> None:
    tags = {"title": "before"}
    info = pickle.loads(pickle.dumps(AudioInfo("WAV", "pcm_s16le", 1.0, True, 8000, 1, tags=tags)))
    tags["title"] = "after"
    assert info.tags == {"title": "before"}
    with pytest.raises(TypeError):
        info.tags["title"] = "x"
