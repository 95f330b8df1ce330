"""The live objects of a bucket: stat, list, update, delete.

Reference: cloud.google.com/storage/docs/json_api/v1/objects.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from audiostore.errors import AudioStoreError, StoreConnectionError, shown
from audiostore.stores.gcs.bucket import granted
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.described import FIELDS, described
from audiostore.stores.gcs.messages import Response
from audiostore.stores.gcs.responses import (
    Fields,
    blob_info,
    error_of,
    json_body,
    not_understood,
)
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, changed

PAGE_OBJECTS = 1000
_MAX_EMPTY_PAGES = 1000
"""In a row; the service may send a few, with a token for the next."""


def rfc3339(moment: datetime) -> str:
    """Return a time as the JSON API takes it.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: give one, such as UTC")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def resource_of(spec: BlobSpec) -> dict[str, object]:
    """Return what a request to write an object says of it, but for its name and checksum."""
    resource = {
        "contentType": spec.content_type,
        "metadata": dict(spec.metadata),
        "cacheControl": spec.cache_control,
        "contentDisposition": spec.content_disposition,
        "customTime": rfc3339(spec.custom_time) if spec.custom_time else None,
        "storageClass": spec.storage_class,
    }
    return {field: value for field, value in resource.items() if value is not None}


def stat(client: Client, name: str) -> BlobInfo:
    """Return an object's description."""
    return blob_info(resource(client, name, FIELDS), client.prefix, name=name)


def list_objects(client: Client, prefix: str, start_after: str) -> Iterator[BlobInfo]:
    """Yield the objects under a prefix, page by page, in the order of their names' bytes."""
    last = start_after.encode()
    for page in pages(
        client,
        prefix,
        startOffset=client.full_name(start_after) if start_after else None,
        fields=f"items({FIELDS}),nextPageToken",
    ):
        for _, blob in described(
            client, page, lambda listed: client.object_url(listed.name, fields=FIELDS)
        ):
            if blob.name == start_after:  # startOffset is inclusive
                continue
            last = next_name(blob, client.uri(prefix), prefix, last + b"\0")
            yield blob


def names_after(client: Client, prefix: str, start_after: str) -> tuple[str, ...]:
    """Return a page of names (see `SupportsNames.names_after`)."""
    offset = client.full_name(start_after) if start_after else None
    mask = "items(name),nextPageToken"
    for page in pages(client, prefix, startOffset=offset, fields=mask):
        names = [_name_in(resource, client) for resource in page]
        if names[:1] == [start_after]:  # startOffset is inclusive
            del names[0]
        last = start_after.encode()
        for name in names:
            if not (name.startswith(prefix) and name.encode() > last):
                what = f"the listing of {client.uri(prefix)} is out of order"
                raise StoreConnectionError(f"{what} at {shown(name)}", status=200)
            last = name.encode()
        if names:
            return tuple(names)
    return ()


def _name_in(resource: object, client: Client) -> str:
    try:
        return client.own_name(Fields(resource).text("name"))
    except ValueError as error:
        raise StoreConnectionError(f"the response is not an object: {error}") from None


def noncurrent(client: Client, prefix: str) -> tuple[BlobInfo, ...]:
    """Return the noncurrent versions under a prefix (see `SupportsVersions.noncurrent`).

    Of the versions in a listing, the noncurrent ones have a `timeDeleted`
    (cloud.google.com/storage/docs/json_api/v1/objects#resource).
    """

    def url_of(listed: BlobInfo) -> str:
        return client.object_url(listed.name, generation=listed.generation, fields=FIELDS)

    mask = f"items({FIELDS},timeDeleted),nextPageToken"
    found: list[BlobInfo] = []
    last = b""
    for page in pages(client, prefix, versions="true", fields=mask):
        versions = [each for each in page if not isinstance(each, dict) or "timeDeleted" in each]
        for _, blob in described(client, versions, url_of):
            last = next_name(blob, client.uri(prefix), prefix, last)
            found.append(blob)
    return tuple(found)


def pages(
    client: Client, prefix: str, *, collection: str = "o", **query: object
) -> Iterator[list[dict[str, Any]]]:
    """Yield the resources of a listing, of objects or of ``folders``, a page at a time.

    Their names are those in the bucket.

    Raises:
        StoreConnectionError: a page cannot be understood; or the listing would never end.
    """
    token: str | None = None
    seen: set[str] = set()
    empty_pages = 0
    if collection == "o":
        query["maxResults"] = PAGE_OBJECTS
    path = f"{client.bucket_path()}/{collection}"
    while True:
        url = client.url_of(path, prefix=client.full_name(prefix), pageToken=token, **query)
        response = client.get_long(url)
        if response.status != 200:
            # Is it what is deleted that cannot be listed?
            is_trash = response.status == 400 and "softDeleted" in query and token is None
            of_trash = is_trash and _status_of_listing(client) == 200
            raise error_of(response, client.uri(prefix), of_trash=of_trash)
        try:
            page = Fields(json_body(response))
            resources, token = page.items("items"), page.text("nextPageToken", "")
        except ValueError as error:
            raise not_understood(response, f"is not a page of a listing: {error}") from None
        if client.prefix:
            resources = [each for each in resources if not _is_marker(each, client.prefix)]
        yield resources
        if not token:
            return
        empty_pages = 0 if resources else empty_pages + 1
        if token in seen or empty_pages > _MAX_EMPTY_PAGES:
            raise not_understood(response, f"to a listing of {client.uri(prefix)} never ends")
        seen.add(token)


def _is_marker(resource: object, prefix: str) -> bool:
    """Say whether this is the empty object by which other programs show a prefix as a folder."""
    return isinstance(resource, dict) and resource.get("name") == prefix


def next_name(blob: BlobInfo, what: str, prefix: str, least: bytes) -> bytes:
    """Return the bytes of the next name of a listing, which is in order and of this prefix.

    Args:
        blob: the object that is listed.
        what: what is listed, for the message.
        prefix: of all names.
        least: no name before this one can come.

    Raises:
        StoreConnectionError: it cannot come here.
    """
    name = blob.name.encode()
    if name < least or not blob.name.startswith(prefix):
        raise StoreConnectionError(
            f"the listing of {what} is out of order at {shown(blob.name)}", status=200
        )
    return name


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


def delete(client: Client, blob: BlobInfo, *, if_unchanged: bool) -> None:
    """Delete an object (see `ObjectStore.delete`).

    The generation is named, not demanded by a precondition: with Object Versioning, a DELETE that
    names none only makes the live version noncurrent. It stays readable, by signed URLs too, and
    is not soft-deleted (cloud.google.com/storage/docs/object-versioning).
    """
    url = client.object_url(
        blob.name,
        generation=blob.generation,
        ifMetagenerationMatch=blob.metageneration if if_unchanged else None,
    )
    response = client.call("DELETE", url)
    if response.status not in (200, 204):
        raise error_of(response, client.uri(blob.name), of_object=True)


@contextmanager
def telling_holds(client: Client, name: str, generation: int) -> Iterator[None]:
    """Have a write that is refused for a hold, or for a retention period, fail with what it is.

    The reason of the refusal is that of a missing permission, or does not say which hold: so the
    object is read again.

    Args:
        client: of the bucket.
        name: of the object that the write deletes or replaces.
        generation: of it; 0 for a write that does neither.

    Raises:
        HeldError: it is protected.
    """
    try:
        yield
    except AudioStoreError as error:
        if error.status != 403 or not generation:
            raise
        try:
            blob = stat(client, name)
        except AudioStoreError:
            raise error from None  # what it is cannot be seen
        if not blob.kept_by:
            raise
        from audiostore.stores.gcs.errors import held_error  # noqa: PLC0415  (google.api_core)

        raise held_error(blob, client.uri(name)) from error


def resource(
    client: Client, name: str, fields: str, generation: int | None = None
) -> dict[str, Any]:
    """Return the resource of an object, as the server has it.

    Raises:
        BlobNotFoundError: no such object, or no such generation of it.
    """
    url = client.object_url(name, fields=fields, generation=generation)
    response = client.call("GET", url)
    if response.status != 200:
        raise read_error(client, response, name)
    return json_body(response)


def read_error(client: Client, response: Response, name: str) -> AudioStoreError:
    """Return the exception for a refused read of an object.

    A missing bucket is answered as a missing object is, and a caller who may read no object as one
    who may not read this one: so the bucket is asked again.
    """
    is_of_object = True
    if response.status == 404:
        is_of_object = _status_of_listing(client) != 404
    elif response.status == 403:
        is_of_object = _may_read_objects(client)
    return error_of(response, client.uri(name), of_object=is_of_object)


def _may_read_objects(client: Client) -> bool:
    if client.prefix:
        return True  # nobody knows: what is granted on a prefix alone cannot be asked for
    try:
        return bool(granted(client, ("storage.objects.get",)))
    except AudioStoreError:
        return True  # nobody knows


def _status_of_listing(client: Client) -> int:
    """Return the HTTP status that a listing of the bucket, or of the prefix in it, has.

    Raises:
        AudioStoreError: a failure that passes: it says nothing about the bucket.
    """
    path, prefix = f"{client.bucket_path()}/o", client.prefix or None
    url = client.url_of(path, prefix=prefix, maxResults=1, fields="kind")
    response = client.call("GET", url)
    if response.status in (408, 429) or response.status >= 500:
        raise error_of(response, client.url)
    return response.status
