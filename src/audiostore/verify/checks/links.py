"""Links: what browsers do with a bucket.

Reference: cloud.google.com/storage/docs/access-control/signed-urls, …/docs/cross-origin.
"""

import re
from functools import partial
from typing import Any
from urllib.parse import quote

from audiostore.errors import CredentialsError
from audiostore.sources import BytesSource
from audiostore.verify.scratch import CONTENT, Scratch
from audiostore.verify.values import BrokenPromiseError, NotShownError, check

_OK = range(200, 201)
_PARTIAL = range(206, 207)
_REFUSED = range(400, 500)
_EXPIRES_S = 300
_SIGNATURE = re.compile(r"(X-Goog-Signature=)(..)")
_ANY_ORIGIN = "https://audiostore.example"
_STRANGER = "https://a-stranger-to-this-bucket.example"


@check(
    "anyone with a signed URL can read that generation, and save it under the name given",
    class_a=1,
    class_b=3,
)
def signed_link(scratch: Scratch) -> str:
    """Read an object and a range of it without credentials; then with a damaged signature."""
    spec = scratch.spec("object")
    blob = scratch.store.put(spec, BytesSource(CONTENT))
    try:
        url = scratch.store.signed_url(blob, expires_s=_EXPIRES_S, download_as="Dvořák.bin")
    except CredentialsError as error:
        raise NotShownError(str(error)) from error
    get = partial(scratch.client.call_unsigned, "GET")
    response = scratch.ask(partial(get, url))
    scratch.require_status(response, _OK, "a signed URL")
    if response.body != CONTENT:
        raise BrokenPromiseError("it leads to other bytes")
    disposition = response.headers.get("content-disposition", "")
    if not (disposition.startswith("attachment") and "Dvo%C5%99%C3%A1k.bin" in disposition):
        raise BrokenPromiseError(f"it is to be saved under {disposition!r}")
    if response.headers.get("content-type") != spec.content_type:
        raise BrokenPromiseError("its Content-Type is not that of the object")
    part = scratch.ask(partial(get, url, {"Range": "bytes=5-16"}))
    scratch.require_status(part, _PARTIAL, "a range of a signed URL")
    if part.body != CONTENT[5:17]:
        raise BrokenPromiseError("a range of it has other bytes")
    damaged = _SIGNATURE.sub(lambda m: m[1] + ("00" if m[2] != "00" else "11"), url)
    denied = scratch.ask(partial(get, damaged))
    scratch.require_status(denied, _REFUSED, "a URL with a damaged signature")
    return f"200, and 206 for a range; a damaged signature got HTTP {denied.status}"


@check(
    "web pages from the origins in the bucket's CORS settings may read it, and no others",
    class_a=0,
    class_b=2,
)
def cross_origin(scratch: Scratch) -> str:
    """Ask, as a browser does, for an origin and a method of the settings; then for a stranger."""
    settings = scratch.facts.settings
    if settings is None:
        raise NotShownError("the account may not read the bucket's CORS settings")
    allowed = [(o, m) for entry in settings.cors for o, m in _pairs(entry)]
    if not allowed:
        raise NotShownError("no CORS is configured, or for origins with wildcards alone")
    origin, method = allowed[0]
    asked = _ANY_ORIGIN if origin == "*" else origin
    reply = _preflight(scratch, asked, method)
    if reply not in ("*", asked):
        raise BrokenPromiseError(f"a configured origin got Access-Control-Allow-Origin: {reply!r}")
    if any(each == "*" for each, _ in allowed):
        return f"{method} is allowed to every origin, as configured"
    reply = _preflight(scratch, _STRANGER, method)
    if reply in ("*", _STRANGER):
        raise BrokenPromiseError(f"an origin that is not configured may {method}, too")
    return f"{method} is allowed to an origin that is configured, not to another"


def _pairs(entry: Any) -> list[tuple[str, str]]:
    origins = [each for each in entry.get("origin", ()) if each == "*" or "*" not in each]
    return [(origin, method) for origin in origins for method in entry.get("method", ())[:1]]


def _preflight(scratch: Scratch, origin: str, method: str) -> str | None:
    """Return the origin that is allowed: CORS settings are those of the XML API."""
    path = quote(f"/{scratch.client.bucket}/{scratch.client.full_name(scratch.folder)}object")
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    url = f"{scratch.client.endpoint}{path}"
    response = scratch.ask(partial(scratch.client.call_unsigned, "OPTIONS", url, headers))
    return response.headers.get("access-control-allow-origin")
