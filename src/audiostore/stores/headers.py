"""The HTTP headers that a stored object is served with. Pure functions."""

from typing import Literal
from urllib.parse import quote

from audiostore.errors import is_safe, shown
from audiostore.patterns import pattern

CacheScope = Literal["private", "public"]

_NOT_IN_QUOTES = pattern(r'[^\x20-\x7e]|["%]')
_PLAIN = pattern(r"[ !#$&-.0-\[\]-~]*")
"""What needs no care: of ASCII, all but what controls, separates paths, or is special in quotes."""
_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 8187, section 3.2.1, besides letters and digits


def cache_control(scope: CacheScope, *, max_age_s: int, is_immutable: bool) -> str:
    """Return Cache-Control (RFC 9111; immutable: RFC 8246).

    Args:
        scope: "private" keeps the object out of shared caches: without a header, GCS lets them
            keep publicly readable objects.
        max_age_s: how long a cache may keep it, in seconds.
        is_immutable: whether the object never changes.
    """
    immutable = ", immutable" if is_immutable else ""
    return f"{scope}, max-age={max_age_s}{immutable}, no-transform"


def check_cache_scope(scope: object) -> None:
    """Require that the scope is "private" or "public".

    Raises:
        ValueError: it is neither.
    """
    if scope not in ("private", "public"):
        raise ValueError(f"cache is {shown(scope)}: it must be 'private' or 'public'")


def content_disposition(filename: str, *, kind: Literal["inline", "attachment"] = "inline") -> str:
    """Return Content-Disposition: played in place, or saved ("attachment"), under the given name.

    RFC 6266: an ASCII name for old clients, and the true one in UTF-8 (RFC 8187) if they differ;
    without separators of paths and characters that control or reorder text (section 4.3).
    """
    if _PLAIN.fullmatch(filename):  # as nearly all
        return f'{kind}; filename="{filename}"'
    filename = "".join("_" if c in "/\\" or not is_safe(c) else c for c in filename)
    ascii_name = _NOT_IN_QUOTES.sub("_", filename)
    header = f'{kind}; filename="{ascii_name}"'
    if ascii_name != filename:
        header += f"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR)}"
    return header


def served_as(filename: str, extension: str) -> str:
    """Return the name that browsers save a file under: its own, with the correct extension."""
    stem, dot, own = filename.rpartition(".")
    if dot and f".{own.lower()}" == extension:
        return filename
    return f"{stem if dot else filename}{extension}"
