"""The JSON of the service: object and bucket resources out, object metadata in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from . import fields as masks
from .clock import parse_rfc3339
from .errors import ApiError, invalid
from .objects import Json, StoredObject, check_metadata_size

WRITABLE = frozenset(
    [
        "acl",
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "contexts",
        "crc32c",
        "customTime",
        "eventBasedHold",
        "md5Hash",
        "metadata",
        "name",
        "retention",
        "storageClass",
        "temporaryHold",
    ]
)
_OUTPUT_ONLY = frozenset(
    [
        "bucket",
        "componentCount",
        "customerEncryption",
        "etag",
        "generation",
        "hardDeleteTime",
        "id",
        "kind",
        "kmsKeyName",
        "mediaLink",
        "metageneration",
        "owner",
        "restoreToken",
        "retentionExpirationTime",
        "selfLink",
        "size",
        "softDeleteTime",
        "timeCreated",
        "timeDeleted",
        "timeFinalized",
        "timeStorageClassUpdated",
        "updated",
    ]
)
_PATCHABLE = WRITABLE - {"crc32c", "md5Hash", "name", "storageClass"}
_FLAGS = frozenset(["eventBasedHold", "temporaryHold"])
_CLASSES = frozenset(["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"])
_TEXT = frozenset(
    [
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "crc32c",
        "customTime",
        "md5Hash",
        "name",
        "storageClass",
    ]
)

OBJECT_SCHEMA: masks.Mask = dict.fromkeys(sorted(WRITABLE | _OUTPUT_ONLY))
LIST_SCHEMA: masks.Mask = {
    "kind": None,
    "nextPageToken": None,
    "prefixes": None,
    "items": OBJECT_SCHEMA,
}
REWRITE_SCHEMA: masks.Mask = {
    **dict.fromkeys(
        ("kind", "totalBytesRewritten", "objectSize", "done", "rewriteToken"),
    ),
    "resource": OBJECT_SCHEMA,
}


def object_json(record: StoredObject, base: str, **more: str) -> Json:
    """Write an object resource; `base` is scheme and host, `more` additional fields."""
    path = f"/b/{record.bucket}/o/{quote(record.name, safe='')}"
    return {
        "kind": "storage#object",
        "id": f"{record.bucket}/{record.name}/{record.generation}",
        "selfLink": f"{base}/storage/v1{path}",
        "mediaLink": f"{base}/download/storage/v1{path}?generation={record.generation}&alt=media",
        "name": record.name,
        "bucket": record.bucket,
        "generation": str(record.generation),
        "metageneration": str(record.metageneration),
        "storageClass": record.storage_class,
        "size": str(record.size),
        "md5Hash": record.md5_hash,
        "crc32c": record.crc32c,
        "etag": record.etag,
        "timeCreated": record.time_created,
        "updated": record.updated,
        "timeStorageClassUpdated": record.time_storage_class_updated,
        "timeFinalized": record.time_created,
        **{
            key: value
            for key, value in (
                ("timeDeleted", record.time_deleted),
                ("softDeleteTime", record.soft_delete_time),
                ("hardDeleteTime", record.hard_delete_time),
            )
            if value is not None
        },
        **{key: value for key, value in record.fields.items() if key != "acl" and value != {}},
        **more,
    }


def parse_json(raw: bytes | None) -> Json:
    """Read a JSON object; an empty body is an empty one."""
    if raw is None:
        raise invalid("The metadata is too large.")
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw.decode("utf-8"))
    except ValueError:
        raise invalid("Parse Error", "parseError") from None
    if not isinstance(value, dict):
        raise invalid("Parse Error", "parseError")
    return value


def inserted(value: Json) -> Json:
    """Check the metadata of an upload (or a rewrite) and keep its writable fields."""
    kept = _checked(value, WRITABLE)
    fields = {key: item for key, item in kept.items() if item is not None}
    if "metadata" in fields:
        fields["metadata"] = {k: v for k, v in fields["metadata"].items() if v is not None}
        check_metadata_size(fields["metadata"])
    return fields


def patched(value: Json) -> Json:
    """Check the body of a patch and keep its writable fields, including nulls."""
    if "storageClass" in value:
        raise invalid("The storage class of an object changes by a rewrite only.")
    return _checked(value, _PATCHABLE)


def hashes_of(headers: dict[str, str]) -> Json:
    """Return the checksums that an upload states in its X-Goog-Hash header."""
    found: Json = {}
    for part in headers.get("x-goog-hash", "").split(","):
        kind, _, value = part.strip().partition("=")
        if kind in ("crc32c", "md5"):
            found["crc32c" if kind == "crc32c" else "md5Hash"] = value
    return found


def check_name(name: str) -> str:
    """Refuse an invalid object name."""
    if not name:
        raise ApiError(400, "required", "Required parameter: name")
    size = len(name.encode())
    if (
        size > 1024
        or name in (".", "..")
        or "\r" in name
        or "\n" in name
        or name.startswith(".well-known/acme-challenge/")
    ):
        raise invalid(f"Disallowed object name, or its size ({size} bytes) is not 1 to 1024.")
    return name


def _checked(value: Json, writable: frozenset[str]) -> Json:
    kept: Json = {}
    for key, item in value.items():
        if key not in WRITABLE and key not in _OUTPUT_ONLY:
            raise invalid(f'Invalid JSON payload received. Unknown name "{key}".', "badRequest")
        if key in _TEXT and item is not None and not isinstance(item, str):
            raise invalid(f"Invalid value for: {key} is not a valid value")
        if key in _FLAGS and item is not None and not isinstance(item, bool):
            raise invalid(f"Invalid value for: {key} is not a boolean")
        if key in writable:
            kept[key] = item
    if kept.get("customTime") is not None:
        kept["customTime"] = parse_rfc3339("customTime", kept["customTime"])
    if kept.get("retention") is not None:
        kept["retention"] = _retention(kept["retention"])
    metadata: Any = kept.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict)
        and all(v is None or isinstance(v, str) for v in metadata.values())
        and all(metadata)
    ):
        raise invalid("Invalid value for: metadata is not a map of strings")
    storage_class = kept.get("storageClass")
    if storage_class is not None and storage_class not in _CLASSES:
        raise invalid(f"Invalid value for: storageClass {storage_class}")
    return kept


def _retention(value: object) -> Json:
    """Check an object's own retention (https://cloud.google.com/storage/docs/object-lock)."""
    if (
        not isinstance(value, dict)
        or value.keys() != {"mode", "retainUntilTime"}
        or value["mode"] not in ("Unlocked", "Locked")
    ):
        raise invalid("Invalid value for: retention")
    until = parse_rfc3339("retention.retainUntilTime", value["retainUntilTime"])
    return {"mode": value["mode"], "retainUntilTime": until}
