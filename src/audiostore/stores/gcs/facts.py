"""What is known of a bucket, even by an account that may not read its settings.

roles/storage.objectUser has no storage.buckets.get. A listing of soft-deleted objects, and the
storage layout, need storage.objects.list alone; they tell whether the bucket keeps deleted objects,
and where it is (cloud.google.com/storage/docs/access-control/iam-roles).
"""

from audiostore.errors import AudioStoreError
from audiostore.stores.capabilities import StoreFacts
from audiostore.stores.gcs import layout, trash
from audiostore.stores.gcs.bucket import read
from audiostore.stores.gcs.client import Client

_FORBIDDEN = 403


def facts(client: Client) -> StoreFacts:
    """Return what is known of the bucket (see `SupportsFacts.facts`)."""
    try:
        settings = read(client)
    except AudioStoreError as error:
        if error.status != _FORBIDDEN:
            raise
        return StoreFacts(
            keeps_deleted=trash.keeps_deleted(client),
            location=layout.read(client).location,
        )
    return StoreFacts.of(settings)
