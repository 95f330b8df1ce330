"""What protects an object: holds, the bucket's retention policy, the object's own retention.

https://cloud.google.com/storage/docs/object-holds,
https://cloud.google.com/storage/docs/bucket-lock and
https://cloud.google.com/storage/docs/object-lock: a held or retained object can neither be
deleted nor replaced; its metadata can be changed. The documentation of the errors
(https://cloud.google.com/storage/docs/json_api/v1/status-codes) names the reasons
`objectUnderActiveHold` and `retentionPolicyNotMet`, both 403. Users' reports show the messages
used here, and for a held object the reason of a missing permission, `forbidden`: unverified, so a
client must not rely on either, and a test can choose (`State.hold_reason`). They also show that a
retained object can be made noncurrent, and that preconditions are checked first.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .buckets import Bucket
from .clock import moment_of, written
from .errors import ApiError
from .objects import StoredObject

REPORTED_HOLD_REASON = "forbidden"


def retained_until(bucket: Bucket, record: StoredObject) -> datetime | None:
    """Return until when an object is retained; None for never, and during an event-based hold.

    Under a bucket's policy the time starts at the creation, or at the release of the event-based
    hold.
    """
    if record.fields.get("eventBasedHold"):
        return None
    ends: list[datetime] = []
    if policy := bucket.settings.get("retentionPolicy"):
        start = moment_of(record.hold_released or record.time_created)
        ends.append(start + timedelta(seconds=int(policy["retentionPeriod"])))
    if own := record.fields.get("retention"):
        ends.append(moment_of(own["retainUntilTime"]))
    return max(ends) if ends else None


def check_free(
    bucket: Bucket,
    record: StoredObject,
    now: datetime,
    hold_reason: str,
    *,
    becomes_noncurrent: bool,
) -> None:
    """Refuse to delete or replace an object that is held or, unless it is archived, retained."""
    what = f"Object '{record.bucket}/{record.name}'"
    for key, kind in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if record.fields.get(key):
            raise ApiError(
                403,
                hold_reason,
                f"{what} is under active {kind} hold and cannot be deleted, overwritten or "
                "archived until hold is removed.",
            )
    until = None if becomes_noncurrent else retained_until(bucket, record)
    if until is not None and until > now:
        raise ApiError(
            403,
            "retentionPolicyNotMet",
            f"{what} is subject to bucket's retention policy or object retention and cannot be "
            f"deleted or overwritten until {until.isoformat()}",
        )


def protection_json(bucket: Bucket, record: StoredObject) -> dict[str, str]:
    """Return the retention field of an object's resource."""
    until = retained_until(bucket, record)
    return {} if until is None else {"retentionExpirationTime": written(until)}
