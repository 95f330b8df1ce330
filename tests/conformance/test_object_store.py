"""What every store promises: the docstrings of `ObjectStore`, line by line."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, current_thread, main_thread

import google_crc32c
import pytest

from audiostore.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    SourceChangedError,
)
from audiostore.sources import BytesSource, LocalFile, SourceReader
from audiostore.stores.gcs import upload
from audiostore.stores.protocol import BlobSpec, ObjectStore, Transferred
from audiostore.values import BlobInfo

NAME = "audio/3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b/audio.mp3"
DATA = bytes(range(256)) * 40
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

ODD_NAMES = [
    "with space/and  two.mp3",
    "Zürich/北京/🎵.mp3",
    "e\u0301/combining",
    "hash#tag/what?/100%/a+b&c=d;e,f:g@h!$'()*",
    "100%25/%2F/%00",
    'quote"s/back\\slash/<tag>|~^`{}[]',
    "dots.in..the/middle...",
    "trailing. /space ",
    "-rf/--help",
    "tab\there",
]
ODD_METADATA = {
    "plain": "text",
    "empty": "",
    "lines": "one\ntwo\r\nthree\t",
    "emoji": "🎵 naïve 北京 e\u0301 \u202eright to left",
    "Schlüssel": "key that is not ASCII",
    "Case": "kept",
    "quotes": "\"'\\ {} [] , : <&>",
    "edges": "  spaces around  ",
}


def put(
    store: ObjectStore,
    name: str = NAME,
    data: bytes = DATA,
    *,
    over: int = 0,
    content_type: str = "audio/mpeg",
    metadata: Mapping[str, str] | None = None,
) -> BlobInfo:
    return store.put(
        BlobSpec(name, content_type, metadata or {}), BytesSource(data), if_generation_match=over
    )


def read(store: ObjectStore, blob: BlobInfo, *, start: int = 0, size: int = 1 << 20) -> bytes:
    with closing(store.open(blob, start=start)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


def names(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [blob.name for blob in store.list(prefix, start_after=start_after)]


# -- put ---------------------------------------------------------------------------------------


def test_put_returns_what_was_stored(store: ObjectStore) -> None:
    before = datetime.now(UTC)
    blob = put(store, metadata={"colour": "blue"})
    assert blob.name == NAME
    assert blob.size_bytes == len(DATA)
    assert blob.content_type == "audio/mpeg"
    assert blob.crc32c == base64.b64encode(google_crc32c.value(DATA).to_bytes(4, "big")).decode()
    assert blob.md5_hash == base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert blob.generation > 0
    assert blob.metageneration == 1
    assert blob.storage_class == "STANDARD"
    assert abs(blob.created_at - before) < timedelta(minutes=1)
    assert blob.created_at.utcoffset() == timedelta(0)
    assert dict(blob.metadata) == {"colour": "blue"}
    assert store.stat(NAME) == blob
    assert list(store.list("")) == [blob]
    assert read(store, blob) == DATA


def test_put_refuses_to_overwrite(store: ObjectStore) -> None:
    first = put(store)
    with pytest.raises(PreconditionFailedError):
        put(store, data=b"other", metadata={"lost": "yes"})
    assert store.stat(NAME) == first
    assert read(store, first) == DATA


def test_put_refuses_to_overwrite_even_with_the_same_content(store: ObjectStore) -> None:
    first = put(store)
    with pytest.raises(PreconditionFailedError):
        put(store)
    assert store.stat(NAME) == first


def test_put_replaces_the_generation_that_is_named(store: ObjectStore) -> None:
    first = put(store, metadata={"old": "yes"})
    second = put(
        store, data=b"new bytes", over=first.generation, content_type="x/y", metadata={"new": "yes"}
    )
    assert second.generation > first.generation
    assert second.metageneration == 1
    assert store.stat(NAME) == second
    assert dict(second.metadata) == {"new": "yes"}
    assert second.content_type == "x/y"
    assert read(store, second) == b"new bytes"
    assert list(store.list("")) == [second]


def test_put_refuses_to_replace_another_generation(store: ObjectStore) -> None:
    first = put(store)
    second = put(store, data=b"second", over=first.generation)
    for outdated in (first.generation, second.generation + 1, 1):
        with pytest.raises(PreconditionFailedError):
            put(store, data=b"third", over=outdated)
    assert read(store, store.stat(NAME)) == b"second"


def test_put_refuses_to_replace_what_is_missing(store: ObjectStore) -> None:
    with pytest.raises(PreconditionFailedError):
        put(store, over=17)
    blob = put(store)
    store.delete(blob)
    with pytest.raises(PreconditionFailedError):
        put(store, over=blob.generation)
    assert names(store) == []


def test_same_content_gets_another_generation_each_time(store: ObjectStore) -> None:
    generations = []
    for _ in range(5):
        blob = put(store)
        generations.append(blob.generation)
        store.delete(blob)
    assert len(set(generations)) == 5


def test_zero_bytes_are_an_object_like_any_other(store: ObjectStore) -> None:
    blob = put(store, data=b"", metadata={"colour": "blue"})
    assert blob.size_bytes == 0
    assert blob.crc32c == "AAAAAA=="
    assert store.stat(NAME) == blob
    assert read(store, blob) == b""
    assert read(store, store.copy(blob, "copy")) == b""


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_kept_exactly(store: ObjectStore, name: str) -> None:
    blob = put(store, name)
    assert blob.name == name
    assert store.stat(name) == blob
    assert read(store, blob) == DATA
    assert names(store) == [name]
    assert names(store, name[:5]) == [name]
    updated = store.update(blob, {"colour": "blue"})
    copied = store.copy(updated, name + "2")
    assert copied.name == name + "2"
    assert dict(copied.metadata) == {"colour": "blue"}
    store.delete(updated)
    assert names(store) == [name + "2"]


def test_metadata_is_kept_exactly(store: ObjectStore) -> None:
    blob = put(store, metadata=ODD_METADATA)
    assert dict(blob.metadata) == ODD_METADATA
    assert dict(store.stat(NAME).metadata) == ODD_METADATA
    assert [dict(b.metadata) for b in store.list("")] == [ODD_METADATA]
    updated = store.update(blob, {"lines": "a\nb", "new 🎵": "\u2028"})
    expected = {**ODD_METADATA, "lines": "a\nb", "new 🎵": "\u2028"}
    assert dict(updated.metadata) == dict(store.stat(NAME).metadata) == expected


def test_metadata_may_fill_all_of_its_room(store: ObjectStore) -> None:
    metadata = {f"key{i}": "ü" * 500 for i in range(8)} | {"last": "x" * 120}
    assert 8000 < sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items()) <= 8192
    blob = put(store, metadata=metadata)
    assert dict(store.stat(NAME).metadata) == metadata
    assert dict(store.copy(blob, "copy").metadata) == metadata


def test_what_the_caller_does_to_its_metadata_later_changes_nothing(store: ObjectStore) -> None:
    metadata = {"colour": "blue"}
    store.put(BlobSpec(NAME, "a/b", metadata), BytesSource(DATA))
    metadata["colour"] = "red"
    assert dict(store.stat(NAME).metadata) == {"colour": "blue"}


def test_put_tells_how_far_it_is(store: ObjectStore) -> None:
    told: list[Transferred] = []
    data = bytes(3 << 20)
    store.put(BlobSpec(NAME, "a/b"), BytesSource(data), on_transfer=told.append)
    assert told
    assert told[-1].sent_bytes == len(data)
    sent = [t.sent_bytes for t in told]
    assert sent == sorted(sent)
    assert all(t.accepted_bytes <= t.sent_bytes for t in told)


# -- put: one step, or nothing -----------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """A source that looks around after each of its pieces, and may then break."""

    data: bytes
    look: Callable[[], None]
    breaks_at: int | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    @property
    def crc32c(self) -> str:
        return BytesSource(self.data).crc32c

    def open(self) -> SourceReader:
        return _WatchedReader(self)


class _WatchedReader:
    def __init__(self, source: Watched) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int) -> bytes:
        self._source.look()
        end = self._position + min(size, 1000)
        if self._source.breaks_at is not None and end > self._source.breaks_at:
            raise SourceChangedError("changed")
        piece = self._source.data[self._position : end]
        self._position += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        self._position = offset

    def close(self) -> None:
        pass


def test_nobody_sees_half_of_an_object(store: ObjectStore, kind: str) -> None:
    seen: list[object] = []
    kept = put(store, "kept", b"old")

    def look_inside() -> None:
        # On disk and in memory alike nothing may be found under the name while bytes still come.
        # (GCS reads its source on the I/O thread, which must not wait for itself.)
        if kind != "gcs":
            seen.extend(store.list("audio"))
            seen.extend(b for b in store.list("kept") if b != kept)
            with pytest.raises(BlobNotFoundError):
                store.stat(NAME)

    store.put(BlobSpec(NAME, "a/b"), Watched(DATA, look_inside))
    store.put(
        BlobSpec("kept", "a/b"),
        Watched(DATA, lambda: seen.extend([])),
        if_generation_match=kept.generation,
    )
    assert seen == []
    assert read(store, store.stat("kept")) == DATA


@pytest.mark.parametrize("breaks_at", [0, 5000, len(DATA) - 1])
def test_a_source_that_changes_leaves_nothing(store: ObjectStore, breaks_at: int) -> None:
    source = Watched(DATA, lambda: None, breaks_at)
    with pytest.raises(SourceChangedError):
        store.put(BlobSpec(NAME, "a/b"), source)
    assert names(store) == []
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    assert put(store).size_bytes == len(DATA)


def test_a_source_that_changes_leaves_what_was_there(store: ObjectStore) -> None:
    first = put(store)
    with pytest.raises(SourceChangedError):
        store.put(
            BlobSpec(NAME, "a/b"),
            Watched(b"x" * 5000, lambda: None, 4000),
            if_generation_match=first.generation,
        )
    assert list(store.list("")) == [first]
    assert read(store, first) == DATA


def test_a_local_file_rewritten_meanwhile_leaves_nothing(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(DATA)
    source = LocalFile.snapshot(path)
    path.write_bytes(DATA[::-1])
    with pytest.raises(SourceChangedError):
        store.put(BlobSpec(NAME, "a/b"), source)
    assert names(store) == []


def test_a_large_object_goes_up_in_a_session_all_the_same(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)
    data = DATA * 60  # several chunks of 256 KiB
    blob = put(store, data=data, metadata=ODD_METADATA)
    assert blob.crc32c == BytesSource(data).crc32c
    assert dict(store.stat(NAME).metadata) == ODD_METADATA
    assert read(store, blob) == data
    with pytest.raises(PreconditionFailedError):
        put(store, data=data + b"other")
    other = put(store, data=data[1:], over=blob.generation)
    assert read(store, other) == data[1:]


# -- list --------------------------------------------------------------------------------------

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
    for name in reversed(wanted):
        put(store, name, b"x")


def test_list_is_in_the_order_of_the_bytes_of_names(store: ObjectStore) -> None:
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
def test_list_gives_what_begins_with_the_prefix(store: ObjectStore, prefix: str) -> None:
    fill(store)
    assert names(store, prefix) == [n for n in LISTED if n.startswith(prefix)]


@pytest.mark.parametrize("prefix", ["ab/12", "a.txt.gz", "audio/1/audio.mp3.bak", "~/", "a-bc"])
def test_list_gives_nothing_that_is_shorter_than_the_prefix(
    store: ObjectStore, prefix: str, kind: str, request: pytest.FixtureRequest
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
def test_list_starts_behind_a_name_whether_it_exists_or_not(store: ObjectStore, after: str) -> None:
    fill(store)
    wanted = [n for n in LISTED if n.encode() > after.encode()]
    assert names(store, "", after) == wanted
    assert names(store, "audio", after) == [n for n in wanted if n.startswith("audio")]


def test_list_comes_lazily(store: ObjectStore) -> None:
    fill(store)
    blobs = store.list("")
    assert next(blobs).name == LISTED[0]
    put(store, "\U0010ffff", b"late")
    store.delete(store.stat(LISTED[-1]))
    store.delete(store.stat(LISTED[1]))
    rest = [blob.name for blob in blobs]
    # What stood there throughout is listed, once each; what came or went meanwhile may be missing.
    assert [n for n in rest if n not in ("\U0010ffff", LISTED[-1], LISTED[1])] == LISTED[2:-1]
    assert LISTED[-1] not in rest


def test_list_agrees_with_every_put_and_delete(store: ObjectStore) -> None:
    present: set[str] = set()
    for name in LISTED:
        put(store, name, b"x")
        present.add(name)
        assert names(store) == sorted(present, key=str.encode)
    for name in LISTED[::2]:
        store.delete(store.stat(name))
        present.discard(name)
        assert names(store) == sorted(present, key=str.encode)


def test_list_describes_objects_as_stat_does(store: ObjectStore) -> None:
    fill(store, ["a", "b/c", "b/d"])
    assert list(store.list("")) == [store.stat(n) for n in ("a", "b/c", "b/d")]


# -- open --------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, 5000, len(DATA) - 1])
def test_open_reads_from_an_offset(store: ObjectStore, start: int) -> None:
    blob = put(store)
    assert read(store, blob, start=start) == DATA[start:]


def test_open_at_the_very_end_reads_nothing(
    store: ObjectStore, kind: str, request: pytest.FixtureRequest
) -> None:
    blob = put(store)
    assert read(store, blob, start=len(DATA)) == b""


@pytest.mark.parametrize("size", [1, 7, 4096, len(DATA), 1 << 24])
def test_read_gives_at_most_what_was_asked_for_and_something_until_the_end(
    store: ObjectStore, size: int
) -> None:
    data = DATA[:500] if size == 1 else DATA
    blob = put(store, data=data)
    with closing(store.open(blob)) as reader:
        pieces = list(iter(lambda: reader.read(size), b""))
        assert reader.read(size) == b""
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= size


def test_a_reader_may_stop_early(store: ObjectStore) -> None:
    blob = put(store, data=DATA * 200)
    for _ in range(3):
        with closing(store.open(blob)) as reader:
            assert DATA.startswith(reader.read(10))
    assert read(store, blob) == DATA * 200


def test_open_of_an_outdated_generation_is_refused(store: ObjectStore) -> None:
    first = put(store)
    second = put(store, data=b"second", over=first.generation)
    with pytest.raises(BlobNotFoundError):
        read(store, first)
    store.delete(second)
    with pytest.raises(BlobNotFoundError):
        read(store, second)


def test_open_does_not_mind_an_outdated_metageneration(store: ObjectStore) -> None:
    blob = put(store)
    store.update(blob, {"colour": "blue"})
    assert read(store, blob) == DATA


# -- what is missing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nothing/here", "there", "there/audio.mp3/below", "there/audio", "th"]
)
@pytest.mark.parametrize("verb", ["stat", "open", "update", "copy", "delete"])
def test_what_is_missing_is_not_found(store: ObjectStore, verb: str, name: str) -> None:
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


def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    assert names(store) == []
    assert names(store, "audio/") == []


# -- update ------------------------------------------------------------------------------------


def test_update_merges_and_removes_keys_and_leaves_the_bytes(store: ObjectStore) -> None:
    blob = put(store, metadata={"keep": "1", "change": "2", "drop": "3"})
    updated = store.update(blob, {"change": "two", "drop": None, "add": "4", "absent": None})
    assert dict(updated.metadata) == {"keep": "1", "change": "two", "add": "4"}
    assert updated == replace(
        blob, metageneration=blob.metageneration + 1, metadata=updated.metadata
    )
    assert store.stat(NAME) == updated
    assert list(store.list("")) == [updated]
    assert read(store, updated) == DATA
    again = store.update(updated, {"keep": None, "change": None, "add": None})
    assert dict(again.metadata) == {}
    assert again.metageneration == 3


def test_update_refuses_an_outdated_description(store: ObjectStore) -> None:
    blob = put(store)
    updated = store.update(blob, {"colour": "blue"})
    with pytest.raises(PreconditionFailedError):
        store.update(blob, {"colour": "red"})
    assert store.stat(NAME) == updated


def test_update_refuses_another_generation(store: ObjectStore) -> None:
    first = put(store)
    second = put(store, data=b"second", over=first.generation)
    assert (first.metageneration, second.metageneration) == (1, 1)
    with pytest.raises(PreconditionFailedError):
        store.update(first, {"colour": "red"})
    assert store.stat(NAME) == second


# -- copy --------------------------------------------------------------------------------------


def test_headers_to_serve_with_are_kept_and_copied(store: ObjectStore) -> None:
    spec = BlobSpec(
        NAME,
        "audio/mpeg",
        cache_control="private, max-age=60",
        content_disposition="inline; filename=\"a.mp3\"; filename*=UTF-8''%C3%A4.mp3",
    )
    blob = store.put(spec, BytesSource(DATA))
    copied = store.copy(blob, f"{NAME}.copy")
    for found in (blob, store.stat(NAME), copied, *store.list("")):
        assert found.cache_control == spec.cache_control
        assert found.content_disposition == spec.content_disposition
    assert put(store, name="plain").cache_control is None


def test_copy_keeps_content_type_and_metadata(store: ObjectStore) -> None:
    blob = put(store, metadata=ODD_METADATA)
    copied = store.copy(blob, "trash/copy.mp3")
    assert copied.name == "trash/copy.mp3"
    assert copied.content_type == blob.content_type
    assert dict(copied.metadata) == ODD_METADATA
    assert (copied.size_bytes, copied.crc32c, copied.md5_hash) == (
        blob.size_bytes,
        blob.crc32c,
        blob.md5_hash,
    )
    assert copied.metageneration == 1
    assert store.stat("trash/copy.mp3") == copied
    assert store.stat(NAME) == blob
    assert read(store, copied) == DATA


def test_copy_takes_the_metadata_that_the_object_has_now(
    store: ObjectStore, kind: str, request: pytest.FixtureRequest
) -> None:
    blob = put(store, metadata={"colour": "red"})
    store.update(blob, {"colour": "blue", "new": "key"})
    assert dict(store.copy(blob, "copy").metadata) == {"colour": "blue", "new": "key"}


def test_copy_refuses_to_overwrite(store: ObjectStore) -> None:
    blob, other = put(store), put(store, "other", b"other")
    with pytest.raises(PreconditionFailedError):
        store.copy(blob, "other")
    with pytest.raises(PreconditionFailedError):
        store.copy(blob, "other", if_generation_match=blob.generation)
    with pytest.raises(PreconditionFailedError):
        store.copy(blob, "missing", if_generation_match=17)
    assert store.stat("other") == other
    assert names(store) == sorted([NAME, "other"])


def test_copy_replaces_the_generation_that_is_named(store: ObjectStore) -> None:
    blob, other = (
        put(store, metadata={"colour": "blue"}),
        put(store, "other", b"other", metadata={"colour": "red"}),
    )
    copied = store.copy(blob, "other", if_generation_match=other.generation)
    assert copied.generation > other.generation
    assert read(store, copied) == DATA
    assert dict(store.stat("other").metadata) == {"colour": "blue"}


def test_copy_of_an_outdated_generation_is_refused(store: ObjectStore) -> None:
    first = put(store)
    put(store, data=b"second", over=first.generation)
    with pytest.raises(BlobNotFoundError):
        store.copy(first, "copy")
    assert names(store) == [NAME]


def test_a_copy_outlives_its_source(store: ObjectStore) -> None:
    blob = put(store)
    copied = store.copy(blob, "copy")
    store.delete(blob)
    assert read(store, copied) == DATA


# -- delete ------------------------------------------------------------------------------------


def test_delete_removes_the_object(store: ObjectStore) -> None:
    blob, other = put(store), put(store, "other")
    store.delete(blob)
    assert list(store.list("")) == [other]
    with pytest.raises(BlobNotFoundError):
        store.stat(NAME)
    with pytest.raises(BlobNotFoundError):
        store.delete(blob)
    assert put(store).generation != blob.generation


def test_delete_refuses_another_generation(store: ObjectStore) -> None:
    first = put(store)
    second = put(store, data=b"second", over=first.generation)
    with pytest.raises(PreconditionFailedError):
        store.delete(first)
    assert store.stat(NAME) == second


def test_delete_does_not_mind_an_outdated_metageneration(store: ObjectStore) -> None:
    blob = put(store)
    store.update(blob, {"colour": "blue"})
    store.delete(blob)
    assert names(store) == []


# -- where -------------------------------------------------------------------------------------


def test_uri_is_below_url(store: ObjectStore) -> None:
    assert "://" in store.url
    assert store.uri("audio/x.mp3") == f"{store.url}/audio/x.mp3"


# -- many at once ------------------------------------------------------------------------------


def race(count: int, step: Callable[[int], BlobInfo | None]) -> list[BlobInfo]:
    """Take the step `count` times at once; return what the winners got."""
    barrier = Barrier(count)

    def run(number: int) -> BlobInfo | None:
        barrier.wait(10)
        try:
            return step(number)
        except PreconditionFailedError:
            return None

    with ThreadPoolExecutor(count) as pool:
        return [blob for blob in pool.map(run, range(count)) if blob is not None]


def test_of_sixteen_creators_one_wins(store: ObjectStore) -> None:
    def create(number: int) -> BlobInfo:
        return put(store, data=bytes([number]) * 10_000, metadata={"writer": str(number)})

    (winner,) = race(16, create)
    assert store.stat(NAME) == winner
    assert read(store, winner) == bytes([int(winner.metadata["writer"])]) * 10_000
    assert list(store.list("")) == [winner]


def test_of_creators_of_the_very_same_bytes_one_wins(store: ObjectStore) -> None:
    (winner,) = race(8, lambda _: put(store))
    assert list(store.list("")) == [winner]


def test_of_creators_of_the_very_same_large_bytes_one_wins(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)
    data = DATA * 80
    (winner,) = race(8, lambda _: put(store, data=data))
    assert list(store.list("")) == [winner]
    assert read(store, winner) == data


def test_a_creator_overtaken_by_another_of_the_very_same_bytes_loses(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, kind: str, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 1000)
    data = DATA * 150
    winners: list[BlobInfo] = []

    def overtake(transferred: Transferred) -> None:
        # Only from the thread that put was called on: the I/O thread must not wait for itself.
        if not winners and transferred.sent_bytes and current_thread() is main_thread():
            winners.append(put(store, data=data))

    with pytest.raises(PreconditionFailedError):
        store.put(BlobSpec(NAME, "audio/mpeg"), BytesSource(data), on_transfer=overtake)
    assert list(store.list("")) == winners


def test_of_eight_replacers_one_wins(store: ObjectStore) -> None:
    first = put(store)
    (winner,) = race(8, lambda n: put(store, data=bytes([n]) * 5000, over=first.generation))
    assert store.stat(NAME) == winner


def test_of_eight_updaters_one_wins_each_metageneration(store: ObjectStore) -> None:
    blob = put(store)

    def update(number: int) -> BlobInfo:
        while True:
            try:
                return store.update(store.stat(NAME), {f"key{number}": "set"})
            except PreconditionFailedError:
                continue

    winners = race(8, update)
    assert sorted(b.metageneration for b in winners) == list(range(2, 10))
    assert dict(store.stat(NAME).metadata) == {f"key{n}": "set" for n in range(8)}
    assert read(store, blob) == DATA


def test_of_eight_updaters_of_one_metageneration_one_wins(store: ObjectStore) -> None:
    blob = put(store)
    (winner,) = race(8, lambda n: store.update(blob, {"writer": str(n)}))
    assert store.stat(NAME) == winner
    assert winner.metageneration == 2


def test_of_eight_deleters_one_wins(store: ObjectStore) -> None:
    blob = put(store)

    def delete(_: int) -> BlobInfo | None:
        try:
            store.delete(blob)
        except BlobNotFoundError:
            return None
        return blob

    assert race(8, delete) == [blob]
    assert names(store) == []


def test_readers_see_old_or_new_never_a_mixture(store: ObjectStore) -> None:
    blob = put(store, data=b"\0" * 50_000, metadata={"version": "0"})
    done: list[bool] = []

    def replace_often(_: int) -> None:
        present = blob
        for version in range(1, 25):
            data = bytes([version]) * (50_000 + version)
            present = put(
                store, data=data, over=present.generation, metadata={"version": str(version)}
            )
        done.append(True)

    def read_often(_: int) -> None:
        while not done:
            (found,) = store.list("audio/")
            version = int(found.metadata["version"])
            assert found.size_bytes == 50_000 + version
            try:
                assert read(store, found) == bytes([version]) * (50_000 + version)
            except BlobNotFoundError:
                continue  # replaced since

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(replace_often, 0)
        readers = [pool.submit(read_often, n) for n in range(3)]
        try:
            writer.result()
        finally:
            done.append(True)
        for reader in readers:
            reader.result()
    assert store.stat(NAME).metadata["version"] == "24"
