"""What a bucket's CORS settings let web pages do: the preflight of the XML API.

https://cloud.google.com/storage/docs/cross-origin: an entry allows its methods to its origins; "*"
is every origin. A preflight that no entry allows gets no CORS headers. That it is 200 all the same,
and that "*" in the settings is "*" in the response, is unverified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wire import Response


def preflight(settings: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Answer what a browser asks before a page's request that is not a simple one."""
    origin = headers.get("origin", "")
    method = headers.get("access-control-request-method", "")
    for entry in settings.get("cors") or ():
        origins, methods = entry.get("origin", []), entry.get("method", [])
        if method not in methods or not {"*", origin} & set(origins):
            continue
        allowed = {
            "Access-Control-Allow-Origin": "*" if "*" in origins else origin,
            "Access-Control-Allow-Methods": ",".join(methods),
            "Access-Control-Allow-Headers": ",".join(entry.get("responseHeader", [])),
            "Access-Control-Max-Age": str(entry.get("maxAgeSeconds", 3600)),
        }
        return Response(200, {name: value for name, value in allowed.items() if value})
    return Response(200)
