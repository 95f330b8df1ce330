"""Processed audio and its artwork, stored complete and verified.

In a Google Cloud Storage bucket, or in a local directory under the same guarantees::

    from audiostore import AudioStorageManager

    with AudioStorageManager("my-bucket") as manager:
        result = manager.upload_audio_with_thumbnail("song.mp3", "cover.jpg", cleanup=True)

Names are imported when first used, so that importing the package costs next to nothing.
"""

__version__ = "0.1.0"

from audiostore.lazy import lazy_names

TYPE_CHECKING = False  # as typing has it; importing typing would double the time to start
if TYPE_CHECKING:
    from audiostore.asset import (
        FilenameGenerator as FilenameGenerator,
    )
    from audiostore.asset import (
        FileOrganizer as FileOrganizer,
    )
    from audiostore.asset import (
        PartName as PartName,
    )
    from audiostore.asset import (
        Trash as Trash,
    )
    from audiostore.asset import (
        TrashedAsset as TrashedAsset,
    )
    from audiostore.audit import (
        Audit as Audit,
    )
    from audiostore.audit import (
        Checked as Checked,
    )
    from audiostore.audit import (
        DeleteObject as DeleteObject,
    )
    from audiostore.audit import (
        Problem as Problem,
    )
    from audiostore.audit import (
        RemoveForeignFile as RemoveForeignFile,
    )
    from audiostore.audit import (
        Repair as Repair,
    )
    from audiostore.audit import (
        Repaired as Repaired,
    )
    from audiostore.audit import (
        RestoreAsset as RestoreAsset,
    )
    from audiostore.audit import (
        UpdateObject as UpdateObject,
    )
    from audiostore.bulk import (
        Bulk as Bulk,
    )
    from audiostore.bulk import (
        BulkItem as BulkItem,
    )
    from audiostore.bulk import (
        CopyOutcome as CopyOutcome,
    )
    from audiostore.bulk import (
        DownloadOutcome as DownloadOutcome,
    )
    from audiostore.bulk import (
        FailedItem as FailedItem,
    )
    from audiostore.bulk import (
        IgnoredPath as IgnoredPath,
    )
    from audiostore.bulk import (
        Journal as Journal,
    )
    from audiostore.bulk import (
        Manifest as Manifest,
    )
    from audiostore.bulk import (
        ManifestProblem as ManifestProblem,
    )
    from audiostore.bulk import (
        RunInfo as RunInfo,
    )
    from audiostore.bulk import (
        UploadOutcome as UploadOutcome,
    )
    from audiostore.bulk import (
        check_manifest as check_manifest,
    )
    from audiostore.bulk import (
        find_items as find_items,
    )
    from audiostore.catalog import (
        Catalog as Catalog,
    )
    from audiostore.catalog import (
        Cost as Cost,
    )
    from audiostore.catalog import (
        ExportFormat as ExportFormat,
    )
    from audiostore.catalog import (
        Query as Query,
    )
    from audiostore.catalog import (
        Rates as Rates,
    )
    from audiostore.catalog import (
        SortKey as SortKey,
    )
    from audiostore.catalog import (
        Statistics as Statistics,
    )
    from audiostore.catalog import (
        Tally as Tally,
    )
    from audiostore.errors import (
        AssetConflictError as AssetConflictError,
    )
    from audiostore.errors import (
        AssetNotFoundError as AssetNotFoundError,
    )
    from audiostore.errors import (
        AudioStoreError as AudioStoreError,
    )
    from audiostore.errors import (
        BlobNotFoundError as BlobNotFoundError,
    )
    from audiostore.errors import (
        ConfigurationError as ConfigurationError,
    )
    from audiostore.errors import (
        CredentialsError as CredentialsError,
    )
    from audiostore.errors import (
        HeldError as HeldError,
    )
    from audiostore.errors import (
        IntegrityError as IntegrityError,
    )
    from audiostore.errors import (
        InvalidAudioIdError as InvalidAudioIdError,
    )
    from audiostore.errors import (
        InvalidImageError as InvalidImageError,
    )
    from audiostore.errors import (
        InvalidMetadataError as InvalidMetadataError,
    )
    from audiostore.errors import (
        InvalidSourceError as InvalidSourceError,
    )
    from audiostore.errors import (
        PreconditionFailedError as PreconditionFailedError,
    )
    from audiostore.errors import (
        ProcessDiedError as ProcessDiedError,
    )
    from audiostore.errors import (
        SourceChangedError as SourceChangedError,
    )
    from audiostore.errors import (
        SourceNotFoundError as SourceNotFoundError,
    )
    from audiostore.errors import (
        StoreConnectionError as StoreConnectionError,
    )
    from audiostore.errors import (
        StoreTimeoutError as StoreTimeoutError,
    )
    from audiostore.errors import (
        UnplayableAudioError as UnplayableAudioError,
    )
    from audiostore.errors import (
        UnsupportedByStoreError as UnsupportedByStoreError,
    )
    from audiostore.errors import (
        UnsupportedFormatError as UnsupportedFormatError,
    )
    from audiostore.events import (
        Attached as Attached,
    )
    from audiostore.events import (
        Begun as Begun,
    )
    from audiostore.events import (
        BulkBegun as BulkBegun,
    )
    from audiostore.events import (
        CleanedUp as CleanedUp,
    )
    from audiostore.events import (
        CleanupFailed as CleanupFailed,
    )
    from audiostore.events import (
        Deleted as Deleted,
    )
    from audiostore.events import (
        Downloaded as Downloaded,
    )
    from audiostore.events import (
        Event as Event,
    )
    from audiostore.events import (
        Progress as Progress,
    )
    from audiostore.events import (
        Retried as Retried,
    )
    from audiostore.events import (
        Stored as Stored,
    )
    from audiostore.ingest import (
        ArtworkChoice as ArtworkChoice,
    )
    from audiostore.ingest import (
        CheckLevel as CheckLevel,
    )
    from audiostore.ingest import (
        Cleanup as Cleanup,
    )
    from audiostore.ingest import (
        ThumbnailKeywords as ThumbnailKeywords,
    )
    from audiostore.ingest import (
        UploadKeywords as UploadKeywords,
    )
    from audiostore.ingest import (
        UploadOptions as UploadOptions,
    )
    from audiostore.lifecycle import (
        Action as Action,
    )
    from audiostore.lifecycle import (
        Effect as Effect,
    )
    from audiostore.lifecycle import (
        Lifecycle as Lifecycle,
    )
    from audiostore.lifecycle import (
        LifecycleRule as LifecycleRule,
    )
    from audiostore.lifecycle import (
        Plan as Plan,
    )
    from audiostore.lifecycle import (
        PlanStep as PlanStep,
    )
    from audiostore.lifecycle import (
        Policy as Policy,
    )
    from audiostore.manager import (
        AudioStorageManager as AudioStorageManager,
    )
    from audiostore.manager import (
        store_audio_file as store_audio_file,
    )
    from audiostore.retry import (
        AGGRESSIVE_CONFIG as AGGRESSIVE_CONFIG,
    )
    from audiostore.retry import (
        CONSERVATIVE_CONFIG as CONSERVATIVE_CONFIG,
    )
    from audiostore.retry import (
        PATIENT_CONFIG as PATIENT_CONFIG,
    )
    from audiostore.retry import (
        RetryConfig as RetryConfig,
    )
    from audiostore.retry import (
        retry_operation as retry_operation,
    )
    from audiostore.retry import (
        with_retry as with_retry,
    )
    from audiostore.sources import (
        BytesSource as BytesSource,
    )
    from audiostore.sources import (
        Source as Source,
    )
    from audiostore.sources import (
        SourceReader as SourceReader,
    )
    from audiostore.stores import (
        BlobReader as BlobReader,
    )
    from audiostore.stores import (
        BlobSpec as BlobSpec,
    )
    from audiostore.stores import (
        Finding as Finding,
    )
    from audiostore.stores import (
        ForeignFile as ForeignFile,
    )
    from audiostore.stores import (
        ObjectStore as ObjectStore,
    )
    from audiostore.stores import (
        Opener as Opener,
    )
    from audiostore.stores import (
        OpenOptions as OpenOptions,
    )
    from audiostore.stores import (
        StorageClass as StorageClass,
    )
    from audiostore.stores import (
        Store as Store,
    )
    from audiostore.stores import (
        StoreAdmin as StoreAdmin,
    )
    from audiostore.stores import (
        StoreSettings as StoreSettings,
    )
    from audiostore.stores import (
        SupportsDiagnosis as SupportsDiagnosis,
    )
    from audiostore.stores import (
        SupportsForeignFiles as SupportsForeignFiles,
    )
    from audiostore.stores import (
        SupportsPermissions as SupportsPermissions,
    )
    from audiostore.stores import (
        SupportsReclass as SupportsReclass,
    )
    from audiostore.stores import (
        SupportsSettings as SupportsSettings,
    )
    from audiostore.stores import (
        SupportsSignedUrls as SupportsSignedUrls,
    )
    from audiostore.stores import (
        SupportsSoftDelete as SupportsSoftDelete,
    )
    from audiostore.stores import (
        TransferListener as TransferListener,
    )
    from audiostore.stores import (
        Transferred as Transferred,
    )
    from audiostore.stores import (
        open_store as open_store,
    )
    from audiostore.stores import (
        register_store as register_store,
    )
    from audiostore.stores.gcs import (
        ConnectionOptions as ConnectionOptions,
    )
    from audiostore.stores.gcs import (
        GcsStore as GcsStore,
    )
    from audiostore.stores.local import (
        LocalStore as LocalStore,
    )
    from audiostore.stores.memory import (
        MemoryStore as MemoryStore,
    )
    from audiostore.values import (
        BlobInfo as BlobInfo,
    )
    from audiostore.values import (
        DeletedBlob as DeletedBlob,
    )
    from audiostore.values import (
        PathLike as PathLike,
    )
    from audiostore.values import (
        StorageResult as StorageResult,
    )
else:  # hidden from type checkers, so that a misspelt name is an error to them
    _HOMES = {
        "asset": (
            "FileOrganizer",
            "FilenameGenerator",
            "PartName",
            "Trash",
            "TrashedAsset",
        ),
        "audit": (
            "Audit",
            "Checked",
            "DeleteObject",
            "Problem",
            "RemoveForeignFile",
            "Repair",
            "Repaired",
            "RestoreAsset",
            "UpdateObject",
        ),
        "bulk": (
            "Bulk",
            "BulkItem",
            "CopyOutcome",
            "DownloadOutcome",
            "FailedItem",
            "IgnoredPath",
            "Journal",
            "Manifest",
            "ManifestProblem",
            "RunInfo",
            "UploadOutcome",
            "check_manifest",
            "find_items",
        ),
        "catalog": (
            "Catalog",
            "Cost",
            "ExportFormat",
            "Query",
            "Rates",
            "SortKey",
            "Statistics",
            "Tally",
        ),
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
        "ingest": (
            "ArtworkChoice",
            "CheckLevel",
            "Cleanup",
            "ThumbnailKeywords",
            "UploadKeywords",
            "UploadOptions",
        ),
        "lifecycle": (
            "Action",
            "Effect",
            "Lifecycle",
            "LifecycleRule",
            "Plan",
            "PlanStep",
            "Policy",
        ),
        "manager": (
            "AudioStorageManager",
            "store_audio_file",
        ),
        "retry": (
            "AGGRESSIVE_CONFIG",
            "CONSERVATIVE_CONFIG",
            "PATIENT_CONFIG",
            "RetryConfig",
            "retry_operation",
            "with_retry",
        ),
        "sources": (
            "BytesSource",
            "Source",
            "SourceReader",
        ),
        "stores": (
            "BlobReader",
            "BlobSpec",
            "Finding",
            "ForeignFile",
            "ObjectStore",
            "OpenOptions",
            "Opener",
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
            "TransferListener",
            "Transferred",
            "open_store",
            "register_store",
        ),
        "stores.gcs": (
            "ConnectionOptions",
            "GcsStore",
        ),
        "stores.local": ("LocalStore",),
        "stores.memory": ("MemoryStore",),
        "values": (
            "BlobInfo",
            "DeletedBlob",
            "PathLike",
            "StorageResult",
        ),
    }
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
    __all__ = [*__dir__(), "__version__"]  # noqa: PLE0604  (names are texts)
