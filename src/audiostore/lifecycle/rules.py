"""Rules of a bucket, as the JSON API writes them, and what they mean in words. Pure functions.

Format: cloud.google.com/storage/docs/json_api/v1/buckets#lifecycle. Rules have no names there: ours
are those whose only prefix is the root of our layout. All others are somebody else's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from audiostore.asset import FileOrganizer
from audiostore.lifecycle.policy import Policy
from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS, Format
from audiostore.values import BlobInfo

Rule = Mapping[str, object]
COLDEST_FIRST = ("ARCHIVE", "COLDLINE", "NEARLINE", "STANDARD")

_PREFIXES = [f"{FileOrganizer.AUDIO_ROOT}/"]


def _suffixes(stem: str, formats: Iterable[Format]) -> list[str]:
    return sorted(f"/{stem}{extension}" for each in formats for extension in each.extensions)


# Artwork stays in its class: it is small, and shown long after anybody listened.
_AUDIO_SUFFIXES = _suffixes(FileOrganizer.AUDIO_FILENAME, AUDIO_FORMATS)
_ARTWORK_SUFFIXES = _suffixes(FileOrganizer.THUMBNAIL_FILENAME, IMAGE_FORMATS)


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """Return the rules by which a store carries a policy out."""
    rules: list[Rule] = []
    for storage_class, days in policy.class_days.items():
        warmer = COLDEST_FIRST[COLDEST_FIRST.index(storage_class) + 1 :]
        rules.append(
            {
                "action": {"type": "SetStorageClass", "storageClass": storage_class},
                "condition": {
                    "age": days,
                    "isLive": True,
                    "matchesPrefix": _PREFIXES,
                    "matchesStorageClass": sorted(warmer),
                    "matchesSuffix": _AUDIO_SUFFIXES,
                },
            }
        )
    if policy.expire_after_days is not None:
        # By its own age alone, artwork could go before audio that was moved by hand, and is younger
        # therefore. What is left of it when its audio is gone, `check --repair` removes.
        rules.append(_deletion("age", policy.expire_after_days, _AUDIO_SUFFIXES))
    if policy.expire_on_custom_time:
        # A bucket looks at each object for itself, in any order: nobody is to see half an asset.
        rules.append(_deletion("daysSinceCustomTime", 0, _AUDIO_SUFFIXES))
        rules.append(_deletion("daysSinceCustomTime", 1, _ARTWORK_SUFFIXES))
    if policy.delete_old_generations_after_days is not None:
        days = policy.delete_old_generations_after_days
        rules.append(
            {
                "action": {"type": "Delete"},
                "condition": {
                    "daysSinceNoncurrentTime": days,
                    "isLive": False,
                    "matchesPrefix": _PREFIXES,
                },
            }
        )
    if policy.abort_uploads_after_days is not None:
        rules.append(
            {
                "action": {"type": "AbortIncompleteMultipartUpload"},
                "condition": {
                    "age": policy.abort_uploads_after_days,
                    "matchesPrefix": _PREFIXES,
                },
            }
        )
    return tuple(rules)


def _deletion(clock: str, days: int, suffixes: list[str]) -> Rule:
    return {
        "action": {"type": "Delete"},
        "condition": {
            clock: days,
            "isLive": True,
            "matchesPrefix": _PREFIXES,
            "matchesSuffix": suffixes,
        },
    }


def is_ours(rule: Rule) -> bool:
    """Say whether a rule is about our objects, and only those."""
    return _part(rule, "condition").get("matchesPrefix") == _PREFIXES


def deletes_on_custom_time(rules: Sequence[Rule]) -> bool:
    """Say whether a store deletes assets at the custom time that `expire` sets."""
    return any(
        action_of(rule)[0] == "Delete"
        and "daysSinceCustomTime" in (condition := _part(rule, "condition"))
        and condition.get("isLive") is not False
        and condition.get("matchesPrefix") in (None, [], _PREFIXES)
        and condition.get("matchesSuffix") in (None, [], _AUDIO_SUFFIXES)
        for rule in rules
    )


def action_of(rule: Rule) -> tuple[str, str]:
    """Return what a rule does, and the storage class if that is to change it, else ""."""
    action = _part(rule, "action")
    return str(action.get("type", "")), str(action.get("storageClass", ""))


def words_of(rule: Rule) -> str:
    """Return one of our rules as a sentence."""
    condition = _part(rule, "condition")
    match action_of(rule):
        case "SetStorageClass", storage_class:
            return f"move audio to {storage_class}, {condition.get('age')} days after it was stored"
        case "AbortIncompleteMultipartUpload", _:
            return f"abort unfinished multipart uploads after {condition.get('age')} days"
        case "Delete", _:
            return _words_of_deletion(condition)
        case _:
            return f"{rule}"


def _words_of_deletion(condition: Mapping[str, object]) -> str:
    if condition.get("matchesSuffix") == _ARTWORK_SUFFIXES:
        return "delete their artwork a day later"
    if "daysSinceCustomTime" in condition:
        return "delete assets when the time has come that 'audiostore expire' set"
    if "daysSinceNoncurrentTime" in condition:
        days = condition["daysSinceNoncurrentTime"]
        return f"delete old generations {days} days after they were replaced or deleted"
    return f"delete audio {condition.get('age')} days after it was stored"


def is_about_audio(rule: Rule) -> bool:
    """Say whether one of our rules is about live audio objects."""
    return _part(rule, "condition").get("matchesSuffix") == _AUDIO_SUFFIXES


def applies(rule: Rule, blob: BlobInfo, now: datetime) -> bool:
    """Say whether one of our rules asks for something to be done to a live object now.

    As a bucket judges it: a time counts in whole days from the moment itself.
    """
    condition = _part(rule, "condition")
    if condition.get("isLive") is False or "daysSinceNoncurrentTime" in condition:
        return False
    age = condition.get("age")
    if isinstance(age, int) and now - blob.created_at < timedelta(days=age):
        return False
    since = condition.get("daysSinceCustomTime")
    if isinstance(since, int) and (
        blob.custom_time is None or now - blob.custom_time < timedelta(days=since)
    ):
        return False
    classes = condition.get("matchesStorageClass")
    if isinstance(classes, list) and blob.storage_class not in classes:
        return False
    suffixes = condition.get("matchesSuffix")
    if isinstance(suffixes, list) and not blob.name.endswith(tuple(map(str, suffixes))):
        return False
    return action_of(rule)[0] in ("Delete", "SetStorageClass")


def _part(rule: Rule, name: str) -> Mapping[str, object]:
    part = rule.get(name)
    return part if isinstance(part, Mapping) else {}
