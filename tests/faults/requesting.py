"""The service in a child process: called as a server calls it, or as a real server."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from audiostore import AudioStorageManager
from audiostore.serve import StartToken, create_app
from audiostore.serve.routes import direct
from audiostore.serve.running import run

TOKEN = "a-token-of-the-faults"
_NEVER_S = 1e6
_PIECE_BYTES = 20_000


def put_over_http(
    manager: AudioStorageManager, audio_id: str, audio: Path, cover: Path
) -> dict[str, Any]:
    """Send a form with both files to the path of an id; return the status and the document."""
    body = b""
    for name, path in (("audio", audio), ("thumbnail", cover)):
        head = f'Content-Disposition: form-data; name="{name}"; filename="{path.name}"'
        body += f"--B\r\n{head}\r\n\r\n".encode() + path.read_bytes() + b"\r\n"
    pieces = _pieces(body + b"--B--\r\n")
    headers = {"content-type": "multipart/form-data; boundary=B"}
    return asyncio.run(_send(manager, "PUT", f"/v1/assets/{audio_id}/audio", headers, pieces))


def go_on_over_http(manager: AudioStorageManager, upload_id: str, audio: Path) -> dict[str, Any]:
    """Send what has not arrived of an upload in steps, and complete it; return what comes of it."""
    direct.PIECE_BYTES = _PIECE_BYTES  # several pieces of a small file
    at, data = f"/v1/uploads/{upload_id}", audio.read_bytes()
    while True:
        span = {"content-range": f"bytes */{len(data)}"}
        said = asyncio.run(_send(manager, "PUT", f"{at}/content", span, iter(())))
        if said["status"] != 308:
            break
        first = int(said["range"].removeprefix("bytes=0-")) + 1 if said["range"] else 0
        span = {"content-range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
        asyncio.run(_send(manager, "PUT", f"{at}/content", span, _pieces(data[first:])))
    return asyncio.run(_send(manager, "POST", f"{at}/complete", {}, iter(())))


def serve_until_killed(
    manager: AudioStorageManager, port_file: Path, on_listening: Callable[[], object]
) -> None:
    """Serve a store on this machine; the store is listed once, before anybody can connect."""
    direct.PIECE_BYTES = _PIECE_BYTES

    def announce(_: str, port: int) -> None:
        written = port_file.with_suffix(".new")
        written.write_text(str(port))
        written.rename(port_file)
        on_listening()

    app = create_app(manager, access=StartToken(TOKEN), refresh_s=_NEVER_S)
    run(app, host="127.0.0.1", port=0, on_listening=announce)


async def _send(
    manager: AudioStorageManager,
    method: str,
    path: str,
    headers: dict[str, str],
    pieces: Iterator[bytes],
) -> dict[str, Any]:
    app = create_app(manager)
    status, body, span = 0, b"", b""

    async def receive() -> dict[str, Any]:
        piece = next(pieces, b"")
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: Any) -> None:
        nonlocal status, body, span
        status = message.get("status", status)
        span = dict(message.get("headers", ())).get(b"range", span)
        body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"origin", b"http://localhost"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return {"status": status, "range": span.decode(), "body": json.loads(body or b"null")}


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
