"""One page of a listing: items and prefixes, in the order of the names' UTF-8 bytes."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .objects import StoredObject


@dataclass(frozen=True)
class Wanted:
    """The listing requested, and the entry to start after: a name or a prefix, a generation."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    after: str | None = None
    after_generation: int = 0
    limit: int = 1000
    trailing: bool = False


@dataclass(frozen=True)
class Page:
    """One page; `last` is the entry to continue after, None at the end.

    `generation` is 0, or the generation of the last item if `last` may have more of them.
    """

    items: list[StoredObject]
    prefixes: list[str]
    last: str | None
    generation: int = 0


def page(
    names: Sequence[str],
    of: Callable[[str], Sequence[StoredObject]],
    wanted: Wanted,
    *,
    several: bool,
) -> Page:
    """Return a page of `names` (sorted); `of` gives a name's objects by ascending generation.

    `several`: a name may have more than one generation. That the oldest comes first is unverified:
    the documentation only says that results are in lexicographic order
    (https://cloud.google.com/storage/docs/json_api/v1/objects/list).
    """
    items: list[StoredObject] = []
    prefixes: list[str] = []
    last: str | None = None
    generation = 0
    after = wanted.after
    at = bisect.bisect_left(names, max(wanted.prefix, wanted.start))
    if after is not None:
        position = bisect.bisect_left if wanted.after_generation else bisect.bisect_right
        at = max(at, position(names, after))
    while at < len(names) and names[at].startswith(wanted.prefix):
        name = names[at]
        if wanted.end and name >= wanted.end:
            break
        cut = name.find(wanted.delimiter, len(wanted.prefix)) if wanted.delimiter else -1
        group = name[: cut + len(wanted.delimiter)] if cut >= 0 else None
        seen = group is not None and (
            group == after
            or (bool(prefixes) and prefixes[-1] == group)
            or (after is not None and after.startswith(group))
        )
        whole = group is None or (wanted.trailing and name == group)
        fresh = group is not None and not seen
        if group is not None and fresh:
            if len(items) + len(prefixes) >= wanted.limit:
                return Page(items, prefixes, last, generation)
            prefixes.append(group)
            last, generation = group, 0
        for item in of(name) if whole else ():
            if name == after and item.generation <= wanted.after_generation:
                continue
            if not fresh and len(items) + len(prefixes) >= wanted.limit:
                return Page(items, prefixes, last, generation)
            fresh = False
            items.append(item)
            last, generation = name, item.generation if several else 0
        at += 1
    return Page(items, prefixes, None)
