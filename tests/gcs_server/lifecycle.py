"""Lifecycle rules: whether they can be stored, and their action for one object at one moment.

https://cloud.google.com/storage/docs/lifecycle and
https://cloud.google.com/storage/docs/json_api/v1/buckets (lifecycle).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from .clock import moment_of
from .errors import ApiError, invalid
from .objects import Json, StoredObject

_COLDER = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
_MOST_RULES = 100
_MOST_AFFIXES = 1000
_ABORT_CONDITIONS = frozenset(["age", "matchesPrefix", "matchesSuffix"])


@dataclass(frozen=True)
class Candidate:
    """One object to evaluate: live or noncurrent, and how many newer versions it has."""

    record: StoredObject
    live: bool
    newer: int


@dataclass(frozen=True)
class Verdict:
    """The action of the rules: "Delete", or "SetStorageClass" with the class."""

    action: str
    storage_class: str | None = None


def verdict(rules: list[Json], candidate: Candidate, now: datetime) -> Verdict | None:
    """Evaluate one object: Delete wins, then the class that is cheapest to keep; else None.

    A rule acts if all its conditions hold. A class changes only to a colder one, as in the table of
    supported transitions.
    """
    found = [rule["action"] for rule in rules if _holds(rule["condition"], candidate, now)]
    if any(action["type"] == "Delete" for action in found):
        return Verdict("Delete")
    classes = [a["storageClass"] for a in found if a["type"] == "SetStorageClass"]
    coldest = max(classes, key=_COLDER.index, default="STANDARD")
    if _COLDER.index(coldest) > _COLDER.index(candidate.record.storage_class):
        return Verdict("SetStorageClass", coldest)
    return None


def check_lifecycle(value: object) -> Json:
    """Refuse an invalid lifecycle configuration; return what is stored.

    At most 100 rules (https://cloud.google.com/storage/quotas); at most 1,000 prefixes and
    suffixes in all; AbortIncompleteMultipartUpload takes age, matchesPrefix and matchesSuffix
    only; every rule has at least one condition.
    """
    rules = value.get("rule") if isinstance(value, dict) and value.keys() <= {"rule"} else None
    if not isinstance(rules, list):
        raise _bad("it is not a list of rules")
    if len(rules) > _MOST_RULES:
        raise _bad(f"{len(rules)} rules; at most {_MOST_RULES} are allowed")
    affixes = 0
    for rule in rules:
        if not isinstance(rule, dict) or rule.keys() != {"action", "condition"}:
            raise _bad("a rule has one action and one condition")
        kind = _check_action(rule["action"])
        condition = rule["condition"]
        _check_condition(condition, kind)
        affixes += len(condition.get("matchesPrefix", ())) + len(condition.get("matchesSuffix", ()))
    if affixes > _MOST_AFFIXES:
        raise _bad(f"{affixes} prefixes and suffixes; at most {_MOST_AFFIXES} are allowed")
    return {"rule": rules}


def _check_action(action: object) -> str:
    if not isinstance(action, dict) or action.get("type") not in _ACTIONS:
        raise _bad("an action's type is Delete, SetStorageClass or AbortIncompleteMultipartUpload")
    kind = cast("str", action["type"])
    if kind == "SetStorageClass":
        if action.keys() != {"type", "storageClass"} or action["storageClass"] not in _COLDER:
            raise _bad(f"SetStorageClass to {action.get('storageClass')}")
    elif action.keys() != {"type"}:
        raise _bad(f"{kind} takes a type only")
    return kind


def _check_condition(condition: object, kind: str) -> None:
    if not isinstance(condition, dict) or not condition:
        raise _bad("a rule needs at least one condition")
    for key, value in condition.items():
        test = _CONDITIONS.get(key)
        if test is None:
            raise invalid(f'Invalid JSON payload received. Unknown name "{key}".', "badRequest")
        if not test.valid(value):
            raise _bad(f"{key}: {value!r}")
        if kind == "AbortIncompleteMultipartUpload" and key not in _ABORT_CONDITIONS:
            raise _bad(f"{kind} does not support the condition {key}")


def _holds(condition: Mapping[str, Any], candidate: Candidate, now: datetime) -> bool:
    return all(
        _CONDITIONS[key].holds(candidate, value, now) is True for key, value in condition.items()
    )


def _bad(why: str) -> ApiError:
    return invalid(f"The lifecycle configuration is not valid: {why}.")


# -- conditions ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Condition:
    valid: Callable[[Any], bool]
    holds: Callable[[Candidate, Any, datetime], bool | None]


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _day(value: object) -> bool:
    """A date only, such as 2013-01-15."""
    if not isinstance(value, str) or len(value) != 10:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _affixes(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value)


def _classes(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(v in _COLDER for v in value)


def _days_since(text: str | None, days: int, now: datetime) -> bool | None:
    """Return whether this many days (of 24 hours) have passed."""
    return None if text is None else now >= moment_of(text) + timedelta(days=days)


def _before(text: str | None, day: str) -> bool | None:
    """Return whether it was before that day's midnight, UTC."""
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return None if text is None else moment_of(text) < midnight


_CONDITIONS: dict[str, _Condition] = {
    "age": _Condition(_count, lambda c, n, now: _days_since(c.record.time_created, n, now)),
    "createdBefore": _Condition(_day, lambda c, day, _: _before(c.record.time_created, day)),
    "customTimeBefore": _Condition(_day, lambda c, day, _: _before(c.record.custom_time, day)),
    "daysSinceCustomTime": _Condition(
        _count, lambda c, n, now: _days_since(c.record.custom_time, n, now)
    ),
    "daysSinceNoncurrentTime": _Condition(
        _count, lambda c, n, now: _days_since(c.record.time_deleted, n, now)
    ),
    "isLive": _Condition(lambda v: isinstance(v, bool), lambda c, live, _: c.live is live),
    "matchesPrefix": _Condition(
        _affixes, lambda c, starts, _: c.record.name.startswith(tuple(starts))
    ),
    "matchesStorageClass": _Condition(
        _classes, lambda c, classes, _: c.record.storage_class in classes
    ),
    "matchesSuffix": _Condition(_affixes, lambda c, ends, _: c.record.name.endswith(tuple(ends))),
    "noncurrentTimeBefore": _Condition(_day, lambda c, day, _: _before(c.record.time_deleted, day)),
    "numNewerVersions": _Condition(_count, lambda c, n, _: c.newer >= n),
}
