"""A query means exactly what it says."""

import threading
import unicodedata
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from audiostore import AudioStorageManager, MemoryStore, StorageResult
from audiostore.catalog.catalog import Catalog
from audiostore.catalog.query import Query
from audiostore.media import AUDIO_FORMATS
from tests.catalog_samples import START, audio_ids, made_up, put_asset, result
from tests.timing import PATIENCE_S

FORMAT = st.sampled_from(["mp3", "flac", "ogg", "m4a"])
CLASS = st.sampled_from(["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"])
WORD = st.sampled_from(["Nina Simone", "nina", "NINA", "Ümläute", "straße", "STRASSE", ""])
KEY = st.sampled_from(["title", "artist", "mood"])
SECONDS = st.sampled_from(["0.000", "59.999", "60.000", "3600.500", "", "nan", "inf", "long"])
DAYS = st.integers(0, 3)
SIZES = st.integers(0, 5)


@st.composite
def assets(draw: st.DrawFn) -> StorageResult:
    audio, cover = made_up(1, audio_ids(1)[0])
    extension = draw(FORMAT)
    metadata = dict(draw(st.dictionaries(KEY, WORD)))
    if draw(st.booleans()):
        metadata["duration_s"] = draw(SECONDS)
    if draw(st.booleans()):
        metadata["superseded_by"] = audio_ids(2)[1]
    names_cover, has_cover = draw(st.sampled_from([(False, False), (True, True), (True, False)]))
    if names_cover:
        metadata["thumbnail_name"] = cover.name
    audio = replace(
        audio,
        name=audio.name.replace("mp3", extension),
        metadata=metadata,
        size_bytes=draw(SIZES),
        created_at=START + timedelta(days=draw(DAYS)),
        storage_class=draw(CLASS),
        temporary_hold=draw(st.booleans()),
    )
    return result(audio, cover if has_cover else None)


def range_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    bound = st.none() | strategy
    return st.tuples(bound, bound).filter(lambda r: None in r or r[0] <= r[1])


@st.composite
def queries(draw: st.DrawFn) -> Query:
    shortest, longest = draw(range_of(st.sampled_from([0.0, 59.999, 60.0, 3600.5])))
    smallest, largest = draw(range_of(SIZES))
    first, last = draw(range_of(DAYS).filter(lambda r: None in r or r[0] < r[1]))
    truth = st.none() | st.booleans()
    return Query(
        formats=draw(st.frozensets(FORMAT, max_size=2)),
        equal=draw(st.dictionaries(KEY, WORD, max_size=1)),
        containing=draw(st.dictionaries(KEY, WORD, max_size=1)),
        min_duration_s=shortest,
        max_duration_s=longest,
        min_size_bytes=smallest,
        max_size_bytes=largest,
        created_from=None if first is None else START + timedelta(days=first),
        created_before=None if last is None else START + timedelta(days=last),
        storage_classes=draw(st.frozensets(CLASS, max_size=2)),
        has_thumbnail=draw(truth),
        artwork_is_missing=draw(truth),
        superseded=draw(truth),
        held=draw(truth),
    )


def brute_force(query: Query, asset: StorageResult) -> bool:
    """Judge an asset by its JSON, a criterion after the other."""
    audio: Any = asset.to_dict()["audio"]
    metadata = audio["metadata"]
    verdicts = []
    if query.formats:
        verdicts.append(any(audio["name"].endswith(f"/audio.{f}") for f in query.formats))
    for key, value in query.equal.items():
        verdicts.append((key, value) in metadata.items())
    for key, value in query.containing.items():
        verdicts.append(key in metadata and value.casefold() in metadata[key].casefold())
    known = metadata.get("duration_s") in ("0.000", "59.999", "60.000", "3600.500")
    if query.min_duration_s is not None:
        verdicts.append(known and float(metadata["duration_s"]) >= query.min_duration_s)
    if query.max_duration_s is not None:
        verdicts.append(known and float(metadata["duration_s"]) <= query.max_duration_s)
    if query.min_size_bytes is not None:
        verdicts.append(audio["size_bytes"] >= query.min_size_bytes)
    if query.max_size_bytes is not None:
        verdicts.append(audio["size_bytes"] <= query.max_size_bytes)
    if query.created_from is not None:
        verdicts.append(audio["created_at"] >= query.created_from.isoformat())
    if query.created_before is not None:
        verdicts.append(audio["created_at"] < query.created_before.isoformat())
    if query.storage_classes:
        verdicts.append(audio["storage_class"] in query.storage_classes)
    has_thumbnail = asset.to_dict()["thumbnail"] is not None
    for wanted, found in (
        (query.has_thumbnail, has_thumbnail),
        (query.artwork_is_missing, "thumbnail_name" in metadata and not has_thumbnail),
        (query.superseded, "superseded_by" in metadata),
        (query.held, audio["temporary_hold"]),
    ):
        if wanted is not None:
            verdicts.append(found is wanted)
    return all(verdicts)


@pytest.mark.slow
@given(queries(), assets())
def test_a_query_matches_what_each_of_its_criteria_matches(
    query: Query, asset: StorageResult
) -> None:
    assert query.matches(asset) is brute_force(query, asset)


# A query of many criteria matches next to nothing: each alone, so that both answers occur.
@pytest.mark.slow
@given(queries(), st.sampled_from([field.name for field in fields(Query)]), assets())
def test_each_criterion_alone_matches_what_it_says(
    query: Query, name: str, asset: StorageResult
) -> None:
    alone: Query = replace(Query(), **{name: getattr(query, name)})
    assert alone.matches(asset) is brute_force(alone, asset)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(created_from=START), True),
        (Query(created_before=START), False),
        (Query(min_size_bytes=10, max_size_bytes=10), True),
        (Query(min_size_bytes=11), False),
        (Query(max_size_bytes=9), False),
        (Query(min_duration_s=60, max_duration_s=60), True),
        (Query(min_duration_s=60.001), False),
        (Query(max_duration_s=59.999), False),
    ],
)
def test_ranges_have_their_ends(query: Query, expected: bool) -> None:
    audio, _ = made_up(0, audio_ids(1)[0])
    metadata = {"duration_s": "60.000"}
    asset = result(replace(audio, size_bytes=10, created_at=START, metadata=metadata), None)
    assert query.matches(asset) is expected


@pytest.mark.parametrize("text", ["", "long", "nan", "inf", "-inf"])
def test_an_invalid_duration_is_in_no_range(text: str) -> None:
    audio, _ = made_up(0, audio_ids(1)[0])
    asset = result(replace(audio, metadata={"duration_s": text}), None)
    assert not Query(min_duration_s=0).matches(asset)
    assert not Query(max_duration_s=60).matches(asset)


@pytest.mark.slow
@given(assets())
def test_a_query_that_asks_nothing_matches_all(asset: StorageResult) -> None:
    assert Query().matches(asset)


def test_text_that_reads_the_same_is_the_same_however_it_is_composed() -> None:
    audio, _ = made_up(1, audio_ids(1)[0])
    composed = unicodedata.normalize("NFC", "Lied für Ümläute")
    decomposed = unicodedata.normalize("NFD", composed)
    asset = result(replace(audio, metadata={"title": decomposed}), None)
    assert Query(containing={"title": "ÜMLÄUTE"}).matches(asset)
    assert not Query(equal={"title": composed}).matches(asset)
    assert Query(equal={"title": decomposed}).matches(asset)


def test_all_words_of_a_text_occur_somewhere() -> None:
    audio, _ = made_up(1, audio_ids(1)[0])
    metadata = {
        "title": "Feeling Good",
        "artist": "Nina Simone",
        "album": unicodedata.normalize("NFD", "Ümläute"),
        "album_artist": "Various",
        "original_filename": "07 track.mp3",
        "source_path": "Straße/07 track.mp3",
        "mood": "blue",
    }
    asset = result(replace(audio, metadata=metadata), None)
    for text in ("good", "NINA feeling", "ümläute Simone", "STRASSE", "various 07", "  o  n\tg "):
        assert Query(text=text).matches(asset), text
    for text in ("nina bad", "blue", "Simone Ümläut3", "feelinggood", "Feeling\u00a0G00d"):
        assert not Query(text=text).matches(asset), text
    # A word never spans two of them.
    assert not Query(text="goodnina").matches(asset)
    assert not Query(text="x").matches(result(replace(audio, metadata={}), None))


def test_artwork_without_its_audio_is_not_an_asset() -> None:
    _, cover = made_up(1, audio_ids(1)[0])
    assert not Query().matches(StorageResult("id", None, cover, None, "memory://x"))


def test_times_are_compared_across_time_zones() -> None:
    audio, _ = made_up(1, audio_ids(1)[0])
    asset = result(replace(audio, created_at=datetime(2026, 1, 1, 23, 30, tzinfo=UTC)), None)
    next_day = datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1)))
    assert Query(created_from=next_day).matches(asset)
    assert not Query(created_before=next_day).matches(asset)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Query(formats=frozenset({"mp33"})), "unknown format 'mp33': known are"),
        (lambda: Query(formats=frozenset({".mp3"})), "unknown format"),
        (lambda: Query(text=" \t"), "has no words to search for"),
        (lambda: Query(created_from=datetime(2026, 1, 1)), "has no time zone"),
        (lambda: Query(created_before=datetime(2026, 1, 1)), "has no time zone"),
        (
            lambda: Query(min_duration_s=2, max_duration_s=1),
            "duration 2 exceeds the maximum 1",
        ),
        (lambda: Query(min_size_bytes=2, max_size_bytes=1), "size 2 exceeds the maximum 1"),
        (lambda: Query(created_from=START, created_before=START), "is not earlier than"),
    ],
)
def test_a_query_that_can_match_nothing_is_refused(make: Callable[[], Query], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make()


def test_all_formats_that_are_stored_can_be_asked_for() -> None:
    stored = {extension[1:] for each in AUDIO_FORMATS for extension in each.extensions}
    assert {"mp3", "wav", "flac", "ogg", "opus", "m4a", "webm"} <= stored
    assert Query(formats=frozenset(stored)).formats == stored


@pytest.fixture
def manager() -> AudioStorageManager:
    store = MemoryStore()
    for number, audio_id in enumerate(sorted(audio_ids(250))):
        put_asset(store, audio_id, cover=number % 2 == 0, facts={"duration_s": f"{number}.000"})
    return AudioStorageManager(store=store)


def test_find_yields_what_get_returns(manager: AudioStorageManager) -> None:
    found = list(Catalog(manager, threads=4, page_objects=10).find())
    assert found == [manager.get(audio_id) for audio_id in sorted(audio_ids(250))]
    assert found == list(manager.list())


def test_find_yields_what_matches_up_to_the_limit(manager: AudioStorageManager) -> None:
    catalog = Catalog(manager)
    query = Query(has_thumbnail=True, min_duration_s=100)
    expected = [a.audio_id for a in manager.list() if query.matches(a)]
    assert len(expected) == 75
    assert [a.audio_id for a in catalog.find(query)] == expected
    assert [a.audio_id for a in catalog.find(query, limit=7)] == expected[:7]
    assert list(catalog.find(query, limit=0)) == []


def test_find_reports_missing_artwork(manager: AudioStorageManager) -> None:
    broken = min(audio_ids(250))
    (cover,) = manager.store.list(f"audio/{broken}/thumbnail")
    manager.store.delete(cover)
    (found,) = Catalog(manager).find(Query(artwork_is_missing=True))
    assert found.audio_id == broken
    assert found.warnings == manager.get(broken).warnings != ()


def test_find_counts_the_assets_it_read(manager: AudioStorageManager) -> None:
    counts: list[int] = []
    list(Catalog(manager).find(Query(min_duration_s=249), on_progress=counts.append))
    assert counts == [100, 200, 250]


@pytest.mark.parametrize("options", [{}, {"order_by": "size"}, {"order_by": "size", "limit": 3}])
def test_find_reads_nothing_before_it_is_asked_for_the_first(options: dict[str, Any]) -> None:
    store = MemoryStore()
    found = Catalog(AudioStorageManager(store=store)).find(**options)
    put_asset(store, audio_ids(1)[0])
    assert [asset.audio_id for asset in found] == audio_ids(1)


@pytest.mark.parametrize("options", [{}, {"limit": 100}])
def test_find_ends_its_threads_with_the_iterator(
    manager: AudioStorageManager, options: dict[str, Any]
) -> None:
    found = Catalog(manager, threads=8, page_objects=2).find(**options)
    next(found)
    threads = [t for t in threading.enumerate() if t.name == "audiostore-list"]
    assert threads
    del found
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("options", [{"order_by": "colour"}, {"limit": -1}], ids=["order", "limit"])
def test_find_refuses_what_makes_no_sense_at_once(
    manager: AudioStorageManager, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Catalog(manager).find(**options)


@pytest.mark.parametrize("options", [{"threads": 0}, {"page_objects": 0}])
def test_a_catalog_needs_a_thread_and_a_page(
    manager: AudioStorageManager, options: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Catalog(manager, **options)
