"""Which of a store's lifecycle rules are ours. Pure functions.

Rules have no names. So a rule is ours if it does exactly what one of our rules does: its action,
its conditions, its prefix, and suffixes that only objects of our assets have. Which file name
extensions it lists makes no difference: that depends on the release that wrote it. A list of only
one belongs to a person: every release lists all that it stores. Prefixes and suffixes are compared
byte by byte, as a bucket compares them. All other rules are someone else's.

A store may be the part of a bucket under a prefix: then the rules of other prefixes are someone
else's, too, and those that cannot reach its objects are not its business at all.
"""

from collections.abc import Iterable, Iterator, Mapping

from audiostore.asset import AUDIO, PARTS
from audiostore.lifecycle.policy import MAX_DAYS
from audiostore.lifecycle.rules import (
    COLDEST_FIRST,
    FIXED_DAYS,
    INCOMING,
    PURPOSES,
    ROOT,
    OwnRule,
    RuleResource,
    Subject,
)
from audiostore.patterns import pattern

_SUFFIX = pattern(r"/([a-z]+)\.[a-z0-9]{1,16}")
_OF_NONCURRENT = frozenset({"daysSinceNoncurrentTime", "noncurrentTimeBefore", "numNewerVersions"})
"""Conditions that only noncurrent versions meet
(cloud.google.com/storage/docs/lifecycle#conditions)."""
_NAME_CONDITIONS = ("matchesPrefix", "matchesSuffix")
"""Conditions on names: compared as they are. In all others, whitespace around text is ignored."""


def recognise(rule: RuleResource, prefix: str = "") -> OwnRule | None:
    """Return what a stored rule does if it is ours, whichever release wrote it; None if it is not.

    The order of lists, repeated or empty entries, and numbers written as text make no difference.

    Args:
        rule: as the store has it.
        prefix: what the names of the store's objects begin with in its bucket.
    """
    parts = _normal(rule)
    action, condition = parts.get("action", {}), parts.get("condition", {})
    suffixes = frozenset(_names(condition, "matchesSuffix"))
    subject = _subject(suffixes)
    storage_class = str(action.get("storageClass", ""))
    for (kind, clock, about), purpose in PURPOSES.items():
        days = condition.get(clock)
        if (
            (action.get("type"), subject) == (kind, about)
            and isinstance(days, int)
            and not isinstance(days, bool)
            and FIXED_DAYS.get(purpose, 1) <= days <= FIXED_DAYS.get(purpose, MAX_DAYS)
            and (purpose == "move audio") == (storage_class in COLDEST_FIRST[:-1])
        ):
            own = OwnRule(purpose, days, suffixes, storage_class)
            return own if _normal(own.to_json(prefix)) == parts else None
    return None


def reaches(rule: RuleResource, prefix: str) -> bool:
    """Say whether a rule could act on objects of the store under a prefix: "" reaches all."""
    prefixes = _names(_normal(rule).get("condition", {}), "matchesPrefix")
    return (
        not prefix
        or not prefixes
        or any(
            each.startswith(prefix + root) or (prefix + root).startswith(each)
            for each in prefixes
            for root in (ROOT, INCOMING)
        )
    )


def deletes_on_custom_time(rules: Iterable[RuleResource], blob_name: str) -> bool:
    """Say whether rules delete an object when its custom time has come, whoever wrote them.

    Args:
        rules: of a bucket.
        blob_name: of the object, in the bucket.
    """
    for condition in _deletions(rules):
        prefixes, suffixes = (_names(condition, f"matches{at}") for at in ("Prefix", "Suffix"))
        if (
            "daysSinceCustomTime" in condition
            and (not prefixes or blob_name.startswith(prefixes))
            and (not suffixes or blob_name.endswith(suffixes))
        ):
            return True
    return False


def deletes_below(rules: Iterable[RuleResource], folder: str) -> bool:
    """Say whether rules may delete live objects of a folder that holds no assets.

    Args:
        rules: of a bucket.
        folder: with its slash, in the bucket.
    """
    for condition in _deletions(rules):
        prefixes = _names(condition, "matchesPrefix")
        if not prefixes or any(
            each.startswith(folder) or folder.startswith(each) for each in prefixes
        ):
            return True
    return False


def _deletions(rules: Iterable[RuleResource]) -> Iterator[Mapping[str, object]]:
    """Yield the conditions of rules that delete live objects."""
    for parts in map(_normal, rules):
        condition = parts.get("condition", {})
        if parts.get("action", {}).get("type") == "Delete" and (
            condition.get("isLive") is not False and not condition.keys() & _OF_NONCURRENT
        ):
            yield condition


def _subject(suffixes: frozenset[str]) -> Subject | None:
    """Return what a list of suffixes is about; None if no release of ours writes such a list."""
    if not suffixes:
        return "all"
    stems = {match[1] if (match := _SUFFIX.fullmatch(suffix)) else "" for suffix in suffixes}
    if len(suffixes) == 1 or not stems <= PARTS.keys():
        return None
    if AUDIO.name not in stems:
        return "other parts"
    return "audio" if stems == {AUDIO.name} else None


def _names(condition: Mapping[str, object], key: str) -> tuple[str, ...]:
    names = condition.get(key)
    return tuple(map(str, names)) if isinstance(names, frozenset) else ()


def _normal(rule: RuleResource) -> dict[str, dict[str, object]]:
    """Return a rule in a form in which rules that mean the same are equal."""
    parts = {k: v if isinstance(v, Mapping) else {"": v} for k, v in rule.items()}
    return {
        name: {
            key: _normal_value(key, value)
            for key, value in part.items()
            if value is not None and value not in ([], ())
        }
        for name, part in parts.items()
    }


def _normal_value(key: str, value: object) -> object:
    if isinstance(value, list | tuple):
        return frozenset(_normal_value(key, each) for each in value)
    if isinstance(value, str) and key not in _NAME_CONDITIONS:
        text = value.strip()
        return int(text) if text.isascii() and text.isdecimal() else text
    return value if isinstance(value, str | int | float) else repr(value)
