"""How a bucket is laid out: where it is, and whether its folders are resources of their own.

Reference: cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout. Unlike the settings,
the layout can be read with storage.objects.list alone.
"""

from audiostore.dataclass import dataclass
from audiostore.stores.gcs.client import Client
from audiostore.stores.gcs.responses import Fields, error_of, json_body, not_understood

# The account may not list objects; or an emulator that does not implement the call.
_NOT_TOLD = (403, 404, 405, 501)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a bucket."""

    location: str | None = None
    """None: unknown."""
    is_hierarchical: bool = False


def read(client: Client) -> Layout:
    """Return the layout of the bucket; a flat one at an unknown place if it cannot be read.

    Raises:
        StoreConnectionError: the response is not a storage layout.
    """
    url = client.url_of(
        f"{client.bucket_path()}/storageLayout",
        prefix=client.prefix or None,  # for an account that may list no more than that
        fields="location,hierarchicalNamespace",
    )
    response = client.call("GET", url)
    if response.status in _NOT_TOLD:
        return Layout()
    if response.status != 200:
        raise error_of(response, f"the storage layout of {client.bucket_url}")
    try:
        fields = Fields(json_body(response))
        namespace = fields.fields("hierarchicalNamespace")
        return Layout(fields.optional_text("location"), namespace.truth("enabled"))
    except ValueError as error:
        raise not_understood(response, f"is not a storage layout: {error}") from None
