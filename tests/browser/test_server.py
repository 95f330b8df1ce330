"""The server for the browser tests behaves like a bucket."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from audiostore.values import BlobInfo
from tests.audio_samples import sample
from tests.browser.playback import stored
from tests.browser.server import StoreServer, UnsatisfiableRangeError, parse_range

NAME = "wav example"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[StoreServer, BlobInfo]]:
    with stored(NAME) as (root, blobs), StoreServer(root) as server:
        yield server, blobs[NAME]


def send(
    server: StoreServer, method: str, path: str, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("Bytes = 10-19", (10, 20)),
        ("bytes=99-1000", (99, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=one-two", None),
        ("seconds=1-2", None),
    ],
)
def test_ranges_are_parsed_as_in_rfc_9110(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100)])
def test_a_range_after_the_end_is_unsatisfiable(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, size)


def test_a_whole_object_has_its_stored_headers(
    served: tuple[StoreServer, BlobInfo],
) -> None:
    server, blob = served
    response, body = send(server, "GET", f"/{blob.name}", {})
    assert response.status == 200
    assert body == sample(NAME)
    assert response.headers["Content-Type"] == blob.content_type == "audio/wav"
    assert response.headers["Cache-Control"] == blob.cache_control
    assert response.headers["Content-Disposition"] == blob.content_disposition
    assert response.headers["Accept-Ranges"] == "bytes"


def test_a_head_has_the_headers_and_no_body(served: tuple[StoreServer, BlobInfo]) -> None:
    server, blob = served
    response, body = send(server, "HEAD", f"/{blob.name}", {"Range": "bytes=5-6"})
    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Length"] == str(blob.size_bytes)


def test_a_range_returns_those_bytes(served: tuple[StoreServer, BlobInfo]) -> None:
    server, blob = served
    size = blob.size_bytes
    response, body = send(server, "GET", f"/{blob.name}", {"Range": f"bytes={size - 70_000}-"})
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {size - 70_000}-{size - 1}/{size}"
    assert body == sample(NAME)[-70_000:]


def test_a_range_of_another_version_returns_the_whole_object(
    served: tuple[StoreServer, BlobInfo],
) -> None:
    server, blob = served
    headers = {"Range": "bytes=5-6", "If-Range": '"another"'}
    response, body = send(server, "GET", f"/{blob.name}", headers)
    assert (response.status, len(body)) == (200, blob.size_bytes)


def test_a_range_after_the_end_gets_416(served: tuple[StoreServer, BlobInfo]) -> None:
    server, blob = served
    headers = {"Range": f"bytes={blob.size_bytes}-"}
    response, body = send(server, "GET", f"/{blob.name}", headers)
    assert (response.status, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{blob.size_bytes}"


@pytest.mark.parametrize("path", ["/audio/nothing.wav", "/", "/../etc/passwd", "/%00", "/audio"])
def test_other_paths_are_not_found(served: tuple[StoreServer, BlobInfo], path: str) -> None:
    assert send(served[0], "GET", path, {})[0].status == 404
