"""Responses of the JSON API as values; `errors` turns error responses into exceptions.

Object resources: cloud.google.com/storage/docs/json_api/v1/objects#resource.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audiostore.errors import AudioStoreError, StoreConnectionError
from audiostore.stores.gcs.messages import Response
from audiostore.values import BlobInfo


def blob_info(resource: Mapping[str, Any]) -> BlobInfo:
    """Return an object resource as a value.

    Raises:
        StoreConnectionError: the response is not an object resource.
    """
    try:
        return BlobInfo(
            name=resource["name"],
            size_bytes=int(resource["size"]),
            content_type=resource.get("contentType", "application/octet-stream"),
            crc32c=resource["crc32c"],
            generation=int(resource["generation"]),
            metageneration=int(resource["metageneration"]),
            storage_class=resource.get("storageClass", "STANDARD"),
            created_at=datetime.fromisoformat(resource["timeCreated"]),
            md5_hash=resource.get("md5Hash"),
            metadata=resource.get("metadata", {}),
            cache_control=resource.get("cacheControl"),
            content_disposition=resource.get("contentDisposition"),
            temporary_hold=resource.get("temporaryHold", False),
            custom_time=_time(resource, "customTime"),
            class_changed_at=_class_changed_at(resource),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreConnectionError(f"the response is not an object resource: {error!r}") from error


def json_body(response: Response) -> dict[str, Any]:
    """Return the JSON object in a response.

    Raises:
        StoreConnectionError: there is none (it was cut short, or came from a proxy).
    """
    try:
        value = json.loads(response.body.decode())
    except ValueError as error:
        raise StoreConnectionError(f"the response is not JSON: {response.body[:80]!r}") from error
    if not isinstance(value, dict):
        raise StoreConnectionError(f"the response is not a JSON object: {response.body[:80]!r}")
    return value


def error_of(
    response: Response,
    what: str,
    *,
    of_object: bool = False,
    of_settings: bool = False,
    permission: str = "",
) -> AudioStoreError:
    """Return the exception for a response that is not a success.

    Args:
        response: the response.
        what: what failed, and on what, for the message.
        of_object: whether the request named one object, so that 404 can mean the object.
        of_settings: whether it would have changed settings, so that 400 can mean one of them.
        permission: what the caller lacks on 403, if the role objectUser does not include it.
    """
    from audiostore.stores.gcs.errors import error_for  # noqa: PLC0415  (google.api_core)

    return error_for(
        response, what, of_object=of_object, of_settings=of_settings, permission=permission
    )


def _time(resource: Mapping[str, Any], field: str) -> datetime | None:
    text = resource.get(field)
    return datetime.fromisoformat(text) if text else None


def _class_changed_at(resource: Mapping[str, Any]) -> datetime | None:
    """Return when the class was changed; until then the field holds the creation time."""
    if resource.get("timeStorageClassUpdated") == resource["timeCreated"]:
        return None  # as for nearly all objects: saves parsing the times
    changed_at = _time(resource, "timeStorageClassUpdated")
    return None if changed_at == _time(resource, "timeCreated") else changed_at
