"""Files on web servers are fetched whole and verified, or refused; on a real server, over TLS."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress

import google_crc32c
import pytest

from audiostore import RemoteFile
from audiostore.errors import (
    IntegrityError,
    InvalidSourceError,
    SourceNotFoundError,
    StoreConnectionError,
    StoreTlsError,
)
from audiostore.sources import encode_crc32c
from tests.faults.test_tls import Signed, signed
from tests.webserver import (
    DATA,
    ETAG,
    Behaviour,
    Handler,
    Web,
    b64,
    redirect,
    refuse,
    rest,
    serving,
    whole,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed(tmp_path_factory.mktemp("certificates") / "authority.pem")


@pytest.fixture(scope="module")
def certificate(authority: Signed) -> Signed:
    return signed(authority.path.with_name("server.pem"), authority)


@pytest.fixture
def web(certificate: Signed, authority: Signed) -> Iterator[Web]:
    with serving(certificate, authority.path) as web:
        yield web


STATED = {
    "x-goog-hash": f"crc32c={encode_crc32c(google_crc32c.value(DATA))},"
    f"md5={b64(hashlib.md5(DATA).digest())}",
    "Content-MD5": b64(hashlib.md5(DATA).digest()),
    "Repr-Digest": f"sha-256=:{b64(hashlib.sha256(DATA).digest())}:, unixsum=:AAAA:",
    "Content-Digest": f"sha-512=:{b64(hashlib.sha512(DATA).digest())}:",
    "Digest": f"SHA-256={b64(hashlib.sha256(DATA).digest())}",
}


@pytest.mark.parametrize("name", STATED)
def test_a_stated_hash_is_compared(web: Web, name: str) -> None:
    web.serve("/song.mp3", whole({name: STATED[name]}))
    assert web.fetch() == DATA
    damaged = bytes([DATA[0] ^ 1]) + DATA[1:]
    web.serve("/song.mp3", whole({name: STATED[name]}, damaged))
    with pytest.raises(IntegrityError, match="than the server states"):
        web.fetch()
    assert len(web.handler.seen) == 1 + 3
    web.serve("/song.mp3", whole({name: STATED[name]}, damaged), whole({name: STATED[name]}))
    assert web.fetch() == DATA


def test_a_hash_of_other_bytes_or_that_is_none_is_not_compared(web: Web) -> None:
    unusable = {
        "x-goog-hash": "crc32c=AAAAAA==",
        "x-goog-stored-content-encoding": "gzip",
        "Content-MD5": "d41d8cd98f00b204e9800998ecf8427e",  # in hexadecimal, as some write it
        "Digest": "sha-256=????, sha=AAAA",
    }
    web.serve("/song.mp3", whole(unusable))
    assert web.fetch() == DATA


def test_a_broken_connection_is_resumed_at_the_byte_of_the_same_file(web: Web) -> None:
    stated = {"Repr-Digest": STATED["Repr-Digest"]}
    web.serve("/song.mp3", whole(ETAG | stated, cut=1_000_000), rest(ETAG))
    assert web.fetch() == DATA
    first, second = web.handler.seen
    assert "range" not in first
    assert 0 < int(second["range"].removeprefix("bytes=").removesuffix("-")) <= 2_072_000
    assert second["if-range"] == '"one"'
    assert [retry.attempt for retry in web.retries] == [1]


@pytest.mark.parametrize(
    "second",
    [
        whole({"ETag": '"two"'}, b"other" * 10),  # what If-Range asks for
        rest({"ETag": '"two"'}),
        rest(ETAG, DATA + b"more"),
        rest(ETAG, shift=1),
        refuse(416),
    ],
)
def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(
    web: Web, second: Behaviour
) -> None:
    last = whole({"ETag": '"two"'}, b"other" * 10)
    web.serve("/song.mp3", whole(ETAG, cut=1_000_000), second, last)
    assert web.fetch() == b"other" * 10


def test_without_anything_that_identifies_the_bytes_all_are_fetched_again(web: Web) -> None:
    for headers in ({}, {"ETag": 'W/"weak"'}):
        web.handler.seen.clear()
        web.serve("/song.mp3", whole(headers, cut=9), whole(headers))
        assert web.fetch() == DATA
        assert web.ranges == [None, None]


def test_attempts_end_without_progress(web: Web) -> None:
    web.serve("/song.mp3", whole(cut=len(DATA) - 5))  # the same five bytes again and again
    with pytest.raises(StoreConnectionError):
        web.fetch()
    assert 3 <= len(web.handler.seen) <= 4
    web.serve("/song.mp3", refuse(503), refuse(429, Retry_After="7"), whole())
    web.retries.clear()
    assert web.fetch() == DATA
    assert [retry.delay_s >= 7 for retry in web.retries] == [False, True]


def test_what_is_too_large_is_not_read(web: Web) -> None:
    web.serve("/song.mp3", whole())
    with pytest.raises(InvalidSourceError, match="3,072,000 bytes or more: the limit is 1,000"):
        web.fetch(max_bytes=1_000)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    web.serve("/song.mp3", endless)
    with pytest.raises(InvalidSourceError, match="bytes or more: the limit is 5,000,000"):
        web.fetch(max_bytes=5_000_000)


def test_a_file_without_an_end_that_can_be_seen_is_refused(web: Web) -> None:
    def until_closed(headers: dict[str, str]) -> Behaviour:
        def respond(handler: Handler) -> None:
            handler.close_connection = True
            handler.respond(200, {"Content-Length": "", **headers}, DATA)
            with suppress(OSError):
                handler.connection.unwrap()  # says that it ends

        return respond

    web.serve("/song.mp3", until_closed({}))
    with pytest.raises(InvalidSourceError, match="states neither length nor checksum"):
        web.fetch()
    web.serve("/song.mp3", until_closed({"Digest": STATED["Digest"]}))
    assert web.fetch() == DATA
    web.serve("/song.mp3", whole(data=b""))
    with pytest.raises(InvalidSourceError, match="is empty"):
        web.fetch()
    web.serve("/song.mp3", whole({"Content-Encoding": "gzip"}))
    with pytest.raises(InvalidSourceError, match="encoding 'gzip'"):
        web.fetch()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceNotFoundError),
        (410, SourceNotFoundError),
        (401, InvalidSourceError),
        (403, InvalidSourceError),
        (204, InvalidSourceError),
        (206, InvalidSourceError),
        (500, StoreConnectionError),
    ],
)
def test_a_refusal_names_the_file_and_no_secret(
    web: Web, status: int, error: type[Exception]
) -> None:
    web.serve("/a/song.mp3", refuse(status))
    with pytest.raises(error) as caught:
        web.fetch("/a/song.mp3?X-Amz-Signature=s3cr3t")
    assert "/a/song.mp3" in str(caught.value)
    assert "s3cr3t" not in str(caught.value) + repr(caught.value.__notes__ if status == 500 else "")
    assert web.handler.seen[0]["path"].endswith("s3cr3t")
    assert "authorization" not in web.handler.seen[0]


@pytest.mark.slow
def test_redirects_are_followed_a_few_times_over_https_alone(web: Web) -> None:
    web.serve("/song.mp3", redirect("../b?x=1", 301))
    web.serve("/b", redirect(web.url("/c#part"), 307))
    web.serve("/c", redirect("/d", 303))
    web.serve("/d", whole())
    assert web.fetch() == DATA
    web.serve("/d", redirect("/song.mp3"))
    with pytest.raises(InvalidSourceError, match="redirected more than 5 times"):
        web.fetch()
    for location in (
        "http://169.254.169.254/computeMetadata/v1/",
        "file:///etc/passwd",
        "ftp://x/y",
        "gs://bucket/object",
        "https://user:password@host/x",
    ):
        web.serve("/song.mp3", redirect(location))
        with pytest.raises(InvalidSourceError) as caught:
            web.fetch()
        assert "password@" not in str(caught.value)


def test_a_server_without_a_trusted_certificate_gets_no_request(
    certificate: Signed, authority: Signed
) -> None:
    other = signed(authority.path.with_name("other.pem"))
    with serving(certificate, other.path) as web:
        web.serve("/song.mp3", whole())
        with pytest.raises(StoreTlsError):
            web.fetch()
        assert web.handler.seen == []


@pytest.mark.parametrize(
    ("url", "name", "shown"),
    [
        ("https://h/a/b%20c.mp3?sig=x", "b c.mp3", "https://h/a/b%20c.mp3"),
        ("https://h:8443/%C3%A9.mp3", "é.mp3", "https://h:8443/%C3%A9.mp3"),
        ("https://h/a%2Fb.mp3", "b.mp3", "https://h/a%2Fb.mp3"),
        ("https://[::1]/x.mp3", "x.mp3", "https://[::1]/x.mp3"),
        ("gs://my-bucket/a b/ü?#.mp3", "ü?#.mp3", "gs://my-bucket/a b/ü?#.mp3"),
    ],
)
def test_the_name_is_the_last_part_of_the_url(url: str, name: str, shown: str) -> None:
    remote = RemoteFile(url)
    assert (remote.name, str(remote), remote.suffix) == (name, shown, ".mp3")
    assert "sig" not in repr(remote)


@pytest.mark.parametrize(
    "url",
    [
        "http://h/x.mp3",
        "ftp://h/x.mp3",
        "s3://b/x.mp3",
        "file:///x.mp3",
        "https://h",
        "https://h/",
        "https://h/x/",
        "https://h/..",
        "https://u:p@h/x.mp3",
        "https://h/ä.mp3",
        "https://h/a b.mp3",
        "https://h/x.mp3#t",
        "https://h/x\r\nHost: y",
        "https://h/x%00.mp3",
        "gs://b",
        "gs://bucket/",
        "gs://bucket/folder/",
        "gs://bucket/\ud800.mp3",
    ],
)
def test_what_is_not_the_url_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidSourceError):
        RemoteFile(url)
