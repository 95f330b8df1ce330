"""The deleted and overwritten objects of a bucket: its soft delete.

Reference: cloud.google.com/storage/docs/soft-delete, …/docs/json_api/v1/objects/list (softDeleted)
and …/objects/restore. Without soft delete, a bucket responds to both with 400. Measured by others,
to be confirmed on a real bucket: a restored generation stays in the trash as well, until it
expires.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby

from audiostore.errors import StoreConnectionError, UnsupportedByStoreError
from audiostore.stores.gcs.body import BytesBody
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.described import FIELDS, described, described_again
from audiostore.stores.gcs.objects import next_name, pages
from audiostore.stores.gcs.responses import Fields, error_of, json_body
from audiostore.values import BlobInfo, DeletedBlob


def keeps_deleted(client: Client) -> bool:
    """Say whether the bucket's soft delete is on, which an account that may list can find out."""
    try:
        next(pages(client, "audio/", softDeleted="true", fields="items(name)"))
    except UnsupportedByStoreError:
        return False
    return True


def list_deleted(client: Client, prefix: str) -> Iterator[DeletedBlob]:
    """Yield what can be restored (see `SupportsSoftDelete.list_deleted`).

    The API lists in the order of names; the order of one name's generations is not documented.
    """
    for _, generations in groupby(_listed(client, prefix), lambda deleted: deleted.blob.name):
        yield from sorted(generations, key=lambda deleted: deleted.blob.generation)


def restore(client: Client, deleted: DeletedBlob, *, if_generation_match: int) -> BlobInfo:
    """Make a deleted generation live again (see `SupportsSoftDelete.restore`)."""
    blob = deleted.blob
    url = client.url_of(
        f"{client.object_path(blob.name)}/restore",
        generation=blob.generation,
        ifGenerationMatch=if_generation_match,
        fields=FIELDS,
    )
    response = client.call("POST", url, body=lambda: BytesBody(b""))
    if response.status == 200:
        return described_again(client, json_body(response), blob.name)
    error = error_of(response, client.uri(blob.name), of_object=True, of_trash=True)
    if isinstance(error, UnsupportedByStoreError):
        raise UnsupportedByStoreError(
            f"{client.uri(blob.name)} cannot be restored while the bucket's soft delete is off: "
            f"run 'gcloud storage buckets update {client.bucket_url} --soft-delete-duration=7d'",
            status=error.status,
        ) from error
    raise error


def purge(client: Client, deleted: DeletedBlob) -> None:
    """Refuse: in Google Cloud Storage, a soft-deleted object cannot be deleted early.

    "The only operations supported on soft-deleted objects are to list or restore them", and a
    change of the bucket's policy "only applies to objects that you delete after" it
    (cloud.google.com/storage/docs/soft-delete).

    Raises:
        UnsupportedByStoreError: always.
    """
    raise UnsupportedByStoreError(
        f"{client.uri(deleted.blob.name)} (generation {deleted.blob.generation}) stays in the "
        f"bucket's trash until {deleted.gone_at:%Y-%m-%d %H:%M:%S %Z}: Google Cloud Storage "
        "deletes it then, and offers no way to do so earlier"
    )


def _listed(client: Client, prefix: str) -> Iterator[DeletedBlob]:
    def url_of(listed: BlobInfo) -> str:
        return client.object_url(
            listed.name, generation=listed.generation, softDeleted="true", fields=fields
        )

    fields = f"{FIELDS},softDeleteTime,hardDeleteTime"
    mask = f"items({fields}),nextPageToken"
    with suppress(UnsupportedByStoreError):  # the bucket keeps nothing
        last = b""
        for page in pages(client, prefix, softDeleted="true", fields=mask):
            for resource, blob in described(client, page, url_of):
                last = next_name(blob, client.uri(prefix), prefix, last)
                yield _deleted(resource, blob)


def _deleted(resource: object, blob: BlobInfo) -> DeletedBlob:
    try:
        fields = Fields(resource)
        return DeletedBlob(
            blob,
            deleted_at=fields.moment("softDeleteTime"),
            gone_at=fields.moment("hardDeleteTime"),
        )
    except ValueError as error:
        raise StoreConnectionError(f"the response is not a deleted object: {error}") from None
