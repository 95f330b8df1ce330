"""Listings and other responses of a bucket that do not show the checksums of objects."""

import threading
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice

import pytest
from google.oauth2.credentials import Credentials

from audiostore import RetryConfig, StoreConnectionError, UnreadableBlobError
from audiostore.sources import BytesSource
from audiostore.stores import RetryingStore
from audiostore.stores.gcs.client import _GETS_AT_ONCE
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo
from tests.gcs_server import AS_NEW, Encryption, Request, StrictServer, faults, supplied
from tests.timing import PATIENCE_S

KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
OTHER = Encryption("projects/p/locations/us/keyRings/r/cryptoKeys/other")
SOURCE = BytesSource(b"bytes")


@pytest.fixture
def server() -> Iterator[StrictServer]:
    settings = {**AS_NEW, "encryption": {"defaultKmsKeyName": KEY}}
    with StrictServer("bucket", bucket_settings=settings) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    store = GcsStore("bucket", emulator=server.url)
    yield store
    store.close()


def fill(server: StrictServer, objects: int) -> list[str]:
    names = [f"{number:04}" for number in range(objects)]
    for name in names:
        server.put("bucket", name, name.encode())
    return names


def requests(server: StrictServer) -> Counter[str]:
    return Counter(request.operation for request in server.requests)


def known(blobs: Iterator[BlobInfo]) -> list[str]:
    """Return the names of blobs, which must all have the right checksums."""
    found = list(blobs)
    assert [b.crc32c for b in found] == [BytesSource(b.name.encode()).crc32c for b in found]
    assert all(blob.md5_hash for blob in found)
    assert not any(blob.unreadable for blob in found)
    return [blob.name for blob in found]


def test_a_listing_of_plain_objects_costs_one_request_a_page(
    server: StrictServer, store: GcsStore
) -> None:
    server.configure("bucket", encryption=None)
    names = fill(server, 1001)
    assert known(store.list("")) == names
    assert requests(server) == {"list": 2}


def test_what_a_listing_does_not_show_is_read_several_at_once_and_in_order(
    server: StrictServer, store: GcsStore
) -> None:
    names = fill(server, 2 * _GETS_AT_ONCE)
    server.put("bucket", "0000+", b"0000+", encryption=None)
    together, arrivals = threading.Barrier(8), count()

    def meet(request: Request) -> None:
        if request.operation == "stat" and next(arrivals) < together.parties:
            together.wait(PATIENCE_S)

    server.on_request = meet
    assert known(store.list("")) == sorted([*names, "0000+"])
    assert requests(server) == {"list": 1, "stat": len(names)}


def test_only_a_few_objects_are_read_ahead(server: StrictServer, store: GcsStore) -> None:
    names = fill(server, 3 * _GETS_AT_ONCE)
    assert known(islice(store.list(""), 2)) == names[:2]
    assert requests(server)["stat"] <= _GETS_AT_ONCE + 1
    assert known(store.list("")) == names  # what was abandoned is in nobody's way


def test_what_changes_while_a_listing_is_read_is_read_as_it_is_then(
    server: StrictServer, store: GcsStore
) -> None:
    fill(server, 4)

    def change(request: Request) -> None:
        if request.operation == "list":
            server.remove("bucket", "0001")
            server.put("bucket", "0002", b"0002", contentType="new/type")

    server.on_response = change
    found = {blob.name: blob for blob in store.list("")}
    assert list(found) == ["0000", "0002", "0003"]
    assert found["0002"].content_type == "new/type"


def test_an_object_that_cannot_be_read_is_described_all_the_same(
    server: StrictServer, store: GcsStore
) -> None:
    fill(server, 6)
    server.encrypt("bucket", supplied(bytes(32)), "0001")
    server.encrypt("bucket", OTHER, "0003")
    server.keys.disabled.add(str(OTHER.kms_key))
    denied = faults.respond(403, body="you may not read it")
    server.fault(faults.operation("stat") & faults.named("0005"), denied, times=None)

    found = list(store.list(""))
    assert [blob.name for blob in found if blob.crc32c] == ["0000", "0002", "0004"]
    why = [str(blob.unreadable) for blob in found if not blob.crc32c]
    expected = ("customer-supplied key", f"cannot use the Cloud KMS key {OTHER.kms_key}", "you may")
    assert all(text in reason for text, reason in zip(expected, why, strict=True))
    assert [blob.size_bytes for blob in found] == [4] * 6


def test_a_failure_that_is_not_about_the_object_is_repeated_in_its_place(
    server: StrictServer, store: GcsStore
) -> None:
    names = fill(server, 100)
    for name, fault in (("0010", faults.respond(503)), ("0050", faults.reset())):
        server.fault(faults.operation("stat") & faults.named(name), fault)
    patient = RetryingStore(store, RetryConfig(3), sleep=lambda _: None)
    assert known(patient.list("")) == names


def test_a_token_that_is_refused_while_objects_are_read_is_renewed(server: StrictServer) -> None:
    names = fill(server, 20)

    class Renewable(Credentials):
        def refresh(self, request: object) -> None:
            self.token = "new"

    server.tokens = {"old"}

    def expire(request: Request) -> None:
        if request.operation == "list":
            server.tokens = {"new"}

    server.on_response = expire
    store = GcsStore("bucket", emulator=server.url, credentials=Renewable("old"))  # type: ignore[no-untyped-call]
    assert known(store.list("")) == names
    store.close()


def test_every_write_returns_the_checksum(server: StrictServer, store: GcsStore) -> None:
    blob = store.put(BlobSpec("a", "x/y"), SOURCE)
    copied = store.copy(blob, "b")
    updated = store.update(blob, {"key": "value"})
    store.delete(updated)
    (deleted,) = store.list_deleted("a")
    restored = store.restore(deleted)
    assert [b.crc32c for b in (blob, copied, updated, deleted.blob, restored)] == [
        SOURCE.crc32c
    ] * 5


def test_a_copy_keeps_the_key_of_its_source(server: StrictServer, store: GcsStore) -> None:
    server.put("bucket", "a", b"bytes", encryption=OTHER)
    store.copy(store.stat("a"), "b", storage_class="NEARLINE")
    found = server.object("bucket", "b")
    assert found is not None
    assert (found.encryption, found.storage_class) == (OTHER, "NEARLINE")


def test_nothing_is_copied_under_a_supplied_key(server: StrictServer, store: GcsStore) -> None:
    server.put("bucket", "a", b"bytes", encryption=supplied(bytes(32)))
    with pytest.raises(UnreadableBlobError, match="customer-supplied key"):
        store.copy(store.stat("a"), "b")
    assert requests(server)["rewrite"] == 0


def test_a_copy_has_the_acl_of_the_bucket(server: StrictServer, store: GcsStore) -> None:
    server.put("bucket", "a", b"bytes", acl=[{"entity": "allUsers", "role": "READER"}])
    store.copy(store.stat("a"), "b")
    found = server.object("bucket", "b")
    assert found is not None
    assert "acl" not in found.fields
    server.configure("bucket", iamConfiguration={"uniformBucketLevelAccess": {"enabled": False}})
    (access,) = [finding for finding in store.diagnose() if finding.subject == "access"]
    assert "gets the bucket's default ACL" in access.detail


def test_doctor_names_the_key_and_reads_no_objects(server: StrictServer, store: GcsStore) -> None:
    fill(server, 3)
    (found,) = [finding for finding in store.diagnose() if finding.subject == "encryption"]
    assert KEY in found.detail
    assert requests(server)["stat"] == 0


def test_a_key_that_may_not_be_used_is_named_with_a_remedy(
    server: StrictServer, store: GcsStore
) -> None:
    server.keys.denied.add(KEY)
    with pytest.raises(Exception, match="403") as caught:
        store.put(BlobSpec("a", "x/y"), SOURCE)
    assert "--authorize-cmek" in str(caught.value.__notes__)
    assert "objectUser" not in str(caught.value.__notes__)


def test_garbage_for_an_object_is_a_failure_of_the_listing(
    server: StrictServer, store: GcsStore
) -> None:
    fill(server, 1)
    server.fault(faults.operation("stat"), faults.respond(200, body="<html>"))
    with pytest.raises(StoreConnectionError):
        list(store.list(""))
