"""Processed audio and its artwork, stored complete and verified.

In a Google Cloud Storage bucket, or in a local directory under the same guarantees::

    from audiostore import AudioStorageManager

    with AudioStorageManager("my-bucket") as manager:
        result = manager.upload_audio_with_thumbnail("song.mp3", "cover.jpg")

Names are imported when first used, so that importing the package costs next to nothing.
"""

__version__ = "0.1.0"

from audiostore.lazy import lazy_names

TYPE_CHECKING = False  # as typing has it; importing typing would double the time to start
if TYPE_CHECKING:
    from audiostore.adopt import (
        AdoptCost as AdoptCost,
        Adoption as Adoption,
        Refusal as Refusal,
        RefusalListener as RefusalListener,
        RefusalReason as RefusalReason,
    )
    from audiostore.aio import (
        AsyncAudioInput as AsyncAudioInput,
        AsyncAudioStorageManager as AsyncAudioStorageManager,
        AsyncAudit as AsyncAudit,
        AsyncBulk as AsyncBulk,
        AsyncCatalog as AsyncCatalog,
        AsyncLifecycle as AsyncLifecycle,
        AsyncReadableStream as AsyncReadableStream,
        AsyncTrash as AsyncTrash,
    )
    from audiostore.analysis import Loudness as Loudness, Waveform as Waveform
    from audiostore.asset import (
        Asset as Asset,
        AudioId as AudioId,
        FilenameGenerator as FilenameGenerator,
        FileOrganizer as FileOrganizer,
        PartName as PartName,
        Shard as Shard,
        Trash as Trash,
        TrashedAsset as TrashedAsset,
    )
    from audiostore.audit import (
        Audit as Audit,
        Checked as Checked,
        CheckRecord as CheckRecord,
        DeleteObject as DeleteObject,
        InventoryReport as InventoryReport,
        Problem as Problem,
        RemoveForeignFile as RemoveForeignFile,
        Repair as Repair,
        Repaired as Repaired,
        RestoreAsset as RestoreAsset,
        UpdateObject as UpdateObject,
    )
    from audiostore.bulk import (
        ActionOutcome as ActionOutcome,
        Bulk as Bulk,
        BulkItem as BulkItem,
        CopyOutcome as CopyOutcome,
        CoverNames as CoverNames,
        DownloadOutcome as DownloadOutcome,
        FailedItem as FailedItem,
        FileNaming as FileNaming,
        IgnoredPath as IgnoredPath,
        IgnoredPathListener as IgnoredPathListener,
        Journal as Journal,
        Manifest as Manifest,
        ManifestProblem as ManifestProblem,
        ManifestProblemListener as ManifestProblemListener,
        NameTemplate as NameTemplate,
        PathPatterns as PathPatterns,
        RunInfo as RunInfo,
        SearchOptions as SearchOptions,
        UploadOutcome as UploadOutcome,
        UploadReason as UploadReason,
        UploadStatus as UploadStatus,
        check_manifest as check_manifest,
        find_items as find_items,
        find_listed_items as find_listed_items,
        name_by_source_path as name_by_source_path,
    )
    from audiostore.catalog import (
        Catalog as Catalog,
        Cost as Cost,
        DuplicateAssets as DuplicateAssets,
        ExportedShard as ExportedShard,
        ExportFormat as ExportFormat,
        ProgressListener as ProgressListener,
        Query as Query,
        Rates as Rates,
        ShardKeywords as ShardKeywords,
        SortKey as SortKey,
        Statistics as Statistics,
        Tally as Tally,
    )
    from audiostore.errors import (
        AmbiguousAudioIdError as AmbiguousAudioIdError,
        AssetConflictError as AssetConflictError,
        AssetNotFoundError as AssetNotFoundError,
        AudioStoreError as AudioStoreError,
        BlobNotFoundError as BlobNotFoundError,
        ConfigurationError as ConfigurationError,
        CredentialsError as CredentialsError,
        ExportConflictError as ExportConflictError,
        HeldError as HeldError,
        InspectionLimitError as InspectionLimitError,
        IntegrityError as IntegrityError,
        InvalidAudioIdError as InvalidAudioIdError,
        InvalidImageError as InvalidImageError,
        InvalidMetadataError as InvalidMetadataError,
        InvalidRequestError as InvalidRequestError,
        InvalidRunError as InvalidRunError,
        InvalidSourceError as InvalidSourceError,
        PreconditionFailedError as PreconditionFailedError,
        ProcessDiedError as ProcessDiedError,
        RunConflictError as RunConflictError,
        RunNotFoundError as RunNotFoundError,
        SourceChangedError as SourceChangedError,
        SourceNotFoundError as SourceNotFoundError,
        StoreConnectionError as StoreConnectionError,
        StoreLockedError as StoreLockedError,
        StoreTimeoutError as StoreTimeoutError,
        StoreTlsError as StoreTlsError,
        UnplayableAudioError as UnplayableAudioError,
        UnreadableBlobError as UnreadableBlobError,
        UnsupportedByStoreError as UnsupportedByStoreError,
        UnsupportedFormatError as UnsupportedFormatError,
    )
    from audiostore.events import (
        Attached as Attached,
        Begun as Begun,
        BulkBegun as BulkBegun,
        CleanedUp as CleanedUp,
        CleanupFailed as CleanupFailed,
        Deleted as Deleted,
        Downloaded as Downloaded,
        Event as Event,
        EventListener as EventListener,
        Progress as Progress,
        Retried as Retried,
        RetriesEnded as RetriesEnded,
        Stored as Stored,
    )
    from audiostore.fleet import (
        CleanOutcome as CleanOutcome,
        CleanStatus as CleanStatus,
        FleetAnalysis as FleetAnalysis,
        FleetChunk as FleetChunk,
        FleetPlan as FleetPlan,
        FleetResult as FleetResult,
        FleetStatus as FleetStatus,
    )
    from audiostore.ingest import (
        AnalyseChoice as AnalyseChoice,
        ArtworkChoice as ArtworkChoice,
        AudioInput as AudioInput,
        CheckLevel as CheckLevel,
        Cleanup as Cleanup,
        PreviewChoice as PreviewChoice,
        ReadableStream as ReadableStream,
        ThumbnailKeywords as ThumbnailKeywords,
        UploadKeywords as UploadKeywords,
        UploadOptions as UploadOptions,
    )
    from audiostore.lifecycle import (
        Action as Action,
        Effect as Effect,
        Lifecycle as Lifecycle,
        LifecycleRule as LifecycleRule,
        Plan as Plan,
        PlanStep as PlanStep,
        Policy as Policy,
        RuleResource as RuleResource,
    )
    from audiostore.manager import (
        AudioStorageManager as AudioStorageManager,
        store_audio_file as store_audio_file,
    )
    from audiostore.remotefiles import RemoteFile as RemoteFile
    from audiostore.retry import (
        AGGRESSIVE_CONFIG as AGGRESSIVE_CONFIG,
        CONSERVATIVE_CONFIG as CONSERVATIVE_CONFIG,
        DEADLINE_CONFIG as DEADLINE_CONFIG,
        PATIENT_CONFIG as PATIENT_CONFIG,
        Budget as Budget,
        Retry as Retry,
        RetryConfig as RetryConfig,
        retry_operation as retry_operation,
        with_retry as with_retry,
    )
    from audiostore.sources import (
        BytesSource as BytesSource,
        Source as Source,
        SourceReader as SourceReader,
    )
    from audiostore.stores import (
        BlobReader as BlobReader,
        BlobSpec as BlobSpec,
        CacheScope as CacheScope,
        ConcurrentWrites as ConcurrentWrites,
        Finding as Finding,
        ForeignFile as ForeignFile,
        ObjectStore as ObjectStore,
        Opener as Opener,
        OpenOptions as OpenOptions,
        StorageClass as StorageClass,
        Store as Store,
        StoreAdmin as StoreAdmin,
        StoredSource as StoredSource,
        StoreFacts as StoreFacts,
        StoreSettings as StoreSettings,
        SupportsConcurrentWrites as SupportsConcurrentWrites,
        SupportsDiagnosis as SupportsDiagnosis,
        SupportsFacts as SupportsFacts,
        SupportsForeignFiles as SupportsForeignFiles,
        SupportsNames as SupportsNames,
        SupportsPermissions as SupportsPermissions,
        SupportsReclass as SupportsReclass,
        SupportsServerCopy as SupportsServerCopy,
        SupportsSettings as SupportsSettings,
        SupportsSignedUrls as SupportsSignedUrls,
        SupportsSoftDelete as SupportsSoftDelete,
        SupportsUploadSessions as SupportsUploadSessions,
        SupportsVersions as SupportsVersions,
        TransferListener as TransferListener,
        Transferred as Transferred,
        open_store as open_store,
        register_store as register_store,
    )
    from audiostore.stores.gcs import (
        ConnectionOptions as ConnectionOptions,
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
        DeletedBlob as DeletedBlob,
        PathLike as PathLike,
        StorageResult as StorageResult,
    )
else:  # hidden from type checkers, so that a misspelt name is an error to them
    _HOMES = {
        "adopt": "AdoptCost Adoption Refusal RefusalListener RefusalReason",
        "aio": (
            "AsyncAudioInput AsyncAudioStorageManager AsyncAudit AsyncBulk AsyncCatalog "
            "AsyncLifecycle AsyncReadableStream AsyncTrash"
        ),
        "analysis": "Loudness Waveform",
        "asset": "Asset AudioId FileOrganizer FilenameGenerator PartName Shard Trash TrashedAsset",
        "audit": (
            "Audit Checked CheckRecord DeleteObject InventoryReport Problem RemoveForeignFile "
            "Repair Repaired RestoreAsset UpdateObject"
        ),
        "bulk": (
            "ActionOutcome Bulk BulkItem CopyOutcome CoverNames DownloadOutcome FailedItem "
            "FileNaming IgnoredPath IgnoredPathListener Journal Manifest ManifestProblem "
            "ManifestProblemListener NameTemplate PathPatterns RunInfo SearchOptions UploadOutcome "
            "UploadReason UploadStatus check_manifest find_items find_listed_items "
            "name_by_source_path"
        ),
        "catalog": (
            "Catalog Cost DuplicateAssets ExportedShard ExportFormat ProgressListener Query Rates "
            "ShardKeywords SortKey Statistics Tally"
        ),
        "errors": (
            "AmbiguousAudioIdError AssetConflictError AssetNotFoundError AudioStoreError "
            "BlobNotFoundError ConfigurationError CredentialsError ExportConflictError HeldError "
            "InspectionLimitError IntegrityError InvalidAudioIdError InvalidImageError "
            "InvalidMetadataError InvalidRequestError InvalidRunError InvalidSourceError "
            "PreconditionFailedError ProcessDiedError RunConflictError RunNotFoundError "
            "SourceChangedError SourceNotFoundError StoreConnectionError StoreLockedError "
            "StoreTimeoutError StoreTlsError UnplayableAudioError UnreadableBlobError "
            "UnsupportedByStoreError UnsupportedFormatError"
        ),
        "events": (
            "Attached Begun BulkBegun CleanedUp CleanupFailed Deleted Downloaded Event "
            "EventListener Progress RetriesEnded Retried Stored"
        ),
        "fleet": (
            "CleanOutcome CleanStatus FleetAnalysis FleetChunk FleetPlan FleetResult FleetStatus"
        ),
        "ingest": (
            "AnalyseChoice ArtworkChoice AudioInput CheckLevel Cleanup PreviewChoice "
            "ReadableStream ThumbnailKeywords UploadKeywords UploadOptions"
        ),
        "lifecycle": "Action Effect Lifecycle LifecycleRule Plan PlanStep Policy RuleResource",
        "manager": "AudioStorageManager store_audio_file",
        "remotefiles": "RemoteFile",
        "retry": (
            "AGGRESSIVE_CONFIG CONSERVATIVE_CONFIG DEADLINE_CONFIG PATIENT_CONFIG Budget Retry "
            "RetryConfig retry_operation with_retry"
        ),
        "sources": "BytesSource Source SourceReader",
        "stores": (
            "BlobReader BlobSpec CacheScope ConcurrentWrites Finding ForeignFile ObjectStore "
            "OpenOptions Opener StorageClass Store StoreAdmin StoreFacts StoreSettings "
            "StoredSource SupportsConcurrentWrites SupportsDiagnosis SupportsFacts "
            "SupportsForeignFiles SupportsNames SupportsPermissions SupportsReclass "
            "SupportsServerCopy SupportsSettings SupportsSignedUrls SupportsSoftDelete "
            "SupportsUploadSessions SupportsVersions TransferListener Transferred open_store "
            "register_store"
        ),
        "stores.gcs": "ConnectionOptions GcsStore",
        "stores.local": "LocalStore",
        "stores.memory": "MemoryStore",
        "values": "BlobInfo DeletedBlob PathLike StorageResult",
    }
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
    __all__ = [*__dir__(), "__version__"]  # noqa: PLE0604  (names are texts)
