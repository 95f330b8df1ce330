"""A web server with TLS that does as a test says, and a client that trusts it."""

import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile

from audiostore import ConnectionOptions, RemoteFile
from audiostore.files import NewFile
from audiostore.retry import Retry, RetryConfig
from audiostore.stores.web import WebClient
from tests.faults.test_tls import Signed

DATA = bytes(range(256)) * 12_000  # 3 MB: more than any buffer on the way
ETAG = {"ETag": '"one"'}
Behaviour = Callable[["Handler"], None]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Handler(BaseHTTPRequestHandler):
    """Answers the first request for a path with its first behaviour, and so on; the last stays."""

    protocol_version = "HTTP/1.1"
    behaviours: dict[str, list[Behaviour]]
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        behaviours = self.behaviours[self.path.partition("?")[0]]
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def respond(self, status: int, headers: dict[str, str], body: bytes, cut: int = 0) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def whole(headers: dict[str, str] | None = None, data: bytes = DATA, cut: int = 0) -> Behaviour:
    return lambda handler: handler.respond(200, headers or {}, data, cut)


def rest(headers: dict[str, str] | None = None, data: bytes = DATA, shift: int = 0) -> Behaviour:
    def respond(handler: Handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        place = f"bytes {start + shift}-{len(data) - 1}/{len(data)}"
        handler.respond(206, {"Content-Range": place, **(headers or {})}, data[start:])

    return respond


def refuse(status: int, **headers: str) -> Behaviour:
    return lambda h: h.respond(status, {k.replace("_", "-"): v for k, v in headers.items()}, b"no")


def redirect(location: str, status: int = 302) -> Behaviour:
    return refuse(status, Location=location)


class Web:
    """A server, and a client that trusts it."""

    def __init__(self, client: WebClient, handler: type[Handler], port: int) -> None:
        self.client, self.handler, self.port = client, handler, port
        self.retries: list[Retry] = []

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, *behaviours: Behaviour) -> None:
        self.handler.behaviours[path] = list(behaviours)

    def fetch(self, path: str = "/song.mp3", max_bytes: int = 1 << 30) -> bytes:
        with TemporaryFile() as stream:
            file = NewFile(Path("temporary"), stream.fileno())
            self.client.fetch(RemoteFile(self.url(path)), file, max_bytes=max_bytes)
            stream.seek(0)
            return stream.read()

    @property
    def ranges(self) -> list[str | None]:
        return [each.get("range") for each in self.handler.seen]


@contextmanager
def serving(certificate: Signed, trusted: Path) -> Iterator[Web]:
    handler = type("_Handler", (Handler,), {"behaviours": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client has gone
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    retries: list[Retry] = []
    client = WebClient(
        ConnectionOptions(ca_bundle=str(trusted)),
        RetryConfig(max_attempts=3),
        on_retry=retries.append,
        sleep=lambda _: None,
    )
    try:
        web = Web(client, handler, server.server_port)
        web.retries = retries
        yield web
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()
