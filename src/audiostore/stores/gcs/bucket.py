"""The settings of the bucket, and the permissions on it.

Reference: cloud.google.com/storage/docs/json_api/v1/buckets (the resource, get, patch,
testIamPermissions).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from audiostore.errors import StoreConnectionError
from audiostore.stores.capabilities import StoreSettings
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.responses import Fields, error_of, json_body, not_understood

_FIELDS = (
    "metageneration,location,locationType,storageClass,softDeletePolicy,versioning,"
    "iamConfiguration,retentionPolicy,cors,lifecycle,billing,autoclass,encryption,"
    "defaultEventBasedHold"
)
_DAY_S = 24 * 3600
_SOFT_DELETE_S = range(7 * _DAY_S, 90 * _DAY_S + 1)
"""cloud.google.com/storage/docs/soft-delete: 0, or 7 to 90 days."""
_LONGEST_RETENTION_S = 3_155_760_000
"""100 years; cloud.google.com/storage/docs/bucket-lock."""


def read(client: Client) -> StoreSettings:
    """Return the settings of the bucket (see `SupportsSettings.settings`)."""
    return settings_of(resource(client), client.prefix)


def resource(client: Client) -> dict[str, Any]:
    """Return the bucket's resource, with the fields that are used here."""
    response = client.call("GET", client.url_of(client.bucket_path(), fields=_FIELDS))
    if response.status != 200:
        what = f"the settings of {client.bucket_url}"
        raise error_of(response, what, permission="storage.buckets.get")
    return json_body(response)


def settings_of(bucket: Mapping[str, Any], prefix: str = "") -> StoreSettings:
    """Return a bucket resource as a value.

    Args:
        bucket: of the JSON API.
        prefix: in the bucket, under which the objects are.

    Raises:
        StoreConnectionError: the response is not a bucket resource.
    """
    try:
        fields = Fields(bucket)
        access = fields.fields("iamConfiguration")
        retention = fields.fields("retentionPolicy")
        return StoreSettings(
            metageneration=fields.integer("metageneration"),
            location=fields.text("location"),
            storage_class=fields.text("storageClass"),
            soft_delete_s=fields.fields("softDeletePolicy").integer("retentionDurationSeconds", 0),
            versioning=fields.fields("versioning").truth("enabled"),
            uniform_access=access.fields("uniformBucketLevelAccess").truth("enabled"),
            retention_s=retention.integer("retentionPeriod", 0),
            retention_is_locked=retention.truth("isLocked"),
            autoclass=fields.fields("autoclass").truth("enabled"),
            cors=_objects(fields.items("cors")),
            lifecycle_rules=_objects(fields.fields("lifecycle").items("rule")),
            prefix=prefix,
        )
    except ValueError as error:
        raise StoreConnectionError(f"the response is not a bucket resource: {error}") from None


def change(
    client: Client,
    present: StoreSettings,
    *,
    lifecycle_rules: tuple[Mapping[str, object], ...] | None,
    soft_delete_s: int | None,
    retention_s: int | None,
) -> StoreSettings:
    """Change settings of the bucket (see `SupportsSettings.change_settings`).

    A PATCH replaces a list whole, and null removes a field. Soft delete is switched off by 0: null
    would restore the default of seven days (measured by others; to be confirmed on a real
    bucket).
    """
    changes: dict[str, object] = {}
    if lifecycle_rules is not None:
        changes["lifecycle"] = {"rule": list(lifecycle_rules)}
    if soft_delete_s is not None:
        _check_soft_delete(soft_delete_s)
        changes["softDeletePolicy"] = {"retentionDurationSeconds": str(soft_delete_s)}
    if retention_s is not None:
        _check_retention(present, retention_s)
        changes["retentionPolicy"] = {"retentionPeriod": str(retention_s)} if retention_s else None
    url = client.url_of(
        client.bucket_path(), ifMetagenerationMatch=present.metageneration, fields=_FIELDS
    )
    response = client.call_json("PATCH", url, changes)
    if response.status == 200:
        return settings_of(json_body(response), client.prefix)
    raise error_of(
        response,
        f"the settings of {client.bucket_url}",
        of_settings=True,
        permission="storage.buckets.update",
    )


def granted(client: Client, permissions: Sequence[str]) -> frozenset[str]:
    """Return which of these permissions the caller has on the bucket.

    The request needs no permission. Permissions on projects (storage.buckets.create) are unknown
    to it.
    """
    if not permissions:
        return frozenset()
    path = f"{client.bucket_path()}/iam/testPermissions"
    response = client.call("GET", client.url_of(path, permissions=list(permissions)))
    if response.status != 200:
        raise error_of(response, f"the permissions on {client.bucket_url}")
    try:
        found = Fields(json_body(response)).items("permissions")
    except ValueError as error:
        raise not_understood(response, f"is not a list of permissions: {error}") from None
    return frozenset(each for each in permissions if each in found)


def _objects(values: list[Any]) -> tuple[Mapping[str, Any], ...]:
    for value in values:
        Fields(value)  # raises if it is none
    return tuple(values)


def _check_soft_delete(soft_delete_s: int) -> None:
    if soft_delete_s and soft_delete_s not in _SOFT_DELETE_S:
        raise ValueError(
            f"soft_delete_s is {soft_delete_s}: a bucket keeps what is deleted for 7 to 90 days "
            f"({_SOFT_DELETE_S.start} to {_SOFT_DELETE_S.stop - 1} seconds), or not at all (0)"
        )


def _check_retention(present: StoreSettings, retention_s: int) -> None:
    if not 0 <= retention_s <= _LONGEST_RETENTION_S:
        raise ValueError(
            f"retention_s is {retention_s}: it must be 0 (none) to {_LONGEST_RETENTION_S}"
        )
    if present.retention_is_locked and retention_s < present.retention_s:
        raise ValueError(
            f"the retention policy of {present.retention_s} seconds is locked: it can grow, but "
            f"never shrink to {retention_s} or go"
        )
