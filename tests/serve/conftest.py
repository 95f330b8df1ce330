"""The service over real sockets, on a directory and on the strict server."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
import uvicorn.server

from audiostore import AudioStorageManager, GcsStore, LocalStore, RetryConfig
from audiostore.serve import Access, Limits, PushSubscription, StartToken, create_app
from audiostore.serve.running import Server
from audiostore.stores import ObjectStore
from tests.assets import BUCKET, SOFT_DELETE, opened
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S, wait_until

ONCE = RetryConfig(max_attempts=1)
TOKEN = "a-token-of-the-tests"


async def _sleep_less(seconds: float) -> None:
    await asyncio.sleep(seconds / 50)


_IN_A_HURRY: Final = SimpleNamespace(**{**vars(asyncio), "sleep": _sleep_less})
"""asyncio for uvicorn, which otherwise takes 0.2 s to notice that it is to end, after each test."""


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The class of the error that the body describes."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        kind: str = self.json["type"]
        return kind.removeprefix("urn:audiostore:error:")


@dataclass
class Running:
    """A service that runs in a thread of this process."""

    manager: AudioStorageManager
    server: Server
    port: int
    thread: threading.Thread
    log: list[dict[str, Any]]

    def connect(self) -> HTTPConnection:
        """Return a new connection."""
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        /,
        *,
        token: str | None = TOKEN,
        **headers: str,
    ) -> Answer:
        """Send a request and read the response; ``if_match=`` is the header If-Match."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            given.setdefault("content-type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, path, body, given)
            return read(connection.getresponse())
        finally:
            connection.close()

    def store(self, data: bytes, **query: str) -> str:
        """Store a file; return its id."""
        names = "&".join(f"{key}={value}" for key, value in query.items())
        answer = self("POST", f"/v1/assets?{names}", data, content_type="audio/wav")
        assert answer.status == 201, answer.body
        audio_id: str = answer.json["audio_id"]
        return audio_id

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Return the lines of the log, once there are so many: each follows its response."""
        wait_until(lambda: len(self.log) >= count)
        return self.log

    def stop(self) -> None:
        """Shut the service down, and wait for its end."""
        self.server.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def read(response: HTTPResponse) -> Answer:
    """Read a response to its end."""
    body = response.read()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)


@contextmanager
def serving(
    store: ObjectStore,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
    redirects: bool = False,
    origins: tuple[str, ...] = (),
    refresh_s: float = 30.0,
    share_secret: bytes | None = None,
    subscription: PushSubscription | None = None,
) -> Iterator[Running]:
    """Run a service of a store; without other access, the token is `TOKEN`."""
    log: list[dict[str, Any]] = []
    manager = AudioStorageManager(store=store, retry_config=ONCE)
    app = create_app(
        manager,
        access=access or StartToken(TOKEN),
        limits=limits,
        redirects=redirects,
        origins=origins,
        refresh_s=refresh_s,
        share_secret=share_secret,
        subscription=subscription,
        log=lambda line: log.append(json.loads(line)),
    )
    ports: list[int] = []
    server = Server(app, host="127.0.0.1", port=0, on_listening=lambda _, port: ports.append(port))
    thread = threading.Thread(target=server.run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _IN_A_HURRY)
        thread.start()
        try:
            wait_until(lambda: ports or not thread.is_alive())
            yield Running(manager, server, ports[0], thread, log)
        finally:
            server.stop()
            thread.join(PATIENCE_S)


@pytest.fixture
def bucket() -> Iterator[StrictServer]:
    """A bucket with soft delete, on the strict server."""
    with StrictServer(BUCKET, bucket_settings=SOFT_DELETE) as server:
        yield server


@pytest.fixture(params=["local", "gcs"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A service of an empty store of each kind."""
    if request.param == "gcs":
        server: StrictServer = request.getfixturevalue("bucket")
        store: ObjectStore = GcsStore(BUCKET, emulator=server.url)
    else:
        store = LocalStore(tmp_path / "store")
    with serving(store) as running:
        yield running
    store.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Running]:
    """A service of an empty directory."""
    with opened("local", tmp_path) as store, serving(store) as running:
        yield running
