"""The strict server keeps its promises, over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.gcs_server import QUANTUM, Fault, Request, StrictServer, faults
from tests.gcs_server.client import (
    DROPPED,
    OBJECTS,
    UPLOAD,
    Answer,
    B,
    Client,
    crc,
    md5,
    path_of,
    related,
)
from tests.timing import PATIENCE_S, wait_until, within


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with StrictServer(B) as made:
        yield made


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.line.close()


BIG = os.urandom(3 * QUANTUM + 1000)


# -- simple uploads --------------------------------------------------------------------------------


def test_multipart_upload_is_complete_and_visible_at_once(
    server: StrictServer, client: Client
) -> None:
    data = os.urandom(100_000)
    answer = client.multipart(
        "a/b c", data, {"metadata": {"k": "v"}, "cacheControl": "no-store", "crc32c": crc(data)}
    )
    assert answer.status == 200
    got = answer.json
    assert (got["name"], got["bucket"], got["size"]) == ("a/b c", B, "100000")
    assert (got["crc32c"], got["md5Hash"]) == (crc(data), md5(data))
    assert (got["contentType"], got["metageneration"]) == ("audio/flac", "1")
    assert (got["metadata"], got["cacheControl"]) == ({"k": "v"}, "no-store")
    assert server.read(B, "a/b c") == data
    record = server.object(B, "a/b c")
    assert record is not None
    assert server.generations(B, "a/b c") == [record.generation] == [int(got["generation"])]
    assert abs(record.generation / 1e6 - time.time()) < 60
    assert client("GET", path_of("a/b c")).json == got
    assert server.connections == 1


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_200_000])
def test_media_upload_with_known_and_chunked_length(
    server: StrictServer, client: Client, size: int
) -> None:
    data = os.urandom(size)
    query = {"uploadType": "media", "name": "plain"}
    kind = {"Content-Type": "image/png"}
    assert client("POST", UPLOAD, data, kind, **query).json["contentType"] == "image/png"
    pieces = iter([data[:7], data[7:]] if size > 7 else [data] if data else [])
    client.line.request("POST", f"{UPLOAD}?{urlencode(query)}", pieces, kind, encode_chunked=True)
    answer = client.line.getresponse()
    assert (answer.status, json.loads(answer.read())["md5Hash"]) == (200, md5(data))
    assert server.read(B, "plain") == data


def test_generations_strictly_increase_and_overwriting_drops_the_old_one(
    server: StrictServer, client: Client
) -> None:
    first = client.multipart("x", b"one").json["generation"]
    second = client.multipart("x", b"two").json["generation"]
    assert int(first) < int(second)
    assert server.generations(B, "x") == [int(first), int(second)]
    assert client("GET", path_of("x"), generation=first).status == 404
    assert client("GET", path_of("x"), generation=second, alt="media").body == b"two"


def test_create_only(server: StrictServer, client: Client) -> None:
    assert client.multipart("x", b"one", ifGenerationMatch=0).status == 200
    again = client.multipart("x", b"two", ifGenerationMatch=0)
    assert (again.status, again.reason) == (412, "conditionNotMet")
    assert server.read(B, "x") == b"one"
    generation = server.generations(B, "x")[0]
    assert client.multipart("x", b"3", ifGenerationNotMatch=generation).status == 412
    assert client.multipart("x", b"3", ifMetagenerationMatch=2).status == 412
    assert client.multipart("x", b"3", ifMetagenerationNotMatch=1).status == 412
    assert client.multipart("new", b"3", ifGenerationMatch=7).status == 412
    assert client.multipart("x", b"3", ifGenerationMatch=generation).status == 200
    assert client.multipart("x", b"3", ifGenerationMatch="zero").status == 400


def test_wrong_checksums_are_refused(server: StrictServer, client: Client) -> None:
    bad = client.multipart("x", b"data", {"crc32c": crc(b"other")})
    assert (bad.status, bad.reason) == (400, "invalid")
    assert bad.json["error"]["message"] == (
        f'Provided CRC32C "{crc(b"other")}" doesn\'t match calculated CRC32C "{crc(b"data")}".'
    )
    assert client.multipart("x", b"data", {"md5Hash": md5(b"other")}).status == 400
    headers = {"X-Goog-Hash": f"crc32c={crc(b'other')}"}
    query = {"uploadType": "media", "name": "x"}
    assert client("POST", UPLOAD, b"data", headers, **query).status == 400
    assert server.object(B, "x") is None
    assert server.generations(B, "x") == []
    server.state.validate_checksums = False
    assert client.multipart("x", b"data", {"crc32c": crc(b"other")}).json["crc32c"] == crc(b"data")


def test_a_body_cut_short_stores_nothing(server: StrictServer, client: Client) -> None:
    body, kind = related({"name": "x"}, os.urandom(200_000))
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    client.cut(f"{UPLOAD}?uploadType=multipart", headers, body[:-1], method="POST")
    client.cut(
        f"{UPLOAD}?uploadType=media&name=x",
        {"Transfer-Encoding": "chunked"},
        b"3\r\nabc\r\n",
        method="POST",
    )
    assert server.object(B, "x") is None
    assert [(r.status, r.body_bytes) for r in server.requests] == [(None, len(body) - 1), (None, 3)]
    assert list(Path(server.state.directory).iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"application/json; charset=UTF-8", b"text/plain"),
        lambda body: body.replace(b"--sep--", b"--sep"),
        lambda body: body.replace(b"--sep--", b"--sep\r\n\r\nmore\r\n--sep--"),
        lambda body: body + b"trailing",
        lambda body: body.replace(b"\r\n", b"\n"),
        lambda body: b"junk" + body,
        lambda body: body.replace(b'{"name"', b'{"name'),
        lambda body: b"",
        lambda body: body[:60],
    ],
)
def test_malformed_multipart_is_refused(server: StrictServer, client: Client, change: Any) -> None:
    body, kind = related({"name": "x"}, b"data")
    headers = {"Content-Type": kind}
    assert client("POST", UPLOAD, change(body), headers, uploadType="multipart").status == 400
    assert server.objects(B) == []


def test_strict_refusals(server: StrictServer, client: Client) -> None:
    assert client.multipart("x", b"", unknown=1).status == 400
    assert client.multipart("x", b"", {"colour": "red"}).status == 400
    assert client.multipart("x", b"", {"metadata": {"a": 1}}).status == 400
    assert client.multipart("x", b"", {"metadata": {"k": "v" * 8192}}).status == 400
    assert client.multipart("x", b"", {"metadata": {"k": "v" * 8191}}).status == 200
    for name in ("", ".", "..", "a\nb", "a\rb", "é" * 513):
        assert client.multipart(name, b"").status == 400, name
    assert client.multipart("é" * 512, b"").status == 200
    assert client("POST", UPLOAD, b"x", name="x").reason == "wrongUrlForUpload"
    assert client("POST", OBJECTS, b"x", name="x").status == 400
    assert client("GET", OBJECTS, versions="true", softDeleted="true").status == 400
    assert client("GET", OBJECTS, versions="yes").status == 400
    assert client("GET", OBJECTS, maxResults="many").status == 400
    assert client("GET", OBJECTS, pageToken="!").status == 400
    assert client("GET", path_of("x"), fields="nonsense").status == 400
    assert client("GET", path_of("x"), alt="xml").status == 400
    assert client("GET", path_of("x") + "?fields=name&fields=size").status == 400
    assert client("GET", "/storage/v1/b/bucket/o/%FF").status == 400
    assert client("GET", "/storage/v1/b/bucket/o/a/b").status == 404
    assert client("PUT", path_of("x"), b"").status == 405
    assert client("GET", "/elsewhere").status == 404
    missing = client("GET", "/storage/v1/b/none/o/x")
    assert (missing.status, missing.json["error"]["message"]) == (
        404,
        "The specified bucket does not exist.",
    )
    missing = client("GET", path_of("é/1"))
    assert missing.json["error"]["message"] == f"No such object: {B}/é/1"
    assert client("GET", path_of("no"), alt="media").body == f"No such object: {B}/no".encode()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /token HTTP/1.1\r\nHost: x\r\n\r\n", b"411"),
        (b"POST /token HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
    ],
)
def test_malformed_http_is_refused(server: StrictServer, head: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(head)
        assert sock.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_expect_continue(server: StrictServer) -> None:
    target = f"{UPLOAD}?uploadType=media&name=x"
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue"
        sock.sendall(head.encode() + b"\r\n\r\n")
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        sock.sendall(head.replace(B, "none").encode() + b"\r\n\r\n")
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"Connection: close" in answer
    assert server.read(B, "x") == b"ok"


# -- resumable uploads -----------------------------------------------------------------------------


def test_resumable_flow(server: StrictServer, client: Client) -> None:
    session = client.start("s", {"metadata": {"k": "v"}, "crc32c": crc(BIG)}, len(BIG))
    blank = client.status(session, len(BIG))
    assert (blank.status, "range" in blank.headers) == (308, False)
    first = client.chunk(session, BIG[:QUANTUM], 0, len(BIG))
    assert (first.status, first.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert client.status(session).headers["range"] == f"bytes=0-{QUANTUM - 1}"
    assert server.object(B, "s") is None
    done = client.chunk(session, BIG[QUANTUM:], QUANTUM, len(BIG))
    assert (done.status, done.json["size"], done.json["contentType"]) == (
        200,
        str(len(BIG)),
        "audio/flac",
    )
    assert done.json["metadata"] == {"k": "v"}
    assert server.read(B, "s") == BIG
    assert client.status(session, len(BIG)).json == done.json
    assert client.status(session).json == done.json
    assert client.chunk(session, BIG[QUANTUM:], QUANTUM, len(BIG)).json == done.json
    assert len(server.generations(B, "s")) == 1
    opened = server.sessions()[0]
    assert server.bytes_received == {opened.upload_id: len(BIG)}
    assert opened.result == server.object(B, "s")


def test_resumable_in_one_put_and_empty(server: StrictServer, client: Client) -> None:
    session = client.start("one")
    assert client("PUT", session, BIG).json["md5Hash"] == md5(BIG)
    session = client.start("empty")
    assert client.status(session, 0).json["size"] == "0"
    session = client.start("unknown-total")
    assert client.chunk(session, BIG[:QUANTUM], 0, None).status == 308
    assert client.status(session, QUANTUM).json["size"] == str(QUANTUM)


def test_overlap_is_ignored_and_a_gap_is_refused(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    assert client.chunk(session, BIG[: 2 * QUANTUM], 0, None).status == 308
    again = client.chunk(session, b"\0" * QUANTUM, QUANTUM, None)
    assert (again.status, again.headers["range"]) == (308, f"bytes=0-{2 * QUANTUM - 1}")
    gap = client.chunk(session, BIG[3 * QUANTUM :], 3 * QUANTUM, len(BIG))
    assert (gap.status, gap.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert b"exceeds already uploaded size of 524288 byte(s)" in gap.body
    done = client.chunk(session, BIG[100:], 100, len(BIG))
    assert (done.status, done.json["md5Hash"]) == (200, md5(BIG))


def test_ill_sized_chunks_are_refused(server: StrictServer, client: Client) -> None:
    session = client.start("s", size=len(BIG))
    small = client.chunk(session, BIG[:1000], 0, len(BIG))
    assert small.status == 400
    assert b"required to be equal or greater than 262144" in small.body
    assert client.chunk(session, BIG[: QUANTUM + 1], 0, len(BIG)).status == 400
    assert client.chunk(session, BIG, 0, len(BIG) + 1).status == 400
    assert client.status(session, 5).status == 400
    for span in ("bytes 5-1/10", "bytes 0-9/5", "0-9/10", "bytes 0-9", f"bytes 0-9/{len(BIG)}"):
        refused = client("PUT", session, BIG[:QUANTUM], {"Content-Range": span})
        assert refused.status == 400, span
    assert client("PUT", session, BIG[:5]).status == 400
    assert "range" not in client.status(session).headers


def test_a_chunk_cut_short_persists_whole_quanta(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    headers = {"Content-Length": str(len(BIG)), "Content-Range": f"bytes 0-{len(BIG) - 1}/*"}
    headers["Content-Range"] = f"bytes 0-{len(BIG) - 1}/{len(BIG)}"
    client.cut(session, headers, BIG[: 2 * QUANTUM + 77], method="PUT")
    status = client.status(session)
    assert (status.status, status.headers["range"]) == (308, f"bytes=0-{2 * QUANTUM - 1}")
    rest = client.chunk(session, BIG[2 * QUANTUM :], 2 * QUANTUM, len(BIG))
    assert (rest.status, rest.json["md5Hash"]) == (200, md5(BIG))


def test_preconditions_are_judged_at_the_start_and_again_at_the_end(
    server: StrictServer, client: Client
) -> None:
    session = client.start("s", ifGenerationMatch=0)
    server.put(B, "s", b"theirs")
    refused = client.chunk(session, b"mine", 0, 4)
    assert (refused.status, refused.reason) == (412, "conditionNotMet")
    assert client.status(session).status == 412
    assert server.read(B, "s") == b"theirs"
    query: dict[str, Any] = {"uploadType": "resumable", "name": "s", "ifGenerationMatch": 0}
    assert client("POST", UPLOAD, b"", **query).status == 412


def test_a_wrong_checksum_ends_the_session(server: StrictServer, client: Client) -> None:
    session = client.start("s", {"crc32c": crc(b"other")})
    assert client.chunk(session, b"mine", 0, 4).reason == "invalid"
    session = client.start("s")
    head = {"X-Goog-Hash": f"crc32c={crc(b'other')}"}
    assert client.chunk(session, b"mine", 0, 4, **head).reason == "invalid"
    assert server.objects(B) == []


def test_cancelled_unknown_and_expired_sessions(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    assert client("DELETE", session).status == 499
    assert client.status(session).status == 499
    assert client("DELETE", session).status == 499
    assert client.status(f"{UPLOAD}?uploadType=resumable&upload_id=nobody").status == 404
    for status in (410, 404):
        session = client.start("s")
        server.expire_sessions(status)
        assert client.status(session).status == status
        assert client.chunk(session, b"x", 0, 1).status == status
    done = client.start("done")
    assert client("PUT", done, b"x").status == 200
    server.expire_sessions()
    assert client.status(done).status == 200


def test_a_session_lives_a_week(server: StrictServer, client: Client) -> None:
    session, done = client.start("s"), client.start("done")
    assert client("PUT", done, b"x").status == 200
    server.advance(7 * 86_400 - 60)
    assert client.status(session).status == 308
    server.advance(60)
    assert client.chunk(session, b"x", 0, 1).status == 410
    assert client.status(done).status == 200


def test_no_308_for_those_who_ask(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    answer = client.chunk(session, BIG[:QUANTUM], 0, None, **{"X-GUploader-No-308": "yes"})
    assert (answer.status, answer.headers["x-http-status-code-override"]) == (200, "308")


def test_a_later_request_takes_the_session_over(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    with socket.create_connection(("127.0.0.1", server.port)) as hanging:
        head = f"PUT {session} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BIG)}\r\n\r\n"
        hanging.sendall(head.encode() + BIG[: QUANTUM + 5])
        wait_until(lambda: server.sessions()[0].persisted == QUANTUM)
        assert client("PUT", session, BIG).json["md5Hash"] == md5(BIG)
        hanging.sendall(BIG[QUANTUM + 5 :])
        assert hanging.recv(100).startswith(b"HTTP/1.1 503")
    assert len(server.generations(B, "s")) == 1


# -- listing ---------------------------------------------------------------------------------------


def names_of(answer: Answer) -> list[str]:
    return [item["name"] for item in answer.json.get("items", [])]


def test_listing_pages_in_order(server: StrictServer, client: Client) -> None:
    wanted = sorted([f"n{i:02}" for i in range(25)] + ["é", "a/1", "\U0001f600", "\uffee"])
    for name in reversed(wanted):
        server.put(B, name, b"")
    assert names_of(client("GET", OBJECTS)) == sorted(wanted, key=lambda n: n.encode())
    server.settings.page_size = 10
    got: list[str] = []
    token: dict[str, Any] = {}
    for _ in range(3):
        page = client("GET", OBJECTS, **token)
        got += names_of(page)
        token = {"pageToken": page.json.get("nextPageToken")}
    assert got == wanted
    assert token == {"pageToken": None}
    assert names_of(client("GET", OBJECTS, maxResults=2)) == wanted[:2]
    assert names_of(client("GET", OBJECTS, prefix="n0", startOffset="n03", endOffset="n05")) == [
        "n03",
        "n04",
    ]
    assert client("GET", OBJECTS, prefix="zzz").json == {"kind": "storage#objects"}


def test_listing_with_delimiter(server: StrictServer, client: Client) -> None:
    for name in ("a", "b/", "b/1", "b/2", "c/x/1", "d", "p/b/1", "p/c"):
        server.put(B, name, b"")
    page = client("GET", OBJECTS, delimiter="/")
    assert (names_of(page), page.json["prefixes"]) == (["a", "d"], ["b/", "c/", "p/"])
    page = client("GET", OBJECTS, delimiter="/", prefix="p/")
    assert (names_of(page), page.json["prefixes"]) == (["p/c"], ["p/b/"])
    page = client("GET", OBJECTS, delimiter="/", includeTrailingDelimiter="true")
    assert names_of(page) == ["a", "b/", "d"]
    names: list[str] = []
    prefixes: list[str] = []
    token: dict[str, Any] = {"maxResults": 1}
    while token.get("pageToken", True):
        page = client("GET", OBJECTS, delimiter="/", **token)
        assert len(names_of(page)) + len(page.json.get("prefixes", [])) == 1
        names += names_of(page)
        prefixes += page.json.get("prefixes", [])
        token["pageToken"] = page.json.get("nextPageToken")
    assert (names, prefixes) == (["a", "d"], ["b/", "c/", "p/"])


def test_fields_masks(server: StrictServer, client: Client) -> None:
    server.put(B, "x", b"1", metadata={"a": "1", "b": "2"})
    server.put(B, "y", b"1")
    page = client("GET", OBJECTS, fields="items(name,metadata/a),nextPageToken")
    assert page.json == {"items": [{"name": "x", "metadata": {"a": "1"}}, {"name": "y"}]}
    page = client("GET", OBJECTS, fields="items/name,kind")
    assert page.json == {"kind": "storage#objects", "items": [{"name": "x"}, {"name": "y"}]}
    assert client("GET", path_of("x"), fields="size,name").json == {"name": "x", "size": "1"}
    assert client.multipart("z", b"", fields="generation").json.keys() == {"generation"}
    for bad in ("items(name", "items(colour)", "", "items)", "a b"):
        assert client("GET", OBJECTS, fields=bad).status == 400, bad


# -- reading ---------------------------------------------------------------------------------------


def test_download_headers_and_ranges(server: StrictServer, client: Client) -> None:
    record = server.put(B, "d/1", BIG, contentType="audio/flac")
    path = path_of("d/1")
    whole = client("GET", f"/download{path}", alt="media")
    assert (whole.status, whole.body) == (200, BIG)
    assert whole.headers["x-goog-hash"] == f"crc32c={crc(BIG)},md5={md5(BIG)}"
    assert whole.headers["x-goog-generation"] == str(record.generation)
    assert whole.headers["x-goog-metageneration"] == "1"
    assert whole.headers["x-goog-stored-content-length"] == str(len(BIG))
    assert whole.headers["x-goog-stored-content-encoding"] == "identity"
    assert (whole.headers["content-type"], whole.headers["etag"]) == ("audio/flac", record.etag)
    size = len(BIG)
    for text, first, end in (
        ("0-9", 0, 10),
        ("5-", 5, size),
        ("-7", size - 7, size),
        (f"5-{size * 2}", 5, size),
        (f"-{size * 2}", 0, size),
    ):
        part = client("GET", path, None, {"Range": f"bytes={text}"}, alt="media")
        assert (part.status, part.body) == (206, BIG[first:end])
        assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
    for text in (f"{size}-", "-0"):
        beyond = client("GET", path, None, {"Range": f"bytes={text}"}, alt="media")
        assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert client("GET", path, None, {"Range": "bytes=9-2"}, alt="media").status == 200


def test_read_preconditions(server: StrictServer, client: Client) -> None:
    generation = server.put(B, "x", b"data").generation
    path = path_of("x")
    for alt in ("json", "media"):
        assert client("GET", path, alt=alt, ifGenerationMatch=generation).status == 200
        assert client("GET", path, alt=alt, ifGenerationMatch=1).status == 412
        same = client("GET", path, alt=alt, ifGenerationNotMatch=generation)
        assert (same.status, same.body) == (304, b"")
        assert client("GET", path, alt=alt, ifMetagenerationNotMatch=1).status == 304
        assert client("GET", path, alt=alt, generation=generation).status == 200
        assert client("GET", path, alt=alt, generation=1).status == 404


# -- changing --------------------------------------------------------------------------------------


def test_patch_merges(server: StrictServer, client: Client) -> None:
    generation = server.put(B, "x", b"data", metadata={"a": "1", "b": "2"}).generation

    def patch(value: dict[str, Any], **query: Any) -> Answer:
        head = {"Content-Type": "application/json"}
        return client("PATCH", path_of("x"), json.dumps(value).encode(), head, **query)

    got = patch({"metadata": {"a": None, "c": "3"}, "cacheControl": "no-cache"}).json
    assert (got["metadata"], got["cacheControl"]) == ({"b": "2", "c": "3"}, "no-cache")
    assert (got["metageneration"], got["generation"]) == ("2", str(generation))
    assert patch({"metadata": {"d": "4"}}, ifMetagenerationMatch=1).status == 412
    assert patch({"contentType": "a/b"}, ifMetagenerationMatch=2).json["contentType"] == "a/b"
    assert "metadata" not in patch({"metadata": None}, generation=generation).json
    assert patch({}, generation=1).status == 404
    assert patch({}, ifGenerationMatch=1).status == 412
    assert patch({"metadata": {"k": "v" * 9000}}).status == 400
    assert patch({"colour": "red"}).status == 400
    assert patch({"size": "7"}).json["size"] == "4"
    record = server.object(B, "x")
    assert record is not None
    assert (record.metageneration, record.generation) == (5, generation)
    assert (
        client("PATCH", path_of("none"), b"{}", {"Content-Type": "application/json"}).status == 404
    )


def test_delete_by_generation(server: StrictServer, client: Client) -> None:
    generation = server.put(B, "x", b"data").generation
    assert client("DELETE", path_of("x"), generation=generation + 1).status == 404
    assert client("DELETE", path_of("x"), ifGenerationMatch=generation + 1).status == 412
    assert client("DELETE", path_of("x"), ifMetagenerationMatch=2).status == 412
    gone = client("DELETE", path_of("x"), generation=generation)
    assert (gone.status, gone.body) == (204, b"")
    assert client("DELETE", path_of("x")).status == 404
    assert server.objects(B) == []
    assert server.generations(B, "x") == [generation]


def test_rewrite_in_steps(server: StrictServer, client: Client) -> None:
    source = server.put(B, "s/1", BIG, contentType="audio/flac", metadata={"k": "v"})
    path = f"{path_of('s/1')}/rewriteTo/b/{B}/o/{quote('t/1', safe='')}"
    server.settings.rewrite_step = 300_000
    answer = client("POST", path, b"", ifGenerationMatch=0, sourceGeneration=source.generation)
    steps = 1
    while not answer.json["done"]:
        assert server.object(B, "t/1") is None
        token = answer.json["rewriteToken"]
        answer = client("POST", path, b"", ifGenerationMatch=0, rewriteToken=token)
        steps += 1
    assert steps == 3
    assert (answer.json["kind"], answer.json["totalBytesRewritten"]) == (
        "storage#rewriteResponse",
        str(len(BIG)),
    )
    made = answer.json["resource"]
    assert (made["md5Hash"], made["metadata"]) == (md5(BIG), {"k": "v"})
    assert made["generation"] != str(source.generation)
    server.remove(B, "s/1")
    assert server.read(B, "t/1") == BIG


def test_rewrite_conditions_and_metadata(server: StrictServer, client: Client) -> None:
    source = server.put(B, "s", b"data", metadata={"k": "v"})
    path = f"{path_of('s')}/rewriteTo/b/{B}/o/t"
    assert client("POST", path, b"", ifSourceGenerationMatch=1).status == 412
    assert client("POST", path, b"", sourceGeneration=1).status == 404
    assert client("POST", path, b"", rewriteToken="made-up").status == 400
    query: dict[str, Any] = {"ifSourceGenerationMatch": source.generation, "ifGenerationMatch": 0}
    body = json.dumps({"contentType": "a/b", "metadata": {"n": "1"}}).encode()
    head = {"Content-Type": "application/json"}
    made = client("POST", path, body, head, **query).json["resource"]
    assert (made["contentType"], made["metadata"]) == ("a/b", {"n": "1"})
    assert client("POST", path, b"", **query).status == 412


def test_buckets(server: StrictServer, client: Client) -> None:
    assert client("GET", f"/storage/v1/b/{B}").json["name"] == B
    assert client("GET", "/storage/v1/b/none").status == 404
    head = {"Content-Type": "application/json"}
    made = client("POST", "/storage/v1/b", b'{"name": "new-one"}', head, project="p")
    assert made.json["kind"] == "storage#bucket"
    again = client("POST", "/storage/v1/b", b'{"name": "new-one"}', head, project="p")
    assert (again.status, again.reason) == (409, "conflict")
    assert client("POST", "/storage/v1/b", b'{"name": "No"}', head, project="p").status == 400
    server.denied.add("storage.objects.delete")
    granted = client(
        "GET",
        f"/storage/v1/b/{B}/iam/testPermissions"
        "?permissions=storage.objects.get&permissions=storage.objects.delete",
    )
    assert granted.json["permissions"] == ["storage.objects.get"]


# -- who may ---------------------------------------------------------------------------------------


def test_tokens_and_permissions() -> None:
    with StrictServer(B, tokens={"good"}) as server:
        client = Client(server)
        good = {"Authorization": "Bearer good"}
        missing = client("GET", OBJECTS)
        assert (missing.status, missing.reason) == (401, "required")
        wrong = client("GET", OBJECTS, None, {"Authorization": "Bearer old"})
        assert (wrong.status, wrong.reason) == (401, "authError")
        assert client("GET", OBJECTS, None, good).status == 200
        grant = {"grant_type": "refresh_token", "refresh_token": "r"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        minted = client("POST", "/token", urlencode(grant).encode(), form).json
        assert (minted["token_type"], minted["expires_in"]) == ("Bearer", 3600)
        fresh = {"Authorization": f"Bearer {minted['access_token']}"}
        assert client("GET", OBJECTS, None, fresh).status == 200
        assert server.tokens is not None
        server.tokens.discard(minted["access_token"])
        assert client("GET", OBJECTS, None, fresh).status == 401
        jwt = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a"}
        assert client("POST", "/token", urlencode(jwt).encode(), form).status == 200
        server.auth.token_error = "invalid_grant"
        refused = client("POST", "/token", urlencode(jwt).encode(), form)
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
        query = {"uploadType": "resumable", "name": "s"}
        started = client("POST", UPLOAD, b"", good, **query)
        session = started.headers["location"].removeprefix(server.url)
        assert client("PUT", session, b"x").status == 200
        client.line.close()


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("storage.objects.get", "GET", path_of("x")),
        ("storage.objects.get", "GET", path_of("x") + "?alt=media"),
        ("storage.objects.list", "GET", OBJECTS),
        ("storage.objects.delete", "DELETE", path_of("x")),
        ("storage.objects.update", "PATCH", path_of("x")),
        ("storage.objects.create", "POST", f"{UPLOAD}?uploadType=media&name=y"),
        ("storage.objects.delete", "POST", f"{UPLOAD}?uploadType=media&name=x"),
        ("storage.buckets.get", "GET", f"/storage/v1/b/{B}"),
    ],
)
def test_denied_permissions(
    server: StrictServer, client: Client, permission: str, method: str, path: str
) -> None:
    server.put(B, "x", b"data")
    server.denied.add(permission)
    body = b"{}" if method in ("POST", "PATCH") else None
    refused = client(method, path, body, {"Content-Type": "application/json"})
    assert refused.status == 403
    assert f"Permission '{permission}' denied on resource (or it may not exist).".encode() in (
        refused.body
    )
    assert server.read(B, "x") == b"data"


# -- recording -------------------------------------------------------------------------------------


def test_requests_are_recorded_and_hooked(server: StrictServer, client: Client) -> None:
    seen: list[tuple[str, int | None, bool]] = []

    def note(request: Request) -> None:
        seen.append((request.operation, request.status, server.object(B, "x") is not None))

    server.on_request = note
    server.on_response = note
    client.multipart("x", b"data", ifGenerationMatch=0)
    client("GET", path_of("x"), None, {"X-Mine": "1"}, fields="name")
    wait_until(lambda: all(request.done for request in server.requests))
    assert seen == [
        ("upload", None, False),
        ("upload", 200, True),
        ("stat", None, True),
        ("stat", 200, True),
    ]
    first, second = server.requests
    assert (first.index, first.method, first.path, first.status) == (0, "POST", UPLOAD, 200)
    assert first.query == {"uploadType": "multipart", "ifGenerationMatch": "0"}
    assert first.name == "x"
    assert first.body_bytes == len(related({"name": "x"}, b"data")[0])
    assert (second.index, second.name, second.headers["x-mine"]) == (1, "x", "1")


# -- faults ----------------------------------------------------------------------------------------


def test_fault_respond_counts(server: StrictServer, client: Client) -> None:
    rule = server.fault(faults.stat, faults.respond(503, {"Retry-After": "1"}), times=2, after=1)
    server.put(B, "x", b"data")
    assert [client("GET", path_of("x")).status for _ in range(5)] == [200, 503, 503, 200, 200]
    assert (rule.fired, rule.matched) == (2, 3)
    for_ever = server.fault(faults.listing, faults.respond(429, body={"a": 1}), times=None)
    answers = [client("GET", OBJECTS) for _ in range(3)]
    assert [(a.status, a.json) for a in answers] == [(429, {"a": 1})] * 3
    for_ever.cancel()
    assert client("GET", OBJECTS).status == 200


def test_fault_respond_without_reading_the_body(server: StrictServer, client: Client) -> None:
    server.fault(faults.any_upload, faults.respond(500, read_body=False))
    answer = client.multipart("x", b"d" * 1000)
    assert (answer.status, answer.headers["connection"]) == (500, "close")
    assert client.multipart("x", b"d").status == 200
    assert server.requests[0].body_bytes == 0


def test_faults_find_names_in_json_and_sessions(server: StrictServer, client: Client) -> None:
    rule = server.fault(faults.upload_of("thumbnail"), faults.respond(503), times=None)
    assert client.multipart("audio", BIG).status == 200
    assert client.multipart("a/thumbnail", BIG).status == 503
    rule.cancel()
    session = client.start("thumbnail")
    chunks = server.fault(faults.session_chunk & faults.named("thumb"), faults.respond(503))
    assert client("PUT", session, b"x").status == 503
    assert client("PUT", session, b"x").status == 200
    assert chunks.fired == 1
    assert server.read(B, "audio") == BIG


@pytest.mark.parametrize("after", [0, 5, 300_000, 10**9])
def test_fault_reset(server: StrictServer, client: Client, after: int) -> None:
    server.fault(faults.any_upload, faults.reset(after))
    with pytest.raises(DROPPED):
        client.multipart("x", BIG)
    assert server.object(B, "x") is None
    request = server.requests[0]
    assert (request.status, request.done) == (None, True)
    assert request.body_bytes <= after
    assert client.multipart("x", BIG).status == 200


def test_fault_reset_in_a_chunk_persists_quanta(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    server.fault(faults.last_chunk, faults.reset(QUANTUM + 10))
    with pytest.raises(DROPPED):
        client("PUT", session, BIG)
    assert client.status(session).headers["range"] == f"bytes=0-{QUANTUM - 1}"


@pytest.mark.parametrize("how", ["rst", "close"])
def test_fault_lose_response(server: StrictServer, client: Client, how: Any) -> None:
    server.fault(faults.any_upload, faults.lose_response(how))
    with pytest.raises(DROPPED) as dropped:
        client.multipart("x", b"data")
    assert isinstance(dropped.value, http.client.RemoteDisconnected) == (how == "close")
    assert server.read(B, "x") == b"data"
    assert server.requests[0].status is None


def test_fault_stalls(server: StrictServer, client: Client) -> None:
    server.fault(faults.stat, faults.stall(0.1))
    server.fault(faults.stat, faults.stall_after(0.1), after=1)
    for _ in range(2):
        began = time.monotonic()
        assert client("GET", path_of("x")).status == 404
        assert time.monotonic() - began >= 0.1


def test_a_stall_ends_with_the_server() -> None:
    server = StrictServer(B)
    server.fault(faults.listing, faults.stall(60))
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"GET {OBJECTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(lambda: server.requests)
        with within(2):
            server.close()
    assert not Path(server.state.directory).exists()


@pytest.mark.slow
def test_fault_truncated_and_flipped_download(server: StrictServer, client: Client) -> None:
    server.put(B, "x", BIG)
    server.fault(faults.download, faults.truncate_response(1000))
    with pytest.raises(http.client.IncompleteRead) as cut:
        client("GET", path_of("x"), alt="media")
    assert cut.value.partial == BIG[:1000]
    server.fault(faults.download, faults.flip_response(700_000))
    got = client("GET", path_of("x"), alt="media").body
    assert [i for i, (a, b) in enumerate(zip(got, BIG, strict=True)) if a != b] == [700_000]


def test_fault_flipped_request(server: StrictServer, client: Client) -> None:
    body, _ = related({"name": "x", "crc32c": crc(b"data")}, b"data")
    rule = server.fault(
        faults.any_upload, faults.flip_request(body.index(b"data\r\n--sep--")), times=None
    )
    assert client.multipart("x", b"data", {"crc32c": crc(b"data")}).reason == "invalid"
    server.state.validate_checksums = False
    stored = client.multipart("x", b"data", {"crc32c": crc(b"data")})
    assert stored.json["crc32c"] == crc(b"eata")
    assert rule.fired == 2


def test_fault_accepts_part_of_a_chunk(server: StrictServer, client: Client) -> None:
    session = client.start("s")
    server.fault(faults.session_chunk, faults.accept_only(0))
    server.fault(faults.last_chunk, faults.accept_only(QUANTUM))
    nothing = client.chunk(session, BIG, 0, len(BIG))
    assert (nothing.status, "range" in nothing.headers) == (308, False)
    some = client.chunk(session, BIG, 0, len(BIG))
    assert (some.status, some.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    done = client.chunk(session, BIG[QUANTUM:], QUANTUM, len(BIG))
    assert done.json["md5Hash"] == md5(BIG)
    with pytest.raises(ValueError, match="256 KiB"):
        faults.accept_only(5)


@pytest.mark.parametrize("status", [404, 410])
def test_fault_expires_the_session(server: StrictServer, client: Client, status: int) -> None:
    session = client.start("s")
    server.fault(faults.status_query, faults.expire(status))
    assert client.chunk(session, BIG[:QUANTUM], 0, None).status == 308
    assert client.status(session).status == status
    assert client.chunk(session, BIG[QUANTUM:], QUANTUM, len(BIG)).status == status


def test_fault_throttles(server: StrictServer, client: Client) -> None:
    server.fault(faults.any_upload, faults.throttle(1_000_000))
    server.fault(faults.download, faults.throttle(1_000_000))
    began = time.monotonic()
    assert client.multipart("x", b"d" * 100_000).status == 200
    assert client("GET", path_of("x"), alt="media").body == b"d" * 100_000
    assert time.monotonic() - began >= 0.2


def test_faults_combine(server: StrictServer, client: Client) -> None:
    rule = server.fault(faults.delete & ~faults.named("x"), Fault(stall=0.05, lose="close"))
    server.put(B, "x", b"")
    server.put(B, "y", b"")
    assert client("DELETE", path_of("x")).status == 204
    with pytest.raises(DROPPED):
        client("DELETE", path_of("y"))
    assert rule.fired == 1
    assert server.objects(B) == []


# -- on its own ------------------------------------------------------------------------------------


def test_discard_keeps_sizes_and_checksums() -> None:
    with StrictServer(B, discard=True) as server:
        client = Client(server)
        session = client.start("s")
        assert client("PUT", session, BIG).json["md5Hash"] == md5(BIG)
        assert client("GET", path_of("s"), alt="media").status == 501
        assert list(Path(server.state.directory).iterdir()) == []
        client.line.close()


@pytest.mark.slow
def test_stand_alone_ends_by_itself() -> None:
    command = [sys.executable, "-m", "tests.gcs_server", "--seconds", "0.01"]
    root = Path(__file__).parents[2]
    assert (
        subprocess.run(command, cwd=root, capture_output=True, timeout=PATIENCE_S).returncode == 0
    )


@pytest.mark.slow
def test_stand_alone(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "tests.gcs_server", "--port-file", str(port_file)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [*command, "--bucket", "other", "--discard", "--seconds", "60"],
        cwd=root,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: port_file.exists() or process.poll() is not None)
        line = http.client.HTTPConnection(
            "127.0.0.1", int(port_file.read_text()), timeout=PATIENCE_S
        )
        line.request("GET", "/storage/v1/b/other/o")
        assert line.getresponse().read().startswith(b"{")
        line.close()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
