"""Partial responses: the `fields` parameter, such as `items(name,size),nextPageToken`."""

from __future__ import annotations

import re
from typing import Any

from .errors import ApiError, invalid

Mask = dict[str, "Mask | None"]

_TOKEN = re.compile(r"[A-Za-z0-9_*.-]+|[(),/]")


def parse(text: str, schema: Mask) -> Mask:
    """Read a mask; refuse one that is malformed or names a field the resource does not have."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text or not tokens:
        raise _refusal(text)
    mask, rest = _selection(tokens, schema, text)
    if rest:
        raise _refusal(text)
    return mask


def apply(mask: Mask, value: Any) -> Any:
    """Return the fields of `value` that the mask names."""
    if isinstance(value, list):
        return [apply(mask, item) for item in value]
    if not isinstance(value, dict) or "*" in mask:
        return value
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if key in mask:
            sub = mask[key]
            kept[key] = item if sub is None else apply(sub, item)
    return kept


def _selection(tokens: list[str], schema: Mask | None, text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        tokens = _one(tokens, schema, text, mask)
        if not tokens or tokens[0] != ",":
            return mask, tokens
        tokens = tokens[1:]


def _one(tokens: list[str], schema: Mask | None, text: str, mask: Mask) -> list[str]:
    if not tokens or tokens[0] in "(),/":
        raise _refusal(text)
    key, tokens = tokens[0], tokens[1:]
    if key != "*" and schema is not None and key not in schema:
        raise _refusal(key)
    below = None if schema is None else schema.get(key)
    sub: Mask | None = None
    if tokens and tokens[0] == "/":
        sub = {}
        tokens = _one(tokens[1:], below, text, sub)
    elif tokens and tokens[0] == "(":
        sub, tokens = _selection(tokens[1:], below, text)
        if not tokens or tokens[0] != ")":
            raise _refusal(text)
        tokens = tokens[1:]
    known = mask.get(key, {})
    mask[key] = None if sub is None or known is None else {**known, **sub}
    return tokens


def _refusal(what: str) -> ApiError:
    return invalid(f"Invalid field selection {what}", "invalidParameter")
