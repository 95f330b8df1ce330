"""The transport by itself: how it reads responses, and how its thread is woken."""

import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest

from audiostore.errors import StoreConnectionError, StoreTimeoutError
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.download import Pipe
from audiostore.stores.gcs.messages import Head, Request, Response, origin_of
from audiostore.stores.gcs.sockets import Sockets
from audiostore.stores.gcs.transfers import PendingResponse
from audiostore.stores.gcs.transport import Transport
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

_IO_THREAD = "audiostore-io"


@contextmanager
def responding(*responses: bytes) -> Iterator[str]:
    """Serve one connection: each request's head and body are read, then a response is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                for response in responses:
                    size = 0
                    while (line := stream.readline()).strip():
                        name, _, value = line.partition(b":")
                        size = int(value) if name.lower() == b"content-length" else size
                    stream.read(size)
                    connection.sendall(response)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            thread.join()


@pytest.fixture
def transport() -> Iterator[Transport]:
    with closing(Transport(ConnectionOptions(stall_timeout_s=60))) as transport:
        yield transport


def test_the_response_after_interim_ones_counts(transport: Transport) -> None:
    sent = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nShared: early\r\n\r\n"
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nSHARED:  late \r\nX: a:b\r\n\r\nok"
    )
    with responding(sent) as url:
        response = transport.send(Request("POST", url, body=BytesBody(b"body")))
    assert (response.status, response.body) == (201, b"ok")
    assert dict(response.headers) == {"content-length": "2", "shared": "late", "x": "a:b"}
    assert response.headers.get("link") is None


def test_a_response_on_a_kept_connection_has_its_own_head(transport: Transport) -> None:
    responses = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nFirst: 1\r\n\r\n1",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\nSecond: 2\r\n\r\n2",
    ]
    with responding(*responses) as url:
        first = transport.send(Request("PUT", url, body=BytesBody(b"body")))
        second = transport.send(Request("GET", url))
    assert (first.status, first.headers.get("first"), first.body) == (200, "1", b"1")
    assert (second.status, dict(second.headers), second.body) == (
        404,
        {"content-length": "1", "second": "2"},
        b"2",
    )


def test_an_idle_transport_ends_its_thread_and_starts_another_when_needed(
    transport: Transport,
) -> None:
    assert transport.rest() is None
    others = {each.native_id for each in threading.enumerate()}  # of tests before this one
    for _ in range(2):
        with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
            assert transport.send(Request("GET", url)).status == 200
        [ours] = [each for each in threading.enumerate() if each.native_id not in others]
        assert ours.name == _IO_THREAD
        assert transport.rest() == ours.native_id
        assert not ours.is_alive()


def test_a_transfer_in_flight_goes_on_when_the_transport_is_to_rest(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transfer = transport.start(Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        connection, _ = listener.accept()
        with connection:
            assert transport.rest() is None
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert transfer.result().status == 200


NONSENSE = {
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: \xff\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length beyond the body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab",
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \xff\xfe\x80x\r\n\r\n",
    "a chunk without size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\xff\xff\r\n",
    "an unknown version": b"HTTP/\xff 200 OK\r\n\r\n",
    "a short status": b"HTTP/1.1 20 OK\r\n\r\n",
    "no status": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"\xff\xfe\x00garbage\r\n\r\n",
    "nothing": b"",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    "too long a header": b"HTTP/1.1 200 OK\r\na: " + b"b" * 400_000 + b"\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\na: b\0c\r\nContent-Length: 0\r\n\r\n",
    "a lone CR": b"HTTP/1.1 200 OK\r\na: b\rc: d\r\nContent-Length: 0\r\n\r\n",
    "a line without colon": b"HTTP/1.1 200 OK\r\n\xff\xffx\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switch\r\nUpgrade: \xff\r\n\r\n",
}


@pytest.mark.parametrize("sent", NONSENSE.values(), ids=NONSENSE)
def test_a_response_that_is_no_http_is_an_error_and_the_thread_lives(
    transport: Transport, sent: bytes
) -> None:
    with responding(sent) as url, pytest.raises(StoreConnectionError) as raised:
        transport.send(Request("GET", url))
    assert str(raised.value).isprintable()
    with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as url:
        assert transport.send(Request("GET", url)).body == b"ok"


def test_a_head_reveals_no_secret() -> None:
    assert "SECRET" not in repr(Head([b"HTTP/1.1 200 OK\r\n", b"Location: SECRET\r\n"]))


def test_a_connection_that_is_not_made_in_time_is_given_up() -> None:
    options = ConnectionOptions(connect_timeout_s=0.1, stall_timeout_s=30)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(Transport(options)) as transport,
        pytest.raises(StoreTimeoutError, match="curl error 28"),
    ):
        transport.send(Request("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/"))


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_socket_with_the_number_of_one_that_was_closed_is_looked_at(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    sockets = Sockets()
    started = time.monotonic()
    assert sockets.wait(0.02) == []
    assert time.monotonic() - started >= 0.02
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    sockets.watch(number, select.POLLIN)
    ours.close()
    theirs.close()
    for pair in iter(socket.socketpair, None):
        if number in (pair[0].fileno(), pair[1].fileno()):
            break
        pair[0].close()
        pair[1].close()
    with pair[0], pair[1]:
        for each in pair:
            sockets.watch(each.fileno(), select.POLLIN)
            each.send(b"x")
        assert (number, select.POLLIN) in sockets.wait(60)
        sockets.forget(number)
        assert number not in dict(sockets.wait(1))
    sockets.forget(number)
    sockets.close()


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_many_threads_at_once_get_their_own_responses(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With epoll, and with poll where epoll does not exist."""
    monkeypatch.setattr(sys, "platform", platform)
    with (
        StrictServer("bucket") as server,
        closing(Transport(ConnectionOptions(max_connections=4))) as wire,
    ):

        def ask(number: int) -> bool:
            name = f"{number:03}"
            url = f"{server.url}/upload/storage/v1/b/bucket/o?uploadType=media&name={name}"
            body = BytesBody(name.encode() * 1000)
            stored = wire.send(Request("POST", url, {"Content-Type": "a/b"}, body))
            got = wire.send(Request("GET", f"{server.url}/storage/v1/b/bucket/o/{name}?alt=media"))
            return stored.status == 200 and got.body == name.encode() * 1000

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(ask, range(200)))
        assert server.connections <= 4


def test_all_threads_waiting_for_a_promise_are_woken() -> None:
    for outcome in (Response(200, {}, b"x"), StoreConnectionError("broke")):
        promise = PendingResponse()
        assert not promise.done()
        with ThreadPoolExecutor(4) as threads:
            waiting = [threads.submit(promise.exception) for _ in range(4)]
            promise.resolve(outcome)
            errors = [each.result(PATIENCE_S) for each in waiting]
        assert promise.done()
        assert errors == [outcome if isinstance(outcome, Exception) else None] * 4
        if isinstance(outcome, Response):
            assert promise.result() is outcome
        else:
            with pytest.raises(StoreConnectionError, match="broke"):
                promise.result()


@contextmanager
def dripping(head: bytes, drip: bytes) -> Iterator[str]:
    """Serve one connection: the request is read, then a byte or so is sent every few ms."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the client is tired of it
                connection.recv(1 << 16)
                connection.sendall(head)
                while True:
                    connection.sendall(drip)
                    time.sleep(0.01)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = b"Content-Length: 9999999\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "drip", "has_sink"),
    [
        (OK + ENDLESS, b"{", False),
        (OK, b"X: y\r\n", False),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", False),
        (OK, b"X: y\r\n", True),
        (b"HTTP/1.1 503 Busy\r\n" + ENDLESS, b"{", True),
    ],
    ids=["body", "head", "interim", "head of content", "error instead of content"],
)
def test_a_response_that_never_ends_is_given_up(head: bytes, drip: bytes, has_sink: bool) -> None:
    options = ConnectionOptions(stall_timeout_s=60, response_timeout_s=0.3)
    pipe = Pipe() if has_sink else None
    with (
        dripping(head, drip) as url,
        closing(Transport(options)) as transport,
        pytest.raises(StoreTimeoutError, match="the response is not complete after"),
    ):
        transport.start(Request("GET", url, sink=pipe)).result()


@pytest.mark.slow
def test_content_may_take_as_long_as_bytes_move() -> None:
    options = ConnectionOptions(stall_timeout_s=60, response_timeout_s=0.1)
    pipe = Pipe()
    with dripping(OK + ENDLESS, b"x") as url, closing(Transport(options)) as transport:
        transfer = transport.start(Request("GET", url, sink=pipe))
        received = 0
        while received < 50:  # half a second
            received += len(pipe.take(1)[0])
        assert not transfer.future.done()
        transfer.cancel()


@pytest.mark.slow
def test_sending_a_request_may_take_as_long_as_bytes_move() -> None:
    class Slow(BytesBody):
        def read(self, size: int) -> bytes:
            time.sleep(0.02)
            return super().read(min(size, 100))

    options = ConnectionOptions(stall_timeout_s=60, response_timeout_s=0.2)
    with (
        responding(OK + b"Content-Length: 0\r\n\r\n") as url,
        closing(Transport(options)) as transport,
    ):
        assert transport.send(Request("PUT", url, body=Slow(b"x" * 3000))).status == 200


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/o?name=x", ("https", "a.example", 443)),
        ("https://a.example/o?name=y", ("https", "a.example", 443)),
        ("http://a.example/o?name=y", ("http", "a.example", 80)),
        ("https://a.example:444/o?name=y", ("https", "a.example", 444)),
        ("https://a.example@b.example/o", ("https", "b.example", 443)),
        ("https://a.example:443@b.example?o", ("https", "b.example", 443)),
        ("https://[::1]:1/", ("https", "::1", 1)),
        ("https://[::1/", None),
        ("https://a.example:99999/o", None),
        ("https://a.example:x/o", None),
        ("https://:443/o", None),
        ("https://a.example/o#part", None),
        ("https://a.example\\@b.example/o", None),
    ],
)
def test_the_origin_of_a_url_is_that_of_its_authority(
    url: str, origin: tuple[str, str, int] | None
) -> None:
    assert origin_of(url) == origin == origin_of(url)
