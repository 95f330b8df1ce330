"""A line of JSON for each request: who asked for what, and what came of it.

Without queries, which may hold tokens, and without headers.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiostore.errors import escaped
from audiostore.serve.gate import USER_KEY
from audiostore.serve.problems import ERROR_KEY

Writer = Callable[[str], object]
"""Takes a line, without its end."""


class AccessLog:
    """Writes a line after each request; of one that broke, with ``"complete": false``."""

    def __init__(
        self, app: ASGIApp, write: Writer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._write = write
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and write its line at the end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, sent_bytes, is_complete = self._clock(), 0, 0, False

        async def sending(message: Message) -> None:
            nonlocal status, sent_bytes, is_complete
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent_bytes += len(message.get("body", b""))
                is_complete = not message.get("more_body", False)

        try:
            await self._app(scope, receive, sending)
        finally:
            client = scope.get("client")
            self._write(
                json.dumps(
                    {
                        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                        "client": client[0] if client else None,
                        "user": scope.get(USER_KEY),
                        "method": scope["method"],
                        "path": escaped(scope["path"]),
                        "status": status,
                        "bytes": sent_bytes,
                        "ms": round(1000 * (self._clock() - started), 1),
                        "complete": is_complete,
                        "error": scope.get(ERROR_KEY),
                    }
                )
            )
