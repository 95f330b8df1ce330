"""Many assets at once: uploads, downloads and copies, the journal, folders and manifests."""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.bulk.actions import (
        ActionOutcome as ActionOutcome,
        apply_to_each as apply_to_each,
    )
    from audiostore.bulk.bad_covers import CoverCheck as CoverCheck
    from audiostore.bulk.bulk import Bulk as Bulk
    from audiostore.bulk.copies import size_of as size_of
    from audiostore.bulk.executors import RunOptions as RunOptions
    from audiostore.bulk.items import (
        BulkItem as BulkItem,
        CopyOutcome as CopyOutcome,
        DownloadOutcome as DownloadOutcome,
        UploadOutcome as UploadOutcome,
        UploadReason as UploadReason,
        UploadStatus as UploadStatus,
    )
    from audiostore.bulk.journal import (
        FailedItem as FailedItem,
        Journal as Journal,
        RunInfo as RunInfo,
        has_runs as has_runs,
    )
    from audiostore.bulk.naming import (
        CoverNames as CoverNames,
        FileNaming as FileNaming,
        cover_name as cover_name,
        name_by_id as name_by_id,
        name_by_source_path as name_by_source_path,
        original_name as original_name,
    )
    from audiostore.bulk.planning import Planned as Planned, plan_items as plan_items
    from audiostore.bulk.remote import RemoteFiles as RemoteFiles
    from audiostore.bulk.single import upload_one as upload_one
    from audiostore.bulk.sources import (
        IgnoredPath as IgnoredPath,
        IgnoredPathListener as IgnoredPathListener,
        Manifest as Manifest,
        ManifestProblem as ManifestProblem,
        ManifestProblemListener as ManifestProblemListener,
        PathPatterns as PathPatterns,
        SearchOptions as SearchOptions,
        check_manifest as check_manifest,
        find_items as find_items,
        find_listed_items as find_listed_items,
        is_disc as is_disc,
        read_names as read_names,
    )
    from audiostore.bulk.templates import NameTemplate as NameTemplate
    from audiostore.bulk.uploads import upload_items as upload_items
    from audiostore.bulk.watching import Watcher as Watcher
else:  # imported when first used: a journal or a download does not need the inspection of files
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "actions": "ActionOutcome apply_to_each",
            "bad_covers": "CoverCheck",
            "bulk": "Bulk",
            "copies": "size_of",
            "executors": "RunOptions",
            "items": "BulkItem CopyOutcome DownloadOutcome UploadOutcome UploadReason UploadStatus",
            "journal": "FailedItem Journal RunInfo has_runs",
            "naming": (
                "CoverNames FileNaming cover_name name_by_id name_by_source_path original_name"
            ),
            "planning": "Planned plan_items",
            "remote": "RemoteFiles",
            "single": "upload_one",
            "sources": (
                "IgnoredPath IgnoredPathListener Manifest ManifestProblem ManifestProblemListener "
                "PathPatterns SearchOptions check_manifest find_items find_listed_items is_disc "
                "read_names"
            ),
            "templates": "NameTemplate",
            "uploads": "upload_items",
            "watching": "Watcher",
        },
    )
