"""Queries as conditions of SQL: exact ones, or such as let through all that may match. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from audiostore.catalog import SEARCHED_KEYS, Query, folded
from audiostore.dataclass import dataclass
from audiostore.values import EXACT_KEY, NUMBER_KEYS

_TRIGRAM: Final = 3
"""Shorter words have no trigram: they are looked for in all texts."""
_FIELD_END: Final = "\n"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the rows of the index."""

    sql: str
    values: tuple[object, ...]
    is_exact: bool
    """Whether it holds for the matching assets alone; if not, each has to be judged."""


def condition_of(query: Query) -> Condition:
    """Return the condition that a query puts on the rows of `assets`, and of `words` by number."""
    terms = ["1"]
    values: list[object] = []
    for sql, value in (*_of_columns(query), *_of_flags(query)):
        terms.append(sql)
        values.extend(value)
    matches = []
    for text in _words(query):
        if len(text) >= _TRIGRAM:
            matches.append(_quoted(storable(text)))
        else:
            terms.append("n IN (SELECT rowid FROM words WHERE instr(text, ?) > 0)")
            values.append(storable(text))
    for text in _lines(query):
        terms.append("n IN (SELECT n FROM metadata WHERE instr(text, ?) > 0)")
        values.append(storable(text))
    if matches:
        terms.append("n IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(" AND ".join(matches))
    judged = query.equal or query.containing or query.artwork_is_missing is not None
    return Condition(" AND ".join(terms), tuple(values), not judged)


def searched_text(metadata: Mapping[str, str]) -> str:
    """Return the text in which `Query.text` looks for words."""
    return storable(folded("\n".join(metadata.get(key, "") for key in SEARCHED_KEYS)))


def metadata_text(metadata: Mapping[str, str]) -> str:
    """Return all metadata as one text: that a value contains another follows from it."""
    lines = (f"{key}={folded(value)}{_FIELD_END}" for key, value in metadata.items())
    return storable("".join(lines))


def storable(text: str) -> str:
    """Return a text without what is no Unicode, which a hostile store may give (surrogates)."""
    return text.encode("utf-8", "replace").decode()


def _of_columns(query: Query) -> Iterator[tuple[str, tuple[object, ...]]]:
    for column, wanted in (("format", query.formats), ("class", query.storage_classes)):
        if wanted:
            yield f"{column} IN ({', '.join('?' * len(wanted))})", tuple(sorted(wanted))
    limits = (
        ("duration >= ?", query.min_duration_s),
        ("duration <= ?", query.max_duration_s),
        ("size >= ?", query.min_size_bytes),
        ("size <= ?", query.max_size_bytes),
        ("created >= ?", query.created_from and query.created_from.timestamp()),
        ("created < ?", query.created_before and query.created_before.timestamp()),
    )
    for sql, limit in limits:
        if limit is not None:
            yield sql, (limit,)


def _of_flags(query: Query) -> Iterator[tuple[str, tuple[object, ...]]]:
    flags = (
        ("has_thumbnail", query.has_thumbnail),
        ("held", query.held),
        ("superseded", query.superseded),
    )
    for column, wanted in flags:
        if wanted is not None:
            yield f"{column} = ?", (wanted,)


def _words(query: Query) -> Iterator[str]:
    """Yield texts that stand in the searched text of all assets that match."""
    if query.text is not None:
        yield from folded(query.text).split()
    for key, text in (*query.containing.items(), *query.equal.items()):
        if key in SEARCHED_KEYS and text:
            yield folded(text)


def _lines(query: Query) -> Iterator[str]:
    """Yield texts that stand in the metadata of all assets that match."""
    for key, text in query.containing.items():
        if key not in SEARCHED_KEYS and text:
            yield folded(text)
    for key, text in query.equal.items():
        if key not in (*SEARCHED_KEYS, *NUMBER_KEYS, EXACT_KEY):
            yield f"{key}={folded(text)}{_FIELD_END}"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
