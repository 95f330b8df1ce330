"""Findings on a bucket's permissions and settings. Pure functions.

A missing requirement is not ok; an unwise setting is ok, with a hint. Commands:
cloud.google.com/sdk/gcloud/reference/storage/buckets/update and …/add-iam-policy-binding.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from audiostore.errors import StoreConnectionError
from audiostore.stores.capabilities import Finding, StoreSettings
from audiostore.stores.gcs.bucket import settings_of
from audiostore.stores.gcs.responses import Fields

_USER = "roles/storage.objectUser"
_ADMIN = "roles/storage.admin"
_DAY_S = 24 * 3600

# Purpose, permissions, the role that grants them, and whether storing and serving need them.
_NEEDS = (
    ("list", ("storage.objects.list",), _USER, True),
    ("read", ("storage.objects.get",), _USER, True),
    ("store", ("storage.objects.create",), _USER, True),
    ("annotate and hold", ("storage.objects.update",), _USER, True),
    ("delete and replace", ("storage.objects.delete",), _USER, True),
    ("restore", ("storage.objects.restore",), _USER, False),
    ("see settings", ("storage.buckets.get",), "roles/storage.legacyBucketReader", False),
    ("change settings", ("storage.buckets.update",), _ADMIN, False),
)
PERMISSIONS = tuple(permission for _, needed, _, _ in _NEEDS for permission in needed)
"""All that audiostore uses on a bucket."""
FOLDER_PERMISSIONS = ("storage.folders.list", "storage.folders.delete")
"""What it uses as well on a bucket with a hierarchical namespace."""


def grant(url: str, role: str) -> str:
    """Return the command that grants the account a role on the bucket."""
    return (
        f"gcloud storage buckets add-iam-policy-binding {url} --member=serviceAccount:ACCOUNT "
        f"--role={role}"
    )


def grant_on_prefix(url: str) -> str:
    """Return the commands that let the account use a prefix alone.

    A managed folder applies to all objects whose names begin with it, and to listings of it
    (cloud.google.com/storage/docs/managed-folders); to be confirmed on a real bucket.
    """
    return (
        f"gcloud storage managed-folders create {url}; gcloud storage managed-folders "
        f"add-iam-policy-binding {url} --member=serviceAccount:ACCOUNT --role={_USER}"
    )


def granted_elsewhere(granted: frozenset[str]) -> Finding:
    """Report permissions that the account lacks on the bucket, and may have on a prefix in it.

    A bucket can only be asked for those on itself: it applies neither the policy of a managed
    folder nor a condition on names.
    """
    return Finding(
        "permissions",
        ok=True,
        detail=f"not granted on the whole bucket: {', '.join(missing(granted))}; what is granted "
        "on the prefix alone cannot be seen",
    )


def missing(granted: frozenset[str]) -> list[str]:
    """Return the permissions that storing and serving need and do not have, in order."""
    return [p for _, needed, _, is_vital in _NEEDS if is_vital for p in needed if p not in granted]


def permissions(url: str, granted: frozenset[str]) -> Iterator[Finding]:
    """Report what the account may do, and what it may not."""
    allowed = [purpose for purpose, needed, _, _ in _NEEDS if granted.issuperset(needed)]
    if allowed:
        yield Finding("permissions", ok=True, detail=f"the account may {', '.join(allowed)}")
    for purpose, needed, role, is_vital in _NEEDS:
        lacking = [permission for permission in needed if permission not in granted]
        if lacking:
            yield Finding(
                "permissions",
                ok=not is_vital,
                detail=f"the account may not {purpose}: {', '.join(lacking)} is missing",
                hint=grant(url, role),
            )


def settings(url: str, bucket: Mapping[str, Any], payer: str | None = None) -> Iterator[Finding]:
    """Report the settings of the bucket, and better ones.

    Args:
        url: of the bucket.
        bucket: its resource.
        payer: the project that requests are billed to, if one is named.

    Raises:
        StoreConnectionError: it is not the resource of a bucket.
    """
    present = settings_of(bucket)
    update = f"gcloud storage buckets update {url}"
    try:
        fields = Fields(bucket)
        kind = fields.optional_text("locationType")
        key = fields.fields("encryption").optional_text("defaultKmsKeyName")
        requester_pays = fields.fields("billing").truth("requesterPays")
        prevention = fields.fields("iamConfiguration").optional_text("publicAccessPrevention")
    except ValueError as error:
        raise StoreConnectionError(f"the response is not a bucket resource: {error}") from None
    where = f"{present.location} ({kind})" if kind else present.location
    yield Finding("location", ok=True, detail=f"{where}, new objects are {present.storage_class}")
    if present.storage_class != "STANDARD":
        yield Finding(
            "storage class",
            ok=True,
            detail=f"new objects are {present.storage_class}: reading costs, and so does deleting "
            "them early",
            hint=f"{update} --default-storage-class=STANDARD",
        )
    if present.autoclass:
        detail = "the bucket decides on that of each object (Autoclass)"
        yield Finding("storage classes", ok=True, detail=detail)
    yield _soft_delete(present, update)
    yield Finding(
        "versioning",
        ok=True,
        detail="on: audiostore deletes all versions of what it deletes or replaces; what other "
        "programs and lifecycle rules delete or replace stays as a noncurrent version, is billed, "
        "and can be read by links given out before, until a lifecycle rule deletes that too"
        if present.versioning
        else "off",
        hint=f"{update} --no-versioning" if present.versioning else "",
    )
    yield Finding(
        "access",
        ok=True,
        detail="granted on the bucket alone (uniform)"
        if present.uniform_access
        else "granted object by object as well: what audiostore stores, rewrites or restores gets "
        "the bucket's default ACL, and no other",
        hint="" if present.uniform_access else f"{update} --uniform-bucket-level-access",
    )
    yield _public_access(prevention, update)
    if requester_pays:
        yield _billing(payer)
    if key:
        yield Finding(
            "encryption",
            ok=True,
            detail=f"new objects are encrypted with {key}: a listing reads each object as well",
        )
    if bucket.get("defaultEventBasedHold"):
        yield Finding(
            "holds",
            ok=True,
            detail="every new object is under an event-based hold: it cannot be deleted or "
            "replaced until that hold is released",
            hint=f"{update} --no-default-event-based-hold",
        )
    if present.retention_s:
        lock = ", locked" if present.retention_is_locked else ""
        yield Finding(
            "retention",
            ok=True,
            detail=f"no object can be deleted or replaced for {_days(present.retention_s)}{lock}",
            hint="" if lock else f"{update} --clear-retention-period",
        )
    yield _cors(present.cors, update)


def unseen_soft_delete(url: str, *, is_on: bool) -> Finding:
    """Report soft delete to an account that may not read the settings, and so not for how long."""
    if not is_on:
        return _no_soft_delete("", f"gcloud storage buckets update {url}")
    detail = "deleted objects can be restored; for how long cannot be seen"
    return Finding("soft delete", ok=True, detail=detail)


def namespace(url: str, granted: frozenset[str], *, is_prefix: bool) -> Finding:
    """Report a hierarchical namespace, and whether empty folders can be deleted in it."""
    detail = "hierarchical: the folder of an asset is deleted with it"
    lacking = [permission for permission in FOLDER_PERMISSIONS if permission not in granted]
    if lacking and is_prefix:
        detail += f", if the account may under the prefix ({', '.join(lacking)})"
    if not lacking or is_prefix:
        return Finding("namespace", ok=True, detail=detail)
    return Finding(
        "namespace",
        ok=True,
        detail=f"hierarchical: the folders of deleted assets stay, empty ({', '.join(lacking)} is "
        "missing)",
        hint=grant(url, _USER),
    )


def _soft_delete(present: StoreSettings, update: str) -> Finding:
    if present.soft_delete_s:
        detail = f"deleted objects can be restored for {_days(present.soft_delete_s)}"
        return Finding("soft delete", ok=True, detail=detail)
    versions = "; audiostore leaves no noncurrent versions either" if present.versioning else ""
    return _no_soft_delete(versions, update)


def _no_soft_delete(versions: str, update: str) -> Finding:
    return Finding(
        "soft delete",
        ok=True,
        detail=f"off: deleted objects cannot be restored{versions}",
        hint=f"{update} --soft-delete-duration=7d",
    )


def _billing(payer: str | None) -> Finding:
    """Say who pays: owners need to name none (cloud.google.com/storage/docs/requester-pays)."""
    if payer:
        detail = f"the requester pays: requests are billed to the project {payer}"
        return Finding("billing", ok=True, detail=detail)
    return Finding(
        "billing",
        ok=True,
        detail="the requester pays, but this account is one of the owners",
        hint="links need a project to bill: pass project='my-project', or set GCS_BILLING_PROJECT",
    )


def _public_access(prevention: str | None, update: str) -> Finding:
    if prevention == "enforced":
        return Finding("public access", ok=True, detail="prevented; signed URLs still work")
    return Finding(
        "public access",
        ok=True,
        detail="not prevented by the bucket itself: a grant to allUsers would make it public",
        hint=f"{update} --public-access-prevention",
    )


def _cors(cors: tuple[Mapping[str, object], ...], update: str) -> Finding:
    """Report which pages may read audio with scripts; media elements need no CORS.

    A page that requests ranges must be allowed GET, HEAD and the header Range, and sees the
    response headers that are listed in responseHeader (cloud.google.com/storage/docs/cross-origin).
    """
    origins = sorted(
        {
            str(origin)
            for rule in cors
            if _texts(rule, "method") & {"*", "get"}
            and {"range", "content-range"} <= _texts(rule, "responseHeader")
            for origin in _list(rule, "origin")
        }
    )
    if origins:
        detail = f"scripts of {', '.join(origins)} may read ranges"
        return Finding("cors", ok=True, detail=detail)
    return Finding(
        "cors",
        ok=True,
        detail="no page's scripts may read ranges (plain <audio> elements can)",
        hint="write "
        '\'[{"origin": ["https://PAGE"], "method": ["GET", "HEAD"], "responseHeader": '
        '["Range", "Content-Range", "Content-Length", "Accept-Ranges", "ETag"], '
        f'"maxAgeSeconds": 3600}}]\' to cors.json; {update} --cors-file=cors.json',
    )


def _texts(rule: Mapping[str, object], field: str) -> set[str]:
    return {str(text).lower() for text in _list(rule, field)}


def _list(rule: Mapping[str, object], field: str) -> list[object]:
    value = rule.get(field)
    return value if isinstance(value, list) else []


def _days(seconds: int) -> str:
    days = seconds / _DAY_S
    return f"{days:g} days" if days >= 1 else f"{seconds} seconds"
