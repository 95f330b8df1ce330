"""What every store promises of reading and listing."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest

from audiostore.dataclass import replace
from audiostore.errors import (
    BlobNotFoundError,
)
from audiostore.stores.protocol import ObjectStore
from audiostore.stores.testing.samples import DATA, names, put, read
from audiostore.values import BlobInfo

GONE = BlobInfo(
    name="nothing/here",
    size_bytes=3,
    content_type="a/b",
    crc32c="AAAAAA==",
    generation=17,
    metageneration=1,
    storage_class="STANDARD",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)

LISTED = sorted(
    [
        "a-b",
        "a.txt",
        "ab/1",
        "ab/2",
        "audio/1/audio.mp3",
        "audio/1/thumbnail.jpg",
        "audio/10/audio.mp3",
        "audio/2/audio.mp3",
        "audio-other",
        "audio0",
        "z\uffee",
        "z𐀀",  # UTF-16 would sort this one first
        "é",
        "~",
    ],
    key=str.encode,
)


def fill(store: ObjectStore, wanted: list[str] = LISTED) -> None:
    """Store objects of these names, in the reverse order."""
    for name in reversed(wanted):
        put(store, name, b"x")


class ReadingTests:
    """`ObjectStore.stat`, `list`, `open`."""

    def test_list_is_in_the_order_of_the_bytes_of_names(self, store: ObjectStore) -> None:
        fill(store)
        assert names(store) == LISTED

    @pytest.mark.parametrize(
        "prefix",
        [
            "",
            "a",
            "a-",
            "ab",
            "ab/",
            "au",
            "audio",
            "audio/",
            "audio/1",
            "audio/1/",
            "audio/1/t",
            "z",
            "audio/10/audio.mp3",
            "é",
            "nothing",
            "audio//",
            "/",
            "audio/3/",
            "~",
        ],
    )
    def test_list_gives_what_begins_with_the_prefix(self, store: ObjectStore, prefix: str) -> None:
        fill(store)
        assert names(store, prefix) == [n for n in LISTED if n.startswith(prefix)]

    @pytest.mark.parametrize("prefix", ["ab/12", "a.txt.gz", "audio/1/audio.mp3.bak", "~/", "a-bc"])
    def test_list_gives_nothing_that_is_shorter_than_the_prefix(
        self, store: ObjectStore, prefix: str
    ) -> None:
        fill(store)
        assert names(store, prefix) == []

    @pytest.mark.parametrize(
        "after",
        [
            *LISTED,
            "A",
            "audio/1",
            "audio/1/",
            "audio/1/b",
            "audio/11",
            "audio/",
            "audio.",
            "a/",
            "zzz",
            "\U0010ffff",
            "z\uffef",
            " ",
        ],
    )
    def test_list_starts_after_a_name_that_may_not_exist(
        self, store: ObjectStore, after: str
    ) -> None:
        fill(store)
        wanted = [n for n in LISTED if n.encode() > after.encode()]
        assert names(store, "", after) == wanted
        assert names(store, "audio", after) == [n for n in wanted if n.startswith("audio")]

    def test_list_comes_lazily(self, store: ObjectStore) -> None:
        fill(store)
        blobs = store.list("")
        assert next(blobs).name == LISTED[0]
        put(store, "\U0010ffff", b"late")
        store.delete(store.stat(LISTED[-1]))
        store.delete(store.stat(LISTED[1]))
        rest = [blob.name for blob in blobs]
        # Objects that existed throughout are listed once; others may be missing.
        assert [n for n in rest if n not in ("\U0010ffff", LISTED[-1], LISTED[1])] == LISTED[2:-1]
        assert LISTED[-1] not in rest

    def test_list_agrees_with_every_put_and_delete(self, store: ObjectStore) -> None:
        present: set[str] = set()
        for name in LISTED:
            put(store, name, b"x")
            present.add(name)
            assert names(store) == sorted(present, key=str.encode)
        for name in LISTED[::2]:
            store.delete(store.stat(name))
            present.discard(name)
            assert names(store) == sorted(present, key=str.encode)

    def test_list_describes_objects_as_stat_does(self, store: ObjectStore) -> None:
        fill(store, ["a", "b/c", "b/d"])
        assert list(store.list("")) == [store.stat(n) for n in ("a", "b/c", "b/d")]

    @pytest.mark.parametrize("start", [0, 1, 5000, len(DATA) - 1])
    def test_open_reads_from_an_offset(self, store: ObjectStore, start: int) -> None:
        blob = put(store)
        assert read(store, blob, start=start) == DATA[start:]

    def test_open_at_the_very_end_reads_nothing(self, store: ObjectStore) -> None:
        blob = put(store)
        assert read(store, blob, start=len(DATA)) == b""

    @pytest.mark.parametrize("size", [1, 7, 4096, len(DATA), 1 << 24])
    def test_read_gives_at_most_what_was_asked_for_and_something_until_the_end(
        self, store: ObjectStore, size: int
    ) -> None:
        data = DATA[:500] if size == 1 else DATA
        blob = put(store, data=data)
        with closing(store.open(blob)) as reader:
            pieces = list(iter(lambda: reader.read(size), b""))
            assert reader.read(size) == b""
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= size

    def test_a_reader_may_stop_early(self, store: ObjectStore) -> None:
        blob = put(store, data=DATA * 200)
        for _ in range(3):
            with closing(store.open(blob)) as reader:
                assert DATA.startswith(reader.read(10))
        assert read(store, blob) == DATA * 200

    def test_open_of_an_outdated_generation_is_refused(self, store: ObjectStore) -> None:
        first = put(store)
        second = put(store, data=b"second", over=first.generation)
        with pytest.raises(BlobNotFoundError):
            read(store, first)
        store.delete(second)
        with pytest.raises(BlobNotFoundError):
            read(store, second)

    def test_open_does_not_mind_an_outdated_metageneration(self, store: ObjectStore) -> None:
        blob = put(store)
        store.update(blob, {"colour": "blue"})
        assert read(store, blob) == DATA

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, None),
            (0, len(DATA)),
            (0, 1),
            (0, 0),
            (5, 9),
            (9, 5),
            (1000, 5001),
            (len(DATA) - 1, len(DATA)),
            (len(DATA) - 3, None),
            (len(DATA), len(DATA)),
            (len(DATA), None),
            (7, len(DATA) + 100),
            (len(DATA) + 5, len(DATA) + 100),
            (len(DATA) + 5, None),
        ],
    )
    def test_open_reads_exactly_the_range(
        self, store: ObjectStore, start: int, stop: int | None
    ) -> None:
        assert read(store, put(store), start=start, stop=stop) == DATA[start:stop]

    def test_a_range_is_never_exceeded_by_a_large_read(self, store: ObjectStore) -> None:
        assert read(store, put(store), start=10, stop=20, size=1 << 20) == DATA[10:20]

    def test_a_range_of_no_bytes_has_none(self, store: ObjectStore) -> None:
        blob = put(store, data=b"")
        assert read(store, blob, start=0, stop=5) == b""

    def test_a_range_of_what_is_gone_is_not_found(self, store: ObjectStore) -> None:
        blob = put(store)
        put(store, data=b"other", over=blob.generation)
        with pytest.raises(BlobNotFoundError):
            read(store, blob, start=2, stop=5)

    @pytest.mark.parametrize(
        "name", ["nothing/here", "there", "there/audio.mp3/below", "there/audio", "th"]
    )
    @pytest.mark.parametrize("verb", ["stat", "open", "update", "copy", "delete"])
    def test_what_is_missing_is_not_found(self, store: ObjectStore, verb: str, name: str) -> None:
        put(store, "there/audio.mp3")
        gone = replace(GONE, name=name)
        call: dict[str, Callable[[], object]] = {
            "stat": lambda: store.stat(name),
            "open": lambda: read(store, gone),
            "update": lambda: store.update(gone, {"a": "b"}),
            "copy": lambda: store.copy(gone, "target"),
            "delete": lambda: store.delete(gone),
        }
        with pytest.raises(BlobNotFoundError):
            call[verb]()
        assert names(store) == ["there/audio.mp3"]

    def test_an_empty_store_lists_nothing(self, store: ObjectStore) -> None:
        assert names(store) == []
        assert names(store, "audio/") == []

    def test_uri_is_below_url(self, store: ObjectStore) -> None:
        assert "://" in store.url
        assert store.uri("audio/x.mp3") == f"{store.url}/audio/x.mp3"
