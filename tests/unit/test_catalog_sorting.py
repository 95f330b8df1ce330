"""Any number of assets, in order, in constant memory."""

import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from audiostore import AudioStorageManager, MemoryStore, StorageResult
from audiostore.catalog.catalog import Catalog
from audiostore.catalog.sorting import SORT_KEYS, SortKey, in_order
from tests.catalog_samples import START, audio_ids, made_up, made_up_store, put_asset, result

TEXTS = ["b", "B", "a", "Ä", "ä", "", "Zebra", "10", "9"]


@st.composite
def many(draw: st.DrawFn) -> list[StorageResult]:
    found = []
    for number, audio_id in enumerate(sorted(audio_ids(draw(st.integers(0, 25))))):
        audio, cover = made_up(number, audio_id)
        metadata = {}
        for key in ("title", "artist", "original_filename", "album", "album_artist"):
            if draw(st.booleans()):
                metadata[key] = draw(st.sampled_from(TEXTS))
        for key in ("disc", "track"):
            if draw(st.booleans()):
                metadata[key] = draw(st.sampled_from(["1", "2", "10"]))
        if draw(st.booleans()):
            metadata["duration_s"] = draw(st.sampled_from(["1.5", "2", "10", "nan"]))
        changed = replace(
            audio,
            metadata=metadata,
            size_bytes=draw(st.integers(0, 3)),
            created_at=START.replace(microsecond=draw(st.integers(0, 3))),
        )
        found.append(result(changed, cover))
    return found


def value(asset: StorageResult, key: SortKey) -> Any:
    assert asset.audio is not None
    metadata = asset.audio.metadata
    match key:
        case "id":
            return asset.audio_id
        case "created":
            return asset.audio.created_at
        case "size":
            return asset.audio.size_bytes
        case "duration":
            text = metadata.get("duration_s")
            return None if text in (None, "nan") else float(text)
        case "name":
            text = metadata.get("original_filename")
        case "album" | "track":
            return _in_album(metadata, key)
        case _:
            text = metadata.get(key)
    return None if text is None else text.casefold()


def _in_album(metadata: Mapping[str, str], key: SortKey) -> Any:
    by = (metadata.get("album_artist") or metadata.get("artist") or "").casefold()
    album = metadata.get("album", "").casefold()
    place = [int(metadata.get(k, "-1")) for k in ("disc", "track")]
    title = metadata.get("title", "").casefold()
    if key == "album":
        return [album, by, *place, title] if "album" in metadata else None
    return [by, album, *place, title] if by or album or title or place != [-1, -1] else None


@pytest.mark.slow
@given(
    many(),
    st.sampled_from(SORT_KEYS),
    st.booleans(),
    st.none() | st.integers(0, 30),
    st.integers(1, 30),
)
def test_the_order_is_that_of_the_values_and_what_has_none_comes_last(
    assets: list[StorageResult],
    key: SortKey,
    descending: bool,
    limit: int | None,
    run_assets: int,
) -> None:
    have = sorted(
        (a for a in assets if value(a, key) is not None),
        key=lambda a: value(a, key),
        reverse=descending,
    )
    expected = have + [a for a in assets if value(a, key) is None]
    found = in_order(iter(assets), key, descending=descending, limit=limit, run_assets=run_assets)
    assert list(found) == expected[:limit]


def test_a_large_limit_goes_through_a_file_too() -> None:
    assets = [result(*made_up(n, audio_id)) for n, audio_id in enumerate(audio_ids(30))]
    found = list(in_order(assets, "id", limit=20_000, run_assets=4))
    assert [a.audio_id for a in found] == sorted(audio_ids(30))


def synthetic(count: int) -> Iterator[StorageResult]:
    for number in range(count):
        audio_id = f"{number * 7919 % count:08x}-0000-4000-8000-000000000000"
        yield result(*made_up(number, audio_id))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 100])
def test_memory_does_not_grow_with_the_number_of_assets(limit: int | None) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            found = in_order(synthetic(count), "id", limit=limit, run_assets=500)
            assert sum(1 for _ in found) == (limit or count)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # While the runs are merged, sixteen assets of each are in memory.
    assert peak(3000) < peak(1000) * 1.5


@pytest.mark.slow
def test_find_orders_a_whole_store() -> None:
    with AudioStorageManager(store=made_up_store(3000)) as manager:
        catalog = Catalog(manager, threads=4)
        found = list(catalog.find(order_by="size", descending=True))
        sizes = [value(asset, "size") for asset in found]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == 3000
        assert list(catalog.find(order_by="size", descending=True, limit=10)) == found[:10]


def test_find_can_go_from_the_last_id_to_the_first() -> None:
    with AudioStorageManager(store=made_up_store(50)) as manager:
        backwards = list(Catalog(manager).find(descending=True))
        assert backwards == list(Catalog(manager).find())[::-1]


def test_a_sorted_listing_leaves_no_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for taken in (1, 40):
        found = in_order(synthetic(40), "id", run_assets=10)
        for _ in range(taken):
            next(found)
        del found
        assert list(tmp_path.iterdir()) == []


def test_find_sorts_by_title_whatever_its_case() -> None:
    store = MemoryStore()
    for audio_id, title in zip(audio_ids(3), ["b", "A", "c"], strict=True):
        put_asset(store, audio_id, facts={"title": title})
    with AudioStorageManager(store=store) as manager:
        found = Catalog(manager).find(order_by="title")
        assert [value(asset, "title") for asset in found] == ["a", "b", "c"]
