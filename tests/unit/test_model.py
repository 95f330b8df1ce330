"""Frozen values, ready for JSON."""

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from audiostore.values import BlobInfo, StorageResult, changed

BLOB = BlobInfo(
    name="audio/x/audio.mp3",
    size_bytes=3,
    content_type="audio/mpeg",
    crc32c="AAAAAA==",
    generation=17,
    metageneration=1,
    storage_class="STANDARD",
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    md5_hash="abc==",
    metadata={"original_filename": "Süß.mp3", "title": "x"},
)
COVER = replace(BLOB, name="audio/x/thumbnail.jpg", content_type="image/jpeg", metadata={})


def test_a_blob_becomes_json_and_back() -> None:
    value = json.loads(json.dumps(BLOB.to_dict()))
    created_at = datetime.fromisoformat(value.pop("created_at"))
    assert BlobInfo(**value, created_at=created_at) == BLOB


def test_a_blob_with_any_mapping_becomes_json() -> None:
    blob = replace(BLOB, metadata=MappingProxyType({"title": "x"}))
    assert blob.to_dict()["metadata"] == {"title": "x"}


def test_values_are_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        BLOB.generation = 18  # type: ignore[misc]
    assert len({BLOB, replace(BLOB), COVER}) == 2


def test_the_metadata_changes_with_a_new_metageneration() -> None:
    described = changed(BLOB, {"title": None, "new": "y", "absent": None})
    assert described == replace(
        BLOB, metageneration=2, metadata={"original_filename": "Süß.mp3", "new": "y"}
    )
    assert dict(BLOB.metadata) == {"original_filename": "Süß.mp3", "title": "x"}


def test_a_result_gives_the_facts_of_its_audio() -> None:
    result = StorageResult("x", BLOB, COVER, "gs://b/a", "gs://b/t", warnings=("kept",))
    assert result.metadata == {
        "size": 3,
        "content_type": "audio/mpeg",
        "md5_hash": "abc==",
        "crc32c": "AAAAAA==",
        "generation": 17,
        "storage_class": "STANDARD",
        "created_at": "2026-01-02T03:04:05+00:00",
        "has_thumbnail": True,
        "original_filename": "Süß.mp3",
        "source_path": None,
        "duration_s": None,
        "duration_is_exact": None,
        "loudness": None,
        "tags": {},
        "custom": {"title": "x"},
    }
    value = json.loads(json.dumps(result.to_dict()))
    assert value["metadata"] == result.metadata
    assert value["warnings"] == ["kept"]
    assert value["thumbnail"]["name"] == COVER.name


def test_a_result_without_audio_gives_the_facts_of_its_artwork() -> None:
    result = StorageResult("x", None, COVER, None, "gs://b/t")
    assert result.metadata["content_type"] == "image/jpeg"
    assert json.loads(json.dumps(result.to_dict()))["audio"] is None
    assert StorageResult("x", None, None, None, None).metadata == {"has_thumbnail": False}


def test_the_facts_of_a_result_are_typed() -> None:
    facts = {"duration_s": "1.500", "codec": "mp3", "sample_rate_hz": "44100", "channels": "2"}
    own = {"file_size": "3", "file_type": "audio", "audio_id": "x", "supersedes": "old"}
    given = {"title": "x", "mood": "calm"}
    blob = replace(BLOB, metadata={**facts, **own, **given, "original_filename": "Süß.mp3"})
    result = StorageResult("x", blob, COVER, "gs://b/a", "gs://b/t")
    assert (result.duration_s, result.codec) == (1.5, "mp3")
    assert (result.sample_rate_hz, result.channels, result.bitrate_bps) == (44100, 2, None)
    assert (result.title, result.artist, result.album) == ("x", None, None)
    assert (result.size_bytes, result.content_type) == (3, "audio/mpeg")
    assert result.created_at == BLOB.created_at
    assert (result.original_filename, result.has_thumbnail) == ("Süß.mp3", True)
    assert (result.supersedes, result.superseded_by) == ("old", None)
    assert result.custom == given


@pytest.mark.parametrize("duration_s", ["", "long", "nan", "inf"])
def test_a_fact_that_is_not_a_number_is_none(duration_s: str) -> None:
    blob = replace(BLOB, metadata={"duration_s": duration_s})
    assert StorageResult("x", blob, None, "gs://b/a", None).duration_s is None
