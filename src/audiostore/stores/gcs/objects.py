"""The live objects of a bucket: stat, list, update, copy, delete.

Reference: cloud.google.com/storage/docs/json_api/v1/objects.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from audiostore.errors import BlobNotFoundError
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.responses import blob_info, error_of, json_body
from audiostore.stores.protocol import StorageClass
from audiostore.values import BlobInfo, changed

PAGE_OBJECTS = 1000
FIELDS = (
    "name,size,contentType,crc32c,md5Hash,generation,metageneration,storageClass,timeCreated,"
    "metadata,cacheControl,contentDisposition,temporaryHold,customTime,timeStorageClassUpdated"
)
# The fields that a copy has from its source. If the request has a body, a rewrite copies none of
# them by itself.
_COPIED = (
    "contentType",
    "contentEncoding",
    "contentLanguage",
    "contentDisposition",
    "cacheControl",
    "metadata",
    "customTime",
    "storageClass",
)


def rfc3339(moment: datetime) -> str:
    """Return a time as the JSON API takes it.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: give one, such as UTC")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stat(client: Client, name: str) -> BlobInfo:
    """Return an object's description."""
    return blob_info(_resource(client, name, FIELDS))


def list_objects(client: Client, prefix: str, start_after: str) -> Iterator[BlobInfo]:
    """Yield the objects under a prefix, page by page, in the order of their names' bytes."""
    for page in pages(
        client,
        prefix,
        startOffset=start_after or None,
        fields=f"items({FIELDS}),nextPageToken",
    ):
        for resource in page:
            blob = blob_info(resource)
            if blob.name != start_after:  # startOffset is inclusive
                yield blob


def pages(client: Client, prefix: str, **query: object) -> Iterator[list[dict[str, Any]]]:
    """Yield the object resources of a listing, a page at a time."""
    token: str | None = None
    while True:
        url = client.url_of(
            f"{client.bucket_path()}/o",
            prefix=prefix,
            pageToken=token,
            maxResults=PAGE_OBJECTS,
            **query,
        )
        response = client.call("GET", url)
        if response.status != 200:
            raise error_of(response, client.uri(prefix))
        page = json_body(response)
        yield page.get("items", [])
        token = page.get("nextPageToken")
        if not token:
            return


def update(
    client: Client,
    blob: BlobInfo,
    metadata: Mapping[str, str | None],
    *,
    content_type: str | None,
    temporary_hold: bool | None,
    custom_time: datetime | None,
) -> BlobInfo:
    """Change an object's metadata (see `ObjectStore.update`).

    A null in a PATCH removes a key of the metadata
    (cloud.google.com/storage/docs/json_api/v1/objects/patch). That `customTime` would move earlier
    is refused before the bucket is asked: the preconditions make `blob` the truth.
    """
    after = changed(
        blob,
        metadata,
        content_type=content_type,
        temporary_hold=temporary_hold,
        custom_time=custom_time,
    )
    url = client.object_url(
        blob.name,
        ifGenerationMatch=blob.generation,
        ifMetagenerationMatch=blob.metageneration,
        fields=FIELDS,
    )
    changes = {
        "metadata": dict(metadata) or None,
        "contentType": content_type,
        "temporaryHold": temporary_hold,
        "customTime": rfc3339(custom_time) if custom_time else None,
    }
    body = {field: value for field, value in changes.items() if value is not None}
    response = client.call_json("PATCH", url, body)
    if response.status != 200:
        raise error_of(response, client.uri(blob.name), of_object=True)
    # Both preconditions held, so this is its metadata now (fake-gcs-server's response is not).
    return after


def copy(
    client: Client,
    source: BlobInfo,
    target: str,
    *,
    if_generation_match: int,
    storage_class: StorageClass | None,
) -> BlobInfo:
    """Copy an object (see `ObjectStore.copy`); large ones take several requests.

    The body of a rewrite replaces all metadata of the source, and without one the copy gets the
    bucket's default class: so the body says everything, as the source says it now, and the
    source's metageneration is demanded. Holds are not among it: they do not go with a copy
    (cloud.google.com/storage/docs/json_api/v1/objects/rewrite, …/docs/object-holds).
    """
    resource = _resource(client, source.name, f"{FIELDS},contentEncoding,contentLanguage")
    present = blob_info(resource)
    if present.generation != source.generation:
        raise BlobNotFoundError(
            f"no {client.uri(source.name)} of generation {source.generation}: it was "
            "replaced or deleted"
        )
    body = {field: resource[field] for field in _COPIED if field in resource}
    if storage_class is not None:
        body["storageClass"] = storage_class
    path = (
        f"{client.object_path(source.name)}/rewriteTo/b/{quote(client.bucket, safe='')}"
        f"/o/{quote(target, safe='')}"
    )
    token: str | None = None
    while True:
        url = client.url_of(
            path,
            sourceGeneration=source.generation,
            ifSourceGenerationMatch=source.generation,
            ifSourceMetagenerationMatch=present.metageneration,
            ifGenerationMatch=if_generation_match,
            rewriteToken=token,
        )
        response = client.call_json("POST", url, body)
        if response.status != 200:
            what = f"{client.uri(source.name)} to {client.uri(target)}"
            raise error_of(response, what, of_object=True)
        progress = json_body(response)
        if progress.get("done"):
            return blob_info(progress["resource"])
        token = progress["rewriteToken"]


def delete(client: Client, blob: BlobInfo) -> None:
    """Delete an object (see `ObjectStore.delete`)."""
    url = client.object_url(blob.name, ifGenerationMatch=blob.generation)
    response = client.call("DELETE", url)
    if response.status not in (200, 204):
        raise error_of(response, client.uri(blob.name), of_object=True)


def _resource(client: Client, name: str, fields: str) -> dict[str, Any]:
    response = client.call("GET", client.object_url(name, fields=fields))
    if response.status != 200:
        raise error_of(response, client.uri(name), of_object=True)
    return json_body(response)
