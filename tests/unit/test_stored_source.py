"""Bytes that a store holds already: the service copies them, other stores read them."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audiostore import (
    AudioStoreError,
    BlobSpec,
    BytesSource,
    GcsStore,
    LocalStore,
    MemoryStore,
    ObjectStore,
    RetryConfig,
    SourceChangedError,
    StoredSource,
    Transferred,
    UnreadableBlobError,
    UnsupportedByStoreError,
)
from audiostore.stores import RetryingStore, complete, put_checked, service_of
from tests.gcs_server import Request, StrictServer, faults
from tests.gcs_server.encryption import VERSION, supplied

SONG = BytesSource(b"ID3 a song")
LARGE = BytesSource(os.urandom(9 << 20))
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
SPEC = BlobSpec(
    "audio/x/audio.mp3",
    "audio/mpeg",
    {"title": "Blue"},
    "private, max-age=60",
    "inline",
    storage_class="NEARLINE",
)
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StrictServer]:
    with StrictServer("old", "new", directory=tmp_path) as server:
        yield server


@pytest.fixture
def old(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore("old", prefix="music", emulator=server.url)) as store:
        yield store


@pytest.fixture
def new(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore("new", emulator=server.url)) as store:
        yield store


def retrying(store: ObjectStore) -> RetryingStore:
    return RetryingStore(store, RetryConfig(max_attempts=3), sleep=lambda _: None)


def rewrites(server: StrictServer) -> list[Request]:
    return [request for request in server.requests if request.operation == "rewrite"]


def test_one_request_copies_from_another_bucket_with_metadata_of_its_own(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    server.put(
        "old",
        "music/a b/ü?.mp3",
        SONG.data,
        metadata={"firebaseStorageDownloadTokens": "secret", "title": "Red"},
        contentEncoding="identity",
        contentLanguage="de",
        customTime=NOON.isoformat(),
        cacheControl="public",
        storageClass="COLDLINE",
    )
    blob = old.stat("a b/ü?.mp3")
    before = len(server.requests)
    made = new.put(SPEC, StoredSource(old, blob))
    (request,) = server.requests[before:]
    assert request.operation == "rewrite"
    assert request.query["sourceGeneration"] == str(blob.generation)
    assert request.query["ifSourceGenerationMatch"] == str(blob.generation)
    assert request.query["ifGenerationMatch"] == "0"
    assert (made.crc32c, made.size_bytes) == (SONG.crc32c, SONG.size_bytes)
    stored = server.object("new", SPEC.name)
    assert stored is not None
    assert dict(stored.fields) == {
        "contentType": "audio/mpeg",
        "metadata": {"title": "Blue"},
        "cacheControl": "private, max-age=60",
        "contentDisposition": "inline",
        "storageClass": "NEARLINE",
    }


def test_a_key_and_a_class_are_those_that_are_named_or_the_buckets(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    server.configure("new", encryption={"defaultKmsKeyName": f"{KEY}2"})
    blob = old.put(replace(SPEC, name="a", kms_key=KEY), SONG)
    assert (blob.kms_key, blob.storage_class) == (KEY, "NEARLINE")
    large = old.put(replace(SPEC, name="large", kms_key=KEY), LARGE)
    assert (old.stat("large").kms_key, large.storage_class) == (KEY, "NEARLINE")
    kept = replace(SPEC, kms_key=blob.kms_key, storage_class=blob.storage_class)
    made = new.put(kept, StoredSource(old, blob))
    assert (made.kms_key, made.storage_class, made.crc32c) == (KEY, "NEARLINE", SONG.crc32c)
    plain = new.put(BlobSpec("plain", "audio/mpeg"), StoredSource(old, blob))
    assert (plain.kms_key, plain.storage_class) == (f"{KEY}2", "STANDARD")
    resource = server.requests[-1]
    assert resource.operation == "stat"  # a response may show no checksum of an object with a key
    assert VERSION not in str(list(new.list("")))


@pytest.mark.parametrize(
    "store", [MemoryStore(), LocalStore("/nowhere")], ids=["memory", "directory"]
)
def test_a_store_without_keys_refuses_one(store: ObjectStore) -> None:
    with pytest.raises(UnsupportedByStoreError, match="no Cloud KMS keys"):
        store.put(replace(SPEC, kms_key=KEY), SONG)


def test_a_supplied_key_is_refused_without_a_request(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    server.put("old", "music/a", SONG.data, encryption=supplied(b"k" * 32))
    (blob,) = old.list("")
    before = len(server.requests)
    with pytest.raises(UnreadableBlobError, match="customer-supplied key"):
        new.put(SPEC, StoredSource(old, blob))
    assert len(server.requests) == before


def test_a_large_copy_goes_on_where_a_response_was_lost(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    server.settings.rewrite_step = 1 << 20
    source = StoredSource(old, old.put(replace(SPEC, name="a"), LARGE))
    server.fault(faults.rewrite, faults.respond(503), times=2, after=4)
    seen: list[Transferred] = []
    made = retrying(new).put(SPEC, source, on_transfer=seen.append)
    assert made.crc32c == LARGE.crc32c
    assert len(rewrites(server)) == 9 + 2
    sizes = [each.accepted_bytes for each in seen]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == LARGE.size_bytes


def test_a_copy_whose_token_is_gone_begins_anew(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    server.settings.rewrite_step = 4 << 20
    source = StoredSource(old, old.put(replace(SPEC, name="a"), LARGE))
    server.fault(faults.rewrite, faults.respond(410), after=1)
    assert retrying(new).put(SPEC, source).crc32c == LARGE.crc32c
    assert ["rewriteToken" in each.query for each in rewrites(server)] == [
        *(False, True),
        *(False, True, True),
    ]


def test_a_copy_whose_last_response_is_lost_is_found_again(
    server: StrictServer, old: GcsStore, new: GcsStore
) -> None:
    source = StoredSource(old, old.put(replace(SPEC, name="a"), SONG))
    server.fault(faults.rewrite, faults.lose_response())
    written = put_checked(retrying(new), SPEC, source, is_ours=lambda _: True)
    assert (written.created, written.is_sent) == (False, False)
    assert written.blob == new.stat(SPEC.name)
    assert written.blob.metageneration == 1


def test_a_missing_bucket_is_not_a_missing_source(server: StrictServer, old: GcsStore) -> None:
    source = StoredSource(old, old.put(replace(SPEC, name="a"), SONG))
    with closing(GcsStore("nowhere", emulator=server.url)) as nowhere:
        with pytest.raises(AudioStoreError, match="nowhere") as caught:
            nowhere.put(SPEC, source)
        assert not isinstance(caught.value, SourceChangedError)
        assert (caught.value.status, caught.value.affects_all) == (404, True)


def test_another_service_is_read_and_verified(
    server: StrictServer, old: GcsStore, tmp_path: Path
) -> None:
    source = StoredSource(retrying(old), old.put(replace(SPEC, name="a"), LARGE))
    with (
        StrictServer("new", directory=tmp_path) as far,
        closing(GcsStore("new", emulator=far.url)) as new,
    ):
        far.fault(faults.session_chunk, faults.reset(1 << 20))
        assert retrying(new).put(SPEC, source).crc32c == LARGE.crc32c
    local = LocalStore(tmp_path / "store")
    assert local.put(SPEC, source).crc32c == LARGE.crc32c
    server.fault(faults.download, faults.flip_response(5))
    with pytest.raises(SourceChangedError, match="other bytes"):
        local.put(replace(SPEC, name="b"), source)
    assert [blob.name for blob in local.list("")] == [SPEC.name]
    assert not rewrites(server)


def test_stores_of_one_service_know_each_other(old: GcsStore, new: GcsStore) -> None:
    assert service_of(old) == service_of(retrying(new)) == service_of(complete(new)) is not None
    assert service_of(MemoryStore()) is None
    assert service_of(complete(MemoryStore())) is None
