"""What the bucket's store makes of soft delete."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.api_core import exceptions

from audiostore.errors import (
    BlobNotFoundError,
    PreconditionFailedError,
    StoreConnectionError,
    UnsupportedByStoreError,
)
from audiostore.sources import BytesSource
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob
from tests.gcs_server import AS_NEW, StrictServer, faults

SPEC = BlobSpec("audio/x/audio.mp3", "audio/mpeg", {"key": "Wert ☀"}, "private", "inline")
WEEK_S = 7 * 24 * 3600
NO_POLICY = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer("bucket", page_size=2, bucket_settings=AS_NEW) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    store = GcsStore("bucket", emulator=server.url)
    yield store
    store.close()


def put(store: GcsStore, name: str, data: bytes = b"some bytes", replaced: int = 0) -> BlobInfo:
    return store.put(BlobSpec(name, "a/b"), BytesSource(data), if_generation_match=replaced)


def trashed(store: GcsStore, spec: BlobSpec = SPEC) -> DeletedBlob:
    store.delete(store.put(spec, BytesSource(b"some bytes")))
    (deleted,) = store.list_deleted(spec.name)
    return deleted


def test_a_deleted_object_says_when_it_expires(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(SPEC, BytesSource(b"some bytes"))
    store.delete(blob)

    (deleted,) = store.list_deleted("")
    assert deleted.blob == blob
    assert deleted.gone_at - deleted.deleted_at == timedelta(seconds=WEEK_S)
    assert abs(deleted.deleted_at - server.now()) < timedelta(minutes=1)


def test_the_trash_is_in_the_order_of_names_then_of_generations(
    server: StrictServer, store: GcsStore
) -> None:
    expected: list[tuple[str, int]] = []
    for name in ("p/a", "p/é", "p/z", "p/b"):
        blob = put(store, name)
        expected.append((name, blob.generation))
        for _ in range(2):
            blob = put(store, name, replaced=blob.generation)
            expected.append((name, blob.generation))
        store.delete(blob)
    put(store, "q")

    listed = [(d.blob.name, d.blob.generation) for d in store.list_deleted("p/")]
    assert listed == sorted(expected, key=lambda pair: (pair[0].encode(), pair[1]))
    assert len([r for r in server.requests if r.query.get("softDeleted") == "true"]) > 3


def test_generations_that_come_in_another_order_are_sorted(
    server: StrictServer, store: GcsStore
) -> None:
    resource = (
        '{{"name": "{}", "size": "1", "crc32c": "AAAAAA==", "generation": "{}",'
        ' "metageneration": "1", "timeCreated": "2026-01-02T03:04:05Z",'
        ' "softDeleteTime": "2026-01-03T03:04:05Z",'
        ' "hardDeleteTime": "2026-01-10T03:04:05Z"}}'
    )
    pairs = [("a", 3), ("a", 1), ("b", 2)]
    items = ", ".join(resource.format(*pair) for pair in pairs)
    server.fault(faults.listing, faults.respond(200, body=f'{{"items": [{items}]}}'.encode()))
    listed = [(d.blob.name, d.blob.generation) for d in store.list_deleted("")]
    assert listed == [("a", 1), ("a", 3), ("b", 2)]


def test_an_entry_without_its_times_is_a_broken_response(
    server: StrictServer, store: GcsStore
) -> None:
    body = (
        b'{"items": [{"name": "a", "size": "1", "crc32c": "AAAAAA==", "generation": "1",'
        b' "metageneration": "1", "timeCreated": "2026-01-02T03:04:05Z"}]}'
    )
    server.fault(faults.listing, faults.respond(200, body=body))
    with pytest.raises(StoreConnectionError, match="not a deleted object"):
        list(store.list_deleted(""))


def test_a_bucket_without_soft_delete_has_an_empty_trash(
    server: StrictServer, store: GcsStore
) -> None:
    server.configure("bucket", **NO_POLICY)
    store.delete(put(store, "a"))
    assert list(store.list_deleted("")) == []


def test_another_refusal_is_not_an_empty_trash(server: StrictServer, store: GcsStore) -> None:
    server.fault(faults.listing, faults.respond(400), times=None)
    with pytest.raises(exceptions.BadRequest):
        list(store.list_deleted(""))


def test_a_failure_while_it_is_asked_why_is_no_answer(
    server: StrictServer, store: GcsStore
) -> None:
    server.configure("bucket", **NO_POLICY)
    of_what_lives = faults.listing & (lambda head: "softDeleted" not in head.query)
    server.fault(of_what_lives, faults.respond(503))
    with pytest.raises(exceptions.ServiceUnavailable):
        list(store.list_deleted(""))
    assert list(store.list_deleted("")) == []


def test_what_is_restored_is_as_it_was(server: StrictServer, store: GcsStore) -> None:
    deleted = trashed(store)
    restored = store.restore(deleted)

    assert restored == store.stat(SPEC.name)
    assert restored.generation > deleted.blob.generation
    assert restored.metadata == SPEC.metadata
    assert restored.cache_control == SPEC.cache_control
    assert restored.crc32c == deleted.blob.crc32c
    assert server.read("bucket", SPEC.name) == b"some bytes"


def test_what_was_restored_stays_in_the_trash_as_well(store: GcsStore) -> None:
    deleted = trashed(store)
    store.restore(deleted)
    assert list(store.list_deleted("")) == [deleted]


def test_restoring_overwrites_nothing_unasked(server: StrictServer, store: GcsStore) -> None:
    deleted = trashed(store)
    other = store.put(SPEC, BytesSource(b"other"))
    with pytest.raises(PreconditionFailedError):
        store.restore(deleted)
    assert server.read("bucket", SPEC.name) == b"other"

    restored = store.restore(deleted, if_generation_match=other.generation)
    assert server.read("bucket", SPEC.name) == b"some bytes"
    assert store.stat(SPEC.name) == restored


def test_a_permanently_deleted_object_cannot_be_restored(
    server: StrictServer, store: GcsStore
) -> None:
    deleted = trashed(store)
    server.advance(WEEK_S + 1)
    assert list(store.list_deleted("")) == []
    with pytest.raises(BlobNotFoundError):
        store.restore(deleted)


def test_nothing_is_restored_while_soft_delete_is_off(
    server: StrictServer, store: GcsStore
) -> None:
    deleted = trashed(store)
    server.configure("bucket", **NO_POLICY)
    with pytest.raises(UnsupportedByStoreError, match="gcloud storage buckets update gs://bucket"):
        store.restore(deleted)


def test_nothing_is_purged_before_its_time(server: StrictServer, store: GcsStore) -> None:
    deleted = trashed(store)
    before = len(server.requests)
    with pytest.raises(UnsupportedByStoreError, match=f"{deleted.gone_at:%Y-%m-%d %H:%M:%S}"):
        store.purge(deleted)
    assert len(server.requests) == before
    assert list(store.list_deleted("")) == [deleted]
