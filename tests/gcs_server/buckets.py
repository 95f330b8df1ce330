"""A bucket: what it holds, and its settings, as a client may read and change them.

The fields are those of https://cloud.google.com/storage/docs/json_api/v1/buckets.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import written
from .encryption import Encryption
from .errors import ApiError, invalid
from .lifecycle import check_lifecycle
from .objects import Json, StoredObject

SOFT_DELETE_SECONDS = 604_800

AS_NEW: Mapping[str, Any] = {
    "softDeletePolicy": {"retentionDurationSeconds": str(SOFT_DELETE_SECONDS)},
}
"""Soft delete for 7 days, the default of a new bucket."""

NO_SOFT_DELETE_REASON = "SoftDeletePolicyRequired"

_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_MULTI_REGIONS = ("US", "EU", "ASIA")
_LONGEST_RETENTION = 3_155_760_000
_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_OUTPUT_ONLY = frozenset(
    [
        "acl",
        "etag",
        "generation",
        "hardDeleteTime",
        "id",
        "kind",
        "locationType",
        "metageneration",
        "name",
        "owner",
        "projectNumber",
        "selfLink",
        "softDeleteTime",
        "timeCreated",
        "updated",
    ]
)


@dataclass(frozen=True)
class Folder:
    """A folder of a bucket with a hierarchical namespace; its name ends with a slash."""

    name: str
    created: str
    metageneration: int = 1


@dataclass
class Bucket:
    """One bucket: its objects, their names in order, every generation it ever had, its settings.

    `noncurrent` and `deleted` (soft-deleted) hold a name's generations, oldest first.
    """

    name: str
    time_created: str
    settings: Json
    objects: dict[str, StoredObject] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    history: dict[str, list[int]] = field(default_factory=dict)
    noncurrent: dict[str, list[StoredObject]] = field(default_factory=dict)
    deleted: dict[str, list[StoredObject]] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    metageneration: int = 1
    updated: str = ""

    @property
    def hierarchical(self) -> bool:
        """Return whether folders are resources."""
        return bool((self.settings.get("hierarchicalNamespace") or {}).get("enabled"))

    @property
    def location(self) -> str:
        """Where it is."""
        return str(self.settings.get("location", "US"))

    @property
    def location_type(self) -> str:
        """What kind of place that is."""
        return "multi-region" if self.location in _MULTI_REGIONS else "region"

    def make_folders(self, name: str, now: str) -> None:
        """Create the folders in a name that do not exist, if folders are resources."""
        if not self.hierarchical:
            return
        end = name.find("/")
        while end >= 0:
            folder = name[: end + 1]
            self.folders.setdefault(folder, Folder(folder, now))
            end = name.find("/", end + 1)

    @property
    def versioned(self) -> bool:
        """Return whether replaced and deleted objects become noncurrent."""
        return bool((self.settings.get("versioning") or {}).get("enabled"))

    @property
    def decides_on_classes(self) -> bool:
        """Return whether every new object is Standard, whatever class is requested (Autoclass)."""
        return bool((self.settings.get("autoclass") or {}).get("enabled"))

    @property
    def requester_pays(self) -> bool:
        """Return whether every request must name a project to bill."""
        return bool((self.settings.get("billing") or {}).get("requesterPays"))

    @property
    def soft_delete_seconds(self) -> int:
        """How long deleted objects are kept; 0: not at all."""
        policy = self.settings.get("softDeletePolicy") or {}
        return int(policy.get("retentionDurationSeconds", 0))

    @property
    def encryption(self) -> Encryption | None:
        """What new objects are encrypted with, unless the request says otherwise."""
        key = (self.settings.get("encryption") or {}).get("defaultKmsKeyName")
        return None if key is None else Encryption(key)


def bucket_json(bucket: Bucket, base: str) -> Json:
    """Write a bucket resource."""
    raw = b"\x08" + bytes([bucket.metageneration & 127])
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{base}/storage/v1/b/{bucket.name}",
        "projectNumber": "123456789012",
        "name": bucket.name,
        "metageneration": str(bucket.metageneration),
        "location": bucket.location,
        "locationType": bucket.location_type,
        "storageClass": "STANDARD",
        "etag": base64.b64encode(raw).decode(),
        "timeCreated": bucket.time_created,
        "updated": bucket.updated or bucket.time_created,
        **bucket.settings,
    }


def settled(changes: Mapping[str, Any], current: Mapping[str, Any] | None, now: datetime) -> Json:
    """Return the settings of a bucket after `changes`; `current` None makes a new bucket.

    The semantics of a patch (https://cloud.google.com/storage/docs/json_api#patch): omitted
    fields stay, an object merges field by field, a list replaces the list, null removes. That null
    as softDeletePolicy restores its default, and `{}` as retentionPolicy changes nothing, is
    unverified (users' reports).
    """
    made: Json = dict(current or {})
    for key, value in changes.items():
        if key in _OUTPUT_ONLY:
            continue
        check = _CHECKS.get(key)
        if check is None:
            raise invalid(f'Invalid JSON payload received. Unknown name "{key}".', "badRequest")
        merged = _merge(made.get(key), value)
        if merged is None or merged == {}:
            made.pop(key, None)
            if key == "softDeletePolicy" and current is not None:
                made[key] = check(dict(AS_NEW[key]), None, now)
            continue
        if key == "location" and current is not None and merged != made.get(key, "US"):
            raise invalid("The location of a bucket cannot be changed.")
        if key == "hierarchicalNamespace" and current is not None and merged != made.get(key):
            raise invalid("The hierarchical namespace of a bucket cannot be changed.")
        made[key] = check(merged, made.get(key), now)
        if made[key] in ([], {"rule": []}):
            del made[key]
    check_autoclass(made)
    return made


def _merge(old: object, change: object) -> object:
    if not isinstance(change, dict):
        return change
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


# -- each setting: (new value, old value, time) -> stored value ------------------------------------


def _soft_delete(value: object, old: object, now: datetime) -> object:
    """0, or 7 to 90 days (https://cloud.google.com/storage/docs/soft-delete)."""
    policy = _object("softDeletePolicy", value, "retentionDurationSeconds", "effectiveTime")
    seconds = _int64("softDeletePolicy", policy.get("retentionDurationSeconds", "604800"))
    if seconds != 0 and not 604_800 <= seconds <= 7_776_000:
        raise invalid(
            f"Soft delete retention of {seconds} seconds is neither 0 nor from 604800 to 7776000."
        )
    before = old if isinstance(old, dict) else {}
    if str(seconds) == before.get("retentionDurationSeconds"):
        return before
    if seconds == 0:
        return {"retentionDurationSeconds": "0"}
    return {"retentionDurationSeconds": str(seconds), "effectiveTime": written(now)}


def _retention(value: object, old: object, now: datetime) -> object:
    """1 second to 100 years (https://cloud.google.com/storage/docs/bucket-lock)."""
    policy = _object("retentionPolicy", value, "retentionPeriod", "effectiveTime", "isLocked")
    seconds = _int64("retentionPolicy", policy.get("retentionPeriod"))
    if not 0 < seconds <= _LONGEST_RETENTION:
        raise invalid(f"Retention period of {seconds} seconds is not from 1 to 3155760000.")
    before = old if isinstance(old, dict) else {}
    if str(seconds) == before.get("retentionPeriod"):
        return before
    locked = {"isLocked": True} if before.get("isLocked") else {}
    return {"retentionPeriod": str(seconds), "effectiveTime": written(now), **locked}


def _versioning(value: object, _old: object, _now: datetime) -> object:
    given = _object("versioning", value, "enabled")
    return {"enabled": _boolean("versioning.enabled", given.get("enabled"))}


def _iam(value: object, _old: object, _now: datetime) -> object:
    """https://cloud.google.com/storage/docs/uniform-bucket-level-access."""
    given = _object(
        "iamConfiguration",
        value,
        "uniformBucketLevelAccess",
        "publicAccessPrevention",
        "bucketPolicyOnly",
    )
    uniform = given.get("uniformBucketLevelAccess")
    if uniform is not None:
        inside = _object("uniformBucketLevelAccess", uniform, "enabled", "lockedTime")
        _boolean("uniformBucketLevelAccess.enabled", inside.get("enabled"))
    if given.get("publicAccessPrevention", "inherited") not in ("inherited", "enforced"):
        raise invalid("Invalid value for: publicAccessPrevention")
    return given


def _cors(value: object, _old: object, _now: datetime) -> object:
    """https://cloud.google.com/storage/docs/cross-origin."""
    if not isinstance(value, list):
        raise invalid("Invalid value for: cors is not a list")
    for entry in value:
        given = _object("cors", entry, "origin", "method", "responseHeader", "maxAgeSeconds")
        for key in ("origin", "method", "responseHeader"):
            listed = given.get(key, [])
            if not isinstance(listed, list) or not all(isinstance(v, str) for v in listed):
                raise invalid(f"Invalid value for: cors.{key} is not a list of strings")
        age = given.get("maxAgeSeconds", 0)
        if not isinstance(age, int) or isinstance(age, bool) or age < 0:
            raise invalid("Invalid value for: cors.maxAgeSeconds")
    return value


def _labels(value: object, _old: object, _now: datetime) -> object:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise invalid("Invalid value for: labels is not a map of strings")
    return value


def _storage_class(value: object, _old: object, _now: datetime) -> object:
    if value not in _CLASSES:
        raise invalid(f"Invalid value for: storageClass {value}")
    return value


def _location(value: object, _old: object, _now: datetime) -> object:
    if not isinstance(value, str) or not value:
        raise invalid("Invalid value for: location")
    return value.upper()


def _default_hold(value: object, _old: object, _now: datetime) -> object:
    return _boolean("defaultEventBasedHold", value)


def _encryption(value: object, _old: object, _now: datetime) -> object:
    """https://cloud.google.com/storage/docs/encryption/using-customer-managed-keys."""
    given = _object("encryption", value, "defaultKmsKeyName")
    key = given.get("defaultKmsKeyName")
    if not isinstance(key, str) or not _KMS_KEY.fullmatch(key):
        raise invalid("Malformed Cloud KMS crypto key")
    return given


def _lifecycle(value: object, _old: object, _now: datetime) -> object:
    return check_lifecycle(value)


def _autoclass(value: object, old: object, now: datetime) -> object:
    """https://cloud.google.com/storage/docs/autoclass."""
    given = _object(
        "autoclass",
        value,
        "enabled",
        "toggleTime",
        "terminalStorageClass",
        "terminalStorageClassUpdateTime",
    )
    is_on = _boolean("autoclass.enabled", given.get("enabled"))
    if given.get("terminalStorageClass", "NEARLINE") not in ("NEARLINE", "ARCHIVE"):
        raise invalid("Invalid value for: autoclass.terminalStorageClass")
    before = old if isinstance(old, dict) else {}
    if before.get("enabled") == is_on:
        return {**before, **given}
    return {**given, "toggleTime": written(now)}


def check_autoclass(settings: Mapping[str, Any]) -> None:
    """Refuse what a bucket cannot have that decides on storage classes itself.

    Its default class is always Standard, and its lifecycle rules can neither set a class nor depend
    on one (https://cloud.google.com/storage/docs/autoclass). The messages are unverified.
    """
    if not (settings.get("autoclass") or {}).get("enabled"):
        return
    if settings.get("storageClass", "STANDARD") != "STANDARD":
        raise invalid("The default storage class of a bucket with Autoclass must be STANDARD.")
    for rule in (settings.get("lifecycle") or {}).get("rule", ()):
        if (
            rule["action"]["type"] == "SetStorageClass"
            or "matchesStorageClass" in rule["condition"]
        ):
            raise invalid("Autoclass and rules on storage classes cannot be combined.")


def _hierarchical(value: object, _old: object, _now: datetime) -> object:
    """https://cloud.google.com/storage/docs/hns-overview: chosen when the bucket is created."""
    given = _object("hierarchicalNamespace", value, "enabled")
    return {"enabled": _boolean("hierarchicalNamespace.enabled", given.get("enabled"))}


def _billing(value: object, _old: object, _now: datetime) -> object:
    """https://cloud.google.com/storage/docs/requester-pays."""
    given = _object("billing", value, "requesterPays")
    return {"requesterPays": _boolean("billing.requesterPays", given.get("requesterPays"))}


_CHECKS: dict[str, Callable[[object, object, datetime], object]] = {
    "autoclass": _autoclass,
    "billing": _billing,
    "cors": _cors,
    "defaultEventBasedHold": _default_hold,
    "encryption": _encryption,
    "hierarchicalNamespace": _hierarchical,
    "iamConfiguration": _iam,
    "labels": _labels,
    "lifecycle": _lifecycle,
    "location": _location,
    "retentionPolicy": _retention,
    "softDeletePolicy": _soft_delete,
    "storageClass": _storage_class,
    "versioning": _versioning,
}

BUCKET_SCHEMA: dict[str, Any] = dict.fromkeys(sorted(_OUTPUT_ONLY | _CHECKS.keys()))


def _object(what: str, value: object, *known: str) -> Json:
    if not isinstance(value, dict):
        raise invalid(f"Invalid value for: {what} is not an object")
    for key in value:
        if key not in known:
            raise invalid(f'Invalid JSON payload received. Unknown name "{key}".', "badRequest")
    return value


def _int64(what: str, value: object) -> int:
    """Accept a number, or the decimal string that the JSON API uses for int64."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise invalid(f"Invalid value for: {what}: {value}")


def _boolean(what: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise invalid(f"Invalid value for: {what} is not a boolean")
    return value


def check_lock(bucket: Bucket, after: Mapping[str, Any]) -> None:
    """Refuse to remove or to shorten a locked retention policy.

    https://cloud.google.com/storage/docs/bucket-lock. The response is unverified (users' reports).
    """
    before = bucket.settings.get("retentionPolicy") or {}
    period = int((after.get("retentionPolicy") or {}).get("retentionPeriod", 0))
    if before.get("isLocked") and period < int(before["retentionPeriod"]):
        what = "reduced" if period else "removed"
        raise ApiError(
            403,
            "retentionPolicyNotMet",
            f"Bucket '{bucket.name}' has a locked Retention Policy which cannot be {what}.",
        )


def no_soft_delete(doing: str, reason: str) -> ApiError:
    """Refuse what only a bucket with soft delete has.

    The message is unverified (users' reports). Documented is the reason (`NO_SOFT_DELETE_REASON`,
    https://cloud.google.com/storage/docs/json_api/v1/objects/bulkRestore).
    """
    return ApiError(400, reason, f"Soft delete policy is required to {doing}")
