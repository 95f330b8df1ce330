"""The values that tell what is inside a file: JSON types, and nothing that can be changed."""

import json
from dataclasses import FrozenInstanceError

import pytest

from audiostore.media.info import Artwork, AudioInfo, Chapter, ImageInfo

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
