"""The stores: a Google Cloud Storage bucket, a local directory, memory."""

from audiostore.stores.capabilities import (
    Diagnosis,
    Finding,
    ForeignFile,
    ForeignFiles,
    Permissions,
    Reclassification,
    Settings,
    SignedUrls,
    SoftDelete,
    Store,
    StoreAdmin,
    StoreSettings,
    complete,
)
from audiostore.stores.headers import (
    CacheScope,
    cache_control,
    check_cache_scope,
    content_disposition,
)
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    ObjectStore,
    StorageClass,
    TransferListener,
    Transferred,
    spec_of,
)
from audiostore.stores.registry import open_store
from audiostore.stores.retrying import RetryingStore
from audiostore.stores.transfer import IsOurs, Written, get_checked, has_content, put_checked

__all__ = [
    "BlobReader",
    "BlobSpec",
    "CacheScope",
    "Diagnosis",
    "Finding",
    "ForeignFile",
    "ForeignFiles",
    "IsOurs",
    "ObjectStore",
    "Permissions",
    "Reclassification",
    "RetryingStore",
    "Settings",
    "SignedUrls",
    "SoftDelete",
    "StorageClass",
    "Store",
    "StoreAdmin",
    "StoreSettings",
    "TransferListener",
    "Transferred",
    "Written",
    "cache_control",
    "check_cache_scope",
    "complete",
    "content_disposition",
    "get_checked",
    "has_content",
    "open_store",
    "put_checked",
    "spec_of",
]
