"""The HTTP headers that a stored object is served with. Pure functions."""

import re
from typing import Literal
from urllib.parse import quote

from audiostore.errors import ConfigurationError

CacheScope = Literal["private", "public"]

_YEAR_S = 365 * 24 * 3600
_HOUR_S = 3600
_NOT_IN_QUOTES = re.compile(r'[^\x20-\x7e]|["\\%/]')
_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 8187, section 3.2.1, beside letters and digits


def audio_cache_control(scope: CacheScope) -> str:
    """Return Cache-Control for audio, which never changes under its id (RFC 9111, RFC 8246).

    "private" keeps it out of shared caches: without a header, GCS lets them keep what is public.
    """
    return f"{_require_scope(scope)}, max-age={_YEAR_S}, immutable, no-transform"


def thumbnail_cache_control(scope: CacheScope) -> str:
    """Return Cache-Control for artwork, which may be replaced under its name."""
    return f"{_require_scope(scope)}, max-age={_HOUR_S}, no-transform"


def content_disposition(filename: str) -> str:
    """Return Content-Disposition that plays in place and is saved under the original name.

    RFC 6266: an ASCII name for old clients, and the true one in UTF-8 (RFC 8187) if they differ.
    """
    ascii_name = _NOT_IN_QUOTES.sub("_", filename)
    header = f'inline; filename="{ascii_name}"'
    if ascii_name != filename:
        header += f"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR)}"
    return header


def _require_scope(scope: str) -> str:
    if scope not in ("private", "public"):
        raise ConfigurationError(f"cache is {scope!r}: it must be 'private' or 'public'")
    return scope
