"""Searching over HTTP, and the index behind it, which agrees with the catalog."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from audiostore import AudioStorageManager, MemoryStore, Query, StorageResult
from audiostore.catalog import SORT_KEYS
from audiostore.dataclass import replace
from audiostore.serve.documents import asset_document
from audiostore.serve.index import Index
from audiostore.testing import cover
from tests.assets import opened, tone
from tests.catalog_samples import audio_ids, put_asset
from tests.serve.conftest import Running, serving
from tests.timing import few_calls, wait_until

WORDS = (
    "Sil",
    "silver",
    "Über",
    "u\u0308ber",
    "a",
    "Straße",
    "STRASSE",
    "100%",
    'say "hi"',
    "x_y",
    "",
)


def sample_store(count: int = 150) -> MemoryStore:
    """Return a store of assets whose texts, numbers and states differ in every way."""
    store, dice = MemoryStore(), random.Random(7)
    for number, audio_id in enumerate(audio_ids(count)):
        texts = {
            key: " ".join(dice.sample(WORDS, 2))
            for key in ("title", "artist", "album", "mood", "track")
            if dice.random() < 0.7
        }
        facts = {"duration_s": f"{dice.randrange(300)}.5"} if dice.random() < 0.8 else {}
        extension = dice.choice([".mp3", ".flac"])
        if dice.random() < 0.2:
            texts["track"] = f"0{dice.randrange(9)}/9"
        blob = put_asset(
            store,
            audio_id,
            extension=extension,
            data=bytes(number + 1),
            facts=facts,
            custom=texts,
            cover=dice.random() < 0.5,
            filename=f"{dice.choice(WORDS[:4])} {number}{extension}",
        )
        if dice.random() < 0.2:
            store.update(blob, {}, temporary_hold=True)
    return store


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[AudioStorageManager, Index]]:
    """A store, and the index of it."""
    with AudioStorageManager(store=sample_store()) as manager:
        index = Index()
        index.refresh(manager.catalog.find())
        yield manager, index
        index.close()


QUERIES = [
    Query(),
    *(Query(text=word) for word in WORDS if word),
    Query(text="sil über"),
    Query(text="s a"),
    Query(text="nothing at all"),
    Query(containing={"title": "SIL"}),
    Query(containing={"mood": "strasse", "artist": "a"}),
    Query(containing={"missing": ""}),
    Query(equal={"track": "3"}),
    Query(equal={"mood": "Sil a"}),
    Query(formats=frozenset({"flac"}), has_thumbnail=True),
    Query(held=True),
    Query(held=False, superseded=False, artwork_is_missing=False),
    Query(min_duration_s=100, max_duration_s=200.5),
    Query(min_size_bytes=10, max_size_bytes=20),
    Query(storage_classes=frozenset({"COLDLINE"})),
]


@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_the_index_finds_what_the_catalog_finds(
    sample: tuple[AudioStorageManager, Index], query: Query
) -> None:
    manager, index = sample
    expected = list(manager.catalog.find(query))
    assert list(index.find(query, limit=1000).assets) == expected
    assert index.count(query) == len(expected)
    assert index.statistics(query) == manager.catalog.statistics(query)


@pytest.mark.parametrize("root", ["", "/audio"])
@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_documents_are_those_of_the_assets_found(
    sample: tuple[AudioStorageManager, Index], query: Query, root: str
) -> None:
    _, index = sample
    after = None
    for _ in range(3):
        page = index.find(query, order_by="created", after=after, limit=7)
        texts, place = index.documents(query, order_by="created", after=after, limit=7, root=root)
        assert list(map(json.loads, texts)) == [asset_document(each, root) for each in page.assets]
        assert place == page.next
        after = place
        if after is None:
            break


def test_a_page_that_was_shown_before_is_not_made_again() -> None:
    with AudioStorageManager(store=sample_store(100)) as manager:
        index = Index()
        index.refresh(manager.catalog.find())
        first, _ = index.documents(Query(), limit=50)
        total = index.count(Query())
        with few_calls(150):  # unpacking one asset takes more than two
            assert index.documents(Query(), limit=50)[0] == first
            assert index.count(Query()) == total
        changed = manager.update_metadata(json.loads(first[3])["audio_id"], {"title": "new"})
        index.put(changed)
        again, _ = index.documents(Query(), limit=50)
        assert json.loads(again[3])["title"] == "new"
        assert again[:3] == first[:3]
        index.remove(changed.audio_id)
        assert index.count(Query()) == total - 1
        index.close()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", SORT_KEYS)
def test_pages_follow_one_another_in_the_order_of_the_catalog(
    sample: tuple[AudioStorageManager, Index], order: str, descending: bool
) -> None:
    manager, index = sample
    query = Query(text="s")
    pages: list[StorageResult] = []
    after = None
    while True:
        page = index.find(query, order_by=order, descending=descending, after=after, limit=7)  # type: ignore[arg-type]
        pages += page.assets
        after = page.next
        if after is None:
            break
        assert len(page.assets) == 7
    everything = manager.catalog.find(query, order_by=order, descending=descending)  # type: ignore[arg-type]
    keys = [each.audio_id for each in everything]
    assert {each.audio_id for each in pages} == set(keys)
    assert len(pages) == len(keys)
    # Of equal ones, the catalog keeps the order of ids, and the index reverses it with the rest.
    values = [(sort_text(each, order)) for each in pages]
    assert values == [sort_text(manager.get(key), order) for key in keys]


def sort_text(asset: StorageResult, order: str) -> object:
    from audiostore.catalog import sort_value  # noqa: PLC0415

    return sort_value(asset, order)  # type: ignore[arg-type]


def test_own_writes_outlast_a_listing_that_did_not_see_them() -> None:
    with AudioStorageManager(store=sample_store(3)) as manager, closing(Index()) as index:
        first, second, third = manager.catalog.find()

        def listing() -> Iterator[StorageResult]:
            yield first
            index.put(third)  # stored behind the back of the listing
            index.remove(second.audio_id)  # deleted after it was listed
            yield second

        index.refresh(listing())
        assert index.find(Query(), limit=9).assets == (first, third)
        index.refresh(iter([first, second]))
        assert index.find(Query(), limit=9).assets == (first, second)


def test_an_older_version_never_replaces_a_newer_one() -> None:
    with AudioStorageManager(store=sample_store(1)) as manager, closing(Index()) as index:
        (old,) = manager.catalog.find()
        new = manager.update_metadata(old.audio_id, {"title": "new"})
        index.put(new)
        index.put(old)
        assert index.find(Query(text="new"), limit=9).assets == (replace(new),)
        index.refresh(iter([old]))  # what the store says now counts
        assert index.find(Query(), limit=9).assets == (old,)


def test_a_change_that_is_entered_after_a_deletion_brings_nothing_back() -> None:
    index, manager = Index(), AudioStorageManager(store=MemoryStore())
    stored = manager.upload_audio_file(tone(), filename="a.wav")
    index.put(stored)
    audio_id = stored.audio_id
    changed = manager.update_metadata(audio_id, {"mood": "calm"})
    manager.delete(audio_id)
    index.remove(audio_id)
    index.put(changed)
    assert index.count(Query()) == 0
    index.put(manager.restore(audio_id))
    assert index.count(Query()) == 1
    index.close()


def test_a_refresh_of_what_is_known_writes_nothing(
    sample: tuple[AudioStorageManager, Index],
) -> None:
    manager, index = sample
    before = index.changes
    assets = list(manager.catalog.find())
    with few_calls(40 * len(assets)):
        index.refresh(iter(assets))
    assert index.changes == before


# --- over HTTP ------------------------------------------------------------------------------------


def found(service: Running, **params: str) -> list[str]:
    answer = service("GET", f"/v1/assets?{urlencode(params)}")
    assert answer.status == 200, answer.body
    return [item["title"] for item in answer.json["items"]]


def test_own_writes_are_found_at_once(service: Running) -> None:
    ids = [
        service.store(tone(0.1, hz=400 + n, title=title))
        for n, title in enumerate(["Morning song", "Evening song", "Night"])
    ]
    assert found(service, text="SONG") == ["Evening song", "Morning song"]
    assert found(service, text="song", sort="title") == ["Evening song", "Morning song"]
    service("PATCH", f"/v1/assets/{ids[2]}", {"custom": {"title": "Night song"}})
    assert len(found(service, text="song")) == 3
    service("PUT", f"/v1/assets/{ids[2]}/thumbnail", cover(), content_type="image/png")
    assert found(service, has_thumbnail="true") == ["Night song"]
    service("DELETE", f"/v1/assets/{ids[0]}")
    assert found(service, text="song") == ["Night song", "Evening song"]
    service("POST", f"/v1/assets/{ids[0]}/restore")
    assert len(found(service, text="song")) == 3


def test_writes_of_others_are_found_after_a_while(tmp_path: Path) -> None:
    with opened("local", tmp_path) as store, serving(store, refresh_s=0.05) as service:
        assert found(service) == []
        stored = service.manager.upload_audio_file(tone(title="Theirs"))
        wait_until(lambda: found(service) == ["Theirs"])
        service.manager.delete(stored.audio_id)
        wait_until(lambda: found(service) == [])


def test_a_list_is_paged_by_cursor(local: Running) -> None:
    for n in range(5):
        local.store(tone(0.1, hz=400 + n, title=f"Song {n}"))
    seen, cursor = [], ""
    while True:
        answer = local("GET", f"/v1/assets?limit=2&sort=title{cursor}").json
        seen += [item["title"] for item in answer["items"]]
        assert answer["total"] == (None if cursor else 5)
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert seen == [f"Song {n}" for n in range(5)]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=" + "9" * 5000,
        "sort=colour",
        "cursor=x",
        "cursor=W10",
        "cursor=" + quote("é"),
        "min_duration_s=x",
        "min_duration_s=nan",
        "min_duration_s=2&max_duration_s=1",
        "held=maybe",
        "created_from=yesterday",
        "format=exe",
        "storage_class=cold",
        "text=%20",
        "text=a%00b",
        "meta.a%00=b",
        "colour=red",
    ],
)
def test_a_search_that_makes_no_sense_is_refused(local: Running, query: str) -> None:
    answer = local("GET", f"/v1/assets?{query}")
    assert (answer.status, answer.problem) == (400, "BadRequest"), answer.body


def test_a_cursor_of_another_order_is_refused(local: Running) -> None:
    for n in range(2):
        local.store(tone(0.1, hz=400 + n))
    cursor = local("GET", "/v1/assets?limit=1&sort=title").json["next"]
    assert local("GET", f"/v1/assets?limit=1&sort=title&cursor={cursor}").status == 200
    assert local("GET", f"/v1/assets?limit=1&sort=album&cursor={cursor}").status == 400
