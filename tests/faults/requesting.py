"""Uploads over HTTP without a socket: the application is called as a server calls it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audiostore import AudioStorageManager
from audiostore.serve import create_app

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
    return asyncio.run(_put(manager, f"/v1/assets/{audio_id}/audio", pieces))


async def _put(manager: AudioStorageManager, path: str, pieces: Iterator[bytes]) -> dict[str, Any]:
    app = create_app(manager)
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        piece = next(pieces, b"")
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"origin", b"http://localhost"),
            (b"content-type", b"multipart/form-data; boundary=B"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return {"status": status, "body": json.loads(body)}


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
