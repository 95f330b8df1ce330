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

__all__ = [
    "BlobReader",
    "BlobSpec",
    "BucketAdmin",
    "CacheScope",
    "Finding",
    "ObjectStore",
    "RetryingAdmin",
    "RetryingStore",
    "StorageClass",
    "Store",
    "StoreSettings",
    "Stray",
    "TransferListener",
    "Transferred",
    "cache_control",
    "check_cache_scope",
    "content_disposition",
    "open_store",
    "spec_of",
]
