"""The stores: a Google Cloud Storage bucket, a local directory, memory."""

from audiostore.stores.capabilities import (
    Finding,
    ForeignFile,
    Store,
    StoreAdmin,
    StoreSettings,
    SupportsDiagnosis,
    SupportsForeignFiles,
    SupportsPermissions,
    SupportsReclass,
    SupportsSettings,
    SupportsSignedUrls,
    SupportsSoftDelete,
    SupportsVersions,
    complete,
)
from audiostore.stores.headers import (
    CacheScope,
    cache_control,
    check_cache_scope,
    content_disposition,
)
from audiostore.stores.protection import require_free
from audiostore.stores.protocol import (
    BlobReader,
    BlobSpec,
    ObjectStore,
    StorageClass,
    TransferListener,
    Transferred,
    spec_of,
)
from audiostore.stores.registry import Opener, OpenOptions, open_store, register_store
from audiostore.stores.retrying import RetryingStore
from audiostore.stores.transfer import IsOurs, Written, get_checked, has_content, put_checked

__all__ = [
    "BlobReader",
    "BlobSpec",
    "CacheScope",
    "Finding",
    "ForeignFile",
    "IsOurs",
    "ObjectStore",
    "OpenOptions",
    "Opener",
    "RetryingStore",
    "StorageClass",
    "Store",
    "StoreAdmin",
    "StoreSettings",
    "SupportsDiagnosis",
    "SupportsForeignFiles",
    "SupportsPermissions",
    "SupportsReclass",
    "SupportsSettings",
    "SupportsSignedUrls",
    "SupportsSoftDelete",
    "SupportsVersions",
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
    "register_store",
    "require_free",
    "spec_of",
]
