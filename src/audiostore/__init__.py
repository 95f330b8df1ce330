"""Processed audio and its artwork, stored complete and verified.

In a Google Cloud Storage bucket, or in a local directory under the same guarantees::

    from audiostore import AudioStorageManager

    with AudioStorageManager("my-bucket") as manager:
        result = manager.upload_audio_with_thumbnail("song.mp3", "cover.jpg", cleanup=True)

Names are imported when first used, so that importing the package costs next to nothing.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # as typing has it; importing typing would double the time to start
if TYPE_CHECKING:
    from audiostore.asset.layout import (
        FilenameGenerator,
        FileOrganizer,
    )
    from audiostore.asset.trash import (
        Trash,
        TrashedAsset,
    )
    from audiostore.bulk.copies import (
        Copied,
        copy_many,
    )
    from audiostore.bulk.downloads import (
        download_many,
    )
    from audiostore.bulk.items import (
        BulkItem,
        Fetched,
        Outcome,
    )
    from audiostore.bulk.journal.journal import (
        Journal,
    )
    from audiostore.bulk.uploads import (
        upload_many,
    )
    from audiostore.catalog.finding import (
        Catalog,
    )
    from audiostore.catalog.query import (
        Query,
    )
    from audiostore.errors import (
        AssetConflictError,
        AssetNotFoundError,
        AudioStoreError,
        BlobNotFoundError,
        ConfigurationError,
        CredentialsError,
        HeldError,
        IntegrityError,
        InvalidAudioIdError,
        InvalidImageError,
        InvalidMetadataError,
        InvalidSourceError,
        PreconditionFailedError,
        ProcessDiedError,
        SourceChangedError,
        SourceNotFoundError,
        StoreConnectionError,
        StoreTimeoutError,
        UnplayableAudioError,
        UnsupportedByStoreError,
        UnsupportedFormatError,
    )
    from audiostore.events import (
        Attached,
        Begun,
        BulkBegun,
        CleanedUp,
        CleanupFailed,
        Deleted,
        Downloaded,
        Event,
        Progress,
        Retried,
        Stored,
    )
    from audiostore.manager import (
        AudioStorageManager,
        store_audio_file,
    )
    from audiostore.retry import (
        AGGRESSIVE_CONFIG,
        CONSERVATIVE_CONFIG,
        PATIENT_CONFIG,
        RetryConfig,
        retry_operation,
        with_retry,
    )
    from audiostore.stores.local import (
        LocalStore,
    )
    from audiostore.stores.memory import (
        MemoryStore,
    )
    from audiostore.stores.protocol import (
        ObjectStore,
        Store,
        StoreSettings,
    )
    from audiostore.values import (
        BlobInfo,
        DeletedBlob,
        StorageResult,
    )

_HOMES = {
    "errors": (
        "AssetConflictError",
        "AssetNotFoundError",
        "AudioStoreError",
        "BlobNotFoundError",
        "ConfigurationError",
        "CredentialsError",
        "HeldError",
        "IntegrityError",
        "InvalidAudioIdError",
        "InvalidImageError",
        "InvalidMetadataError",
        "InvalidSourceError",
        "PreconditionFailedError",
        "ProcessDiedError",
        "SourceChangedError",
        "SourceNotFoundError",
        "StoreConnectionError",
        "StoreTimeoutError",
        "UnplayableAudioError",
        "UnsupportedByStoreError",
        "UnsupportedFormatError",
    ),
    "events": (
        "Attached",
        "Begun",
        "BulkBegun",
        "CleanedUp",
        "CleanupFailed",
        "Deleted",
        "Downloaded",
        "Event",
        "Progress",
        "Retried",
        "Stored",
    ),
    "manager": ("AudioStorageManager", "store_audio_file"),
    "values": ("BlobInfo", "DeletedBlob", "StorageResult"),
    "asset.layout": ("FileOrganizer", "FilenameGenerator"),
    "retry": (
        "AGGRESSIVE_CONFIG",
        "CONSERVATIVE_CONFIG",
        "PATIENT_CONFIG",
        "RetryConfig",
        "retry_operation",
        "with_retry",
    ),
    "stores.protocol": ("ObjectStore", "Store", "StoreSettings"),
    "stores.local": ("LocalStore",),
    "stores.memory": ("MemoryStore",),
    "asset.trash": ("Trash", "TrashedAsset"),
    "catalog.finding": ("Catalog",),
    "catalog.query": ("Query",),
    "bulk.items": ("BulkItem", "Fetched", "Outcome"),
    "bulk.journal.journal": ("Journal",),
    "bulk.uploads": ("upload_many",),
    "bulk.downloads": ("download_many",),
    "bulk.copies": ("Copied", "copy_many"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AGGRESSIVE_CONFIG",
    "CONSERVATIVE_CONFIG",
    "PATIENT_CONFIG",
    "AssetConflictError",
    "AssetNotFoundError",
    "Attached",
    "AudioStorageManager",
    "AudioStoreError",
    "Begun",
    "BlobInfo",
    "BlobNotFoundError",
    "BulkBegun",
    "BulkItem",
    "Catalog",
    "CleanedUp",
    "CleanupFailed",
    "ConfigurationError",
    "Copied",
    "CredentialsError",
    "Deleted",
    "DeletedBlob",
    "Downloaded",
    "Event",
    "Fetched",
    "FileOrganizer",
    "FilenameGenerator",
    "HeldError",
    "IntegrityError",
    "InvalidAudioIdError",
    "InvalidImageError",
    "InvalidMetadataError",
    "InvalidSourceError",
    "Journal",
    "LocalStore",
    "MemoryStore",
    "ObjectStore",
    "Outcome",
    "PreconditionFailedError",
    "ProcessDiedError",
    "Progress",
    "Query",
    "Retried",
    "RetryConfig",
    "SourceChangedError",
    "SourceNotFoundError",
    "StorageResult",
    "Store",
    "StoreConnectionError",
    "StoreSettings",
    "StoreTimeoutError",
    "Stored",
    "Trash",
    "TrashedAsset",
    "UnplayableAudioError",
    "UnsupportedByStoreError",
    "UnsupportedFormatError",
    "__version__",
    "copy_many",
    "download_many",
    "retry_operation",
    "store_audio_file",
    "upload_many",
    "with_retry",
]


def __getattr__(name: str) -> object:
    try:
        module = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'audiostore' has no attribute {name!r}") from None
    from importlib import import_module  # noqa: PLC0415  (not needed to start)

    value = getattr(import_module(f"audiostore.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
