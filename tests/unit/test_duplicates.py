"""The same audio under several ids: by its data, else by its bytes; and which one is best kept."""

import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, StorageResult
from audiostore.catalog.duplicates import find_duplicates
from tests.assets import MP3
from tests.audio_samples import ID3V1
from tests.catalog_samples import audio_ids, made_up, result

DATA = {"audio_data_size": "4000", "audio_data_crc32c": "AAAAAA==", "codec": "mp3"}
IDS = audio_ids(5)


def asset(
    number: int,
    metadata: Mapping[str, str] | None = None,
    *,
    crc32c: str = "BBBBBB==",
    cover: bool = True,
) -> StorageResult:
    audio, thumbnail = made_up(number, IDS[number])
    audio = replace(audio, size_bytes=5_000, crc32c=crc32c, metadata=metadata or {})
    return result(audio, thumbnail if cover else None)


def groups(*assets: StorageResult) -> list[tuple[str, list[int]]]:
    found = find_duplicates(assets)
    return [(each.same, [IDS.index(a.audio_id) for a in each.assets]) for each in found]


def test_the_same_bytes_are_found() -> None:
    assert groups(asset(0), asset(1, crc32c="CCCCCC=="), asset(2)) == [("bytes", [0, 2])]


def test_the_same_audio_with_other_tags_is_found() -> None:
    one, other = asset(0, DATA), asset(1, DATA, crc32c="CCCCCC==")
    assert groups(one, other, asset(2, crc32c="DDDDDD==")) == [("audio", [0, 1])]


@pytest.mark.parametrize("other", ["audio_data_size", "audio_data_crc32c", "codec"])
def test_other_audio_is_not_the_same(other: str) -> None:
    differing: Mapping[str, str] = {**DATA, other: "1"}
    assert groups(asset(0, DATA), asset(1, differing, crc32c="CCCCCC==")) == []


def test_an_asset_of_unknown_audio_belongs_to_those_with_its_bytes() -> None:
    known, retagged, unknown = asset(0, DATA), asset(1, DATA, crc32c="CCCCCC=="), asset(2)
    assert groups(unknown, retagged, known) == [("audio", [0, 1, 2])]


def test_unknown_checksums_are_never_the_same() -> None:
    audio = asset(0).audio
    assert audio is not None
    unreadable = [replace(asset(n), audio=replace(audio, crc32c=None)) for n in (0, 1)]
    assert groups(*unreadable) == []


def test_the_best_is_named_first() -> None:
    two = {"title": "a", "artist": "b"}
    found = groups(
        asset(0, {**two, "superseded_by": IDS[3]}),
        asset(1, two, cover=False),
        asset(2, {"title": "a"}),
        asset(3, two),
        asset(4, two),
    )
    assert found == [("bytes", [3, 4, 2, 1, 0])]


def test_a_store_finds_what_was_retagged(tmp_path: Path) -> None:
    (tmp_path / "retagged.mp3").write_bytes(MP3.read_bytes() + ID3V1)
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        first = manager.upload_audio_file(MP3)
        second = manager.upload_audio_file(tmp_path / "retagged.mp3")
        (group,) = manager.catalog.duplicates()
    assert group.same == "audio"
    assert {group.keep.audio_id, group.others[0].audio_id} == {first.audio_id, second.audio_id}


@pytest.mark.slow
def test_duplicates_take_constant_memory() -> None:
    def peak(count: int) -> int:
        def assets() -> Iterator[StorageResult]:
            for number, audio_id in enumerate(audio_ids(count)):
                yield result(*made_up(number // 2, audio_id))

        tracemalloc.start()
        # Every other asset has the size of another, and all have the checksum of one.
        found = sum(1 for _ in find_duplicates(assets()))
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found
        return top

    peak(200)
    assert peak(8_000) < peak(2_000) + 2_000_000 + 8_000 * 200  # their ids are in a list
