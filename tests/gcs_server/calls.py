"""One parsed request, and what all operations share: masks, JSON in, JSON out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from . import fields as masks
from .errors import invalid
from .faults import Fault
from .objects import Json
from .resources import parse_json
from .routing import Route
from .wire import Body, Response

JSON_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Call:
    """One parsed request, with its unread body and its faults.

    `method` and `path` are as sent.
    """

    route: Route
    method: str
    path: str
    headers: dict[str, str]
    body: Body
    base: str
    fault: Fault
    found_name: Callable[[str], None]


def mask_of(call: Call, schema: masks.Mask) -> masks.Mask | None:
    """Return the mask of the request."""
    text = call.route.query.get("fields")
    return None if text is None else masks.parse(text, schema or {"*": None})


def demand_json(call: Call) -> None:
    """Refuse a body that is not declared as JSON."""
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise invalid(f"Unsupported content with type: {media}", "badContent")


def json_of(call: Call) -> Json:
    """Read the body, a JSON object."""
    demand_json(call)
    return parse_json(call.body.all(JSON_LIMIT))


def answer_json(value: Json, mask: masks.Mask | None) -> Response:
    """Respond with JSON."""
    kept = value if mask is None else masks.apply(mask, value)
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
        "X-GUploader-UploadID": secrets.token_urlsafe(16),
    }
    return Response(200, headers, json.dumps(kept, indent=2, ensure_ascii=False).encode())
