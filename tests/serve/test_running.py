"""The server itself: shutting down, slow heads, and as a part of another application."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from audiostore import AudioStorageManager, LocalStore
from audiostore.serve import create_app
from audiostore.serve.running import Server, is_loopback
from tests.assets import make_silence, tone
from tests.serve.conftest import TOKEN, Running, read
from tests.timing import PATIENCE_S, wait_until

HEAD = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"


def half_an_upload(port: int, token: str, data: bytes) -> socket.socket:
    """Begin an upload, and send half of its body."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    head = f"POST /v1/assets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: audio/wav\r\nContent-Length: {len(data)}\r\n\r\n"
    sock.sendall(head.encode() + data[: len(data) // 2])
    return sock


def test_a_shutdown_completes_the_uploads_that_run(local: Running) -> None:
    data = tone(4.0)
    with half_an_upload(local.port, TOKEN, data) as sock:
        wait_until(lambda: local.server.requests)
        local.server.stop()
        wait_until(lambda: is_closed(local.port))
        sock.sendall(data[len(data) // 2 :])
        assert sock.recv(100).startswith(b"HTTP/1.1 201 ")
    local.stop()
    assert local.manager.count() == 1


def is_closed(port: int) -> bool:
    """Say whether nobody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_shutdown_does_not_wait_for_slow_listeners(local: Running, tmp_path: Path) -> None:
    file = tmp_path / "large.wav"
    make_silence(file, 30_000_000)
    audio_id = local.manager.upload_audio_file(file).audio_id
    with socket.create_connection(("127.0.0.1", local.port)) as sock:
        sock.sendall(f"GET /v1/assets/{audio_id}/audio HTTP/1.1\r\n{HEAD}\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
        local.server.stop()
        received = 100
        while piece := sock.recv(1 << 20):
            received += len(piece)
        assert received < 30_000_000  # what was announced is not complete, and the client sees it
    local.stop()


@pytest.mark.slow
def test_a_head_that_does_not_come_is_not_waited_for(
    local: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.serve.running._HEAD_S", 0.2)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: lo"):
        with socket.create_connection(("127.0.0.1", local.port), timeout=PATIENCE_S) as sock:
            sock.sendall(begun)
            assert sock.recv(10) == b""
    with socket.create_connection(("127.0.0.1", local.port), timeout=PATIENCE_S) as sock:
        sock.sendall(f"GET /healthz HTTP/1.1\r\n{HEAD}\r\n".encode())
        received = b""
        while b'{"status":"ok"}' not in received:
            received += sock.recv(1000)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: lo")
        assert sock.recv(10) == b""


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /" + b"a" * 99_999]
)
def test_what_is_no_http_is_refused(local: Running, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", local.port), timeout=PATIENCE_S) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100).startswith((b"HTTP/1.1 400 ", b""))
    assert local("GET", "/healthz").status == 200


def test_an_address_is_of_this_machine_or_not() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))


def test_it_can_be_mounted_in_another_application(tmp_path: Path) -> None:
    with AudioStorageManager(store=LocalStore(tmp_path)) as manager:
        mounted = create_app(manager)
        outer = Starlette(routes=[Mount("/audio", mounted)])
        outer.state.service = mounted.state.service  # for the server of these tests
        with running(outer) as port:
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            headers = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "audio/wav"}
            connection.request("POST", "/audio/v1/assets", tone(), headers)
            created = read(connection.getresponse())
            assert created.status == 201
            assert created.headers["location"].startswith("/audio/v1/assets/")
            connection.request("GET", created.json["links"]["audio"])
            assert read(connection.getresponse()).body == tone()
            connection.request("GET", "/audio/v1/assets")
            assert read(connection.getresponse()).json["total"] == 1
            connection.request("GET", "/audio/openapi.json")
            assert read(connection.getresponse()).json["servers"] == [{"url": "/audio"}]
            connection.close()


@contextmanager
def running(app: Starlette) -> Iterator[int]:
    """Run an application; yield its port."""
    ports: list[int] = []
    server = Server(app, host="127.0.0.1", port=0, on_listening=lambda _, port: ports.append(port))
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: ports or not thread.is_alive())
        yield ports[0]
    finally:
        server.stop()
        thread.join(PATIENCE_S)


# --- the command ----------------------------------------------------------------------------------


@dataclass
class Command:
    """``audiostore serve`` in a process."""

    process: "subprocess.Popen[str]"
    port: int
    token: str

    def get(self, path: str) -> int:
        """Return the status of a response."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        status = read(connection.getresponse()).status
        connection.close()
        return status


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command on an empty directory."""
    arguments = ["--bucket", str(tmp_path / "store"), "--port", "0", "--json"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "audiostore", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NO_GCE_CHECK": "true"},
        )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    port, token = int(url.split(":")[2].split("/")[0]), url.partition("token=")[2]
    yield Command(process, port, token)
    if process.poll() is None:
        process.kill()
    process.wait(PATIENCE_S)
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_after_its_uploads(
    command: Command, tmp_path: Path, number: signal.Signals
) -> None:
    assert command.get("/v1/assets") == 200
    data = tone(4.0)
    with half_an_upload(command.port, command.token, data) as sock:
        assert command.get("/healthz") == 200  # by then, the upload is known
        command.process.send_signal(number)
        wait_until(lambda: is_closed(command.port))
        sock.sendall(data[len(data) // 2 :])
        assert sock.recv(100).startswith(b"HTTP/1.1 201 ")
    assert command.process.wait(PATIENCE_S) == 0
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        assert manager.count() == 1
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["status"] for line in log if "status" in line] == [200, 200, 201]
    assert command.token not in str(log)
