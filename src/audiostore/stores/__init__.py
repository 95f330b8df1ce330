"""The stores: a Google Cloud Storage bucket, a local directory, memory."""

from audiostore.stores.capabilities import (
    ConcurrentWrites,
    Finding,
    ForeignFile,
    Store,
    StoreAdmin,
    StoreFacts,
    StoreSettings,
    SupportsConcurrentWrites,
    SupportsDiagnosis,
    SupportsFacts,
    SupportsForeignFiles,
    SupportsNames,
    SupportsPermissions,
    SupportsReclass,
    SupportsServerCopy,
    SupportsSettings,
    SupportsSignedUrls,
    SupportsSoftDelete,
    SupportsUploadSessions,
    SupportsVersions,
    complete,
)
from audiostore.stores.headers import (
    CacheScope,
    cache_control,
    check_cache_scope,
    content_disposition,
    served_as,
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
from audiostore.stores.registry import (
    Opener,
    OpenOptions,
    open_bucket_client,
    open_store,
    open_web_client,
    register_store,
)
from audiostore.stores.retrying import RetryingStore
from audiostore.stores.stored import StoredSource, service_of
from audiostore.stores.transfer import (
    IsOurs,
    Written,
    fetch_checked,
    get_checked,
    has_bytes,
    has_content,
    md5_of,
    put_checked,
    require_checksum,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.stores.gcs.client import Client as Client
    from audiostore.stores.gcs.messages import Response as Response
    from audiostore.stores.web import WebClient as WebClient

__all__ = [
    "BlobReader",
    "BlobSpec",
    "CacheScope",
    "ConcurrentWrites",
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
    "StoreFacts",
    "StoreSettings",
    "StoredSource",
    "SupportsConcurrentWrites",
    "SupportsDiagnosis",
    "SupportsFacts",
    "SupportsForeignFiles",
    "SupportsNames",
    "SupportsPermissions",
    "SupportsReclass",
    "SupportsServerCopy",
    "SupportsSettings",
    "SupportsSignedUrls",
    "SupportsSoftDelete",
    "SupportsUploadSessions",
    "SupportsVersions",
    "TransferListener",
    "Transferred",
    "Written",
    "cache_control",
    "check_cache_scope",
    "complete",
    "content_disposition",
    "fetch_checked",
    "get_checked",
    "has_bytes",
    "has_content",
    "md5_of",
    "open_bucket_client",
    "open_store",
    "open_web_client",
    "put_checked",
    "register_store",
    "require_checksum",
    "require_free",
    "served_as",
    "service_of",
    "spec_of",
]
