"""The benchmark server stores what it receives, and reports it correctly."""

import base64
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import google_crc32c
import pytest

from audiostore.asset.record import assemble
from audiostore.errors import BlobNotFoundError, PreconditionFailedError
from audiostore.sources import BytesSource
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.store import GcsStore
from audiostore.stores.protocol import BlobReader, BlobSpec
from benchmarks.server import Server, running
from tests.timing import wait_until

MULTIPART = "/upload/storage/v1/b/b/o?uploadType=multipart"


@pytest.fixture(params=["plain", "tls"])
def store(server: Server, request: pytest.FixtureRequest) -> Iterator[GcsStore]:
    opened = open_store(server, "b", tls=request.param == "tls")
    yield opened
    opened.close()


def open_store(server: Server, bucket: str, *, tls: bool = False) -> GcsStore:
    return GcsStore(
        bucket,
        emulator=server.tls_url if tls else server.url,
        connections=ConnectionOptions(ca_bundle=str(server.certificates.bundle)),
        chunk_bytes=256 << 10,
    )


def read_all(reader: BlobReader) -> bytes:
    pieces = []
    while piece := reader.read(1 << 20):
        pieces.append(piece)
    reader.close()
    return b"".join(pieces)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def send(
    server: Server, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    result = response.status, response.read()
    connection.close()
    return result


@pytest.mark.parametrize("size", [1, 70_000, 9_000_001])
def test_an_object_is_returned_as_stored(store: GcsStore, size: int) -> None:
    data = os.urandom(size)
    put = store.put(BlobSpec("a/ü", "audio/mpeg", {"key": 'ü"\\'}), BytesSource(data))
    assert (put.size_bytes, put.crc32c) == (size, crc32c(data))
    assert store.stat("a/ü") == put
    assert put.metadata == {"key": 'ü"\\'}
    assert read_all(store.open(put)) == data
    assert read_all(store.open(put, start=size // 2)) == data[size // 2 :]


def test_preconditions_are_enforced(store: GcsStore) -> None:
    put = store.put(BlobSpec("a", "audio/mpeg"), BytesSource(b"one"))
    with pytest.raises(PreconditionFailedError):
        store.put(BlobSpec("a", "audio/mpeg"), BytesSource(b"two"))
    updated = store.update(put, {"key": "value"})
    with pytest.raises(PreconditionFailedError):
        store.update(put, {"key": "other"})
    assert store.stat("a") == updated
    copy = store.copy(updated, "b")
    assert read_all(store.open(copy)) == b"one"
    store.delete(updated)
    with pytest.raises(BlobNotFoundError):
        store.stat("a")


def test_listing_pages_are_complete_and_in_order(server: Server, store: GcsStore) -> None:
    names = [f"p/{i:04}" for i in range(7)]
    for name in ["o", *reversed(names), "q"]:
        store.put(BlobSpec(name, "audio/mpeg"), BytesSource(b"x"))
    listed, token = [], ""
    while True:
        path = f"/storage/v1/b/b/o?prefix=p/&maxResults=3&fields=items(name),nextPageToken{token}"
        page = json.loads(send(server, "GET", path)[1])
        listed += page["items"]
        if "nextPageToken" not in page:
            break
        token = f"&pageToken={page['nextPageToken']}"
    assert listed == [{"name": name} for name in names]
    assert [blob.name for blob in store.list("p/", start_after="p/0004")] == names[5:]
    folders = json.loads(send(server, "GET", "/storage/v1/b/b/o?delimiter=/")[1])
    assert folders["prefixes"] == ["p/"]
    assert [item["name"] for item in folders["items"]] == ["o", "q"]


def test_wrong_bytes_are_refused(server: Server) -> None:
    body = multipart({"name": "a", "crc32c": crc32c(b"right")}, b"wrong", "\r\n")
    status, text = send(server, "POST", MULTIPART, body, related())
    assert status == 400
    assert b"crc32c" in text
    assert server.state().objects == 0


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["as gcloud sends it", "as others do"])
@pytest.mark.parametrize("content", [b"", b"\r\n", b"bytes\r", b"\r\n--limi" * 1000])
def test_multipart_content_is_stored_to_the_byte(
    server: Server, line_end: str, content: bytes
) -> None:
    body = multipart({"name": "a"}, content, line_end)
    assert send(server, "POST", MULTIPART, body, related())[0] == 200
    assert send(server, "GET", "/storage/v1/b/b/o/a?alt=media") == (200, content)


def test_a_chunked_body_is_stored(server: Server) -> None:
    content = os.urandom(300_000)
    body = multipart({"name": "a"}, content, "\r\n")
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    pieces = iter([body[:10], body[10:100_000], body[100_000:]])
    connection.request("POST", MULTIPART, pieces, related(), encode_chunked=True)
    resource = json.load(connection.getresponse())
    connection.close()
    assert (resource["size"], resource["crc32c"]) == (str(len(content)), crc32c(content))


def test_parts_of_the_xml_api_become_one_object(server: Server) -> None:
    parts = [os.urandom(100_000), os.urandom(70_001)]
    started = send(server, "POST", "/b/a?uploads")[1].decode()
    session = started.partition("<UploadId>")[2].partition("<")[0]
    for number in (2, 1):
        path = f"/b/a?uploadId={session}&partNumber={number}"
        assert send(server, "PUT", path, parts[number - 1])[0] == 200
    assert send(server, "POST", f"/b/a?uploadId={session}", b"<all/>")[0] == 200
    assert send(server, "GET", "/b/a") == (200, b"".join(parts))
    resource = json.loads(send(server, "GET", "/storage/v1/b/b/o/a")[1])
    assert resource["crc32c"] == crc32c(b"".join(parts))


def test_known_content_gets_its_md5(c_compiler: None, tmp_path: Path) -> None:
    data = b"known"
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    table = tmp_path / "table"
    table.write_text(f"5 {google_crc32c.value(data):08x} {md5}\n")
    with running(md5_table=table, limit_s=60) as server:
        send(server, "PUT", "/b/a", data)
        send(server, "PUT", "/b/other", b"other")
        items = json.loads(send(server, "GET", "/storage/v1/b/b/o")[1])["items"]
    assert [item.get("md5Hash") for item in items] == [md5, None]


def test_preloaded_assets_are_complete(c_compiler: None) -> None:
    with running(preload=1500, limit_s=60) as server:
        store = open_store(server, "bench")
        blobs = list(store.list("audio/"))
        assert len(blobs) == 3000
        for audio, thumbnail in zip(blobs[::2], blobs[1::2], strict=True):
            asset = assemble(audio.metadata["audio_id"], [audio, thumbnail])
            assert asset is not None
            assert asset.thumbnail == thumbnail
        for blob in islice(blobs, 2):
            assert crc32c(read_all(store.open(blob))) == blob.crc32c
        store.close()


def test_every_response_is_delayed(c_compiler: None) -> None:
    with running(delay_ms=40, limit_s=60) as server:
        begin = time.monotonic()
        assert send(server, "GET", "/storage/v1/b/b")[0] == 200
        assert time.monotonic() - begin >= 0.04


@pytest.mark.usefixtures("c_compiler")
def test_the_server_exits_with_its_parent_process(tmp_path: Path) -> None:
    script = (
        "from benchmarks.server import running\n"
        "with running(limit_s=60) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},  # pytest cleans up after it
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        server = Path(f"/proc/{int(parent.stdout.readline())}")
        assert server.exists()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_until(lambda: not _is_running(server))


def _is_running(process: Path) -> bool:
    try:
        return ") Z " not in (process / "stat").read_text()
    except OSError:
        return False


def related() -> dict[str, str]:
    return {"Content-Type": 'multipart/related; boundary="limit"'}


def multipart(resource: dict[str, str], content: bytes, line_end: str) -> bytes:
    head = (
        f"--limit\nContent-Type: application/json\n\n{json.dumps(resource)}\n"
        f"--limit\nContent-Type: audio/mpeg\n\n"
    )
    return (
        head.replace("\n", line_end).encode() + content + f"{line_end}--limit--{line_end}".encode()
    )
