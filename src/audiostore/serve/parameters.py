"""The parameters of a search, as queries, orders and cursors. Pure functions."""

import base64
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar, cast, get_args

from starlette.datastructures import QueryParams

from audiostore.catalog import SORT_KEYS, Query, SortKey
from audiostore.dataclass import dataclass
from audiostore.serve.index import Place
from audiostore.serve.problems import RefusedError
from audiostore.stores import StorageClass

T = TypeVar("T")

MOST_ITEMS: Final = 200
USUAL_ITEMS: Final = 50
_TAGS: Final = ("title", "artist", "album")
FILTERS: Final = (
    "text",
    *_TAGS,
    "format",
    "contains.",
    "meta.",
    "min_duration_s",
    "max_duration_s",
    "min_size_bytes",
    "max_size_bytes",
    "created_from",
    "created_before",
    "storage_class",
    "has_thumbnail",
    "artwork_is_missing",
    "superseded",
    "held",
)
"""Names of parameters; a key of metadata follows after a dot."""
PAGING: Final = ("sort", "limit", "cursor")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list: its order, where it begins, and how long it is."""

    order_by: SortKey
    descending: bool
    limit: int
    after: Place | None


def query_of(params: QueryParams) -> Query:
    """Return the filters of a request as a query.

    Raises:
        RefusedError: a value is not valid, or no asset can match (400).
    """
    for name, value in params.multi_items():
        if "\0" in name or "\0" in value:
            raise _invalid(name, "it holds a NUL")
    containing = {tag: params[tag] for tag in _TAGS if tag in params}
    try:
        return Query(
            formats=frozenset(each.lower() for each in params.getlist("format")),
            equal=_by_key(params, "meta."),
            containing={**containing, **_by_key(params, "contains.")},
            text=params.get("text") or None,
            min_duration_s=_value(params, "min_duration_s", _number),
            max_duration_s=_value(params, "max_duration_s", _number),
            min_size_bytes=_value(params, "min_size_bytes", _whole),
            max_size_bytes=_value(params, "max_size_bytes", _whole),
            created_from=_value(params, "created_from", _moment),
            created_before=_value(params, "created_before", _moment),
            storage_classes=frozenset(_classes(params)),
            has_thumbnail=_value(params, "has_thumbnail", _truth),
            artwork_is_missing=_value(params, "artwork_is_missing", _truth),
            superseded=_value(params, "superseded", _truth),
            held=_value(params, "held", _truth),
        )
    except ValueError as error:
        raise RefusedError(400, str(error)) from error


def page_of(params: QueryParams) -> PageRequest:
    """Return which page a request asks for; the newest assets come first unless it says otherwise.

    Raises:
        RefusedError: a value is not valid (400).
    """
    sort = params.get("sort", "-created")
    key = sort.removeprefix("-")
    if key not in SORT_KEYS:
        raise _invalid("sort", f"give one of {', '.join(SORT_KEYS)}, perhaps with - in front")
    limit = _value(params, "limit", _whole)
    if limit is not None and not 1 <= limit <= MOST_ITEMS:
        raise _invalid("limit", f"it must be from 1 to {MOST_ITEMS}")
    cursor = params.get("cursor")
    after = None if cursor is None else _place(cursor, sort)
    return PageRequest(key, sort.startswith("-"), limit or USUAL_ITEMS, after)


def cursor_of(place: Place | None, sort: str) -> str | None:
    """Return the text by which a client asks for the next page; None if there is none."""
    if place is None:
        return None
    data = json.dumps([sort, place.value, place.audio_id]).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def truth_of(params: QueryParams, name: str) -> bool:
    """Return whether a parameter is true; without it, it is not.

    Raises:
        RefusedError: it is neither true nor false (400).
    """
    return _value(params, name, _truth) or False


def _place(cursor: str, sort: str) -> Place:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        order, value, audio_id = json.loads(data)
    except (ValueError, TypeError):
        raise _invalid("cursor", "give the `next` of a page") from None
    is_value = value is None or isinstance(value, int | float | str)
    if not is_value or not isinstance(audio_id, str) or not _is_unicode(value, audio_id):
        raise _invalid("cursor", "give the `next` of a page")
    if order != sort:
        raise _invalid("cursor", f"it belongs to the order {str(order)[:20]!r}, not {sort!r}")
    return Place(value, audio_id)


def _is_unicode(*values: object) -> bool:
    """Say whether texts can be stored, and numbers are such as a database has."""
    for value in values:
        if isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value):
            return False
        if isinstance(value, int) and abs(value) >= 1 << 63:
            return False
    return True


def _by_key(params: QueryParams, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in params.items()
        if name.startswith(prefix)
    }


def _value(params: QueryParams, name: str, parse: Callable[[str], T]) -> T | None:
    given = params.get(name)
    if given is None:
        return None
    try:
        return parse(given)
    except ValueError as error:
        raise _invalid(name, str(error)) from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("it must be a number")
    return number


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError("it must be a whole number")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("it must be true or false")
    return text == "true"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it must be a time such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _classes(params: QueryParams) -> list[StorageClass]:
    given = [each.upper() for each in params.getlist("storage_class")]
    known = get_args(StorageClass)
    for each in given:
        if each not in known:
            raise _invalid("storage_class", f"give one of {', '.join(known)}")
    return cast("list[StorageClass]", given)


def _invalid(name: str, why: str) -> RefusedError:
    return RefusedError(400, f"the parameter {name[:80]!r} is not valid: {why}")
