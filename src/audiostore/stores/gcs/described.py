"""Objects as a response describes them, with the checksums that it may lack.

A listing shows no checksum of an object under a customer's key, and other responses need not show
one, but the object's own resource does, if the bucket can use the key
(cloud.google.com/storage/docs/encryption/customer-managed-keys, restrictions). Then each is read,
several at once, in order and a few ahead.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from audiostore.dataclass import replace
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.messages import Response
from audiostore.stores.gcs.responses import blob_info, error_of, json_body
from audiostore.values import BlobInfo

FIELDS = (
    "name,size,contentType,crc32c,md5Hash,generation,metageneration,storageClass,timeCreated,"
    "metadata,cacheControl,contentDisposition,temporaryHold,customTime,timeStorageClassUpdated,"
    "eventBasedHold,retention,retentionExpirationTime,kmsKeyName,customerEncryption"
)
_OF_THE_OBJECT = (400, 403)
"""The statuses of an object that cannot be read, where others can."""


def described(
    client: Client, listed: Iterable[object], url_of: Callable[[BlobInfo], str]
) -> Iterator[tuple[object, BlobInfo]]:
    """Yield the resources of objects, in order, and what each says; leave out what is gone.

    Args:
        client: of the bucket.
        listed: the resources.
        url_of: returns where one is read if it shows no checksum.

    Raises:
        StoreConnectionError: one is not an object's resource.
    """
    ahead: deque[tuple[object, BlobInfo]] = deque()

    def urls() -> Iterator[str | None]:
        for resource in listed:
            blob = blob_info(resource, client.prefix)
            ahead.append((resource, blob))
            yield url_of(blob) if blob.crc32c is None else None

    with closing(client.get_each(urls())) as responses:
        for response in responses:
            resource, blob = ahead.popleft()
            if response is None:
                yield resource, blob
            elif response.status == 200:
                own = json_body(response)
                yield own, blob_info(own, client.prefix, name=blob.name)
            elif response.status != 404:
                yield resource, _unread(client, blob, response)


def described_again(client: Client, resource: object, name: str) -> BlobInfo:
    """Return what a response to a write says of the object that it made.

    Raises:
        StoreConnectionError: it is not the resource of that object.
    """
    blob = blob_info(resource, client.prefix, name=name)
    if blob.crc32c is not None:
        return blob
    url = client.object_url(name, generation=blob.generation, fields=FIELDS)
    return next((found for _, found in described(client, [resource], lambda _: url)), blob)


def _unread(client: Client, blob: BlobInfo, response: Response) -> BlobInfo:
    """Return what a listing says of an object that cannot be read itself.

    Raises:
        AudioStoreError: the failure says nothing about the object.
    """
    error = error_of(response, client.uri(blob.name))
    if response.status not in _OF_THE_OBJECT:
        raise error
    return replace(blob, unreadable=str(error))
