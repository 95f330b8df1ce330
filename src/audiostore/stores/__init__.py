"""The stores: a Google Cloud Storage bucket, a local directory, memory."""

from audiostore.stores.headers import (
    CacheScope,
    cache_control,
    check_cache_scope,
    content_disposition,
)
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    BucketAdmin,
    Finding,
    ObjectStore,
    StorageClass,
    Store,
    StoreSettings,
    Stray,
    TransferListener,
    Transferred,
    spec_of,
)
from audiostore.stores.registry import open_store
from audiostore.stores.retrying import RetryingAdmin, RetryingStore
from audiostore.stores.transfer import IsOurs, Written, get_checked, has_content, put_checked

__all__ = [
    "BlobReader",
    "BlobSpec",
    "BucketAdmin",
    "CacheScope",
    "Finding",
    "IsOurs",
    "ObjectStore",
    "RetryingAdmin",
    "RetryingStore",
    "StorageClass",
    "Store",
    "StoreSettings",
    "Stray",
    "TransferListener",
    "Transferred",
    "Written",
    "cache_control",
    "check_cache_scope",
    "content_disposition",
    "get_checked",
    "has_content",
    "open_store",
    "put_checked",
    "spec_of",
]
