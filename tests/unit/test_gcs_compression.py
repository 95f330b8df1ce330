"""Compression: listings are asked for compressed, objects are read as they are stored."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from audiostore.errors import StoreConnectionError
from audiostore.sources import BytesSource
from audiostore.stores.gcs.messages import MAX_RESPONSE_BYTES
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobSpec
from tests.assets import BUCKET
from tests.gcs_server import StrictServer, faults

Head = dict[str, str]


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(BUCKET) as server:
        yield server


@pytest.fixture
def store(server: StrictServer) -> Iterator[GcsStore]:
    with closing(GcsStore(BUCKET, emulator=server.url)) as store:
        yield store


def test_a_long_listing_comes_compressed(server: StrictServer, store: GcsStore) -> None:
    blobs = [store.put(BlobSpec(f"{n:03}", "x/y"), BytesSource(b"data")) for n in range(20)]
    sizes: list[tuple[int, int]] = []

    def watch(status: int, headers: Head, body: bytes) -> tuple[int, Head, bytes]:
        compressed = gzip.compress(body)
        sizes.append((len(body), len(compressed)))
        return status, {**headers, "Content-Encoding": "GZIP"}, compressed

    server.fault(faults.listing, faults.mangle(watch))
    assert list(store.list("")) == blobs  # compressed by this test
    assert list(store.list("")) == blobs  # compressed as the server does it
    assert list(store.list("001")) == blobs[1:2]  # too short for that
    assert len(sizes) == 1
    for request in server.requests:
        if request.operation == "list":
            assert request.headers["accept-encoding"] == "gzip"
            assert "gzip" in request.headers["user-agent"]


def test_an_error_instead_of_a_listing_may_be_compressed(
    server: StrictServer, store: GcsStore
) -> None:
    body = gzip.compress(json.dumps({"error": {"message": "no entry"}}).encode())
    server.fault(faults.listing, faults.respond(403, {"Content-Encoding": "gzip"}, body=body))
    with pytest.raises(Exception, match="no entry"):
        list(store.list(""))


def bomb() -> bytes:
    """Return 64 MiB and a byte, a thousand times smaller."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(MAX_RESPONSE_BYTES >> 20))
    return packed + packer.compress(b"\0") + packer.flush()


PAGE = gzip.compress(b'{"items": []}')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (bomb, "has more than 64 MiB"),
        (lambda: b"", "is compressed, but not complete"),
        (lambda: PAGE[:-1], "is compressed, but not complete"),
        (lambda: PAGE + PAGE, "is compressed, but not complete"),
        (lambda: PAGE[:-8] + bytes(8), "is compressed, but damaged"),
        (lambda: b'{"items": []}', "is compressed, but damaged"),
        (lambda: gzip.compress(PAGE), "is not JSON"),
    ],
    ids=["bomb", "empty", "cut", "more", "checksum", "plain", "twice"],
)
def test_a_listing_that_cannot_be_decompressed_is_an_error_of_the_store(
    server: StrictServer, store: GcsStore, make: Callable[[], bytes], reason: str
) -> None:
    response = faults.respond(200, {"Content-Encoding": "gzip"}, body=make())
    server.fault(faults.listing, response)
    tracemalloc.start()
    with pytest.raises(StoreConnectionError, match=reason):
        list(store.list(""))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * MAX_RESPONSE_BYTES


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_an_error_of_the_store(
    server: StrictServer, store: GcsStore, encoding: str
) -> None:
    body = gzip.compress(PAGE)
    server.fault(faults.listing, faults.respond(200, {"Content-Encoding": encoding}, body=body))
    with pytest.raises(StoreConnectionError, match="compressed, which was not asked for"):
        list(store.list(""))


def test_an_object_that_is_stored_compressed_is_read_as_it_is_stored(
    server: StrictServer, store: GcsStore
) -> None:
    """A client that does not ask for it gets it decompressed: see `tests.gcs_server.media`."""
    stored = gzip.compress(b"sound " * 1000)
    server.put(BUCKET, "a", stored, contentEncoding="gzip")
    blob = store.stat("a")
    assert blob.size_bytes == len(stored)
    with closing(store.open(blob)) as reader:
        assert reader.read(1 << 20) == stored
    with closing(store.open(blob, start=10, stop=20)) as reader:
        assert reader.read(1 << 20) == stored[10:20]
