"""Serves the page with a script in it that uses it, as a person would, and reports what it saw."""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DRIVER = Path(__file__).with_name("driver.js")
_CUT_BYTES = 1 << 20
_SCRIPT = b'<script type="module" src="test/driver.js"></script></body>'


@dataclass
class Harness:
    """An ASGI application around the service."""

    app: ASGIApp
    fixtures: dict[str, bytes]
    """What the script can fetch below ``test/``."""
    reports: "Queue[dict[str, Any]]" = field(default_factory=Queue)
    state: Any = None
    """That of the application."""
    is_offline: bool = False
    """No request is answered, except for the script's own."""
    breaks: int = 0
    """So many responses with audio end in the middle."""
    cuts: int = 0
    """So many uploads in steps are cut off in the middle."""

    def __post_init__(self) -> None:
        """Look like the application to the server."""
        self.state = getattr(self.app, "state", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/test/"):
            await self._own(scope, receive, send)
        elif scope["type"] == "http" and self.is_offline:
            await _hang_up(send)
        elif path == "/":
            await self._with_script(scope, receive, send)
        elif self.breaks and path.endswith("/audio") and scope["method"] == "GET":
            self.breaks -= 1
            await self._broken(scope, receive, send)
        elif self.cuts and path.endswith("/content") and scope["method"] == "PUT":
            self.cuts -= 1
            await self.app(scope, _cut(receive), lambda _: _hang_up(send))
        else:
            await self.app(scope, receive, send)

    async def _own(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix("/test/")
        query = parse_qs(scope["query_string"].decode())
        data, kind = b"", "application/octet-stream"
        if name == "report":
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            self.reports.put(json.loads(body))
        elif name == "set":
            self.is_offline = query.get("offline", ["0"])[0] == "1"
            self.breaks = int(query.get("breaks", ["0"])[0])
            self.cuts = int(query.get("cuts", ["0"])[0])
        elif name == "driver.js":
            data, kind = _DRIVER.read_bytes(), "text/javascript"
        elif name == "axe.js":
            data = files("axe_core_python").joinpath("axe.min.js").read_bytes()
            kind = "text/javascript"
        else:
            data = self.fixtures[name]
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    async def _with_script(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def collecting(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                page = body.replace(b"</body>", _SCRIPT)
                headers = [
                    (name, value)
                    for name, value in start["headers"]
                    if name.lower() not in (b"content-length", b"etag", b"last-modified")
                ]
                headers.append((b"content-length", b"%d" % len(page)))
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, collecting)

    async def _broken(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = 0

        async def breaking(message: Message) -> None:
            nonlocal sent
            await send(message)
            sent += len(message.get("body", b""))
            if sent:
                raise ConnectionResetError("broken by the test")

        await self.app(scope, receive, breaking)


def _cut(receive: Receive) -> Receive:
    """Let a little of a body through; then the connection is gone."""
    received = 0

    async def receiving() -> Message:
        nonlocal received
        if received > _CUT_BYTES:
            return {"type": "http.disconnect"}
        message = await receive()
        received += len(message.get("body", b""))
        return message

    return receiving


async def _hang_up(send: Send) -> None:
    """End the connection in the middle of a response."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise ConnectionResetError("hung up by the test")
